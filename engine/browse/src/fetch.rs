//! Reading stretches of partitions, several at once: one fetch to each leader at a time, all leaders side by side.
//!
//! Offsets have gaps (markers, compaction), so a stretch is read when a batch reaches its end. Records are looked at
//! in the buffer they came in, on threads that may block; only those that are kept are copied.

use crate::{
    batches::{BatchError, Batches, RecordView, Transaction},
    brokers::{Brokers, BrowseError, Layout, PATIENCE},
    offsets::Isolation,
    settled::refusal,
    uncompared::{Reason, Verdict},
};
use foldstream_log::FetchedRecord;
use futures::future::try_join_all;
use kafka_protocol::{
    ResponseError,
    messages::{
        FetchRequest,
        fetch_request::{FetchPartition, FetchTopic},
        fetch_response::PartitionData,
    },
};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use tokio::task::spawn_blocking;

/// The most one answer of a broker may hold. A single batch may be longer and still comes whole.
const ANSWER_BYTES: i32 = 16 * 1024 * 1024;
const LEAST_PARTITION_BYTES: u64 = 16 * 1024;
const MOST_PARTITION_BYTES: u64 = 4 * 1024 * 1024;
/// Answers in a row that bring nothing of what must be there.
const FRUITLESS: u32 = 5;

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

/// A record of which nobody can tell whether it is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Untold {
    pub(crate) offset: i64,
    pub(crate) timestamp_ms: i64,
    pub(crate) reason: Reason,
}

/// What was kept of a stretch, in the order of offsets.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) stretch: Stretch,
    /// Of whatever was looked at, kept or not.
    pub(crate) times: Option<Times>,
    /// What was removed before it could be read, or cannot be read.
    pub(crate) missed: Vec<Gap>,
    pub(crate) records: Vec<Record>,
    pub(crate) untold: Vec<Untold>,
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
    pub(crate) bytes: AtomicU64,
}

impl Looked {
    /// How many bytes the next record will take, as far as one can tell.
    pub(crate) fn bytes_each(&self) -> u64 {
        let (records, bytes) = (self.records.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed));
        bytes.checked_div(records).unwrap_or(512).max(1)
    }
}

