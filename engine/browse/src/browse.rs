//! The one thing others hold: topics to look into.

use crate::{
    brokers::{Brokers, BrowseError, Layout},
    fetch::{Gap, Keep, Read, Record, Stretch},
    live::{Chunk, Listener, Live, News, Offsets, UNHURRIED, gaps},
    page::{Budget, Page, PageError, Question, Reading},
    settled::SETTLING,
    tails::Tails,
};
use foldstream_log::{Catalogue, Schemas};
use std::sync::Arc;
use uuid::Uuid;

/// How far behind a reader that comes back may be and still be shown everything; in each partition.
const CATCH_UP_OFFSETS: i64 = 10_000;
/// How many offsets of a partition are read at once on the way.
const CATCH_UP_STEP: i64 = 1000;

/// Cheap to clone.
#[derive(Debug, Clone)]
pub struct Browse {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    brokers: Brokers,
    catalogue: Catalogue,
    tails: Tails,
    live: Live,
}

impl Browse {
    /// Any topic can be looked into; of those in the catalogue it is known how their keys are written and placed.
    #[must_use]
    pub fn new(brokers: Brokers, catalogue: Catalogue) -> Self {
        let (tails, live) = (Tails::new(brokers.clone()), Live::new(brokers.clone(), UNHURRIED));
        Self { inner: Arc::new(Inner { brokers, catalogue, tails, live }) }
    }

    #[must_use]
    pub fn brokers(&self) -> &Brokers {
        &self.inner.brokers
    }

    /// The next page of what is looked for.
    pub async fn page(&self, question: Question, schemas: &Schemas, budget: &Budget) -> Result<Page, PageError> {
        let Inner { brokers, catalogue, tails, .. } = self.inner.as_ref();
        Reading { brokers, catalogue, tails, schemas }.page(question, budget).await
    }

    /// Listens to what is appended to a topic from now on; or, for a reader that comes back, from where it stood.
    ///
    /// What it missed is read from the log, up to a bound; what lies before that, or is no longer there, is a gap.
    pub async fn listen(&self, topic: &str, back: Option<(Uuid, Offsets)>) -> Result<Tail, BrowseError> {
        let Inner { brokers, live, .. } = self.inner.as_ref();
        let layout = brokers.layout(topic).await?;
        let listener = live.listen(&layout).await?;
        let to = listener.at.clone();
        let Some((topic_id, mut at)) = back.filter(|(topic_id, _)| *topic_id == layout.id) else {
            // Also when the topic was made again: what was read of the other one is of no use here.
            return Ok(Tail { topic_id: layout.id, missed: Vec::new(), catching_up: None, listener });
        };
        let mut nearest = Offsets::new();
        for (partition, range) in brokers.ranges(&layout).await? {
            let end = to.get(&partition).copied().unwrap_or(range.low);
            nearest.insert(partition, range.low.max(end - CATCH_UP_OFFSETS));
        }
        let missed = gaps(&at, &nearest);
        for gap in &missed {
            at.insert(gap.partition, gap.to);
        }
        let catching_up = CatchingUp { brokers: brokers.clone(), layout, at, to };
        Ok(Tail { topic_id, missed, catching_up: Some(catching_up), listener })
    }
}

/// A topic as it grows, for one reader.
#[derive(Debug)]
pub struct Tail {
    pub topic_id: Uuid,
    missed: Vec<Gap>,
    catching_up: Option<CatchingUp>,
    listener: Listener,
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
    /// Where this reader stands.
    #[must_use]
    pub fn at(&self) -> &Offsets {
        self.catching_up.as_ref().map_or(&self.listener.at, |catching_up| &catching_up.at)
    }

    /// What comes next; none when the topic is gone.
    pub async fn next(&mut self) -> Option<Result<News, BrowseError>> {
        if !self.missed.is_empty() {
            return Some(Ok(News::Gap(std::mem::take(&mut self.missed))));
        }
        if let Some(catching_up) = &mut self.catching_up {
            match catching_up.next().await {
                Ok(Some(chunk)) => return Some(Ok(News::Chunk(Arc::new(chunk)))),
                Ok(None) => self.catching_up = None,
                Err(error) => return Some(Err(error)),
            }
        }
        self.listener.next().await.map(Ok)
    }
}

impl CatchingUp {
    async fn next(&mut self) -> Result<Option<Chunk>, BrowseError> {
        let keep: Keep = Arc::new(|record| record.transaction.is_none().into());
        loop {
            let ahead = self.to.iter().filter_map(|(partition, to)| {
                let start = self.at.get(partition).copied().unwrap_or(0);
                let end = (*to).min(start + CATCH_UP_STEP);
                (start < end).then_some(Stretch { partition: *partition, start, end, stable_end: i64::MAX })
            });
            let ahead: Vec<_> = ahead.collect();
            if ahead.is_empty() {
                return Ok(None);
            }
            let looked = Arc::default();
            let read = self.brokers.settled(&self.layout.topic, SETTLING, async |layout| {
                self.brokers.read(&layout, &ahead, &keep, &looked).await
            });
            let read = read.await?;
            let before = self.at.clone();
            self.at.extend(ahead.iter().map(|stretch| (stretch.partition, stretch.end)));
            let missed: Vec<Gap> = read.iter().flat_map(|read| read.missed.iter().copied()).collect();
            let records = in_order(read);
            if !records.is_empty() || !missed.is_empty() {
                return Ok(Some(Chunk::new(records, before, missed)));
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
