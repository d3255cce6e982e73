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
mod state;

pub use counts::{Counts, TypeCount};
pub use groups::{Group, GroupKind, GroupMember, GroupPartition, Groups};
pub use settings::{Setting, SettingSource};
pub use state::{Bytes, PartitionState, TopicState};

use crate::{
    brokers::{Brokers, BrowseError},
    offsets::End,
};
use chrono::{DateTime, Utc};
use foldstream_log::{Catalogue, differences};
use kafka_protocol::{
    ResponseError,
    messages::metadata_response::{MetadataResponsePartition, MetadataResponseTopic},
};
use offsets::Led;
use std::collections::HashMap;

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
