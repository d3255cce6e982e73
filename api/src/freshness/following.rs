//! From positions to what they led to, over every processor on the way to a read model.
//!
//! The flows of all services are a graph from topics over processors to read models. At each processor a position waits until
//! the committed offsets have passed it, and goes on to what the processor wrote, until topics are reached that the
//! projection folds. What a processor wrote is told in two ways:
//!
//! - With its offsets it commits the furthest record of each partition it wrote to (their metadata, in the same transaction;
//!   where those are more than metadata can tell, the ends of the topics stand for them). Nothing a position led to lies
//!   behind that, but it may be of others.
//! - Each record names its cause, and is found by it.
//!
//! Not here: whether the projection has come that far, and what it has put aside (`arrival.rs`).

use crate::freshness::{
    lookups::Lookups,
    places::{Places, places},
};
use foldstream_browse::{Brokers, BrowseError};
use foldstream_events::CATALOGUE;
use foldstream_log::{
    CAUSE, DEAD_LETTERS, Flow, LedTo, Position, PositionRange, Positions, ServiceKind, Topic, TopicPartition,
    partition_of,
};
use futures::future::try_join_all;
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use tokio::time::{Instant, sleep, timeout_at};

/// How soon a processor that is behind is looked at again.
const AGAIN: Duration = Duration::from_millis(5);
/// How long the log is asked at least, however short the reader's patience is.
const LOOKING: Duration = Duration::from_millis(500);

/// The edges of all that folds, and where it stands; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Following {
    pub(crate) flows: Arc<[Flow]>,
    pub(crate) brokers: Brokers,
    pub(crate) lookups: Lookups,
}

/// What a reader asks for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) projection: &'static str,
    /// Every one of these records.
    pub(crate) after: &'a [PositionRange],
    pub(crate) deadline: Instant,
}

/// What a read model must hold.
#[derive(Debug, Default)]
pub(crate) struct Expected {
    /// As far as this.
    pub(crate) up_to: Positions,
    /// None of these put aside.
    pub(crate) records: Vec<PositionRange>,
    /// Nor what these keys led to up to a record, in this partition.
    pub(crate) keys: Keys,
}

type Keys = Vec<(TopicPartition, Vec<u8>, Position)>;

