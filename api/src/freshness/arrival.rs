//! Whether everything a position led to has arrived in a read model.
//!
//! The flows of all services are a graph from topics over processors to read models, and a position is followed along it
//! ([`Step`]): at each processor until its committed offsets have passed the record, then to what it wrote, until topics are
//! reached that the projection folds. There the projection's own positions decide, and what it has put aside.
//!
//! What a processor wrote is told in two ways. With its offsets it commits the furthest record of each partition it wrote to
//! (their metadata, in the same transaction): nothing the position led to lies behind those, though they may be of others.
//! And each record names its cause. The first costs no look into the log, so it comes first: where the projection has all of
//! that within [`TOGETHER`], and has put nothing aside in those partitions, the position has arrived. Otherwise the records
//! themselves are looked up, for a reader waits for his own records and for nobody else's: behind a partition that halts
//! they may have arrived, and behind a dead letter they may not. A command that led to nothing (it was so already, or was
//! decided before) finds what the key led to before: so it has not arrived while its key is parked behind an earlier one.

use crate::freshness::{
    lookups::Lookups,
    places::{Places, places},
};
use foldstream_browse::{Brokers, BrowseError};
use foldstream_events::CATALOGUE;
use foldstream_log::{Flow, LedTo, Position, PositionRange, Positions, ServiceKind, Topic, TopicPartition};
use foldstream_store::{
    Applied, Database, DatabaseError, Late, View,
    dead_letters::{ParkedKey, anything_aside, blocked, parked_key},
};
use futures::future::try_join_all;
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use tokio::time::{Instant, sleep, timeout_at};

/// How soon a processor that is behind is looked at again.
const AGAIN: Duration = Duration::from_millis(5);
/// How long a reader waits for what others wrote, too, before the log is asked what is his.
const TOGETHER: Duration = Duration::from_millis(100);
/// How long the log is asked at least, however short the reader's patience is.
const LOOKING: Duration = Duration::from_millis(500);

/// Follows positions to read models; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Arrival {
    /// The edges of all that folds.
    pub(crate) flows: Arc<[Flow]>,
    pub(crate) brokers: Brokers,
    pub(crate) lookups: Lookups,
    pub(crate) applied: Applied,
    pub(crate) database: Database,
}

