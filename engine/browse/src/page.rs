//! Pages of records: the newest, or oldest, so many of a topic that pass a filter, over all its partitions.
//!
//! Exact: a page holds the next records of the merge (`lane.rs`) and nothing else, says what it covered, and ends early
//! only when its budget is spent, which it says too. Pages that follow each other by their places make up the whole
//! list, whatever arrives meanwhile. Records that the filter could not be held against are counted beside it: those of
//! the stretch that the page covers, so that over all pages each counts once.
//!
//! A budget is looked at between rounds of reading, never inside one, and never before the first: so each page comes
//! further than the one before it.

use crate::{
    batches::RecordView,
    brokers::{Brokers, BrowseError, Layout},
    fetch::{Keep, Looked, Read, Record, Shared, Stretch, Times},
    filter::{Filter, PathsSeen},
    lane::{CLOCKS_DIFFER_MS, Covered, Lane, Next, Order, take_next, within},
    offsets::Isolation,
    place::Place,
    settled::SETTLING,
    tails::{Snapshot, Tails},
    uncompared::{Uncompared, Verdict},
};
use foldstream_log::{Catalogue, Schemas, Topic, Violation, partition_of};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};
use tokio::runtime::Handle;

/// Offsets read of one partition in a round, and of all together.
const LEAST_AHEAD: i64 = 16;
const MOST_AHEAD: i64 = 16_384;
const ROUND_RECORDS: u64 = 200_000;
const ROUND_BYTES: u64 = 32 * 1024 * 1024;

/// What is looked for.
#[derive(Debug, Clone)]
pub struct Question {
    pub topic: String,
    /// None: all, or those that can hold the key that is asked for.
    pub partitions: Option<BTreeSet<i32>>,
    pub filter: Filter,
    pub order: Order,
    pub isolation: Isolation,
    pub limit: usize,
    /// Where the page before ended.
    pub after: Option<Place>,
    /// What was met of the filter's paths, on all pages of this question.
    pub paths_seen: Arc<PathsSeen>,
}

impl Question {
    /// The newest committed records of a topic.
    #[must_use]
    pub fn newest(topic: &str, limit: usize) -> Self {
        Self {
            topic: topic.to_owned(),
            partitions: None,
            filter: Filter::default(),
            order: Order::Newest,
            isolation: Isolation::Committed,
            limit,
            after: None,
            paths_seen: Arc::default(),
        }
    }
}

/// How much a page may cost.
#[derive(Clone)]
pub struct Budget {
    pub time: Duration,
    pub records: u64,
    pub bytes: u64,
    /// Takes so many bytes from what the client has left; false when nothing is left.
    pub client: Arc<dyn Fn(u64) -> bool + Send + Sync>,
}

impl std::fmt::Debug for Budget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { time, records, bytes, client: _ } = self;
        f.debug_struct("Budget")
            .field("time", time)
            .field("records", records)
            .field("bytes", bytes)
            .finish_non_exhaustive()
    }
}

/// Which part of a budget was spent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Spent {
    Time,
    Records,
    Bytes,
    Client,
}

#[derive(Debug)]
pub struct Page {
    pub records: Vec<Arc<Record>>,
    pub covered: Vec<Covered>,
    /// What is not in it, nor will be in those that follow: it was appended and no reader of committed records is shown it
    /// yet.
    pub undecided: Vec<Undecided>,
    /// Where the next page goes on; none when there is nothing more.
    pub next: Option<Place>,
    /// None when the page holds as many as were asked for, or all there are.
    pub spent: Option<Spent>,
    /// What of the stretch that is covered may be wanted, too.
    pub uncompared: Uncompared,
    /// Paths of the filter that no schema had of those that were met, on this page and those before it.
    pub unknown_paths: Vec<String>,
    /// What was read from the brokers for it.
    pub looked_at: LookedAt,
    /// Timestamps follow the offsets of a partition, so the order over all partitions is the order of time.
    pub in_order_of_time: bool,
}

impl Page {
    /// Whether it holds everything that was asked for of what it covers, and covers all that was asked for, or enough of it.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.spent.is_none() && self.uncompared.is_empty() && self.unknown_paths.is_empty()
    }
}

/// Offsets of a partition that wait for the end of a transaction, theirs or one before them: from `from` up to, not
/// including, `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Undecided {
    pub partition: i32,
    pub from: i64,
    pub to: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct LookedAt {
    pub records: u64,
    pub bytes: u64,
}

