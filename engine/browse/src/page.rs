//! Pages of records: the newest, or oldest, so many of a topic that pass a filter, over all its partitions.
//!
//! Exact: a page holds the next records of the merge (`lane.rs`) and nothing else, says what it covered, and ends early
//! only when its budget is spent, which it says too. Pages that follow each other by their places make up the whole
//! list, whatever arrives meanwhile. Records that the filter could not be held against are counted beside it: those of
//! the stretch that the page covers, so that over all pages each counts once.
//!
//! It is read in rounds. What a round may hold is taken from the memory there is for looks before it begins; where there is
//! room for less than it would read, stretches come back shorter (`open.rs`), and the page is cut when its records fill
//! its part.

use crate::{
    batches::RecordView,
    brokers::{Brokers, BrowseError, Layout},
    budget::{Budget, LookedAt, Spent},
    lane::{CLOCKS_DIFFER_MS, Covered, Lane, Next, take_next, within},
    memory::Held,
    offsets::Isolation,
    order::Order,
    place::{Place, PlaceIn, Times},
    question::Question,
    record::Record,
    settled::SETTLING,
    stretch::{self, Intake, Keep, Looked, Read, Room, Shared, Stretch},
    tails::{Snapshot, Tails},
    uncompared::{Uncompared, Verdict},
    undecided::Undecided,
};
use foldstream_log::{Catalogue, Schemas, Topic, Violation};
use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
    time::Instant,
};
use tokio::runtime::Handle;
use uuid::Uuid;

/// Offsets read of one partition in the first round, and of all together in any.
const LEAST_AHEAD: i64 = 16;
const MOST_AHEAD: i64 = 16_384;
const ROUND_RECORDS: u64 = 200_000;
const ROUND_BYTES: u64 = 32 * 1024 * 1024;
/// A round has this much room at least, where the page has: what its records weigh is a guess.
const ROUND_ROOM: u64 = 2 * 1024 * 1024;

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
    topic_id: Uuid,
    times: Times,
    /// What its records take, for as long as it is there.
    _held: Held,
}

impl Page {
    /// Whether it holds everything that was asked for of what it covers, and covers all that was asked for, or enough of it.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.spent.is_none() && self.uncompared.is_empty() && self.unknown_paths.is_empty()
    }

    /// Where what it covers, and nothing else, is listed again, oldest first.
    pub(crate) fn covered_place(&self) -> Place {
        let covered = self.covered.iter().filter(|covered| covered.from < covered.to);
        Place {
            topic_id: self.topic_id,
            times: self.times,
            partitions: covered
                .map(|covered| (covered.partition, PlaceIn { at: covered.from, end: covered.to }))
                .collect(),
        }
    }
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
    #[error("other looks hold all the memory there is for them")]
    Crowded,
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
        let declared = self.catalogue.topic(&question.topic);
        let snapshot = self.snapshot(&question, declared).await?;
        if let Some(after) = &question.after {
            if after.topic_id != snapshot.layout.id {
                return Err(Expired::OtherTopic.into());
            }
            question.filter.pin(after.times);
        }
        if declared.is_some() {
            question.filter.set_plain_keys();
        }
        let mut lanes = self.lanes(&question, &snapshot, declared).await?;
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
        let mut held = budget.memory.begin();
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
            // Until there is a record, a page that goes on goes further.
            if held.left() == 0 && !records.is_empty() {
                spent = Some(Spent::Memory);
                break;
            }
            let ahead = offsets.min(most_ahead(to_read.len(), &looked));
            let room = room_for(ahead, to_read.len(), &looked).min(held.left());
            if !held.take(room, deadline.into()).await {
                if rounds == 0 {
                    return Err(PageError::Crowded);
                }
                spent = Some(Spent::Memory);
                break;
            }
            let room = Room { order: question.order, bytes: room / to_read.len().max(1) as u64 };
            let intake = Intake { keep: keep.clone(), looked: looked.clone(), room };
            let stretches: Vec<_> = to_read.into_iter().map(|lane| lanes[lane].ahead(ahead)).collect();
            let before = looked.bytes.load(Ordering::Relaxed);
            let read = self.read(&mut layout, &stretches, &intake).await?;
            held.keep(read.iter().flat_map(|read| &read.records).map(|record| record.bytes() as u64).sum());
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
            topic_id: snapshot.layout.id,
            times: question.filter.times(),
            _held: held,
        })
    }

    async fn snapshot(&self, question: &Question, declared: Option<&Topic>) -> Result<Snapshot, BrowseError> {
        match self.tails.look(&question.topic).await {
            // It may be another partition that has no leader.
            Err(error) if error.is_retriable() && question.is_of_some(declared) => {
                self.tails.look_at_some(&question.topic, |layout| question.wanted(layout, declared)).await
            }
            looked => looked,
        }
    }

    async fn lanes(
        &self,
        question: &Question,
        snapshot: &Snapshot,
        declared: Option<&Topic>,
    ) -> Result<Vec<Lane>, PageError> {
        let layout = &snapshot.layout;
        let wanted = question.wanted(layout, declared)?;
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
            let times = within
                .clone()
                .map(|record| stretch::Times::at(record.fetched.timestamp_ms))
                .reduce(stretch::Times::and);
            lane.take_in(&stretch, times.filter(|_| snapshot.settings.append_time), within.cloned());
        }
    }

    async fn read(&self, layout: &mut Layout, stretches: &[Stretch], intake: &Intake) -> Result<Vec<Read>, PageError> {
        match self.brokers.read(layout, stretches, intake).await {
            Err(error) if error.is_retriable() => {}
            read => return Ok(read?),
        }
        let topic = layout.topic.clone();
        let read = self.brokers.settled(&topic, SETTLING, async |layout| {
            let read = self.brokers.read(&layout, stretches, intake).await?;
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
}

/// Enough of each partition that a page of an evenly filled topic is there at once.
fn first_step(limit: usize, lanes: usize) -> i64 {
    let each = limit.saturating_mul(2) / lanes.max(1);
    i64::try_from(each).unwrap_or(i64::MAX).clamp(LEAST_AHEAD, MOST_AHEAD)
}

/// How far a round may go in each of so many partitions.
fn most_ahead(partitions: usize, looked: &Looked) -> i64 {
    let round = ROUND_RECORDS.min(ROUND_BYTES / looked.bytes_each()) / partitions.max(1) as u64;
    i64::try_from(round).unwrap_or(i64::MAX).max(1)
}

/// What such a round will keep, or have sent, and as much again: it is a guess.
fn room_for(ahead: i64, partitions: usize, looked: &Looked) -> u64 {
    let records = ahead.unsigned_abs().saturating_mul(partitions as u64);
    records.saturating_mul(2 * looked.kept_each().max(looked.bytes_each())).max(ROUND_ROOM)
}

/// What a page of committed records leaves out of its partitions.
fn undecided(isolation: Isolation, snapshot: &Snapshot, lanes: &[Lane]) -> Vec<Undecided> {
    let ranges = lanes.iter().filter_map(|lane| Some((lane.partition, snapshot.tails.get(&lane.partition)?.range)));
    let open = ranges.filter(|(_, range)| isolation == Isolation::Committed && range.undecided() > 0);
    open.map(|(partition, range)| Undecided { partition, from: range.stable_end, to: range.high_watermark }).collect()
}
