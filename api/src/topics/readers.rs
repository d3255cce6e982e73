//! Who reads a topic, and how far each is: the services by their edges, whoever they tell where they stand.
//!
//! Processors commit to their consumer group. Projections keep their positions beside their rows, in each version; XX

use foldstream_browse::{Groups, TopicState};
use foldstream_log::{Flow, ServiceKind};
use foldstream_store::versions::VersionPosition;
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use utoipa::ToSchema;

/// A service that reads a topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct TopicReader {
    #[schema(example = "locations-projection")]
    pub service: &'static str,
    /// Which version of a projection
    pub version: Option<i32>,
    /// Whether readers are shown that version
    pub active: Option<bool>,
    pub kept_in: KeptIn,
    /// Null where no position is kept, or it cannot be known at the moment
    pub lag_records: Option<i64>,
    pub partitions: Vec<ReaderPosition>,
}

/// Where a reader keeps how far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum KeptIn {
    /// A consumer group
    Kafka,
    /// The database, in the transactions of the rows
    Tables,
    /// It keeps none
    Nothing,
}

/// Where a reader stands in a partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ReaderPosition {
    pub partition: i32,
    /// Everything before it is done
    pub next_offset: i64,
    /// The high watermark less that
    pub lag_records: Option<i64>,
}

/// By partition.
type Standing = BTreeMap<i32, i64>;

pub(super) fn readers(
    topic: &TopicState,
    edges: &[Flow],
    groups: &Groups,
    positions: Option<&[VersionPosition]>,
) -> Vec<TopicReader> {
    let reading = edges.iter().filter(|flow| flow.reads.contains(&topic.name.as_str()));
    reading
        .flat_map(|flow| match (flow.kind, committed(flow, topic, groups)) {
            (ServiceKind::Projection, _) => versions(flow, topic, positions),
            (_, Some(standing)) => vec![reader(flow, topic, (KeptIn::Kafka, Some(standing)))],
            (_, None) => vec![reader(flow, topic, (KeptIn::Nothing, None))],
        })
        .collect()
}

/// Where the service's group stands; where it never committed, it starts with the oldest record there is.
fn committed(flow: &Flow, topic: &TopicState, groups: &Groups) -> Option<Standing> {
    let group = groups.of_service(flow.service)?;
    let committed: HashMap<i32, i64> = group
        .partitions
        .iter()
        .filter_map(|partition| Some((partition.partition, partition.committed_offset?)))
        .collect();
    let standing = topic.partitions.iter().filter_map(|partition| {
        let committed = committed.get(&partition.partition).copied();
        Some((partition.partition, committed.max(partition.first_offset)?))
    });
    Some(standing.collect())
}

fn versions(flow: &Flow, topic: &TopicState, positions: Option<&[VersionPosition]>) -> Vec<TopicReader> {
    let mut versions: BTreeMap<i32, (bool, Standing)> = BTreeMap::new();
    for position in positions.unwrap_or_default() {
        let version = &position.version;
        let (Some(found), Some(partition), Some(next_offset)) =
            (&position.topic, position.partition, position.next_offset)
        else {
            continue;
        };
        if version.projection == flow.service && *found == topic.name {
            let (_, standing) = versions.entry(version.version).or_insert((version.is_active, Standing::new()));
            standing.insert(partition, next_offset);
        }
    }
    if versions.is_empty() {
        return vec![reader(flow, topic, (KeptIn::Tables, None))];
    }
    let reader = |(version, (active, standing))| TopicReader {
        version: Some(version),
        active: Some(active),
        ..reader(flow, topic, (KeptIn::Tables, Some(standing)))
    };
    versions.into_iter().map(reader).collect()
}

fn reader(flow: &Flow, topic: &TopicState, (kept_in, standing): (KeptIn, Option<Standing>)) -> TopicReader {
    let end = |number: i32| {
        topic.partitions.iter().find(|found| found.partition == number).and_then(|found| found.high_watermark)
    };
    let position = |(partition, next_offset): (i32, i64)| ReaderPosition {
        partition,
        next_offset,
        lag_records: end(partition).map(|end| (end - next_offset).max(0)),
    };
    let partitions: Option<Vec<ReaderPosition>> = standing.map(|standing| standing.into_iter().map(position).collect());
    TopicReader {
        service: flow.service,
        version: None,
        active: None,
        kept_in,
        lag_records: partitions.as_ref().and_then(|known| known.iter().map(|position| position.lag_records).sum()),
        partitions: partitions.unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests;
