//! What is appended from now on, for any number of readers.
//!
//! A topic is followed once, whoever listens: one long poll to each leader, as long as somebody does. What it brings
//! is kept for a while as chunks in the order of arrival, and each reader walks that row by itself, so nothing is kept
//! for a reader. One that is too slow finds the row cut off behind it, and is told which offsets it missed.
//!
//! After every record a reader stands at a vector of offsets, one of each partition. Whoever comes back with it goes on
//! there: first from the log, then along the row.

use crate::{
    batches::{BatchError, Batches, RecordView},
    brokers::{Brokers, BrowseError, Layout},
    connection::Connection,
    fetch::{Gap, Record, Wanted, fetch_request},
    offsets::Isolation,
    settled::refusal,
};
use foldstream_telemetry::names;
use futures::future::join_all;
use kafka_protocol::{ResponseError, messages::fetch_response::PartitionData};
use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};
use tokio::{
    sync::{Notify, OnceCell, watch},
    time::{sleep, timeout},
};
use uuid::Uuid;

/// How long a broker holds a poll back when there is nothing new.
const POLL: Duration = Duration::from_millis(500);
/// Between two polls for people: what comes in quick succession is fetched together.
pub(crate) const UNHURRIED: Duration = Duration::from_millis(20);
const POLL_BYTES: i32 = 1024 * 1024;
const AFTER_FAILURE: Duration = Duration::from_millis(200);
/// How long a layout is believed while its leaders answer: no answer of theirs tells that a topic has grown.
const LAYOUT_LASTS: Duration = Duration::from_secs(2);
/// What is kept for readers that are behind.
const ROW_BYTES: usize = 32 * 1024 * 1024;

/// Where a reader stands: of each partition the offset that comes next.
pub type Offsets = BTreeMap<i32, i64>;

/// Records that came together.
#[derive(Debug)]
pub struct Chunk {
    pub records: Vec<Record>,
    /// Where a reader stands before the first of them.
    pub before: Offsets,
    /// What was removed before it could be read.
    pub missed: Vec<Gap>,
    bytes: usize,
    rendered: OnceCell<bytes::Bytes>,
}

#[derive(Debug)]
pub enum News {
    Chunk(Arc<Chunk>),
    Gap(Vec<Gap>),
}

impl Chunk {
    pub(crate) fn new(records: Vec<Record>, before: Offsets, missed: Vec<Gap>) -> Self {
        let bytes = records.iter().map(Record::bytes).sum();
        Self { records, before, missed, bytes, rendered: OnceCell::new() }
    }

    /// The chunk as it is sent to every reader who wants all of it; made once.
    pub async fn rendered<F: Future<Output = bytes::Bytes>>(&self, render: impl FnOnce() -> F) -> bytes::Bytes {
        self.rendered.get_or_init(render).await.clone()
    }

    /// Where a reader stands behind the last of them.
    fn after(&self) -> Offsets {
        let mut at = self.before.clone();
        at.extend(self.missed.iter().map(|gap| (gap.partition, gap.to)));
        for record in &self.records {
            at.insert(record.fetched.partition, record.fetched.offset + 1);
        }
        at
    }

    /// Each record with where a reader stands behind it.
    pub fn steps(&self) -> impl Iterator<Item = (&Record, Offsets)> {
        let mut at = self.before.clone();
        self.records.iter().map(move |record| {
            at.insert(record.fetched.partition, record.fetched.offset + 1);
            (record, at.clone())
        })
    }
}

/// The topics that somebody listens to.
#[derive(Debug)]
pub(crate) struct Live {
    brokers: Brokers,
    /// Between two polls.
    pace: Duration,
    feeds: tokio::sync::Mutex<HashMap<String, Weak<Feed>>>,
}

/// A topic that is followed.
#[derive(Debug)]
struct Feed {
    topic_id: Uuid,
    row: Mutex<Row>,
    /// The number of the next chunk.
    newest: watch::Sender<u64>,
}

#[derive(Debug)]
struct Row {
    chunks: VecDeque<Arc<Chunk>>,
    /// The number of the first of them.
    first: u64,
    bytes: usize,
    /// Behind the last of them.
    at: Offsets,
    /// The topic is gone, and nothing will follow.
    ended: bool,
}

/// A place in the row.
#[derive(Debug)]
pub struct Listener {
    feed: Arc<Feed>,
    newest: watch::Receiver<u64>,
    next: u64,
    /// Where this reader stands.
    pub at: Offsets,
}

impl Live {
    pub(crate) fn new(brokers: Brokers, pace: Duration) -> Self {
        Self { brokers, pace, feeds: tokio::sync::Mutex::default() }
    }