/// Why positions could not be followed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotFollowed {
    #[error("asked for {asked}, {service} stands at {stands}")]
    Behind { asked: String, service: &'static str, stands: String },
    #[error("what {service} wrote because of {asked} could not be found in time")]
    Untold { asked: String, service: &'static str },
    #[error("{record} is dead letter {dead_letter} of {service}, and led to nothing")]
    Refused { record: String, service: &'static str, dead_letter: Position },
    #[error("the brokers did not say how far {service} is")]
    Unknown { service: &'static str, source: Option<BrowseError> },
}

/// Records to be followed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Step {
    range: PositionRange,
    /// They are what the positions led to; otherwise that lies nowhere behind them.
    exact: bool,
}

impl Following {
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

    /// Follows records to the topics that the projection folds, once every processor on the way has passed them: exactly, or
    /// no further than where what they led to can lie.
    pub(crate) async fn follow(&self, asked: &Asked<'_>, exact: bool) -> Result<Expected, NotFollowed> {
        let (mut expected, mut passed) = (Expected::default(), BTreeSet::new());
        let mut next: Vec<Step> = asked.after.iter().map(|range| Step { range: range.clone(), exact }).collect();
        while let Some(step) = next.pop() {
            for flow in self.flows.iter().filter(|flow| flow.reads.contains(&step.range.topic.as_str())) {
                if flow.service == asked.projection {
                    expected.up_to.insert(step.range.end());
                    expected.records.extend(step.exact.then(|| step.range.clone()));
                } else if passed.insert((flow.service, step.clone())) {
                    next.extend(self.step(asked, flow, &step, &mut expected).await?);
                }
            }
        }
        Ok(expected)
    }

    /// Over one processor.
    async fn step(
        &self,
        asked: &Asked<'_>,
        flow: &Flow,
        step: &Step,
        expected: &mut Expected,
    ) -> Result<Vec<Step>, NotFollowed> {
        let leading: Vec<&'static Topic> = self.leading(flow, asked.projection).collect();
        if leading.is_empty() {
            return Ok(Vec::new());
        }
        let led_to = self.pass(flow, &step.range, asked.deadline).await?;
        if step.exact || asked.after.contains(&step.range) {
            self.is_used(asked, flow, &led_to, &step.range).await?;
        }
        // Effects take keys side by side, so what they write is in no order.
        if step.exact && flow.kind == ServiceKind::Processor {
            let (records, keys) = self.caused(asked, flow, &step.range).await?;
            expected.keys.extend(keys);
            if !records.is_empty() {
                return Ok(records.into_iter().map(|range| Step { range, exact: true }).collect());
            }
        }
        // What led to nothing, or to what compaction has removed since, is there with everything else.
        let furthest = self.furthest(flow, &led_to, &leading, asked.deadline).await?;
        Ok(furthest.into_iter().map(|position| Step { range: position.into(), exact: false }).collect())
    }

    /// The topics a processor writes from which a read model follows.
    fn leading(&self, flow: &Flow, projection: &str) -> impl Iterator<Item = &'static Topic> {
        flow.writes.iter().filter(|topic| self.leads(topic, projection)).filter_map(|topic| CATALOGUE.topic(topic))
    }

    /// Waits until a processor has passed records; gives where all it has written lies.
    async fn pass(&self, flow: &Flow, range: &PositionRange, deadline: Instant) -> Result<LedTo, NotFollowed> {
        let Some(topic) = CATALOGUE.topic(&range.topic) else { return Ok(LedTo::default()) };
        let unknown = |source| NotFollowed::Unknown { service: flow.service, source };
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
                return Err(NotFollowed::Behind { asked: range.to_string(), service: flow.service, stands });
            }
            sleep(AGAIN).await;
        }
    }

    /// Fails where one of these records is a dead letter of the processor: what the reader waits for never comes of it.
    async fn is_used(
        &self,
        asked: &Asked<'_>,
        flow: &Flow,
        led_to: &LedTo,
        range: &PositionRange,
    ) -> Result<(), NotFollowed> {
        let refuses = match led_to {
            LedTo::Known(known) => known.iter().any(|position| position.topic == DEAD_LETTERS.name),
            LedTo::Anywhere => flow.writes.contains(&DEAD_LETTERS.name),
        };
        if !refuses {
            return Ok(());
        }
        let unknown = |source| NotFollowed::Unknown { service: flow.service, source: Some(source) };
        let patience = patient(asked.deadline).saturating_duration_since(Instant::now());
        let searches = homes(range).into_iter().map(|partition| {
            let place = TopicPartition { topic: DEAD_LETTERS.name, partition };
            self.brokers.caused_by(flow.service, place, range, patience)
        });
        for found in try_join_all(searches).await.map_err(unknown)? {
            if let Some(letter) = found.records.first() {
                let record = letter.text_header(CAUSE).unwrap_or_default().to_owned();
                return Err(NotFollowed::Refused { record, service: flow.service, dead_letter: letter.position() });
            }
            if !found.complete {
                return Err(NotFollowed::Untold { asked: range.to_string(), service: flow.service });
            }
        }
        Ok(())
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
    ) -> Result<Vec<Position>, NotFollowed> {
        let unknown = |source| NotFollowed::Unknown { service: flow.service, source };
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
        Ok(positions)
    }

    /// The records a processor wrote because of others, and the keys of those for which it may have written nothing.
    async fn caused(
        &self,
        asked: &Asked<'_>,
        flow: &Flow,
        range: &PositionRange,
    ) -> Result<(Vec<PositionRange>, Keys), NotFollowed> {
        let unknown = |source| NotFollowed::Unknown { service: flow.service, source: Some(source) };
        let Places { near, far } = places(flow, &range.topic, range.partition);
        let leading: BTreeSet<&str> = self.leading(flow, asked.projection).map(|topic| topic.name).collect();
        let patience = patient(asked.deadline).saturating_duration_since(Instant::now());
        let searches = near.iter().chain(&far).filter(|place| leading.contains(place.topic)).map(|place| async {
            let found = self.brokers.caused_by(flow.service, *place, range, patience).await;
            found.map(|found| (*place, found))
        });
        let (mut positions, mut without) = (Vec::new(), Vec::new());
        for (place, found) in try_join_all(searches).await.map_err(unknown)? {
            if !found.complete {
                return Err(NotFollowed::Untold { asked: range.to_string(), service: flow.service });
            }
            let may_lack = found.records.is_empty() || range.first < range.last;
            if may_lack && near.contains(&place) && self.folds(asked.projection, place.topic) {
                without.push(place);
            }
            positions.extend(found.records.iter().map(|record| record.position()));
        }
        let mut keys = Keys::new();
        if !without.is_empty() {
            let offsets = (range.first..=range.last).collect();
            let records = self.brokers.records(&range.topic, range.partition, offsets).await.map_err(unknown)?;
            for record in records.into_values() {
                let position = record.position();
                let Some(key) = record.key else { continue };
                keys.extend(without.iter().map(|place| (*place, key.clone(), position.clone())));
            }
        }
        Ok((PositionRange::holding(positions, usize::MAX), keys))
    }
}

/// The partitions in which dead letters of these records lie: their key is where the record lay.
fn homes(range: &PositionRange) -> BTreeSet<i32> {
    let partitions = usize::try_from(DEAD_LETTERS.partitions).unwrap_or(1);
    let home = |offset| {
        let origin = Position { topic: range.topic.clone(), partition: range.partition, offset };
        partition_of(origin.to_string().as_bytes(), partitions)
    };
    // Of many, some lie in each.
    match range.last - range.first < i64::from(DEAD_LETTERS.partitions) * 10 {
        true => (range.first..=range.last).map(home).collect(),
        false => (0..DEAD_LETTERS.partitions).collect(),
    }
}

fn patient(deadline: Instant) -> Instant {
    deadline.max(Instant::now() + LOOKING)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_letter_lies_where_the_place_of_its_record_belongs() {
        let homes = |range: &str| homes(&range.parse().unwrap());
        let count = usize::try_from(DEAD_LETTERS.partitions).unwrap();
        let home = |origin: &str| partition_of(origin.as_bytes(), count);
        assert_eq!(homes("person-commands:3:10"), [home("person-commands:3:10")].into());
        let both = ["person-commands:3:10", "person-commands:3:11"].map(home);
        assert_eq!(homes("person-commands:3:10-11"), both.into());
        assert_eq!(homes("person-commands:3:0-999").len(), count);
    }
}
