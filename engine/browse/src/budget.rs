//! How much a look may cost.
//!
//! It is looked at between rounds of reading, never inside one, and never before the first: so each page comes further than the
//! one before it. What a round itself may take is bounded by memory (`memory.rs`).

use crate::{memory::Memory, stretch::Looked};
use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

/// How much a look may cost.
#[derive(Clone)]
pub struct Budget {
    pub time: Duration,
    pub records: u64,
    pub bytes: u64,
    /// What it may hold at once.
    pub memory: Memory,
    /// Takes so many bytes from what the client has left; false when nothing is left.
    pub client: Arc<dyn Fn(u64) -> bool + Send + Sync>,
}

impl std::fmt::Debug for Budget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { time, records, bytes, memory, client: _ } = self;
        f.debug_struct("Budget")
            .field("time", time)
            .field("records", records)
            .field("bytes", bytes)
            .field("memory", memory)
            .finish_non_exhaustive()
    }
}

/// Which part of a budget was spent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Spent {
    Time,
    Records,
    Bytes,
    Memory,
    Client,
}

/// What was read from the brokers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct LookedAt {
    pub records: u64,
    pub bytes: u64,
}

impl Budget {
    /// Bounded by time, and by the memory that one look has.
    #[must_use]
    pub fn of_time(time: Duration) -> Self {
        Self { time, records: u64::MAX, bytes: u64::MAX, memory: Memory::default(), client: Arc::new(|_| true) }
    }

    pub(crate) fn spent(&self, deadline: Instant, looked: &Looked) -> Option<Spent> {
        match () {
            () if Instant::now() >= deadline => Some(Spent::Time),
            () if looked.records.load(Ordering::Relaxed) >= self.records => Some(Spent::Records),
            () if looked.bytes.load(Ordering::Relaxed) >= self.bytes => Some(Spent::Bytes),
            () => None,
        }
    }
}

impl From<&Looked> for LookedAt {
    fn from(looked: &Looked) -> Self {
        Self { records: looked.records.load(Ordering::Relaxed), bytes: looked.bytes.load(Ordering::Relaxed) }
    }
}
