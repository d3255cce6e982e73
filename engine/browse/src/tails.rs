//! The newest records of topics, shared by everyone who asks for them.
//!
//! What makes it exact: every look asks the leaders again, by a fetch that begins where the last one ended and does
//! not wait. Its answer holds the ends of the partitions at that moment and whatever is new, so a look costs the
//! brokers one short round whatever is asked, and those who come while one is under way share the next. What makes it
//! safe to keep: committed records of a log never change, and a topic that was made again has another id. Compacted
//! topics are the exception, where records go away, and with them what was erased: of those nothing is kept.

use crate::{
    batches::Batches,
    brokers::{Brokers, BrowseError, Layout, PATIENCE},
    fetch::{Wanted, fetch_request},
    offsets::{Isolation, Range},
    record::Record,
    settings::Settings,
    settled::{SETTLING, refusal},
    stretch::Shared,
};
use futures::future::try_join_all;
use kafka_protocol::{ResponseError, messages::fetch_response::PartitionData};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::task::spawn_blocking;
use uuid::Uuid;

/// What is kept of a topic at most, shared evenly by its partitions.
const TOPIC_BYTES: usize = 8 * 1024 * 1024;
const PARTITION_RECORDS: usize = 1024;
/// Of how many topics something is kept; the one that nobody asked for the longest gives way.
const TOPICS: usize = 8;
/// How much of what is new one look takes along; behind more than that, nothing is worth keeping.
const NEWS_BYTES: i32 = 256 * 1024;
/// How long the settings of a topic are believed.
const SETTINGS_LAST: Duration = Duration::from_secs(30);

/// A topic at a moment.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    /// When the question was sent that this answers.
    asked_at: Instant,
    pub(crate) layout: Arc<Layout>,
    pub(crate) settings: Settings,
    settings_of: Instant,
    pub(crate) tails: BTreeMap<i32, Tail>,
}

/// The newest end of a partition.
#[derive(Debug, Clone)]
pub(crate) struct Tail {
    pub(crate) range: Range,
    /// Every committed record from here up to the stable end is at hand.
    pub(crate) from: i64,
    pub(crate) records: Arc<VecDeque<Arc<Record>>>,
    bytes: usize,
}

#[derive(Debug)]
pub(crate) struct Tails {
    brokers: Brokers,
    topics: Mutex<HashMap<String, Arc<Kept>>>,
}

#[derive(Debug)]
struct Kept {
    newest: tokio::sync::Mutex<Option<Snapshot>>,
    /// The topic, by its id, that was found to be stamped from its beginning.
    stamped: Mutex<Option<Uuid>>,
    used_at: Mutex<Instant>,
}

impl Tails {
    pub(crate) fn new(brokers: Brokers) -> Self {
        Self { brokers, topics: Mutex::default() }
    }

    /// The topic as it was at some moment after the call.
    pub(crate) async fn look(&self, topic: &str) -> Result<Snapshot, BrowseError> {
        let called_at = Instant::now();
        let kept = self.kept(topic);
        let mut newest = kept.newest.lock().await;
        if let Some(newest) = newest.as_ref().filter(|newest| newest.asked_at >= called_at) {
            return Ok(newest.clone());
        }
        let known = newest.take();
        let looked = self.look_again(topic, known).await?;
        *newest = Some(looked.clone());
        Ok(looked)
    }

    /// Some partitions of the topic as they were at some moment after the call, whatever has become of the others.
    pub(crate) async fn look_at_some(
        &self,
        topic: &str,
        wanted: impl Fn(&Layout) -> Result<BTreeSet<i32>, BrowseError>,
    ) -> Result<Snapshot, BrowseError> {
        let looked = self.brokers.settled(topic, SETTLING, async |layout| {
            let wanted = wanted(&layout)?;
            self.begin(layout, &wanted).await
        });
        looked.await
    }

