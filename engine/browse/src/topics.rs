//! Topics as the brokers have them: partitions and their ends, bytes, settings, and how they differ from the
//! declaration.
//!
//! A thousand topics cost as many questions as one: the layout first, then at the same time each leader for each kind
//! of end, each broker for its log directories and one of them for the settings. A broker that does not answer leaves
//! what only it knows unknown (none, never zero); the rest is told.

mod counts;
mod groups;
mod offsets;
mod settings;
mod sizes;

pub use counts::{Counts, TypeCount};
pub use groups::{Group, GroupMember, GroupPartition, Groups};
pub use settings::{Setting, SettingSource};

use crate::{
    brokers::{Brokers, BrowseError},
    offsets::End,
};
use chrono::{DateTime, Utc};
use foldstream_log::Catalogue;
use foldstream_log::{Difference, FoundTopic, differences};
use kafka_protocol::{
    ResponseError,
    messages::metadata_response::{MetadataResponsePartition, MetadataResponseTopic},
};
use offsets::Led;
use serde::Serialize;
use std::{collections::HashMap, time::Duration};
use uuid::Uuid;

/// How long a broker may take over a question here; without its answer the others are told.
const PATIENCE: Duration = Duration::from_secs(2);

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

    fn found(&self, settings: &[Setting]) -> FoundTopic {
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

impl Brokers {
    /// These topics, or all there are, in the order of their names, held against what is declared; of unknown ones none.
    pub async fn topics(&self, names: Option<&[&str]>, catalogue: &Catalogue) -> Result<Vec<TopicState>, BrowseError> {
        let asked_at = Utc::now();
        let metadata = self.metadata(names).await?;
        let brokers: Vec<i32> = metadata.brokers.iter().map(|broker| broker.node_id.0).collect();
        let mut topics = Vec::new();
        for topic in metadata.topics {
            match ResponseError::try_from_code(topic.error_code) {
                None => topics.extend(self.described(topic, asked_at)),
                Some(ResponseError::UnknownTopicOrPartition | ResponseError::InvalidTopicException) => {}
                Some(error) => return Err(BrowseError::Refused { doing: "to describe a topic", error }),
            }
        }
        topics.sort_by(|a, b| a.name.cmp(&b.name));
        if topics.is_empty() {
            return Ok(topics);
        }
        let led = Led::of(self, &topics);
        let names: Vec<&str> = topics.iter().map(|topic| topic.name.as_str()).collect();
        let (first, stable, high, sizes, settings) = tokio::join!(
            self.offsets_of_topics(&led, End::First),
            self.offsets_of_topics(&led, End::LastStable),
            self.offsets_of_topics(&led, End::HighWatermark),
            self.sizes_of_topics(&brokers, &topics),
            self.settings_of_topics(&names),
        );
        let mut settings = settings?;
        // One that was deleted meanwhile has no settings.
        topics.retain(|topic| settings.contains_key(&topic.name));
        for topic in &mut topics {
            for partition in &mut topic.partitions {
                let of = |offsets: &HashMap<_, i64>| offsets.get(&(topic.name.clone(), partition.partition)).copied();
                (partition.first_offset, partition.last_stable_offset, partition.high_watermark) =
                    (of(&first), of(&stable), of(&high));
                partition.bytes = sizes.of(&topic.name, partition);
            }
            let bytes = || topic.partitions.iter().map(|partition| partition.bytes);
            topic.bytes = Bytes {
                leaders: bytes().map(|bytes| bytes.leaders).sum(),
                replicas: bytes().map(|bytes| bytes.replicas).sum(),
            };
            let all = settings.remove(&topic.name).unwrap_or_default();
            if let Some(declared) = catalogue.topic(&topic.name) {
                topic.differences = differences(declared, Some(&topic.found(&all)));
            }
            topic.settings = all.into_iter().filter(Setting::is_told).collect();
        }
        Ok(topics)
    }

    /// One topic.
    pub async fn topic(&self, name: &str, catalogue: &Catalogue) -> Result<TopicState, BrowseError> {
        let found = self.topics(Some(&[name]), catalogue).await?.pop();
        found.ok_or_else(|| BrowseError::UnknownTopic { topic: name.to_owned() })
    }

    /// What the layout alone says; nothing of another environment's topic.
    fn described(&self, topic: MetadataResponseTopic, asked_at: DateTime<Utc>) -> Option<TopicState> {
        let mut partitions: Vec<PartitionState> = topic.partitions.iter().map(partition).collect();
        partitions.sort_by_key(|partition| partition.partition);
        Some(TopicState {
            name: self.logical(&topic.name?)?,
            id: topic.topic_id,
            asked_at,
            internal: topic.is_internal,
            partitions,
            bytes: Bytes::default(),
            settings: Vec::new(),
            differences: Vec::new(),
        })
    }
}

fn partition(found: &MetadataResponsePartition) -> PartitionState {
    let ids = |nodes: &[kafka_protocol::messages::BrokerId]| nodes.iter().map(|node| node.0).collect();
    PartitionState {
        partition: found.partition_index,
        leader: Some(found.leader_id.0).filter(|leader| *leader >= 0),
        replicas: ids(&found.replica_nodes),
        in_sync: ids(&found.isr_nodes),
        first_offset: None,
        last_stable_offset: None,
        high_watermark: None,
        bytes: Bytes::default(),
    }
}

#[cfg(test)]
mod tests;
