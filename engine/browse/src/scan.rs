//! Committed records of one partition, read for a purpose: those at some offsets, the last of a key.
//!
//! An open transaction holds the last stable offset back, and committed records behind it are not shown. Where one of
//! them could be what is looked for, its end is waited for; at the latest, the brokers end it when it times out.

use crate::{
    batches::RecordView,
    brokers::{Brokers, BrowseError, PATIENCE},
    fetch::{Keep, Stretch},
    offsets::Range,
    settled::{SETTLING, pauses},
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
/// Offsets no further apart than this are read in one go.
const NEIGHBOURS: i64 = 100;

/// A partition, for as long as somebody waits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scan<'a> {
    pub(crate) brokers: &'a Brokers,
    pub(crate) topic: &'a str,
    pub(crate) partition: i32,
    pub(crate) deadline: Instant,
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
        let scan = Scan { brokers: self, topic, partition, deadline: Instant::now() + PATIENCE };
        let range = scan.stable_up_to(newest + 1).await?;
        if range.stable_end <= *newest && range.stable_end < range.high_watermark {
            // A part would be taken for the whole.
            return Err(BrowseError::Late { doing: "waiting for the end of a transaction" });
        }
        for run in offsets.chunk_by(|a, b| b - a <= NEIGHBOURS) {
            let (Some(first), Some(last)) = (run.first(), run.last()) else { continue };
            let records = scan.read(range.low.max(*first), range.stable_end.min(last + 1)).await?;
            let wanted = records.into_iter().filter(|record| run.binary_search(&record.offset).is_ok());
            found.extend(wanted.map(|record| (record.offset, record)));
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
        let scan = Scan { brokers: self, topic, partition, deadline: Instant::now() + patience };
        let mut end = scan.range().await?.high_watermark;
        let range = scan.stable_up_to(end).await?;
        if range.stable_end < end {
            return Err(BrowseError::Late { doing: "waiting for the end of a transaction" });
        }
        while end > range.low {
            let start = range.low.max(end - STEP);
            let records = scan.read(start, end).await?;
            let found = records.into_iter().rev().find(|record| record.key.as_deref() == Some(key.as_bytes()));
            if found.is_some() {
                return Ok(found);
            }
            if Instant::now() >= scan.deadline {
                return Err(BrowseError::Late { doing: "reading a partition back to its beginning" });
            }
            end = start;
        }
        Ok(None)
    }
}

impl Scan<'_> {
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

    /// The committed records from `start` up to, not including, `end`, which is stable.
    pub(crate) async fn read(&self, start: i64, end: i64) -> Result<Vec<FetchedRecord>, BrowseError> {
        if start >= end {
            return Ok(Vec::new());
        }
        let stretch = Stretch { partition: self.partition, start, end, stable_end: end };
        let keep: Keep = Arc::new(|record: &RecordView<'_>| record.transaction.is_none().into());
        let looked = Arc::default();
        let read = self
            .brokers
            .settled(self.topic, SETTLING, async |layout| self.brokers.read(&layout, &[stretch], &keep, &looked).await);
        Ok(read.await?.into_iter().flat_map(|read| read.records).map(|record| record.fetched).collect())
    }

    fn only(&self) -> BTreeSet<i32> {
        [self.partition].into()
    }
}
