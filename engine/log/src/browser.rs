//! Looking at records without being a consumer: no group is joined, no offset committed, no topic created.
//!
//! Clients are pooled; each is handed out to one question at a time and answers it on a blocking thread. What is read
//! is committed; [`Browser::last_of_key`] says why it still asks for the uncommitted end.

use crate::Topic;
use crate::{
    Batch, Config, FetchedRecord, TopicPartition,
    client_log::Plain,
    murmur2::partition_of,
    reader::{Committed, group_of},
    to_end::read_to_end,
};
use rdkafka::{
    Message, Offset, TopicPartitionList,
    config::ClientConfig,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
    types::RDKafkaErrorCode,
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::sync::mpsc;

/// How long the brokers may take to answer one request.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
const IDLE_CLIENTS: usize = 4;
/// How many records a search reads at once.
pub(crate) const SEARCH_RECORDS: i64 = 500;

#[derive(Debug, thiserror::Error)]
pub enum BrowserError {
    #[error("there is no topic {topic}")]
    UnknownTopic { topic: String },
    #[error("the brokers did not answer in time: {doing}")]
    Unavailable { doing: &'static str, source: Option<KafkaError> },
    #[error("the task that asks the brokers was stopped")]
    Stopped,
}

/// The records a partition holds: from `low` up to, not including, `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartitionRange {
    pub partition: i32,
    pub low: i64,
    pub end: i64,
}

/// Answers questions about topics; cheap to clone.
#[derive(Debug, Clone)]
pub struct Browser {
    inner: Arc<Inner>,
}

struct Inner {
    config: ClientConfig,
    idle: Mutex<HashMap<View, Vec<BaseConsumer<Plain>>>>,
}

/// What a client of the pool sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum View {
    /// Committed records.
    Committed,
    /// Everything that is in the log.
    Uncommitted,
    /// Where the group of this service stands.
    Group(&'static str),
}

impl Inner {
    fn create(&self, view: View) -> Result<BaseConsumer<Plain>, BrowserError> {
        let mut config = self.config.clone();
        match view {
            View::Committed => {}
            View::Uncommitted => drop(config.set("isolation.level", "read_uncommitted")),
            // Without waiting for the offsets of open transactions: they are not shown, and that is right.
            View::Group(service) => {
                config.set("group.id", group_of(service)).set("isolation.level", "read_uncommitted");
            }
        }
        create(&config)
    }
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inner").finish_non_exhaustive()
    }
}

impl Browser {
    #[must_use]
    pub fn new(config: &Config) -> Self {
        // librdkafka wants a group name before it assigns partitions; no request of the group protocol is ever sent.
        let mut config = config.consumer("foldstream-browser", "foldstream-browser-never-joined");
        config
            .set("auto.offset.reset", "earliest")
            // A fetch at the end of a partition returns soon, so that the client is free for the next question.
            .set("fetch.wait.max.ms", "20");
        Self { inner: Arc::new(Inner { config, idle: Mutex::default() }) }
    }

    /// What each partition of the topic holds, up to its last stable offset.
    pub async fn ranges(&self, topic: &str) -> Result<Vec<PartitionRange>, BrowserError> {
        let topic = topic.to_owned();
        self.ask(View::Committed, move |consumer| ranges(consumer, &topic)).await
    }

    /// The same up to everything that was appended, committed or not.
    pub async fn appended(&self, topic: &str) -> Result<Vec<PartitionRange>, BrowserError> {
        let topic = topic.to_owned();
        self.ask(View::Uncommitted, move |consumer| ranges(consumer, &topic)).await
    }

