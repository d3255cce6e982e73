//! Whether everything a position led to has arrived in a read model.
//!
//! The flows of all services are a graph from topics over processors to read models. The walk starts at the topics of
//! the positions. At each processor on the way it waits until the processor's committed offsets have passed them. With
//! the offsets a processor commits where what it wrote lies (as their metadata, in the same transaction): those are the
//! next positions to be passed, until topics are reached that the projection folds. There the projection's own positions
//! decide. A record that the projection has passed and not applied, because it is a dead letter or waits behind one, has
//! not arrived.
//!
//! The ends of the topics a processor writes are waited for only where it wrote to more partitions than metadata can
//! tell. Rejected as the usual way: they hold everybody's records and the markers of transactions, so readers waited for
//! more than they had asked for, up to the next fetch of the projection.

use crate::freshness::lookups::Lookups;
use foldstream_browse::BrowseError;
use foldstream_events::CATALOGUE;
use foldstream_log::{Flow, LedTo, Position, Positions, Topic};
use foldstream_store::{
    Applied, Database, DatabaseError, Late, View,
    dead_letters::{BlockedRecord, blocked},
};
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use tokio::time::{Instant, sleep, timeout_at};

/// How soon a processor that is behind is looked at again.
const AGAIN: Duration = Duration::from_millis(5);

/// Follows positions to read models; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Arrival {
    /// The edges of all that folds.
    pub(crate) flows: Arc<[Flow]>,
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
    #[error("{} is parked behind dead letter {}", .0.record(), .0.id)]
    Parked(Box<BlockedRecord>),
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    ReadModel(#[from] Late),
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

    /// Every topic that a read model follows from.
    pub(crate) fn sources(&self, projection: &str) -> Vec<&'static str> {
        foldstream_events::CATALOGUE
            .topics
            .iter()
            .map(|topic| topic.name)
            .filter(|topic| self.leads(topic, projection))
            .collect()
    }

    /// Waits until a projection has folded everything these positions led to; gives how far it is, and its tables. Of
    /// several positions in a partition the last one counts.
    pub(crate) async fn wait(
        &self,
        projection: &'static str,
        after: &Positions,
        deadline: Instant,
    ) -> Result<View, NotArrived> {
        let mut here = Positions::default();
        let mut passed = BTreeSet::new();
        let mut next: Vec<Position> = after.iter().collect();
        while let Some(position) = next.pop() {
            let reading = self.flows.iter().filter(|flow| flow.reads.contains(&position.topic.as_str()));
            for flow in reading {
                if flow.service == projection {
                    here.insert(position.clone());
                } else if passed.insert((flow.service, position.clone())) {
                    next.extend(self.pass(flow, &position, projection, deadline).await?);
                }
            }
        }
        if here.is_empty() {
            return Ok(self.applied.now(projection).await?);
        }
        let checkpoints = self.applied.wait_for(projection, &here, deadline).await?;
        match blocked(&self.database, projection, &here).await? {
            Some(record) => Err(NotArrived::Parked(Box::new(record))),
            None => Ok(checkpoints),
        }
    }

    /// Waits until a processor has passed a position; gives the positions of all it may have led to.
    async fn pass(
        &self,
        flow: &Flow,
        position: &Position,
        projection: &str,
        deadline: Instant,
    ) -> Result<Vec<Position>, NotArrived> {
        let leading: Vec<&'static Topic> = flow
            .writes
            .iter()
            .filter(|topic| self.leads(topic, projection))
            .filter_map(|topic| CATALOGUE.topic(topic))
            .collect();
        let Some(topic) = CATALOGUE.topic(&position.topic).filter(|_| !leading.is_empty()) else {
            return Ok(Vec::new());
        };
        let unknown = |source| NotArrived::Unknown { service: flow.service, source };
        let partition = usize::try_from(position.partition).unwrap_or_default();
        loop {
            let committed = timeout_at(deadline, self.lookups.committed(flow.service, topic)).await;
            let committed = committed.map_err(|_| unknown(None))?.map_err(|source| unknown(Some(source)))?;
            let Some(committed) = committed.get(partition) else { return Ok(Vec::new()) };
            if committed.next_offset > position.offset {
                let LedTo::Known(led_to) = &committed.led_to else {
                    return self.ends(&leading, deadline).await.map_err(unknown);
                };
                let follows = |led_to: &Position| leading.iter().any(|topic| topic.name == led_to.topic);
                return Ok(led_to.iter().filter(follows).collect());
            }
            if Instant::now() + AGAIN > deadline {
                let stands = format!("{}:{}:{}", position.topic, position.partition, committed.next_offset);
                return Err(NotArrived::Behind { asked: position.to_string(), service: flow.service, stands });
            }
            sleep(AGAIN).await;
        }
    }

    /// The ends of topics, committed or not: where a processor's offsets are committed, the markers of what it wrote may
    /// still be on their way.
    async fn ends(&self, topics: &[&'static Topic], deadline: Instant) -> Result<Vec<Position>, Option<BrowseError>> {
        let mut ends = Vec::new();
        for topic in topics {
            let last = timeout_at(deadline, self.lookups.last_appended(topic)).await.map_err(|_| None)?;
            ends.extend(last.map_err(Some)?);
        }
        Ok(ends)
    }
}