    /// Keeps what was read of a topic, complete stretches without a filter, where it joins on to what is at hand.
    pub(crate) async fn keep(&self, looked: &Snapshot, read: &[Shared]) {
        if looked.settings.compacted {
            return;
        }
        let kept = self.kept(&looked.layout.topic);
        let mut newest = kept.newest.lock().await;
        let Some(newest) = newest.as_mut().filter(|newest| newest.layout.id == looked.layout.id) else { return };
        let room = TOPIC_BYTES / newest.tails.len().max(1);
        for read in read {
            if let Some(tail) = newest.tails.get_mut(&read.stretch.partition)
                && tail.from == read.stretch.end
            {
                tail.prepend(read.stretch.start, &read.records, room);
            }
        }
    }

    async fn look_again(&self, topic: &str, known: Option<Snapshot>) -> Result<Snapshot, BrowseError> {
        if let Some(known) = known {
            let (layout, news) = tokio::join!(self.brokers.layout(topic), self.news(known));
            let layout = layout?;
            if let Ok(Some(snapshot)) = news
                && *snapshot.layout == layout
            {
                return Ok(snapshot);
            }
        }
        let looked = self.brokers.settled(topic, SETTLING, async |layout| {
            let all = layout.leaders.keys().copied().collect();
            self.begin(layout, &all).await
        });
        looked.await
    }

    async fn begin(&self, layout: Layout, partitions: &BTreeSet<i32>) -> Result<Snapshot, BrowseError> {
        let (asked_at, only) = (Instant::now(), layout.only(partitions));
        let (ranges, mut settings) =
            tokio::try_join!(self.brokers.ranges(&only), self.brokers.settings(&layout.topic))?;
        settings.append_time = settings.append_time && self.begins_stamped(&layout, &ranges).await?;
        let tail = |range: Range| Tail { range, from: range.stable_end, records: Arc::default(), bytes: 0 };
        let tails = ranges.into_iter().map(|(partition, range)| (partition, tail(range))).collect();
        Ok(Snapshot { asked_at, layout: Arc::new(layout), settings, settings_of: asked_at, tails })
    }

    /// Asked of a topic once: what is appended to it later on is stamped as well.
    async fn begins_stamped(&self, layout: &Layout, ranges: &BTreeMap<i32, Range>) -> Result<bool, BrowseError> {
        let kept = self.kept(&layout.topic);
        let known = *kept.stamped.lock().unwrap_or_else(PoisonError::into_inner) == Some(layout.id);
        let stamped = known || self.brokers.begins_stamped(layout, ranges).await?;
        // Of some partitions nothing follows for the others.
        if stamped && ranges.len() == layout.leaders.len() {
            *kept.stamped.lock().unwrap_or_else(PoisonError::into_inner) = Some(layout.id);
        }
        Ok(stamped)
    }

    /// What came since; none when it is better to begin again.
    async fn news(&self, mut known: Snapshot) -> Result<Option<Snapshot>, BrowseError> {
        if known.settings_of.elapsed() > SETTINGS_LAST {
            return Ok(None);
        }
        known.asked_at = Instant::now();
        let layout = known.layout.clone();
        let asked = layout.by_leader(known.tails.keys().copied()).into_iter().map(|(leader, partitions)| {
            let from = partitions.iter().filter_map(|partition| Some((*partition, known.tails.get(partition)?)));
            let wanted = from.map(|(partition, tail)| Wanted {
                partition,
                offset: tail.range.stable_end,
                max_bytes: NEWS_BYTES,
            });
            let request = fetch_request(&layout, wanted.collect(), Isolation::Committed, 0);
            let (brokers, layout) = (&self.brokers, layout.clone());
            async move { brokers.ask_leader(&layout, leader, &request, PATIENCE).await }
        });
        let answers = try_join_all(asked).await?;
        let partitions: Vec<_> =
            answers.into_iter().flat_map(|answer| answer.responses).flat_map(|topic| topic.partitions).collect();
        // Of whatever a broker is silent about, the end is not known.
        if partitions.len() < known.tails.len() {
            return Ok(None);
        }
        let nothing_new =
            partitions.iter().all(|partition| partition.records.as_ref().is_none_or(|bytes| bytes.is_empty()));
        let most_bytes = self.brokers.max_batch_bytes();
        let take_in = move || take_in(known, partitions, most_bytes);
        match nothing_new {
            true => take_in(),
            false => spawn_blocking(take_in).await.map_err(|_| BrowseError::Stopped)?,
        }
    }