    /// The records at these offsets of a partition, those that are still there.
    pub async fn records(
        &self,
        topic: &str,
        partition: i32,
        mut offsets: Vec<i64>,
    ) -> Result<HashMap<i64, FetchedRecord>, BrowserError> {
        let topic = topic.to_owned();
        offsets.sort_unstable();
        self.ask(View::Committed, move |consumer| {
            let mut found = HashMap::new();
            // Neighbours are read in one go.
            for run in offsets.chunk_by(|a, b| b - a <= 100) {
                let (Some(first), Some(last)) = (run.first(), run.last()) else { continue };
                let window = Window { partition, start: *first, end: last + 1 };
                let read = read_windows(consumer, &topic, &[window], Instant::now() + REQUEST_TIMEOUT)?;
                found.extend(
                    read.records
                        .into_iter()
                        .filter(|record| run.binary_search(&record.offset).is_ok())
                        .map(|record| (record.offset, record)),
                );
            }
            Ok(found)
        })
        .await
    }

    /// The first record of a partition that was appended at or after this time and is the one that is looked for.
    pub async fn find_since(
        &self,
        topic: &'static str,
        partition: i32,
        appended_at_ms: i64,
        is_it: impl Fn(&FetchedRecord) -> bool + Send + 'static,
    ) -> Result<Option<FetchedRecord>, BrowserError> {
        let unavailable = |source| BrowserError::Unavailable { doing: "asking for offsets", source: Some(source) };
        self.ask(View::Committed, move |consumer| {
            let deadline = Instant::now() + REQUEST_TIMEOUT;
            let mut asked = TopicPartitionList::new();
            asked.add_partition_offset(topic, partition, Offset::Offset(appended_at_ms)).map_err(unavailable)?;
            let found = consumer.offsets_for_times(asked, REQUEST_TIMEOUT).map_err(unavailable)?;
            let first = found.find_partition(topic, partition).map(|element| element.offset());
            // No offset: nothing is that young.
            let Some(Offset::Offset(mut start)) = first else { return Ok(None) };
            let (_, end) = watermarks(consumer, TopicPartition { topic, partition })?;
            while start < end {
                let window = Window { partition, start, end: end.min(start + SEARCH_RECORDS) };
                let read = read_windows(consumer, topic, &[window], deadline)?;
                if let Some(record) = read.records.into_iter().find(&is_it) {
                    return Ok(Some(record));
                }
                if !read.complete {
                    return Err(BrowserError::Unavailable { doing: "searching a partition", source: None });
                }
                start = window.end;
            }
            Ok(None)
        })
        .await
    }

    /// The newest committed record of a key.
    ///
    /// An unfinished transaction of someone else holds the last stable offset back, and a committed record behind it
    /// would be missed. So the end to reach is the uncommitted one, and reading waits until that transaction is
    /// finished (at the latest when it times out).
    pub async fn last_of_key(
        &self,
        topic: &str,
        key: &str,
        patience: Duration,
    ) -> Result<Option<FetchedRecord>, BrowserError> {
        let (topic, key, inner) = (topic.to_owned(), key.to_owned(), self.inner.clone());
        self.ask(View::Committed, move |consumer| {
            let uncommitted = inner.create(View::Uncommitted)?;
            let ranges = ranges(&uncommitted, &topic)?;
            let partition = partition_of(key.as_bytes(), ranges.len());
            let Some(range) = ranges.into_iter().find(|range| range.partition == partition) else { return Ok(None) };
            let window = Window { partition, start: range.low, end: range.end };
            let read = read_windows(consumer, &topic, &[window], Instant::now() + patience)?;
            if !read.complete {
                return Err(BrowserError::Unavailable { doing: "reading a partition to its end", source: None });
            }
            Ok(read.records.into_iter().rev().find(|record| record.key.as_deref() == Some(key.as_bytes())))
        })
        .await
    }

    /// Where the group of a processor stands in each partition of a topic: past everything whose consequences are
    /// committed.
    pub async fn committed(
        &self,
        service: &'static str,
        topic: &'static Topic,
    ) -> Result<Vec<Committed>, BrowserError> {
        self.ask(View::Group(service), move |consumer| committed(consumer, topic)).await
    }

