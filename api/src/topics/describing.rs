//! What is told of a topic, and where it comes from: the brokers, the declarations, the edges of the services.
//!
//! `foldstream topics list` and `show` print the same.

use super::readers::{TopicReader, readers};
use chrono::{DateTime, Utc};
use foldstream_browse::{Brokers, BrowseError, Budget, Bytes, Counts, Group, PartitionState, Setting, TopicState};
use foldstream_events::CATALOGUE;
use foldstream_log::{Difference, Flow, REPLICATION_FACTOR, Registry, Topic, differences};
use foldstream_store::{Database, versions::version_positions};
use serde::Serialize;
use std::{collections::BTreeMap, error::Error, sync::Arc};
use utoipa::ToSchema;
use uuid::Uuid;

/// Who is asked.
#[derive(Debug, Clone)]
pub struct TopicSources {
    pub brokers: Brokers,
    pub registry: Registry,
    pub database: Database,
    /// The edges of everything that reads or writes topics.
    pub edges: Arc<[Flow]>,
}

/// A topic in short.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct TopicSummary {
    #[schema(example = "locations")]
    pub name: String,
    /// Another one after the topic was deleted and made again; null for a declared topic that is missing
    pub id: Option<Uuid>,
    /// Whether Kafka keeps it for itself
    pub internal: bool,
    pub declared: bool,
    /// What the key of a record is, in words; null when the topic is not declared
    #[schema(example = "person_id")]
    pub key: Option<&'static str>,
    pub partitions: usize,
    /// High watermarks less first offsets, summed up: at least as many as there are records
    pub offsets: Option<i64>,
    /// Of log segments: those of the `leaders`, and those of all `replicas`
    #[schema(value_type = Object)]
    pub bytes: Bytes,
    pub writers: Vec<&'static str>,
    pub readers: Vec<&'static str>,
    /// How it is not as declared, each with topic, property, declared, found, and fatal where services refuse to start
    #[schema(value_type = Vec<Object>)]
    pub differences: Vec<Difference>,
}

/// A topic in full.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct TopicDetail {
    #[schema(example = "locations")]
    pub name: String,
    /// Another one after the topic was deleted and made again
    pub id: Uuid,
    /// When the brokers were asked
    pub asked_at: DateTime<Utc>,
    /// Whether Kafka keeps it for itself
    pub internal: bool,
    /// How it should be; null when it is not declared
    pub declaration: Option<Declaration>,
    /// How it is not as declared, each with topic, property, declared, found, and fatal where services refuse to start
    #[schema(value_type = Vec<Object>)]
    pub differences: Vec<Difference>,
    /// The important settings and all that are not at their defaults, each with name, value, and source: `topic`,
    /// `broker` or `default`
    #[schema(value_type = Vec<Object>)]
    pub settings: Vec<Setting>,
    /// High watermarks less first offsets, summed up: at least as many as there are records
    pub offsets: Option<i64>,
    /// Of log segments: those of the `leaders`, and those of all `replicas`
    #[schema(value_type = Object)]
    pub bytes: Bytes,
    /// Each with partition, leader, replicas, in_sync, first_offset, last_stable_offset, high_watermark and bytes
    #[schema(value_type = Vec<Object>)]
    pub partitions: Vec<PartitionState>,
    /// The services that write it
    pub writers: Vec<&'static str>,
    /// The services that read it, projections in each of their versions
    pub readers: Vec<TopicReader>,
    /// Every consumer group that committed offsets on the topic or has a member on it, each with group, kind, state,
    /// members, partitions (committed_offset, lag_records) and lag_records. Lag is the high watermark less the
    /// committed offset. What a projection commits is a hint only: where it stands, `readers` says
    #[schema(value_type = Vec<Object>)]
    pub groups: Vec<Group>,
    /// False when a broker did not tell the groups it coordinates
    pub groups_complete: bool,
    /// The committed records of the last hour by type, with since, until, complete, records and types; null when they
    /// cannot be read
    #[schema(value_type = Option<Object>)]
    pub appended: Option<Counts>,
}