/// Why a wait ended without the positions.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotArrived {
    #[error("asked for {asked}, {service} stands at {stands}")]
    Behind { asked: String, service: &'static str, stands: String },
    #[error("the brokers did not say how far {service} is")]
    Unknown { service: &'static str, source: Option<BrowseError> },
    #[error("what {service} wrote because of {asked} could not be found in time")]
    Untold { asked: String, service: &'static str },
    #[error("{record} is parked behind dead letter {id}")]
    Parked { record: Position, id: i64, dead_letter: Position, reason: String },
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    ReadModel(#[from] Late),
}

/// Records to be followed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Step {
    range: PositionRange,
    /// They are what the positions led to; otherwise that lies nowhere behind them.
    exact: bool,
}

/// What a read model must hold.
#[derive(Debug, Default)]
struct Expected {
    /// As far as this.
    up_to: Positions,
    /// None of these put aside.
    records: Vec<PositionRange>,
    /// Nor what these keys led to up to a record.
    keys: Vec<(TopicPartition, Vec<u8>, Position)>,
}

impl Arrival {
    /// Whether a read model follows from a topic, by whatever way.
    pub(crate) fn leads(&self, topic: &str, projection: &str) -> bool {
        let (mut seen, mut next) = (BTreeSet::new(), vec![topic]);
        while let Some(topic) = next.pop() {
            for flow in self.flows.iter().filter(|flow| flow.reads.contains(&topic)) {
                if flow.service == projection {
                    return true;
                }
                if seen.insert(flow.service) {
                    next.extend(&flow.writes);
                }
            }
        }
        false
    }

    /// Whether a projection folds a topic itself.
    pub(crate) fn folds(&self, projection: &str, topic: &str) -> bool {
        self.flows.iter().any(|flow| flow.service == projection && flow.reads.contains(&topic))
    }

    /// Every topic that a read model follows from.
    pub(crate) fn sources(&self, projection: &str) -> Vec<&'static str> {
        foldstream_events::CATALOGUE
            .topics
            .iter()
            .map(|topic| topic.name)
            .filter(|topic| self.leads(topic, projection))
            .collect()
    }

    /// Waits until a projection has folded everything each of these records led to; gives how far it is, and its tables.
    pub(crate) async fn wait(
        &self,
        projection: &'static str,
        after: &[PositionRange],
        deadline: Instant,
    ) -> Result<View, NotArrived> {
        let furthest = self.follow(projection, after, false, deadline).await?;
        let soon = deadline.min(Instant::now() + TOGETHER);
        match self.reached(projection, &furthest.up_to, soon).await {
            Ok(view) if !anything_aside(&self.database, projection, &furthest.up_to).await? => return Ok(view),
            Ok(_) | Err(Late::Behind { .. }) => {}
            Err(unknown) => return Err(unknown.into()),
        }
        let expected = self.follow(projection, after, true, deadline).await?;
        let view = self.reached(projection, &expected.up_to, deadline).await?;
        if let Some(record) = blocked(&self.database, projection, &expected.records).await? {
            let (dead_letter, record_at) = (record.dead_letter(), record.record());
            return Err(NotArrived::Parked { record: record_at, id: record.id, dead_letter, reason: record.reason });
        }
        for (place, key, record) in expected.keys {
            let parked = parked_key(&self.database, projection, place, &key).await?;
            if let Some(parked) = parked.filter(|parked| holds_up(parked.cause().as_ref(), parked.settled, &record)) {
                let dead_letter = parked.dead_letter();
                return Err(NotArrived::Parked { record, id: parked.id, dead_letter, reason: parked.reason });
            }
        }
        Ok(view)
    }

    async fn reached(&self, projection: &str, up_to: &Positions, deadline: Instant) -> Result<View, Late> {
        match up_to.is_empty() {
            true => self.applied.now(projection).await,
            false => self.applied.wait_for(projection, up_to, deadline).await,
        }
    }

    /// Follows records to the topics that a projection folds, once every processor on the way has passed them: exactly, or
    /// no further than where what they led to can lie.
    async fn follow(
        &self,
        projection: &'static str,
        after: &[PositionRange],
        exact: bool,
        deadline: Instant,
    ) -> Result<Expected, NotArrived> {
        let (mut expected, mut passed) = (Expected::default(), BTreeSet::new());
        let mut next: Vec<Step> = after.iter().map(|range| Step { range: range.clone(), exact }).collect();
        while let Some(step) = next.pop() {
            for flow in self.flows.iter().filter(|flow| flow.reads.contains(&step.range.topic.as_str())) {
                if flow.service == projection {
                    expected.up_to.insert(step.range.end());
                    expected.records.extend(step.exact.then(|| step.range.clone()));
                } else if passed.insert((flow.service, step.clone())) {
                    let leading: Vec<&'static Topic> = self.leading(flow, projection).collect();
                    if leading.is_empty() {
                        continue;
                    }
                    let led_to = self.pass(flow, &step.range, deadline).await?;
                    let mut steps = Vec::new();
                    // Effects take keys side by side, so what they write is in no order.
                    if step.exact && flow.kind == ServiceKind::Processor {
                        steps = self.caused(flow, &step.range, projection, &mut expected, deadline).await?;
                    }
                    if steps.is_empty() {
                        steps = self.furthest(flow, &led_to, &leading, deadline).await?;
                    }
                    next.extend(steps);
                }
            }
        }
        Ok(expected)
    }

    /// The topics a processor writes from which a read model follows.
    fn leading(&self, flow: &Flow, projection: &str) -> impl Iterator<Item = &'static Topic> {
        flow.writes.iter().filter(|topic| self.leads(topic, projection)).filter_map(|topic| CATALOGUE.topic(topic))
    }

    /// Waits until a processor has passed records; gives where all it has written lies.
    async fn pass(&self, flow: &Flow, range: &PositionRange, deadline: Instant) -> Result<LedTo, NotArrived> {
        let Some(topic) = CATALOGUE.topic(&range.topic) else { return Ok(LedTo::default()) };
        let unknown = |source| NotArrived::Unknown { service: flow.service, source };
        let partition = usize::try_from(range.partition).unwrap_or_default();
        loop {
            let committed = timeout_at(patient(deadline), self.lookups.committed(flow.service, topic)).await;
            let committed = committed.map_err(|_| unknown(None))?.map_err(|source| unknown(Some(source)))?;
            let Some(committed) = committed.get(partition) else { return Ok(LedTo::default()) };
            if committed.next_offset > range.last {
                return Ok(committed.led_to.clone());
            }
            if Instant::now() + AGAIN > deadline {
                let stands = format!("{}:{}:{}", range.topic, range.partition, committed.next_offset);
                return Err(NotArrived::Behind { asked: range.to_string(), service: flow.service, stands });
            }
            sleep(AGAIN).await;
        }
    }

    /// Behind which nothing lies that a processor wrote: the furthest it told, or, where that is more than metadata can
    /// tell, the ends of its topics. Those are taken committed or not: where a processor's offsets are committed, the
    /// markers of what it wrote may still be on their way.
    async fn furthest(
        &self,
        flow: &Flow,
        led_to: &LedTo,
        leading: &[&'static Topic],
        deadline: Instant,
    ) -> Result<Vec<Step>, NotArrived> {
        let unknown = |source| NotArrived::Unknown { service: flow.service, source };
        let mut positions: Vec<Position> = Vec::new();
        match led_to {
            LedTo::Known(known) => {
                let follows = |position: &Position| leading.iter().any(|topic| topic.name == position.topic);
                positions.extend(known.iter().filter(follows));
            }
            LedTo::Anywhere => {
                for topic in leading {
                    let last = timeout_at(patient(deadline), self.lookups.last_appended(topic)).await;
                    positions.extend(last.map_err(|_| unknown(None))?.map_err(|source| unknown(Some(source)))?);
                }
            }
        }
        Ok(positions.into_iter().map(|position| Step { range: position.into(), exact: false }).collect())
    }

    /// The records a processor wrote because of others. Of those it may have written nothing for, it notes the keys.
    async fn caused(
        &self,
        flow: &Flow,
        range: &PositionRange,
        projection: &str,
        expected: &mut Expected,
        deadline: Instant,
    ) -> Result<Vec<Step>, NotArrived> {
        let unknown = |source| NotArrived::Unknown { service: flow.service, source: Some(source) };
        let Places { near, far } = places(flow, &range.topic, range.partition);
        let leading: BTreeSet<&str> = self.leading(flow, projection).map(|topic| topic.name).collect();
        let patience = patient(deadline).saturating_duration_since(Instant::now());
        let searches = near.iter().chain(&far).filter(|place| leading.contains(place.topic)).map(|place| async {
            let found = self.brokers.caused_by(flow.service, *place, range, patience).await;
            found.map(|found| (*place, found))
        });
        let (mut positions, mut without) = (Vec::new(), Vec::new());
        for (place, found) in try_join_all(searches).await.map_err(unknown)? {
            if !found.complete {
                return Err(NotArrived::Untold { asked: range.to_string(), service: flow.service });
            }
            let may_lack = found.records.is_empty() || range.first < range.last;
            if may_lack && near.contains(&place) && self.folds(projection, place.topic) {
                without.push(place);
            }
            positions.extend(found.records.iter().map(|record| record.position()));
        }
        if !without.is_empty() {
            let offsets = (range.first..=range.last).collect();
            let records = self.brokers.records(&range.topic, range.partition, offsets).await.map_err(unknown)?;
            for record in records.into_values() {
                let position = record.position();
                let Some(key) = record.key else { continue };
                expected.keys.extend(without.iter().map(|place| (*place, key.clone(), position.clone())));
            }
        }
        let ranges = PositionRange::holding(positions, usize::MAX);
        Ok(ranges.into_iter().map(|range| Step { range, exact: true }).collect())
    }
}

/// Whether what a record led to is the dead letter of its key that this cause led to, or waits behind it: what a processor
/// writes has the order of its causes. One that is settled is done with itself.
fn holds_up(cause: Option<&Position>, settled: bool, record: &Position) -> bool {
    match cause {
        Some(cause) if cause.topic == record.topic && cause.partition == record.partition => {
            cause.offset < record.offset || (cause.offset == record.offset && !settled)
        }
        // It came another way, so nobody knows which was first.
        _ => true,
    }
}

fn patient(deadline: Instant) -> Instant {
    deadline.max(Instant::now() + LOOKING)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_held_up_from_the_record_on_that_led_to_its_dead_letter() {
        let held_up = |cause: Option<&str>, settled| {
            let cause: Option<Position> = cause.map(|cause| cause.parse().unwrap());
            holds_up(cause.as_ref(), settled, &"person-commands:3:10".parse().unwrap())
        };
        assert!(held_up(Some("person-commands:3:9"), false));
        assert!(held_up(Some("person-commands:3:10"), false));
        assert!(!held_up(Some("person-commands:3:10"), true));
        assert!(!held_up(Some("person-commands:3:11"), false));
        assert!(held_up(Some("person-commands:2:11"), false));
        assert!(held_up(None, false));
    }
}
