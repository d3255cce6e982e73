//! What readers of committed records are not shown yet, though it was appended.

/// Offsets of a partition that wait for the end of a transaction, theirs or one before them: from `from` up to, not
/// including, `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Undecided {
    pub partition: i32,
    pub from: i64,
    pub to: i64,
}
