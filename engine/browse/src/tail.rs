//! A topic as it grows, for one reader; one that comes back is first shown what it missed.
//!
//! What it missed is read from the log in steps, each within a budget: so coming back from far costs what an export does, and
//! holds no more at once than a page.

use crate::{
    batches::RecordView,
    brokers::{Brokers, BrowseError, Layout},
    budget::Budget,
    feed::{Arrived, Chunk, Listener, News, Offsets, gaps},
    offsets::{End, Isolation},
    order::Order,
    record::Record,
    settled::SETTLING,
    stretch::{Gap, Intake, Keep, Looked, Read, Room, Stretch},
};
use std::sync::{Arc, atomic::Ordering};
use tokio::time::Instant;
use uuid::Uuid;

/// How many offsets of a partition are read at once on the way.
const STEP: i64 = 1000;

/// Where a reader stood that comes back.
#[derive(Debug, Clone)]
pub struct Back {
    pub topic_id: Uuid,
    pub at: Offsets,
    /// How far behind it may be and still be shown everything; in each partition.
    pub most_offsets: i64,
}

#[derive(Debug)]
pub struct Tail {
    pub topic_id: Uuid,
    missed: Vec<Gap>,
    catching_up: Option<CatchingUp>,
    listener: Listener,
    /// Where this reader left partitions whose end nobody could tell when it came back.
    left: Offsets,
    /// What comes behind the gap.
    behind_gap: Option<Arc<Chunk>>,
}

/// What a reader that came back has not seen yet.
#[derive(Debug)]
struct CatchingUp {
    brokers: Brokers,
    layout: Layout,
    at: Offsets,
    to: Offsets,
}

impl Tail {
    pub(crate) fn from_now_on(topic_id: Uuid, listener: Listener) -> Self {
        let (missed, left) = (Vec::new(), Offsets::new());
        Self { topic_id, missed, catching_up: None, listener, left, behind_gap: None }
    }

    pub(crate) async fn behind(
        brokers: &Brokers,
        layout: Layout,
        listener: Listener,
        back: Back,
    ) -> Result<Self, BrowseError> {
        let (to, mut at) = (listener.at.clone(), back.at);
        let (known, unknown): (Offsets, Offsets) = to.iter().partition(|(_, to)| **to >= 0);
        for (partition, since) in &unknown {
            at.entry(*partition).or_insert(*since);
        }
        let left = unknown.keys().filter_map(|partition| Some((*partition, *at.get(partition)?)));
        let left: Offsets = left.filter(|(_, at)| *at >= 0).collect();
        let layout_of_known = layout.only(&known.keys().copied().collect());
        for (partition, from) in begun(brokers, &layout_of_known, &at).await? {
            at.insert(partition, from.min(known[&partition]));
        }
        let behind = known.iter().filter(|(partition, to)| at.get(partition).is_none_or(|at| at < *to));
        let behind = layout.only(&behind.map(|(partition, _)| *partition).collect());
        let mut nearest = Offsets::new();
        if !behind.leaders.is_empty() {
            for (partition, range) in brokers.ranges(&behind).await? {
                let end = known.get(&partition).copied().unwrap_or(range.low);
                nearest.insert(partition, range.low.max(end.saturating_sub(back.most_offsets)));
            }
        }
        let missed = gaps(&at, &nearest);
        at.extend(missed.iter().map(|gap| (gap.partition, gap.to)));
        let topic_id = layout.id;
        let catching_up = Some(CatchingUp { brokers: brokers.clone(), layout, at, to: known });
        Ok(Self { topic_id, missed, catching_up, listener, left, behind_gap: None })
    }

    /// Where this reader stands.
    #[must_use]
    pub fn at(&self) -> Offsets {
        self.standing(self.catching_up.as_ref().map_or(&self.listener.at, |catching_up| &catching_up.at))
    }

    /// Where this reader stands when it has come so far in what it was given.
    #[must_use]
    pub fn standing(&self, at: &Offsets) -> Offsets {
        at.iter().chain(&self.left).map(|(partition, at)| (*partition, *at)).collect()
    }

    /// Whether it stands where everybody does who was given the same.
    #[must_use]
    pub fn stands_with_others(&self) -> bool {
        self.left.is_empty()
    }

    /// The partitions whose leader could not be asked yet.
    #[must_use]
    pub fn waiting(&self) -> Vec<i32> {
        self.listener.at.iter().filter(|(_, at)| **at < 0).map(|(partition, _)| *partition).collect()
    }

