//! What a record led to: the records that name it as their cause.
//!
//! A processor takes the records of a partition in order and writes in that order what follows from them, so wherever it
//! writes, the causes of one partition stand in rising order. A search begins at the time of the record and ends at the
//! first later cause, so its length is what the processor was behind, and not what was written since.

use crate::Position;
use crate::{
    Browser, BrowserError, CAUSE, FetchedRecord, TopicPartition,
    browser::{REQUEST_TIMEOUT, SEARCH_RECORDS, View, Window, read_windows, watermarks},
    client_log::Plain,
    headers::{FOLD_VERSION, SOURCE},
};
use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
};
use std::time::{Duration, Instant};

/// How far the clocks of two brokers may lie apart: each stamps what is appended to it.
const CLOCKS_APART_MS: i64 = 1000;
/// How many records one search reads at most.
const MOST_RECORDS: i64 = 20_000;

/// The records found, in the order of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caused {
    pub records: Vec<FetchedRecord>,
    /// False when there may be more: time was up, or too much lies between.
    pub complete: bool,
}

impl Browser {
    /// The records of a partition that this service wrote because of `cause`. What is in a transaction that is being
    /// finished is waited for.
    pub async fn caused_by(
        &self,
        service: &'static str,
        place: TopicPartition,
        cause: &FetchedRecord,
        patience: Duration,
    ) -> Result<Caused, BrowserError> {
        let deadline = Instant::now() + patience;
        let since = cause.timestamp_ms - CLOCKS_APART_MS;
        // Where a transaction is not finished yet, a reader of committed records is told less.
        let range = self.ask(View::Uncommitted, move |consumer| range_since(consumer, place, since)).await?;
        let Some((start, end)) = range else { return Ok(Caused { records: Vec::new(), complete: true }) };
        let wanted = Wanted {
            source: format!("/foldstream/{service}"),
            cause: Position { topic: cause.topic.clone(), partition: cause.partition, offset: cause.offset },
        };
        self.ask(View::Committed, move |consumer| search(consumer, place, (start, end), &wanted, deadline)).await
    }
}

/// From the first record that was appended at or after this time up to the end; none when nothing is that young.
fn range_since(
    consumer: &BaseConsumer<Plain>,
    place: TopicPartition,
    since_ms: i64,
) -> Result<Option<(i64, i64)>, BrowserError> {
    let unavailable = |source| BrowserError::Unavailable { doing: "asking for offsets", source: Some(source) };
    let mut asked = TopicPartitionList::new();
    asked.add_partition_offset(place.topic, place.partition, Offset::Offset(since_ms.max(0))).map_err(unavailable)?;
    let found = consumer.offsets_for_times(asked, REQUEST_TIMEOUT).map_err(unavailable)?;
    match found.find_partition(place.topic, place.partition).map(|element| element.offset()) {
        Some(Offset::Offset(start)) => Ok(Some((start, watermarks(consumer, place)?.1))),
        _ => Ok(None),
    }
}

fn search(
    consumer: &BaseConsumer<Plain>,
    place: TopicPartition,
    (mut start, end): (i64, i64),
    wanted: &Wanted,
    deadline: Instant,
) -> Result<Caused, BrowserError> {
    let TopicPartition { topic, partition } = place;
    // Assigned a topic it does not know, the client takes its time to find the leader: half a second was measured.
    consumer
        .fetch_metadata(Some(topic), REQUEST_TIMEOUT)
        .map_err(|source| BrowserError::Unavailable { doing: "asking for metadata", source: Some(source) })?;
    let last = end.min(start + MOST_RECORDS);
    let mut records = Vec::new();
    while start < last {
        let window = Window { partition, start, end: last.min(start + SEARCH_RECORDS) };
        let read = read_windows(consumer, topic, &[window], deadline)?;
        for record in read.records {
            match wanted.compare(&record) {
                Told::Wanted => records.push(record),
                Told::Other => {}
                Told::Later => return Ok(Caused { records, complete: true }),
            }
        }
        if !read.complete {
            return Ok(Caused { records, complete: false });
        }
        start = window.end;
    }
    Ok(Caused { records, complete: last == end })
}

/// What is looked for.
struct Wanted {
    /// As `ce_source` has it.
    source: String,
    cause: Position,
}

/// What the headers of a record tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Wanted,
    Other,
    /// What is looked for does not come any more.
    Later,
}

impl Wanted {
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