    /// Reads a partition from an offset on to its end; see `to_end.rs`. The answer ends with the channel.
    #[must_use]
    pub fn read_to_end(&self, partition: TopicPartition, start: i64) -> mpsc::Receiver<Result<Batch, BrowserError>> {
        let (sender, batches) = mpsc::channel(4);
        let browser = self.clone();
        tokio::spawn(async move {
            let ends = browser.ask(View::Uncommitted, move |consumer| watermarks(consumer, partition)).await;
            let read = match ends {
                Ok((low, end)) => {
                    let (progress, start) = (sender.clone(), start.max(low).min(end));
                    let read = move |consumer: &_| read_to_end(consumer, partition, start..end, &progress);
                    browser.ask(View::Committed, read).await
                }
                Err(error) => Err(error),
            };
            if let Err(error) = read {
                // Nobody listens any more when this fails.
                let _ = sender.send(Err(error)).await;
            }
        });
        batches
    }

    /// Runs a question on a blocking thread with a client of the pool.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        view: View,
        question: impl FnOnce(&BaseConsumer<Plain>) -> Result<T, BrowserError> + Send + 'static,
    ) -> Result<T, BrowserError> {
        let inner = self.inner.clone();
        tokio::task::spawn_blocking(move || {
            let idle = inner.idle.lock().unwrap_or_else(PoisonError::into_inner).get_mut(&view).and_then(Vec::pop);
            let consumer = idle.map_or_else(|| inner.create(view), Ok)?;
            let answer = question(&consumer);
            // A client that failed may be stuck: the next question gets a new one.
            if !matches!(answer, Err(BrowserError::Unavailable { .. })) && consumer.unassign().is_ok() {
                let mut idle = inner.idle.lock().unwrap_or_else(PoisonError::into_inner);
                let idle = idle.entry(view).or_default();
                if idle.len() < IDLE_CLIENTS {
                    idle.push(consumer);
                }
            }
            answer
        })
        .await
        .map_err(|_| BrowserError::Stopped)?
    }
}

pub(crate) fn create(config: &ClientConfig) -> Result<BaseConsumer<Plain>, BrowserError> {
    config
        .create_with_context(Plain)
        .map_err(|source| BrowserError::Unavailable { doing: "making a client", source: Some(source) })
}

/// Where a partition begins and ends, as the client sees it.
pub(crate) fn watermarks(client: &BaseConsumer<Plain>, partition: TopicPartition) -> Result<(i64, i64), BrowserError> {
    client
        .fetch_watermarks(partition.topic, partition.partition, REQUEST_TIMEOUT)
        .map_err(|source| BrowserError::Unavailable { doing: "asking for offsets", source: Some(source) })
}

fn committed(client: &BaseConsumer<Plain>, topic: &Topic) -> Result<Vec<Committed>, BrowserError> {
    let unavailable = |source| BrowserError::Unavailable { doing: "asking how far a group is", source: Some(source) };
    let mut asked = TopicPartitionList::new();
    asked.add_partition_range(topic.name, 0, topic.partitions - 1);
    let found = client.committed_offsets(asked, REQUEST_TIMEOUT).map_err(unavailable)?;
    let of = |partition| Ok(Committed::of(&found, topic.name, partition).map_err(unavailable)?.unwrap_or_default());
    (0..topic.partitions).map(of).collect()
}