    /// What comes next; none when the topic is gone. What was missed is read within such budgets, one for each step.
    pub async fn next<F: Future<Output = Budget>>(
        &mut self,
        budget: impl Fn() -> F,
    ) -> Option<Result<News, BrowseError>> {
        if !self.missed.is_empty() {
            return Some(Ok(News::Gap(std::mem::take(&mut self.missed))));
        }
        if let Some(catching_up) = &mut self.catching_up {
            match catching_up.next(budget).await {
                Ok(Some(chunk)) => return Some(Ok(News::Chunk(Arc::new(chunk)))),
                Ok(None) => self.catching_up = None,
                Err(error) => return Some(Err(error)),
            }
        }
        if let Some(chunk) = self.behind_gap.take() {
            return Some(Ok(News::Chunk(chunk)));
        }
        Some(Ok(match self.listener.next().await? {
            News::Chunk(chunk) => self.behind_what_was_left(chunk),
            news => news,
        }))
    }

    /// Before what is taken up comes what lies between that and where this reader left.
    fn behind_what_was_left(&mut self, chunk: Arc<Chunk>) -> News {
        let taken_up: Offsets = chunk.taken_up.iter().map(|taken_up| (taken_up.partition, taken_up.from)).collect();
        let left: Offsets = taken_up.keys().filter_map(|partition| self.left.remove_entry(partition)).collect();
        let mut missed = gaps(&left, &taken_up);
        missed.retain(|gap| left.contains_key(&gap.partition));
        if missed.is_empty() {
            return News::Chunk(chunk);
        }
        self.behind_gap = Some(chunk);
        News::Gap(missed)
    }
}

/// Of partitions that this reader was waiting for when it left: where they would have been taken up.
async fn begun(brokers: &Brokers, layout: &Layout, at: &Offsets) -> Result<Offsets, BrowseError> {
    let mut begun = Offsets::new();
    for (partition, since) in at.iter().filter(|(partition, at)| **at < 0 && layout.leaders.contains_key(partition)) {
        let young = End::Since(-since, Isolation::Committed);
        for (partition, offset) in brokers.offsets(&layout.only(&[*partition].into()), young).await? {
            begun.insert(partition, if offset < 0 { i64::MAX } else { offset });
        }
    }
    Ok(begun)
}

impl CatchingUp {
    async fn next<F: Future<Output = Budget>>(&mut self, budget: impl Fn() -> F) -> Result<Option<Chunk>, BrowseError> {
        let keep: Keep = Arc::new(|record: &RecordView<'_>| record.transaction.is_none().into());
        loop {
            let ahead = self.to.iter().filter_map(|(partition, to)| {
                let start = self.at.get(partition).copied().unwrap_or(0);
                let end = (*to).min(start + STEP);
                (start < end).then_some(Stretch { partition: *partition, start, end, stable_end: i64::MAX })
            });
            let ahead: Vec<_> = ahead.collect();
            if ahead.is_empty() {
                return Ok(None);
            }
            let budget = budget().await;
            let (mut held, room) = (budget.memory.begin(), budget.memory.of_one_kept());
            while !held.take(room, Instant::now() + budget.time).await {}
            let room = Room { order: Order::Oldest, bytes: room / ahead.len() as u64 };
            let looked: Arc<Looked> = Arc::default();
            let intake = Intake { keep: keep.clone(), looked: looked.clone(), room };
            let read = self.brokers.settled(&self.layout.topic, SETTLING, async |layout| {
                self.brokers.read(&layout, &ahead, &intake).await
            });
            let read = read.await?;
            // Whether that was too much the next budget waits for.
            let _ = (budget.client)(looked.bytes.load(Ordering::Relaxed));
            let before = self.at.clone();
            self.at.extend(read.iter().map(|read| (read.stretch.partition, read.stretch.end)));
            let missed: Vec<Gap> = read.iter().flat_map(Read::gaps).collect();
            let records = in_order(read);
            if !records.is_empty() || !missed.is_empty() {
                held.keep(records.iter().map(|record| record.bytes() as u64).sum());
                return Ok(Some(Chunk::new(Arrived { missed, records, ..Arrived::default() }, before, Some(held))));
            }
        }
    }
}

/// By time across partitions, by offset within one, where times may be anything: a record counts as no older than those
/// before it.
fn in_order(read: Vec<Read>) -> Vec<Record> {
    let mut records = Vec::new();
    for partition in read {
        let mut latest = i64::MIN;
        for record in partition.records {
            latest = latest.max(record.fetched.timestamp_ms);
            records.push((latest, record));
        }
    }
    // Stable, so the order of offsets stays where times are equal.
    records.sort_by_key(|(latest, _)| *latest);
    records.into_iter().map(|(_, record)| record).collect()
}