/// How a topic should be.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = TopicDeclaration)]
pub struct Declaration {
    /// What the key of a record is, in words
    #[schema(example = "person_id")]
    pub key: &'static str,
    pub partitions: i32,
    pub replication_factor: i32,
    pub settings: BTreeMap<&'static str, String>,
}

impl TopicSources {
    /// Every topic there is, and those that are declared and missing, in the order of their names.
    pub async fn list(&self) -> Result<Vec<TopicSummary>, BrowseError> {
        let found = self.brokers.topics(None, &CATALOGUE).await?;
        let is_found = |topic: &Topic| found.iter().any(|found| found.name == topic.name);
        let missing = CATALOGUE.topics.iter().filter(|topic| !is_found(topic)).map(|topic| self.missing(topic));
        let mut all: Vec<TopicSummary> = missing.chain(found.iter().map(|topic| self.summary(topic))).collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    /// Everything about one topic.
    pub async fn show(&self, name: &str, budget: &Budget) -> Result<TopicDetail, BrowseError> {
        let topic = self.brokers.topic(name, &CATALOGUE).await?;
        let (groups, appended, positions) = tokio::join!(
            self.brokers.groups(&topic),
            self.brokers.counts(&topic, &self.registry, budget),
            version_positions(&self.database),
        );
        let appended = known(appended, "what was appended is unknown");
        let positions = known(positions, "where the projections stand is unknown");
        let declared = CATALOGUE.topic(name);
        Ok(TopicDetail {
            readers: readers(&topic, &self.edges, &groups, positions.as_deref()),
            offsets: topic.offsets(),
            name: topic.name,
            id: topic.id,
            asked_at: topic.asked_at,
            internal: topic.internal,
            declaration: declared.map(Declaration::of),
            differences: topic.differences,
            settings: topic.settings,
            bytes: topic.bytes,
            partitions: topic.partitions,
            writers: self.writers_of(name),
            groups: groups.groups,
            groups_complete: groups.complete,
            appended,
        })
    }

    fn summary(&self, topic: &TopicState) -> TopicSummary {
        let declared = CATALOGUE.topic(&topic.name);
        TopicSummary {
            name: topic.name.clone(),
            id: Some(topic.id),
            internal: topic.internal,
            declared: declared.is_some(),
            key: declared.map(|topic| topic.key),
            partitions: topic.partitions.len(),
            offsets: topic.offsets(),
            bytes: topic.bytes,
            writers: self.writers_of(&topic.name),
            readers: self.readers_of(&topic.name),
            differences: topic.differences.clone(),
        }
    }

    fn missing(&self, topic: &Topic) -> TopicSummary {
        TopicSummary {
            name: topic.name.to_owned(),
            id: None,
            internal: false,
            declared: true,
            key: Some(topic.key),
            partitions: 0,
            offsets: None,
            bytes: Bytes::default(),
            writers: self.writers_of(topic.name),
            readers: self.readers_of(topic.name),
            differences: differences(topic, None),
        }
    }

    fn writers_of(&self, topic: &str) -> Vec<&'static str> {
        self.edges.iter().filter(|flow| flow.writes.contains(&topic)).map(|flow| flow.service).collect()
    }

    fn readers_of(&self, topic: &str) -> Vec<&'static str> {
        self.edges.iter().filter(|flow| flow.reads.contains(&topic)).map(|flow| flow.service).collect()
    }
}

impl Declaration {
    fn of(topic: &Topic) -> Self {
        Self {
            key: topic.key,
            partitions: topic.partitions,
            replication_factor: REPLICATION_FACTOR,
            settings: topic.settings().into_iter().collect(),
        }
    }
}

/// What was found, if it was; the rest of the answer does without.
fn known<T, E: Error + 'static>(found: Result<T, E>, unknown: &str) -> Option<T> {
    found.inspect_err(|error| foldstream_telemetry::debug!(error = error as &dyn Error, "{unknown}")).ok()
}