/// Partitions with their first offset and the end that the client's isolation level sees.
pub(crate) fn ranges(consumer: &BaseConsumer<Plain>, topic: &str) -> Result<Vec<PartitionRange>, BrowserError> {
    let unavailable = |doing| move |source| BrowserError::Unavailable { doing, source: Some(source) };
    let metadata = consumer.fetch_metadata(Some(topic), REQUEST_TIMEOUT).map_err(unavailable("asking for metadata"))?;
    let found = metadata.topics().iter().find(|found| found.name() == topic && found.error().is_none());
    let found = found.filter(|found| !found.partitions().is_empty());
    let found = found.ok_or_else(|| BrowserError::UnknownTopic { topic: topic.to_owned() })?;
    let at = |offset| -> Result<HashMap<i32, i64>, BrowserError> {
        let mut asked = TopicPartitionList::new();
        for partition in found.partitions() {
            asked.add_partition_offset(topic, partition.id(), offset).map_err(unavailable("asking for offsets"))?;
        }
        let answer = consumer.offsets_for_times(asked, REQUEST_TIMEOUT).map_err(unavailable("asking for offsets"))?;
        answer
            .elements()
            .iter()
            .map(|element| match (element.error(), element.offset()) {
                (Ok(()), Offset::Offset(offset)) => Ok((element.partition(), offset)),
                (Err(source), _) => {
                    Err(BrowserError::Unavailable { doing: "asking for offsets", source: Some(source) })
                }
                (Ok(()), _) => Err(BrowserError::Unavailable { doing: "asking for offsets", source: None }),
            })
            .collect()
    };
    let (lows, ends) = (at(Offset::Beginning)?, at(Offset::End)?);
    let mut ranges: Vec<_> = ends
        .iter()
        .map(|(partition, end)| PartitionRange {
            partition: *partition,
            low: lows.get(partition).copied().unwrap_or(0),
            end: *end,
        })
        .collect();
    ranges.sort_unstable_by_key(|range| range.partition);
    Ok(ranges)
}

/// A stretch of a partition to be read: from `start` up to, not including, `end`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    pub(crate) partition: i32,
    pub(crate) start: i64,
    pub(crate) end: i64,
}

/// What was read; `complete` when every window was read to its end before the deadline.
#[derive(Debug)]
pub(crate) struct ReadWindows {
    pub(crate) records: Vec<FetchedRecord>,
    pub(crate) complete: bool,
}

/// Reads all windows at once. Offsets have gaps (markers, compaction), so a window is done when a record at or past
/// its end shows up, or when the client stands at or past its end.
pub(crate) fn read_windows(
    consumer: &BaseConsumer<Plain>,
    topic: &str,
    windows: &[Window],
    deadline: Instant,
) -> Result<ReadWindows, BrowserError> {
    let unavailable = |source| BrowserError::Unavailable { doing: "reading records", source: Some(source) };
    let mut open: HashMap<i32, Window> =
        windows.iter().filter(|window| window.start < window.end).map(|window| (window.partition, *window)).collect();
    let mut assignment = TopicPartitionList::new();
    for window in open.values() {
        assignment.add_partition_offset(topic, window.partition, Offset::Offset(window.start)).map_err(unavailable)?;
    }
    consumer.assign(&assignment).map_err(unavailable)?;
    let mut records = Vec::new();
    while !open.is_empty() {
        let now = Instant::now();
        if now >= deadline {
            break;
        }
        match consumer.poll((deadline - now).min(Duration::from_millis(50))) {
            Some(Ok(message)) => {
                let Some(window) = open.get(&message.partition()).copied() else { continue };
                if message.offset() < window.end {
                    records.push(FetchedRecord::from(&message));
                }
                if message.offset() + 1 >= window.end {
                    open.remove(&message.partition());
                }
            }
            Some(Err(KafkaError::PartitionEOF(_))) | None => {
                // Only here the client may stand past records it does not show.
                let position = consumer.position().map_err(unavailable)?;
                open.retain(|partition, window| {
                    let stands = position.find_partition(topic, *partition).map(|element| element.offset());
                    !matches!(stands, Some(Offset::Offset(offset)) if offset >= window.end)
                });
            }
            // Brokers come and go; the deadline decides.
            Some(Err(KafkaError::MessageConsumption(RDKafkaErrorCode::UnknownTopicOrPartition))) => {
                return Err(BrowserError::UnknownTopic { topic: topic.to_owned() });
            }
            Some(Err(error)) => {
                foldstream_telemetry::debug!(error.message = %error, "a broker complained while records were read")
            }
        }
    }
    Ok(ReadWindows { records, complete: open.is_empty() })
}
