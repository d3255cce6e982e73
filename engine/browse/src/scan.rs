//! Committed records of one partition, read for a purpose: those at some offsets, the last of a key.
//!
//! An open transaction holds the last stable offset back, and committed records behind it are not shown. Where one of
//! them could be what is looked for, its end is waited for; at the latest, the brokers end it when it times out.

use crate::{
    batches::{BatchError, RecordView},
    brokers::{Brokers, BrowseError, PATIENCE},
    offsets::Range,
    order::Order,
    settled::{SETTLING, pauses},
    stretch::{Intake, Keep, Looked, Room, Stretch, Untold},
};
use backon::BackoffBuilder;
use foldstream_log::{FetchedRecord, partition_of};
use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};
use tokio::time::{Instant, sleep};

/// How many offsets a search reads at once.
pub(crate) const STEP: i64 = 500;
/// What it keeps of them.
const STEP_BYTES: u64 = 4 * 1024 * 1024;
/// Offsets no further apart than this are read in one go.
const NEIGHBOURS: i64 = 100;

/// A partition, for as long as somebody waits.
#[derive(Debug, Clone)]
pub(crate) struct Scan<'a> {
    brokers: &'a Brokers,
    topic: &'a str,
    partition: i32,
    pub(crate) deadline: Instant,
    pub(crate) looked: Arc<Looked>,
}

/// Records of a stretch, which ends before what was asked for, or begins behind it, where they are heavy.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) start: i64,
    pub(crate) end: i64,
    pub(crate) records: Vec<FetchedRecord>,
}

impl Brokers {
    /// The records at these offsets of a partition, those that are still there: all of them, or an error.
    pub async fn records(
        &self,
        topic: &str,
        partition: i32,
        mut offsets: Vec<i64>,
    ) -> Result<HashMap<i64, FetchedRecord>, BrowseError> {
        offsets.sort_unstable();
        let mut found = HashMap::new();
        let Some(newest) = offsets.last() else { return Ok(found) };
        let scan = Scan::new(self, (topic, partition), PATIENCE);
        let range = scan.stable_up_to(newest + 1).await?;
        if range.stable_end <= *newest && range.stable_end < range.high_watermark {
            // A part would be taken for the whole.
            return Err(BrowseError::Late { doing: "waiting for the end of a transaction" });
        }
        for run in offsets.chunk_by(|a, b| b - a <= NEIGHBOURS) {
            let (Some(first), Some(last)) = (run.first(), run.last()) else { continue };
            let (mut next, end, run) = (range.low.max(*first), range.stable_end.min(last + 1), Arc::new(run.to_vec()));
            while next < end {
                let run = run.clone();
                let keep: Keep = Arc::new(move |record: &RecordView<'_>| {
                    (record.transaction.is_none() && run.binary_search(&record.offset).is_ok()).into()
                });
                let piece = scan.read((next, end), Order::Oldest, keep).await?;
                next = piece.end;
                found.extend(piece.records.into_iter().map(|record| (record.offset, record)));
            }
        }
        Ok(found)
    }

    /// The newest committed record of a key, of all that was appended before the call, committed then or soon.
    pub async fn last_of_key(
        &self,
        topic: &str,
        key: &str,
        patience: Duration,
    ) -> Result<Option<FetchedRecord>, BrowseError> {
        let partitions = self.settled(topic, SETTLING, async |layout| Ok(layout.leaders.len())).await?;
        let partition = partition_of(key.as_bytes(), partitions);
        let scan = Scan::new(self, (topic, partition), patience);
        let mut end = scan.range().await?.high_watermark;
        let range = scan.stable_up_to(end).await?;
        if range.stable_end < end {
            return Err(BrowseError::Late { doing: "waiting for the end of a transaction" });
        }
        while end > range.low {
            let wanted = key.as_bytes().to_vec();
            let keep: Keep = Arc::new(move |record: &RecordView<'_>| {
                (record.transaction.is_none() && record.key == Some(&wanted)).into()
            });
            let mut piece = scan.read((range.low.max(end - STEP), end), Order::Newest, keep).await?;
            let found = piece.records.pop();
            if found.is_some() {
                return Ok(found);
            }
            if Instant::now() >= scan.deadline {
                return Err(BrowseError::Late { doing: "reading a partition back to its beginning" });
            }
            end = piece.start;
        }
        Ok(None)
    }
}

impl<'a> Scan<'a> {
    pub(crate) fn new(brokers: &'a Brokers, (topic, partition): (&'a str, i32), patience: Duration) -> Self {
        Self { brokers, topic, partition, deadline: Instant::now() + patience, looked: Arc::default() }
    }

    /// Which offsets the partition holds now.
    pub(crate) async fn range(&self) -> Result<Range, BrowseError> {
        let found = self.brokers.settled(self.topic, SETTLING, async |layout| {
            let partitions = layout.leaders.len();
            let ranges = self.brokers.ranges(&layout.only(&self.only())).await?;
            ranges.get(&self.partition).copied().ok_or_else(|| BrowseError::UnknownPartition {
                topic: self.topic.to_owned(),
                partition: self.partition,
                partitions,
            })
        });
        found.await
    }

    /// The same once everything before `end` is decided, or nothing was appended up to there; or when time is up.
    pub(crate) async fn stable_up_to(&self, end: i64) -> Result<Range, BrowseError> {
        let mut pauses = pauses().build();
        loop {
            let range = self.range().await?;
            let Some(pause) = pauses.next().filter(|pause| Instant::now() + *pause < self.deadline) else {
                return Ok(range);
            };
            if range.stable_end >= end.min(range.high_watermark) {
                return Ok(range);
            }
            sleep(pause).await;
        }
    }

    /// Those to keep of the records from `start` up to, not including, `end`, which is stable, as far as there is room; at
    /// least of one offset.
    pub(crate) async fn read(&self, (start, end): (i64, i64), order: Order, keep: Keep) -> Result<Piece, BrowseError> {
        let stretch = Stretch { partition: self.partition, start, end, stable_end: end };
        let intake = Intake { keep, looked: self.looked.clone(), room: Room { order, bytes: STEP_BYTES } };
        let read = self
            .brokers
            .settled(self.topic, SETTLING, async |layout| self.brokers.read(&layout, &[stretch], &intake).await);
        // A partition that is gone has nothing.
        let Some(read) = read.await?.pop() else { return Ok(Piece { start, end, records: Vec::new() }) };
        // What nobody can read may be what is looked for.
        if let Some(Untold { from: offset, reason, .. }) = read.untold.first() {
            return Err(BatchError { offset: *offset, reason: reason.to_string(), next_offset: None }.into());
        }
        let records = read.records.into_iter().map(|record| record.fetched).collect();
        Ok(Piece { start: read.stretch.start, end: read.stretch.end, records })
    }

    fn only(&self) -> BTreeSet<i32> {
        [self.partition].into()
    }
}
