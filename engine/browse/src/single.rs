//! One record by its position; and if there is none, what there is instead.

use crate::{
    batches::{Batches, Marker, RecordView, Transaction},
    brokers::{Brokers, BrowseError, Layout, PATIENCE},
    fetch::{Wanted, fetch_request},
    offsets::{Isolation, Range},
    record::Record,
    settled::{SETTLING, refusal},
};

const LEAST_BYTES: i32 = 1024;

/// What lies at an offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    Record(Record),
    /// The partition begins behind it: retention removed it.
    Removed {
        low: i64,
    },
    /// Nothing was appended there yet.
    NotYet {
        end: i64,
    },
    /// The mark of a transaction's end.
    Marker {
        commits: bool,
    },
    /// Compaction removed it: a newer record of its key followed.
    Compacted,
}

impl Brokers {
    /// What lies at this offset, committed or not.
    pub async fn single(&self, topic: &str, partition: i32, offset: i64) -> Result<Found, BrowseError> {
        let found = self.settled(topic, SETTLING, async |layout| {
            let Some(leader) = layout.leaders.get(&partition).copied() else {
                let (topic, partitions) = (topic.to_owned(), layout.leaders.len());
                return Err(BrowseError::UnknownPartition { topic, partition, partitions });
            };
            let ranges = self.ranges(&layout.only(&[partition].into())).await?;
            match ranges.get(&partition) {
                Some(range) if offset < range.low => Ok(Found::Removed { low: range.low }),
                Some(range) if offset < range.high_watermark => {
                    self.fetch_single(&layout, (leader, partition, offset), range).await
                }
                range => Ok(Found::NotYet { end: range.map_or(0, |range| range.high_watermark) }),
            }
        });
        found.await
    }

    async fn fetch_single(
        &self,
        layout: &Layout,
        (leader, partition, offset): (i32, i32, i64),
        range: &Range,
    ) -> Result<Found, BrowseError> {
        // Only of what is stable, and asked for as such, is it said what was aborted.
        let isolation = if offset < range.stable_end { Isolation::Committed } else { Isolation::Uncommitted };
        // The first batch of an answer always comes whole.
        let request = fetch_request(layout, vec![Wanted { partition, offset, max_bytes: LEAST_BYTES }], isolation, 0);
        let answer = self.ask_leader(layout, leader, &request, PATIENCE).await?;
        let mut found = Found::Compacted;
        let mut marked = None;
        for answer in answer.responses.into_iter().flat_map(|topic| topic.partitions) {
            if let Some(error) = refusal(&layout.topic, "to give a record", answer.error_code) {
                return Err(error);
            }
            let batches = Batches::of(answer, range.stable_end, self.max_batch_bytes());
            let take = |record: RecordView<'_>| {
                let fetched = record.to_fetched(&layout.topic, partition);
                found = Found::Record(Record { fetched, transaction: record.transaction });
            };
            let note = |marker: Marker| {
                if marker.offset == offset {
                    marked = Some(Found::Marker { commits: marker.commits });
                }
            };
            batches.read(offset, offset + 1, take, note)?;
        }
        Ok(marked.unwrap_or(found))
    }
}

impl Found {
    /// The record, if it is one that readers of this isolation see.
    #[must_use]
    pub fn visible(&self, isolation: Isolation) -> Option<&Record> {
        match self {
            Self::Record(record) if isolation == Isolation::Uncommitted || record.transaction.is_none() => Some(record),
            _ => None,
        }
    }

    /// Why there is nothing to see, in words that follow "there is no record there:".
    #[must_use]
    pub fn reason(&self) -> String {
        match self {
            Self::Removed { low } => format!("retention removed it, the partition begins at {low}"),
            Self::NotYet { end } => format!("nothing was appended there yet, the partition ends at {end}"),
            Self::Marker { commits: true } => "it is the mark of a transaction that was committed".to_owned(),
            Self::Marker { commits: false } => "it is the mark of a transaction that was aborted".to_owned(),
            Self::Compacted => "compaction removed it, a newer record of its key followed".to_owned(),
            Self::Record(Record { transaction: Some(Transaction::Aborted), .. }) => {
                "its transaction was aborted; isolation=read_uncommitted shows it".to_owned()
            }
            Self::Record(_) => "its transaction is undecided; isolation=read_uncommitted shows it".to_owned(),
        }
    }
}