    /// Listens from now on.
    pub(crate) async fn listen(&self, layout: &Layout) -> Result<Listener, BrowseError> {
        let mut feeds = self.feeds.lock().await;
        feeds.retain(|_, feed| feed.strong_count() > 0);
        let running = feeds.get(&layout.topic).and_then(Weak::upgrade);
        if let Some(feed) = running.filter(|feed| feed.topic_id == layout.id && !feed.row().ended) {
            return Ok(feed.listener());
        }
        let ranges = self.brokers.ranges(layout).await?;
        let at: Offsets = ranges.iter().map(|(partition, range)| (*partition, range.stable_end)).collect();
        let row = Row { chunks: VecDeque::new(), first: 0, bytes: 0, at, ended: false };
        let feed = Arc::new(Feed { topic_id: layout.id, row: Mutex::new(row), newest: watch::Sender::new(0) });
        feeds.insert(layout.topic.clone(), Arc::downgrade(&feed));
        let following = Following { brokers: self.brokers.clone(), pace: self.pace, feed: Arc::downgrade(&feed) };
        tokio::spawn(following.follow(layout.clone()));
        Ok(feed.listener())
    }
}

impl Feed {
    fn row(&self) -> MutexGuard<'_, Row> {
        self.row.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn listener(self: Arc<Self>) -> Listener {
        let newest = self.newest.subscribe();
        let (next, at) = {
            let row = self.row();
            (row.first + row.chunks.len() as u64, row.at.clone())
        };
        metrics::gauge!(names::BROWSE_TAILS).increment(1);
        Listener { feed: self, newest, next, at }
    }

    /// Other leaders append meanwhile, to other partitions: so it begins where the row ends now.
    fn append(&self, records: Vec<Record>, moved: Offsets, missed: Vec<Gap>) {
        let mut row = self.row();
        let before = row.at.clone();
        row.at.extend(moved);
        if !records.is_empty() || !missed.is_empty() {
            let chunk = Chunk::new(records, before, missed);
            row.bytes += chunk.bytes;
            row.chunks.push_back(Arc::new(chunk));
        }
        // What came last is never cut off at once: nobody would have had a chance to see it.
        while row.bytes > ROW_BYTES
            && row.chunks.len() > 1
            && let Some(oldest) = row.chunks.pop_front()
        {
            row.bytes -= oldest.bytes;
            row.first += 1;
        }
        let next = row.first + row.chunks.len() as u64;
        drop(row);
        self.newest.send_replace(next);
    }

    fn end(&self) {
        self.row().ended = true;
        self.newest.send_modify(|_| {});
    }
}

impl Listener {
    /// What comes next; none when the topic is gone.
    pub async fn next(&mut self) -> Option<News> {
        loop {
            if let Some(news) = self.at_hand() {
                return Some(news);
            }
            if self.feed.row().ended {
                return None;
            }
            self.newest.changed().await.ok()?;
        }
    }

    fn at_hand(&mut self) -> Option<News> {
        self.newest.borrow_and_update();
        let row = self.feed.row();
        if self.next < row.first {
            // The row was cut off behind this reader. What it holds begins before its first chunk.
            let begins = row.chunks.front().map_or(&row.at, |chunk| &chunk.before).clone();
            let gaps = gaps(&self.at, &begins);
            self.next = row.first;
            self.at = begins;
            metrics::counter!(names::BROWSE_GAPS_TOTAL).increment(1);
            return Some(News::Gap(gaps));
        }
        let place = usize::try_from(self.next - row.first).ok()?;
        let chunk = row.chunks.get(place)?.clone();
        drop(row);
        self.next += 1;
        self.at = chunk.after();
        Some(News::Chunk(chunk))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        metrics::gauge!(names::BROWSE_TAILS).decrement(1);
    }
}

/// What lies between two places.
pub(crate) fn gaps(from: &Offsets, to: &Offsets) -> Vec<Gap> {
    let gap = |(partition, to): (&i32, &i64)| {
        let from = from.get(partition).copied().unwrap_or(0);
        (from < *to).then_some(Gap { partition: *partition, from, to: *to })
    };
    to.iter().filter_map(gap).collect()
}

/// Fills the row of a topic.
struct Following {
    brokers: Brokers,
    pace: Duration,
    feed: Weak<Feed>,
}

impl Following {
    /// Follows a topic as long as anyone listens.
    async fn follow(self, mut layout: Layout) {
        while let Some(next) = self.follow_layout(&layout).await {
            layout = next;
        }
        // Nobody listens, or there is nothing to listen to.
        if let Some(listened) = self.feed.upgrade() {
            listened.end();
        }
    }