/// A place that cannot be gone on from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Expired {
    #[error("the topic was deleted and made again since")]
    OtherTopic,
    #[error(
        "the retention of the topic has removed what comes next: partition {partition} begins at {low}, {at} was to be read"
    )]
    Removed { partition: i32, at: i64, low: i64 },
}

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    #[error(transparent)]
    Browse(#[from] BrowseError),
    #[error(transparent)]
    Expired(#[from] Expired),
    /// What the question could not be held against told that it cannot be meant so.
    #[error(transparent)]
    Refused(Violation),
}

pub(crate) struct Reading<'a> {
    pub(crate) brokers: &'a Brokers,
    pub(crate) catalogue: &'a Catalogue,
    pub(crate) tails: &'a Tails,
    pub(crate) schemas: &'a Schemas,
}

impl Reading<'_> {
    pub(crate) async fn page(&self, mut question: Question, budget: &Budget) -> Result<Page, PageError> {
        let deadline = Instant::now() + budget.time;
        let snapshot = match self.tails.look(&question.topic).await {
            // It may be another partition that has no leader.
            Err(error) if error.is_retriable() && self.is_of_some(&question) => {
                self.tails.look_at_some(&question.topic, |layout| self.wanted(&question, layout)).await?
            }
            looked => looked?,
        };
        if let Some(after) = &question.after {
            if after.topic_id != snapshot.layout.id {
                return Err(Expired::OtherTopic.into());
            }
            question.filter.pin(after.times);
        }
        if self.catalogue.topic(&question.topic).is_some() {
            question.filter.set_plain_keys();
        }
        let mut lanes = self.lanes(&question, &snapshot).await?;
        let (keep, looked) = (self.keep(&question), Arc::new(Looked::default()));
        let mut layout = (*snapshot.layout).clone();
        let in_order_of_time = snapshot.settings.append_time;
        let at_the_tail = question.order == Order::Newest
            && question.isolation == Isolation::Committed
            && question.filter.is_everything();
        if at_the_tail {
            Self::take_from_tails(&snapshot, &mut lanes);
        }
        let mut records = Vec::with_capacity(question.limit.min(1024));
        let mut untold = Vec::new();
        let mut offsets = first_step(question.limit, lanes.len());
        let mut spent = None;
        let mut rounds = 0;
        while records.len() < question.limit {
            let to_read = match take_next(question.order, &mut lanes) {
                Next::Record(record) => {
                    records.push(record);
                    continue;
                }
                Next::Read(to_read) => to_read,
                Next::End => break,
            };
            spent = spent.or_else(|| budget.spent(deadline, &looked).filter(|_| rounds > 0));
            if spent.is_some() {
                break;
            }
            let ahead = offsets.min(most_ahead(to_read.len(), looked.bytes_each()));
            let stretches: Vec<_> = to_read.into_iter().map(|lane| lanes[lane].ahead(ahead)).collect();
            let before = looked.bytes.load(Ordering::Relaxed);
            let read = self.read(&mut layout, &stretches, (&keep, &looked)).await?;
            if let Some(violation) = question.filter.refused(&question.paths_seen) {
                return Err(PageError::Refused(violation));
            }
            let read: Vec<_> = read.into_iter().map(Shared::from).collect();
            // What was not shown is not remembered as all there is.
            if at_the_tail && read.iter().all(|read| read.untold.is_empty()) {
                self.tails.keep(&snapshot, &read).await;
            }
            for read in read {
                untold.extend(read.untold.into_iter().map(|untold| (read.stretch.partition, untold)));
                if let Some(lane) = lanes.iter_mut().find(|lane| lane.partition == read.stretch.partition) {
                    lane.take_in(&read.stretch, read.times.filter(|_| in_order_of_time), read.records.into_iter());
                }
            }
            if !(budget.client)(looked.bytes.load(Ordering::Relaxed) - before) {
                spent = Some(Spent::Client);
            }
            offsets = offsets.saturating_mul(2).min(MOST_AHEAD);
            rounds += 1;
        }
        // What the last round brought may have been enough.
        let more = lanes.iter().any(Lane::has_more);
        let next = more.then(|| Place {
            topic_id: snapshot.layout.id,
            times: question.filter.times(),
            partitions: lanes
                .iter()
                .filter(|lane| lane.has_more())
                .map(|lane| (lane.partition, lane.place()))
                .collect(),
        });
        let covered: Vec<Covered> = lanes.iter().map(Lane::covered).collect();
        Ok(Page {
            spent: spent.filter(|_| more && records.len() < question.limit),
            records,
            undecided: undecided(question.isolation, &snapshot, &lanes),
            uncompared: within(&covered, untold, (question.order, &question.topic)),
            unknown_paths: question.filter.unknown_paths(&question.paths_seen),
            covered,
            next,
            looked_at: looked.as_ref().into(),
            in_order_of_time,
        })
    }

    async fn lanes(&self, question: &Question, snapshot: &Snapshot) -> Result<Vec<Lane>, PageError> {
        let layout = &snapshot.layout;
        let wanted = self.wanted(question, layout)?;
        let (since, until) = (question.filter.since_ms(), question.filter.until_ms());
        let floors = match since {
            Some(since) => self.brokers.offsets_at(&layout.only(&wanted), since).await?,
            None => BTreeMap::new(),
        };
        let tops = match until.filter(|_| snapshot.settings.append_time) {
            Some(until) => {
                self.brokers.offsets_at(&layout.only(&wanted), until.saturating_add(CLOCKS_DIFFER_MS)).await?
            }
            None => BTreeMap::new(),
        };
        let mut lanes = Vec::new();
        for (partition, tail) in snapshot.tails.iter().filter(|(partition, _)| wanted.contains(partition)) {
            let range = tail.range;
            let mut end = range.end(question.isolation);
            // No offset is that late: nothing before the end is.
            let mut low = floors.get(partition).map_or(range.low, |floor| floor.unwrap_or(end).max(range.low));
            let mut high = tops.get(partition).copied().flatten().map_or(end, |top| top.min(end));
            if let Some(after) = &question.after {
                let Some(place) = after.partitions.get(partition) else { continue };
                if place.at < range.low {
                    return Err(Expired::Removed { partition: *partition, at: place.at, low: range.low }.into());
                }
                end = place.end;
                match question.order {
                    Order::Newest => high = place.at.min(high),
                    Order::Oldest => (low, high) = (place.at.max(low), high.min(place.end)),
                }
            }
            lanes.push(Lane::new(question.order, *partition, (low, high), (end, range.stable_end)));
        }
        Ok(lanes)
    }

    /// What is at hand already needs no reading.
    fn take_from_tails(snapshot: &Snapshot, lanes: &mut [Lane]) {
        for lane in lanes {
            let Some(tail) = snapshot.tails.get(&lane.partition) else { continue };
            let mut stretch = lane.ahead(i64::MAX);
            if stretch.end <= tail.from || stretch.end > tail.range.stable_end {
                continue;
            }
            stretch.start = stretch.start.max(tail.from);
            let range = stretch.start..stretch.end;
            let within = tail.records.iter().filter(|record| range.contains(&record.fetched.offset));
            let times = within.clone().map(|record| Times::at(record.fetched.timestamp_ms)).reduce(Times::and);
            lane.take_in(&stretch, times.filter(|_| snapshot.settings.append_time), within.cloned());
        }
    }

    async fn read(
        &self,
        layout: &mut Layout,
        stretches: &[Stretch],
        (keep, looked): (&Keep, &Arc<Looked>),
    ) -> Result<Vec<Read>, PageError> {
        match self.brokers.read(layout, stretches, keep, looked).await {
            Err(error) if error.is_retriable() => {}
            read => return Ok(read?),
        }
        let topic = layout.topic.clone();
        let read = self.brokers.settled(&topic, SETTLING, async |layout| {
            let read = self.brokers.read(&layout, stretches, keep, looked).await?;
            Ok((layout, read))
        });
        let (found, read) = read.await?;
        if found.id != layout.id {
            return Err(Expired::OtherTopic.into());
        }
        *layout = found;
        Ok(read)
    }

    /// Which records a page is made of.
    fn keep(&self, question: &Question) -> Keep {
        let (filter, schemas, isolation) = (question.filter.clone(), self.schemas.clone(), question.isolation);
        let paths = question.paths_seen.clone();
        let runtime = Handle::current();
        Arc::new(move |record: &RecordView<'_>| {
            let visible = isolation == Isolation::Uncommitted || record.transaction.is_none();
            match visible {
                true => filter.compare(record, &|id| schemas.get_blocking(id, &runtime), &paths),
                false => Verdict::Other,
            }
        })
    }

    /// Whether the question leaves partitions out.
    fn is_of_some(&self, question: &Question) -> bool {
        let is_declared = || self.catalogue.topic(&question.topic).is_some();
        question.partitions.is_some() || question.filter.key_bytes().is_some() && is_declared()
    }

    /// The partitions to look into.
    fn wanted(&self, question: &Question, layout: &Layout) -> Result<BTreeSet<i32>, BrowseError> {
        // Also of a topic that has grown since.
        if let Some(after) = &question.after {
            return Ok(after.partitions.keys().copied().collect());
        }
        let all = || layout.leaders.keys().copied().collect();
        let Some(wanted) = &question.partitions else {
            return Ok(homes(&question.filter, self.catalogue.topic(&question.topic), layout).unwrap_or_else(all));
        };
        match wanted.iter().find(|partition| !layout.leaders.contains_key(partition)) {
            Some(unknown) => Err(BrowseError::UnknownPartition {
                topic: layout.topic.clone(),
                partition: *unknown,
                partitions: layout.leaders.len(),
            }),
            None => Ok(wanted.clone()),
        }
    }
}

