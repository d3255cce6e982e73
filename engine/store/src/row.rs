//! A row, the record it came from, and what became of it since.

/// Where the record lies that a row came from; the topic is the one the row's table is folded from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub struct Source {
    #[sqlx(rename = "source_partition")]
    pub partition: i32,
    #[sqlx(rename = "source_offset")]
    pub offset: i64,
}

/// A row with the record it came from.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct Sourced<T> {
    #[sqlx(flatten)]
    pub row: T,
    #[sqlx(flatten)]
    pub source: Source,
}

/// A row that a record made or changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowOf {
    pub table: &'static str,
    pub key: String,
    pub fate: Fate,
}

/// What became of a row since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is as this record made it; of a sum: the record is counted in it.
    Current,
    /// Another record counts in its place.
    Superseded {
        by: Source,
    },
    Erased,
    /// The record made no row; why.
    Unused {
        reason: &'static str,
    },
}
