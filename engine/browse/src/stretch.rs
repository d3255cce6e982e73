//! Stretches of partitions, and what was found in them.

use crate::{
    batches::RecordView,
    order::Order,
    record::Record,
    uncompared::{Reason, Verdict},
};
use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// A stretch of a partition: from `start` up to, not including, `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub(crate) partition: i32,
    pub(crate) start: i64,
    pub(crate) end: i64,
    /// From here on, transactions are undecided.
    pub(crate) stable_end: i64,
}

/// Between which times records lie, milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Times {
    pub(crate) oldest: i64,
    pub(crate) newest: i64,
}

impl Times {
    pub(crate) fn at(time_ms: i64) -> Self {
        Self { oldest: time_ms, newest: time_ms }
    }

    /// Those of two sets of records together.
    pub(crate) fn and(self, other: Self) -> Self {
        Self { oldest: self.oldest.min(other.oldest), newest: self.newest.max(other.newest) }
    }
}

/// Offsets that a reader was not shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Gap {
    pub partition: i32,
    pub from: i64,
    pub to: i64,
}

/// Offsets, from `from` up to, not including, `to`, of which nobody can tell whether what they hold is wanted: those of a
/// record, or of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Untold {
    pub(crate) from: i64,
    pub(crate) to: i64,
    pub(crate) timestamp_ms: i64,
    pub(crate) reason: Reason,
}

impl Untold {
    /// What of it lies in that range.
    pub(crate) fn within(self, range: &Range<i64>) -> Option<Self> {
        let (from, to) = (self.from.max(range.start), self.to.min(range.end));
        (from < to).then_some(Self { from, to, ..self })
    }

    pub(crate) fn count(&self) -> u64 {
        self.to.abs_diff(self.from)
    }
}

/// What was kept of a stretch, in the order of offsets.
#[derive(Debug)]
pub(crate) struct Read {
    /// Shorter than what was asked for where there was no room for all of it.
    pub(crate) stretch: Stretch,
    /// Of whatever was looked at, kept or not.
    pub(crate) times: Option<Times>,
    pub(crate) records: Vec<Record>,
    pub(crate) untold: Vec<Untold>,
    /// What was removed before it could be read.
    pub(crate) removed: Vec<Gap>,
}

impl Read {
    /// What a reader who wants everything was not shown.
    pub(crate) fn gaps(&self) -> impl Iterator<Item = Gap> {
        let partition = self.stretch.partition;
        let untold = self.untold.iter().map(move |untold| Gap { partition, from: untold.from, to: untold.to });
        self.removed.iter().copied().chain(untold)
    }
}

/// The same, for several to hold.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) stretch: Stretch,
    pub(crate) times: Option<Times>,
    pub(crate) records: Vec<Arc<Record>>,
    pub(crate) untold: Vec<Untold>,
}

impl From<Read> for Shared {
    fn from(read: Read) -> Self {
        let records = read.records.into_iter().map(Arc::new).collect();
        Self { stretch: read.stretch, times: read.times, records, untold: read.untold }
    }
}

/// What was looked at.
#[derive(Debug, Default)]
pub(crate) struct Looked {
    pub(crate) records: AtomicU64,
    /// As they came from the brokers.
    pub(crate) bytes: AtomicU64,
    /// As they are kept in memory, of those that were.
    pub(crate) kept: AtomicU64,
}

impl Looked {
    /// How many bytes the next record will take, as far as one can tell.
    pub(crate) fn bytes_each(&self) -> u64 {
        self.each(&self.bytes).unwrap_or(512).max(1)
    }

    /// How many of them will be kept.
    pub(crate) fn kept_each(&self) -> u64 {
        self.each(&self.kept).unwrap_or(512).max(1)
    }

    /// What was read and kept so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed).saturating_add(self.kept.load(Ordering::Relaxed))
    }

    fn each(&self, bytes: &AtomicU64) -> Option<u64> {
        bytes.load(Ordering::Relaxed).checked_div(self.records.load(Ordering::Relaxed))
    }
}

/// Which records are kept; asked on a thread that may block.
pub(crate) type Keep = Arc<dyn Fn(&RecordView<'_>) -> Verdict + Send + Sync>;

/// How much is taken along of each stretch, and where what is too much is left out: behind what was read, or, read newest
/// first, before it. One record always has room.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    pub(crate) order: Order,
    pub(crate) bytes: u64,
}

impl Room {
    /// For whoever keeps nothing.
    pub(crate) const ENOUGH: Self = Self { order: Order::Oldest, bytes: u64::MAX };

    /// What one answer may bring of a stretch: more than is kept of it where not all is wanted.
    pub(crate) fn at_once(&self) -> u64 {
        self.bytes.saturating_mul(2)
    }

    /// What a stretch may have the brokers send before it is asked for less: most of it may not be wanted.
    pub(crate) fn answered(&self) -> u64 {
        self.bytes.saturating_mul(8)
    }
}

/// What is done with what is read.
#[derive(Clone)]
pub(crate) struct Intake {
    pub(crate) keep: Keep,
    pub(crate) looked: Arc<Looked>,
    pub(crate) room: Room,
}
