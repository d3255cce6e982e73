//! What is told of a topic.

use super::settings::Setting;
use chrono::{DateTime, Utc};
use foldstream_log::{Difference, FoundTopic};
use serde::Serialize;
use std::time::Duration;
use uuid::Uuid;

/// How long a broker may take over a question here; without its answer the others are told.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

/// A topic as it is at the moment.
#[derive(Debug, Clone, Serialize)]
pub struct TopicState {
    pub name: String,
    /// Another one after the topic was deleted and made again.
    pub id: Uuid,
    /// When the brokers were asked: what was appended before is counted.
    pub asked_at: DateTime<Utc>,
    /// Whether Kafka keeps it for itself.
    pub internal: bool,
    pub partitions: Vec<PartitionState>,
    pub bytes: Bytes,
    /// The important settings, and all that are not at their defaults.
    pub settings: Vec<Setting>,
    /// How it is not as declared; of a topic that is not declared nothing.
    pub differences: Vec<Difference>,
}

/// A partition as it is at the moment. What its leader did not tell is none.
#[derive(Debug, Clone, Serialize)]
pub struct PartitionState {
    pub partition: i32,
    /// None while there is none.
    pub leader: Option<i32>,
    pub replicas: Vec<i32>,
    pub in_sync: Vec<i32>,
    /// Of the oldest record that is kept.
    pub first_offset: Option<i64>,
    /// Before it, every transaction is decided: readers of committed records come this far.
    pub last_stable_offset: Option<i64>,
    /// Before it, records are on every replica that is in sync: readers of anything come this far.
    pub high_watermark: Option<i64>,
    pub bytes: Bytes,
}

/// Bytes of log segments.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Bytes {
    /// Those of the leaders' replicas.
    pub leaders: Option<i64>,
    /// Those of all replicas.
    pub replicas: Option<i64>,
}

impl TopicState {
    /// High watermarks less first offsets, summed up. More than there are records: compaction takes records out, and
    /// transactions end with markers.
    #[must_use]
    pub fn offsets(&self) -> Option<i64> {
        self.partitions.iter().map(|partition| Some(partition.high_watermark? - partition.first_offset?)).sum()
    }

    pub(super) fn found(&self, settings: &[Setting]) -> FoundTopic {
        let count = |number: usize| i32::try_from(number).unwrap_or(i32::MAX);
        let replicas = || self.partitions.iter().map(|partition| count(partition.replicas.len()));
        FoundTopic {
            partitions: count(self.partitions.len()),
            replicas: (replicas().min().unwrap_or(0), replicas().max().unwrap_or(0)),
            settings: settings
                .iter()
                .filter_map(|setting| Some((setting.name.clone(), setting.value.clone()?)))
                .collect(),
        }
    }
}