    fn kept(&self, topic: &str) -> Arc<Kept> {
        let mut topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = topics.get(topic) {
            *kept.used_at.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
            return kept.clone();
        }
        if topics.len() >= TOPICS {
            let used_at = |kept: &Kept| *kept.used_at.lock().unwrap_or_else(PoisonError::into_inner);
            let oldest = topics.iter().min_by_key(|(_, kept)| used_at(kept)).map(|(topic, _)| topic.clone());
            oldest.and_then(|oldest| topics.remove(&oldest));
        }
        let kept = Kept {
            newest: tokio::sync::Mutex::new(None),
            stamped: Mutex::default(),
            used_at: Mutex::new(Instant::now()),
        };
        topics.entry(topic.to_owned()).or_insert(Arc::new(kept)).clone()
    }
}

fn take_in(
    mut snapshot: Snapshot,
    partitions: Vec<PartitionData>,
    most_bytes: usize,
) -> Result<Option<Snapshot>, BrowseError> {
    let room = TOPIC_BYTES / snapshot.tails.len().max(1);
    for answer in partitions {
        let partition = answer.partition_index;
        let Some(tail) = snapshot.tails.get_mut(&partition) else { continue };
        // The log was cut: by its retention, or by a leader that had less of it.
        if ResponseError::try_from_code(answer.error_code) == Some(ResponseError::OffsetOutOfRange) {
            return Ok(None);
        }
        if let Some(error) = refusal(&snapshot.layout.topic, "to give records", answer.error_code) {
            return Err(error);
        }
        let (start, end) = (tail.range.stable_end, answer.last_stable_offset);
        tail.range = Range { low: answer.log_start_offset, stable_end: end, high_watermark: answer.high_watermark };
        if end < start {
            return Ok(None);
        }
        let batches = Batches::of(answer, i64::MAX, most_bytes);
        let mut records = Vec::new();
        let next = batches.read(
            start,
            end,
            |record| {
                if record.transaction.is_none() {
                    let fetched = record.to_fetched(&snapshot.layout.topic, partition);
                    records.push(Arc::new(Record { fetched, transaction: None }));
                }
            },
            |_| {},
        );
        match next {
            Ok(next) if next.unwrap_or(start) >= end && !snapshot.settings.compacted => tail.append(records, room),
            // A page reads it from the log, and says what of it cannot be read.
            _ => tail.forget(),
        }
    }
    Ok(Some(snapshot))
}

impl Tail {
    fn forget(&mut self) {
        *self = Self { range: self.range, from: self.range.stable_end, records: Arc::default(), bytes: 0 };
    }

    fn append(&mut self, news: Vec<Arc<Record>>, room: usize) {
        self.from = self.from.max(self.range.low);
        let low = self.from;
        if news.is_empty() && self.records.front().is_none_or(|oldest| oldest.fetched.offset >= low) {
            return;
        }
        let records = Arc::make_mut(&mut self.records);
        self.bytes += news.iter().map(|record| record.bytes()).sum::<usize>();
        records.extend(news);
        while records.len() > PARTITION_RECORDS
            || self.bytes > room
            || records.front().is_some_and(|oldest| oldest.fetched.offset < low)
        {
            let Some(oldest) = records.pop_front() else { break };
            self.bytes -= oldest.bytes();
            self.from = self.from.max(oldest.fetched.offset + 1);
        }
    }

    /// `records` are all there are from `start` up to where this begins; as many of the newest as there is room for.
    fn prepend(&mut self, start: i64, records: &[Arc<Record>], room: usize) {
        let kept = Arc::make_mut(&mut self.records);
        for record in records.iter().rev() {
            if kept.len() >= PARTITION_RECORDS || self.bytes + record.bytes() > room {
                return;
            }
            self.bytes += record.bytes();
            self.from = record.fetched.offset;
            kept.push_front(record.clone());
        }
        self.from = start;
    }
}