/// Which records are kept; asked on a thread that may block.
pub(crate) type Keep = Arc<dyn Fn(&RecordView<'_>) -> Verdict + Send + Sync>;

/// A stretch on the way.
struct Open {
    stretch: Stretch,
    at: i64,
    times: Option<Times>,
    missed: Vec<Gap>,
    records: Vec<Record>,
    untold: Vec<Untold>,
    fruitless: u32,
}

impl Open {
    fn at_the_start_of(stretch: Stretch) -> Self {
        let (missed, records, untold) = (Vec::new(), Vec::new(), Vec::new());
        Self { stretch, at: stretch.start, times: None, missed, records, untold, fruitless: 0 }
    }

    fn into_read(self) -> Read {
        let Self { stretch, times, missed, records, untold, .. } = self;
        Read { stretch, times, missed, records, untold }
    }

    /// Goes on behind a batch that cannot be read, where it is known where that is: of each of its offsets nobody can tell
    /// what it holds.
    fn pass(&mut self, error: &BatchError) -> Option<()> {
        let to = error.next_offset.filter(|next| *next > self.at)?;
        let from = error.offset.max(self.at);
        // Some of its records may have been handed over before it was cut off.
        self.records.retain(|record| record.fetched.offset < from);
        self.untold.retain(|untold| untold.offset < from);
        let timestamp_ms = self.times.map_or(0, |times| times.newest);
        let untold = |offset| Untold { offset, timestamp_ms, reason: Reason::Unreadable };
        self.untold.extend((from..to.min(self.stretch.end)).map(untold));
        self.missed.push(Gap { partition: self.stretch.partition, from, to: to.min(self.stretch.end) });
        (self.at, self.fruitless) = (to, 0);
        Some(())
    }

    /// The stable part is fetched as committed, for only then a broker lists what was aborted.
    fn isolation(&self) -> Isolation {
        if self.at < self.stretch.stable_end { Isolation::Committed } else { Isolation::Uncommitted }
    }
}

impl Brokers {
    /// Reads all stretches, each of another partition, and keeps what is wanted; aborted and undecided records are
    /// handed to `keep` as such.
    pub(crate) async fn read(
        &self,
        layout: &Layout,
        stretches: &[Stretch],
        keep: &Keep,
        looked: &Arc<Looked>,
    ) -> Result<Vec<Read>, BrowseError> {
        let by_leader = layout.by_leader(stretches.iter().map(|stretch| stretch.partition));
        let reading = by_leader.into_iter().map(|(leader, partitions)| {
            let led = stretches.iter().filter(|stretch| partitions.contains(&stretch.partition));
            self.read_from(layout, leader, led.copied().map(Open::at_the_start_of).collect(), (keep, looked))
        });
        Ok(try_join_all(reading).await?.into_iter().flatten().collect())
    }

    async fn read_from(
        &self,
        layout: &Layout,
        leader: i32,
        mut open: Vec<Open>,
        (keep, looked): (&Keep, &Arc<Looked>),
    ) -> Result<Vec<Read>, BrowseError> {
        let mut done = Vec::new();
        loop {
            let (read, rest): (Vec<_>, Vec<_>) = open.into_iter().partition(|open| open.at >= open.stretch.end);
            done.extend(read.into_iter().map(Open::into_read));
            open = rest;
            // Whoever got nothing comes first, and the first batch of an answer always comes whole.
            open.sort_by_key(|open| std::cmp::Reverse(open.fruitless));
            let Some(first) = open.first() else { return Ok(done) };
            let isolation = first.isolation();
            let bytes_each = looked.bytes_each();
            let wanted = open.iter().filter(|open| open.isolation() == isolation).map(|open| Wanted {
                partition: open.stretch.partition,
                offset: open.at,
                max_bytes: bytes_for(open.stretch.end - open.at, bytes_each),
            });
            let request = fetch_request(layout, wanted.collect(), isolation, 0);
            let answer = self.ask_leader(layout, leader, &request, PATIENCE).await?;
            if let Some(error) = refusal(&layout.topic, "to give records", answer.error_code) {
                return Err(error);
            }
            let partitions = answer.responses.into_iter().flat_map(|topic| topic.partitions).collect();
            let (topic, most_bytes) = (layout.topic.clone(), self.max_batch_bytes());
            let (keep, looked) = (keep.clone(), looked.clone());
            open = spawn_blocking(move || take_in((&topic, most_bytes), open, partitions, (&keep, &looked)))
                .await
                .map_err(|_| BrowseError::Stopped)??;
        }
    }
}

/// Takes the answers into the stretches they belong to.
fn take_in(
    (topic, most_bytes): (&str, usize),
    mut open: Vec<Open>,
    answers: Vec<PartitionData>,
    (keep, looked): (&Keep, &Looked),
) -> Result<Vec<Open>, BrowseError> {
    for answer in answers {
        let partition = answer.partition_index;
        let Some(open) = open.iter_mut().find(|open| open.stretch.partition == partition) else { continue };
        if ResponseError::try_from_code(answer.error_code) == Some(ResponseError::OffsetOutOfRange) {
            // What was there a moment ago has been deleted: whoever reads on, reads on behind it.
            let (from, low) = (open.at, answer.log_start_offset);
            if low <= from {
                return Err(BrowseError::Moved { topic: topic.to_owned() });
            }
            open.missed.push(Gap { partition, from, to: low.min(open.stretch.end) });
            open.at = low;
            continue;
        }
        if let Some(error) = refusal(topic, "to give records", answer.error_code) {
            return Err(error);
        }
        let batches = Batches::of(answer, open.stretch.stable_end, most_bytes);
        let bytes = batches.bytes.len() as u64;
        let mut records = 0;
        let take = |record: RecordView<'_>| {
            records += 1;
            let time = Times::at(record.timestamp_ms);
            open.times = Some(open.times.map_or(time, |times| times.and(time)));
            match keep(&record) {
                Verdict::Wanted => {
                    let fetched = record.to_fetched(topic, partition);
                    open.records.push(Record { fetched, transaction: record.transaction });
                }
                Verdict::Uncompared(reason) => {
                    let RecordView { offset, timestamp_ms, .. } = record;
                    open.untold.push(Untold { offset, timestamp_ms, reason });
                }
                Verdict::Other => {}
            }
        };
        match batches.read(open.at, open.stretch.end, take, |_| {}) {
            Ok(Some(next)) if next > open.at => (open.at, open.fruitless) = (next, 0),
            Ok(_) => open.fruitless += 1,
            Err(error) => open.pass(&error).ok_or(error)?,
        }
        looked.records.fetch_add(records, Ordering::Relaxed);
        looked.bytes.fetch_add(bytes, Ordering::Relaxed);
        if open.fruitless >= FRUITLESS {
            return Err(BrowseError::Moved { topic: topic.to_owned() });
        }
    }
    Ok(open)
}

