//! What a record led to: the records that name it as their cause.
//!
//! A processor takes the records of a partition in order and writes in that order what follows from them, so wherever it
//! writes, the causes of one partition stand in rising order. A search begins at the time of the record and ends at the
//! first later cause, so its length is what the processor was behind, and not what was written since.

use crate::{
    brokers::{Brokers, BrowseError},
    offsets::Isolation,
    scan::{CLOCKS_APART_MS, STEP, Scan, Told},
};
use foldstream_log::{CAUSE, FOLD_VERSION, FetchedRecord, Position, SOURCE, TopicPartition};
use std::time::Duration;
use tokio::time::Instant;

/// How many records one search reads at most.
const MOST_RECORDS: i64 = 20_000;

/// The records found, in the order of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caused {
    pub records: Vec<FetchedRecord>,
    /// False when there may be more: time was up, or too much lies between.
    pub complete: bool,
}

impl Brokers {
    /// The records of a partition that this service wrote because of `cause`. What is in a transaction that is being
    /// finished is waited for.
    pub async fn caused_by(
        &self,
        service: &str,
        place: TopicPartition,
        cause: &FetchedRecord,
        patience: Duration,
    ) -> Result<Caused, BrowseError> {
        let TopicPartition { topic, partition } = place;
        let scan = Scan { brokers: self, topic, partition, deadline: Instant::now() + patience };
        // Where a transaction is not finished yet, a reader of committed records is told less.
        let start = scan.since(cause.timestamp_ms - CLOCKS_APART_MS, Isolation::Uncommitted).await?;
        let Some(start) = start else { return Ok(Caused { records: Vec::new(), complete: true }) };
        let wanted = Wanted {
            source: format!("/foldstream/{service}"),
            cause: Position { topic: cause.topic.clone(), partition: cause.partition, offset: cause.offset },
        };
        wanted.search(scan, start).await
    }
}

/// What is looked for.
struct Wanted {
    /// As `ce_source` has it.
    source: String,
    cause: Position,
}

impl Wanted {
    async fn search(&self, scan: Scan<'_>, mut start: i64) -> Result<Caused, BrowseError> {
        let mut range = scan.range().await?;
        let end = range.high_watermark;
        let last = end.min(start + MOST_RECORDS);
        let mut records = Vec::new();
        while start < last {
            let next = last.min(start + STEP);
            if range.stable_end < next {
                range = scan.stable_up_to(next).await?;
            }
            for record in scan.read(start, next.min(range.stable_end)).await? {
                match self.compare(&record) {
                    Told::Wanted => records.push(record),
                    Told::Other => {}
                    Told::Later => return Ok(Caused { records, complete: true }),
                }
            }
            if range.stable_end < next || Instant::now() >= scan.deadline {
                return Ok(Caused { records, complete: false });
            }
            start = next;
        }
        Ok(Caused { records, complete: last == end })
    }

    fn compare(&self, record: &FetchedRecord) -> Told {
        if record.text_header(SOURCE) != Some(&self.source) {
            return Told::Other;
        }
        // A state is of many records, and a topic of states holds nothing else.
        if record.text_header(FOLD_VERSION).is_some() {
            return Told::Later;
        }
        let cause: Option<Position> = record.text_header(CAUSE).and_then(|cause| cause.parse().ok());
        let ours = |cause: &Position| cause.topic == self.cause.topic && cause.partition == self.cause.partition;
        match cause.filter(ours) {
            Some(cause) if cause.offset == self.cause.offset => Told::Wanted,
            Some(cause) if cause.offset > self.cause.offset => Told::Later,
            _ => Told::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(headers: &[(&str, &str)]) -> FetchedRecord {
        FetchedRecord {
            topic: "parcels".to_owned(),
            partition: 0,
            offset: 9,
            timestamp_ms: 0,
            key: None,
            value: None,
            headers: headers
                .iter()
                .map(|(name, value)| ((*name).to_owned(), Some(value.as_bytes().to_vec())))
                .collect(),
        }
    }

    #[test]
    fn a_search_ends_at_the_first_later_cause_of_the_same_partition() {
        let wanted = Wanted { source: "/depot/sorter".to_owned(), cause: "parcel-commands:1:7".parse().unwrap() };
        let told = |cause: &str| wanted.compare(&record(&[(SOURCE, &wanted.source), (CAUSE, cause)]));
        assert_eq!(told("parcel-commands:1:7"), Told::Wanted);
        assert_eq!(told("parcel-commands:1:6"), Told::Other);
        assert_eq!(told("parcel-commands:1:8"), Told::Later);
        assert_eq!(told("parcel-commands:2:8"), Told::Other);
        assert_eq!(told("other-commands:1:7"), Told::Other);
        assert_eq!(told("nonsense"), Told::Other);
        let of_another = [(SOURCE, "/depot/door"), (CAUSE, "parcel-commands:1:7")];
        assert_eq!(wanted.compare(&record(&of_another)), Told::Other);
        let state = [(SOURCE, wanted.source.as_str()), (FOLD_VERSION, "1")];
        assert_eq!(wanted.compare(&record(&state)), Told::Later);
        assert_eq!(wanted.compare(&record(&[])), Told::Other);
    }
}
