//! A record that was kept.

use crate::batches::Transaction;
use foldstream_log::FetchedRecord;

/// A record, and what became of its transaction if that is no matter of course.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub fetched: FetchedRecord,
    pub transaction: Option<Transaction>,
}

impl Record {
    /// About how much memory it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let headers =
            self.fetched.headers.iter().map(|(name, value)| 48 + name.len() + value.as_ref().map_or(0, Vec::len));
        let (key, value) = (self.fetched.key.as_ref(), self.fetched.value.as_ref());
        200 + key.map_or(0, Vec::len) + value.map_or(0, Vec::len) + headers.sum::<usize>()
    }
}