/// Where the key lives that is asked for, if that can be told: of a declared topic with as many partitions as it was
/// declared with, since all its writers place keys alike. Elsewhere each client has a way of its own, and where partitions
/// were added a key lives in two.
fn homes(filter: &Filter, declared: Option<&Topic>, layout: &Layout) -> Option<BTreeSet<i32>> {
    let (keys, partitions) = (filter.key_bytes()?, layout.leaders.len());
    declared.filter(|topic| usize::try_from(topic.partitions) == Ok(partitions))?;
    Some(keys.into_iter().map(|key| partition_of(key, partitions)).collect())
}

/// Enough of each partition that a page of an evenly filled topic is there at once.
fn first_step(limit: usize, lanes: usize) -> i64 {
    let each = limit.saturating_mul(2) / lanes.max(1);
    i64::try_from(each).unwrap_or(i64::MAX).clamp(LEAST_AHEAD, MOST_AHEAD)
}

/// How far a round may go in each of so many partitions.
fn most_ahead(partitions: usize, bytes_each: u64) -> i64 {
    let round = ROUND_RECORDS.min(ROUND_BYTES / bytes_each.max(1)) / partitions.max(1) as u64;
    i64::try_from(round).unwrap_or(i64::MAX).max(LEAST_AHEAD)
}