    /// Until the topic is laid out otherwise: gives how. None when nobody listens, and when the topic is gone.
    ///
    /// A leader that fails holds up its own partitions and no others.
    async fn follow_layout(&self, layout: &Layout) -> Option<Layout> {
        let failed = Notify::new();
        let following =
            layout.by_leader(layout.leaders.keys().copied()).into_iter().map(async |(leader, partitions)| {
                while let Err(failure) = self.follow_leader(layout, leader, &partitions).await {
                    foldstream_telemetry::debug!(
                        kafka.topic = layout.topic,
                        leader,
                        error = &failure as &dyn std::error::Error,
                        "following a leader failed"
                    );
                    failed.notify_one();
                    sleep(AFTER_FAILURE).await;
                }
            });
        let following = join_all(following);
        tokio::select! {
            _ = following => None,
            next = self.next_layout(layout, &failed) => next,
        }
    }

    /// The layout that follows this one. Partitions that are new in it are read from their beginning.
    async fn next_layout(&self, layout: &Layout, failed: &Notify) -> Option<Layout> {
        while self.feed.strong_count() > 0 {
            let _ = timeout(LAYOUT_LASTS, failed.notified()).await;
            match self.brokers.layout(&layout.topic).await {
                Ok(found) if found.id != layout.id => return None,
                Ok(found) if found != *layout => return Some(found),
                Err(BrowseError::UnknownTopic { .. }) => return None,
                // The same, or the brokers are away: they are asked again.
                Ok(_) | Err(_) => {}
            }
        }
        None
    }

    /// Until nobody listens, or the leader fails.
    async fn follow_leader(&self, layout: &Layout, leader: i32, partitions: &[i32]) -> Result<(), BrowseError> {
        // A poll waits, so it has a connection to itself.
        let mut connection: Connection = self.brokers.connect(leader).await?;
        loop {
            let Some(listened) = self.feed.upgrade() else { return Ok(()) };
            let wanted = {
                let row = listened.row();
                let offset = |partition: &i32| row.at.get(partition).copied().unwrap_or(0);
                let wanted = |partition| Wanted { partition, offset: offset(&partition), max_bytes: POLL_BYTES };
                partitions.iter().copied().map(wanted).collect()
            };
            drop(listened);
            let poll = i32::try_from(POLL.as_millis()).unwrap_or(i32::MAX);
            let request = fetch_request(layout, wanted, Isolation::Committed, poll);
            let answer = connection.call(&request, POLL + Duration::from_secs(5)).await?;
            if let Some(error) = refusal(&layout.topic, "to give records", answer.error_code) {
                return Err(error);
            }
            let Some(listened) = self.feed.upgrade() else { return Ok(()) };
            let topic = (layout.topic.as_str(), self.brokers.max_batch_bytes());
            take_in(&listened, topic, answer.responses.into_iter().flat_map(|topic| topic.partitions))?;
            drop(listened);
            sleep(self.pace).await;
        }
    }
}

/// What cannot be read is a gap, whether retention was quicker than the poll or a batch is damaged: a tail that stood still
/// there would show nothing of what follows, and not say so.
fn take_in(
    feed: &Feed,
    (topic, most_bytes): (&str, usize),
    answers: impl Iterator<Item = PartitionData>,
) -> Result<(), BrowseError> {
    let before = feed.row().at.clone();
    let mut records = Vec::new();
    let mut moved = Offsets::new();
    let mut missed = Vec::new();
    for answer in answers {
        let partition = answer.partition_index;
        let from = before.get(&partition).copied().unwrap_or(0);
        if ResponseError::try_from_code(answer.error_code) == Some(ResponseError::OffsetOutOfRange) {
            // Retention was quicker than the poll, or the log is shorter than it was.
            let to = answer.log_start_offset;
            if to <= from {
                return Err(BrowseError::Moved { topic: topic.to_owned() });
            }
            moved.insert(partition, to);
            missed.push(Gap { partition, from, to });
            continue;
        }
        if let Some(error) = refusal(topic, "to give records", answer.error_code) {
            return Err(error);
        }
        let batches = Batches::of(answer, i64::MAX, most_bytes);
        let take = |record: RecordView<'_>| {
            if record.transaction.is_none() {
                records.push(Record { fetched: record.to_fetched(topic, partition), transaction: None });
            }
        };
        match batches.read(from, i64::MAX, take, |_| {}) {
            Ok(None) => {}
            Ok(Some(next)) => drop(moved.insert(partition, next.max(from))),
            Err(BatchError { offset, next_offset: Some(next), reason }) if next > from => {
                foldstream_telemetry::warn!(
                    kafka.topic = topic,
                    kafka.partition = partition,
                    kafka.offset = offset,
                    error.message = reason,
                    "a batch cannot be read, a tail goes on behind it"
                );
                metrics::counter!(names::BROWSE_GAPS_TOTAL).increment(1);
                // Some of its records may have been handed over before it was cut off.
                records.retain(|record| record.fetched.partition != partition || record.fetched.offset < offset);
                moved.insert(partition, next);
                missed.push(Gap { partition, from: offset.max(from), to: next });
            }
            Err(error) => return Err(error.into()),
        }
    }
    if !moved.is_empty() {
        feed.append(records, moved, missed);
    }
    Ok(())
}
