//! What a service reads and writes: the edges of the picture. A test holds the README's table against these.

/// The edges of one service. Topics and read models are named as they are everywhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flow {
    pub service: &'static str,
    /// Topics, or read models (`api`).
    pub reads: &'static [&'static str],
    /// Topics, or read models (projections).
    pub writes: &'static [&'static str],
    /// Whether what it writes about a record lies in the partition of the same number: same key, as many partitions.
    pub keeps_keys: bool,
}