impl Budget {
    /// Bounded by time alone.
    #[must_use]
    pub fn of_time(time: Duration) -> Self {
        Self { time, records: u64::MAX, bytes: u64::MAX, client: Arc::new(|_| true) }
    }

    fn spent(&self, deadline: Instant, looked: &Looked) -> Option<Spent> {
        match () {
            () if Instant::now() >= deadline => Some(Spent::Time),
            () if looked.records.load(Ordering::Relaxed) >= self.records => Some(Spent::Records),
            () if looked.bytes.load(Ordering::Relaxed) >= self.bytes => Some(Spent::Bytes),
            () => None,
        }
    }
}

impl From<&Looked> for LookedAt {
    fn from(looked: &Looked) -> Self {
        Self { records: looked.records.load(Ordering::Relaxed), bytes: looked.bytes.load(Ordering::Relaxed) }
    }
}

/// What a page of committed records leaves out of its partitions.
fn undecided(isolation: Isolation, snapshot: &Snapshot, lanes: &[Lane]) -> Vec<Undecided> {
    let ranges = lanes.iter().filter_map(|lane| Some((lane.partition, snapshot.tails.get(&lane.partition)?.range)));
    let open = ranges.filter(|(_, range)| isolation == Isolation::Committed && range.undecided() > 0);
    open.map(|(partition, range)| Undecided { partition, from: range.stable_end, to: range.high_watermark }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use foldstream_log::DEAD_LETTERS;

    fn layout(partitions: i32) -> Layout {
        let name = kafka_protocol::messages::TopicName::default();
        let leaders = (0..partitions).map(|partition| (partition, 1)).collect();
        Layout { topic: DEAD_LETTERS.name.to_owned(), name, id: uuid::Uuid::nil(), leaders }
    }

    #[test]
    fn a_key_has_a_home_only_where_all_place_keys_alike() {
        let (key, as_declared) = ("354afe16-939a-4ea8-8e17-8bb0840b6886", DEAD_LETTERS.partitions);
        let mut filter = Filter::default();
        assert_eq!(homes(&filter, Some(&DEAD_LETTERS), &layout(as_declared)), None);
        filter.set_key(key, None).unwrap();
        let home = partition_of(key.as_bytes(), layout(as_declared).leaders.len());
        assert_eq!(homes(&filter, Some(&DEAD_LETTERS), &layout(as_declared)), Some([home].into()));
        // It has grown, or nobody knows who writes to it: CRC32 puts this key into 9 of 10, murmur2 into 4.
        assert_eq!(homes(&filter, Some(&DEAD_LETTERS), &layout(as_declared + 1)), None);
        assert_eq!(homes(&filter, None, &layout(10)), None);
        // What may be text and base64 has two homes.
        filter.set_key("YWRh", None).unwrap();
        let both = ["YWRh", "ada"].map(|key| partition_of(key.as_bytes(), layout(as_declared).leaders.len()));
        assert_eq!(homes(&filter, Some(&DEAD_LETTERS), &layout(as_declared)), Some(both.into()));
    }
}