/// Where a fetch begins in a partition.
pub(crate) struct Wanted {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) max_bytes: i32,
}

/// A fetch outside of any session: each is complete in itself. It waits so long for the first byte.
pub(crate) fn fetch_request(
    layout: &Layout,
    wanted: Vec<Wanted>,
    isolation: Isolation,
    max_wait_ms: i32,
) -> FetchRequest {
    let partitions = wanted.into_iter().map(|wanted| {
        FetchPartition::default()
            .with_partition(wanted.partition)
            .with_fetch_offset(wanted.offset)
            .with_partition_max_bytes(wanted.max_bytes)
    });
    let topic = FetchTopic::default()
        .with_topic(layout.name.clone())
        .with_topic_id(layout.id)
        .with_partitions(partitions.collect());
    FetchRequest::default()
        .with_max_wait_ms(max_wait_ms)
        .with_min_bytes(i32::from(max_wait_ms > 0))
        .with_max_bytes(ANSWER_BYTES)
        .with_isolation_level(isolation.level())
        .with_topics(vec![topic])
}

/// How much to ask for so many offsets: a little more than they take, so that one answer is enough.
fn bytes_for(offsets: i64, bytes_each: u64) -> i32 {
    let bytes = offsets.unsigned_abs().saturating_mul(bytes_each).saturating_mul(5) / 4;
    i32::try_from(bytes.clamp(LEAST_PARTITION_BYTES, MOST_PARTITION_BYTES)).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_retention_removes_meanwhile_is_named() {
        let stretch = Stretch { partition: 3, start: 10, end: 20, stable_end: 20 };
        let keep: Keep = Arc::new(|_| Verdict::Wanted);
        let begins_at = |low, open| {
            let answer = PartitionData::default()
                .with_partition_index(3)
                .with_error_code(ResponseError::OffsetOutOfRange.code())
                .with_log_start_offset(low);
            take_in(("t", usize::MAX), vec![open], vec![answer], (&keep, &Looked::default()))
                .map(|mut open| open.remove(0))
        };
        let missed = |from, to| Gap { partition: 3, from, to };
        let open = begins_at(14, Open::at_the_start_of(stretch)).unwrap();
        assert_eq!((open.at, &open.missed[..]), (14, &[missed(10, 14)][..]));
        let open = begins_at(25, open).unwrap();
        assert_eq!((open.at, &open.missed[..]), (25, &[missed(10, 14), missed(14, 20)][..]));
        // The log ends before what was there a moment ago: another leader has less.
        assert!(matches!(begins_at(5, Open::at_the_start_of(stretch)), Err(BrowseError::Moved { .. })));
    }

    #[test]
    fn behind_a_batch_that_cannot_be_read_the_rest_is_and_nothing_is_said_of_its_own() {
        let stretch = Stretch { partition: 3, start: 10, end: 20, stable_end: 20 };
        let mut open = Open::at_the_start_of(stretch);
        let error = |offset, next_offset| BatchError { offset, reason: "damaged".to_owned(), next_offset };
        assert_eq!(open.pass(&error(12, None)), None);
        assert_eq!(open.pass(&error(4, Some(9))), None);
        assert_eq!(open.pass(&error(8, Some(12))), Some(()));
        assert_eq!(open.pass(&error(18, Some(25))), Some(()));
        let untold: Vec<i64> = open.untold.iter().map(|untold| untold.offset).collect();
        assert_eq!((untold, open.at), (vec![10, 11, 18, 19], 25));
        assert_eq!(open.missed, [Gap { partition: 3, from: 10, to: 12 }, Gap { partition: 3, from: 18, to: 20 }]);
    }
}
