//! Makes the cluster agree with the declared topics, and says where it does not.

use crate::{Config, Prefix, client_log::Plain};
use crate::{REPLICATION_FACTOR, Topic};
use rdkafka::{
    admin::{AdminClient, AdminOptions, AlterConfig, NewTopic, ResourceSpecifier, TopicReplication},
    error::KafkaError,
    types::RDKafkaErrorCode,
};
use serde::Serialize;
use std::{
    collections::HashMap,
    fmt,
    time::{Duration, Instant},
};

const TIMEOUT: Duration = Duration::from_secs(10);
/// Each answer comes from a broker of the client's choice.
const ANSWERS_IN_A_ROW: u32 = 5;

#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    #[error("the Kafka brokers at {brokers} do not answer: {doing}")]
    Unavailable { brokers: String, doing: &'static str, source: KafkaError },
    #[error("Kafka refused to {doing} {topic}: {code}")]
    Refused { doing: &'static str, topic: String, code: RDKafkaErrorCode },
    #[error("the task that asks the brokers was stopped")]
    Stopped,
}

impl ClusterError {
    /// Whether the same question may be answered later.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }
}

/// One way in which a topic is not as declared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    pub topic: String,
    pub property: String,
    pub declared: String,
    pub found: String,
    /// Services refuse to start while this stands.
    pub fatal: bool,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "topic {}: {} is {}, declared {}", self.topic, self.property, self.found, self.declared)
    }
}

/// Administers topics.
pub struct Cluster {
    brokers: String,
    prefix: Prefix,
    admin: std::sync::Arc<AdminClient<Plain>>,
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").field("brokers", &self.brokers).finish_non_exhaustive()
    }
}

/// What the brokers say of an existing topic, whoever asked them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundTopic {
    pub partitions: i32,
    /// The smallest and the largest replica count of its partitions.
    pub replicas: (i32, i32),
    /// Its settings by name, defaults included.
    pub settings: HashMap<String, String>,
}

/// Every way in which a topic is not as declared.
#[must_use]
pub fn differences(topic: &Topic, found: Option<&FoundTopic>) -> Vec<Difference> {
    let difference = |property: &str, declared: String, found: String| Difference {
        topic: topic.name.to_owned(),
        property: property.to_owned(),
        declared,
        found,
        fatal: true,
    };
    let Some(found) = found else {
        return vec![difference("existence", "present".to_owned(), "missing".to_owned())];
    };
    let mut differences = Vec::new();
    if found.partitions != topic.partitions {
        differences.push(difference("partitions", topic.partitions.to_string(), found.partitions.to_string()));
    }
    let (fewest, most) = found.replicas;
    if (fewest, most) != (REPLICATION_FACTOR, REPLICATION_FACTOR) {
        let found = if fewest == most { fewest.to_string() } else { format!("{fewest} to {most}") };
        differences.push(difference("replication factor", REPLICATION_FACTOR.to_string(), found));
    }
    differences.extend(wrong_settings(topic, &found.settings));
    differences
}

fn wrong_settings(topic: &Topic, found: &HashMap<String, String>) -> Vec<Difference> {
    let value = |name: &str| found.get(name).cloned().unwrap_or_default();
    topic
        .settings()
        .into_iter()
        .filter(|(name, declared)| value(name) != *declared)
        .map(|(name, declared)| Difference {
            topic: topic.name.to_owned(),
            property: name.to_owned(),
            declared,
            found: value(name),
            fatal: name == "cleanup.policy",
        })
        .collect()
}

/// How many partitions an existing topic has, and how many replicas those.
struct Spread {
    partitions: i32,
    replicas: (i32, i32),
}

impl Cluster {
    pub fn connect(config: &Config) -> Result<Self, ClusterError> {
        let brokers = config.brokers.clone();
        let admin = config.client("foldstream-admin").create_with_context(Plain).map_err(|source| {
            ClusterError::Unavailable { brokers: brokers.clone(), doing: "making a client", source }
        })?;
        Ok(Self { brokers, prefix: config.prefix.clone(), admin: std::sync::Arc::new(admin) })
    }

    /// Creates those of these topics that are missing, and corrects settings; returns what it did. Partitions and replicas are left alone:
    /// `check` names them.
    pub async fn apply(&self, topics: &[&Topic]) -> Result<Vec<String>, ClusterError> {
        let mut done = Vec::new();
        for topic in topics {
            if self.find(topic).await?.is_none() {
                self.create(topic).await?;
                self.wait_until_known(topic).await?;
                done.push(format!("created {} with {} partitions", topic.name, topic.partitions));
                continue;
            }
            let wrong = wrong_settings(topic, &self.settings(topic).await?);
            if !wrong.is_empty() {
                self.alter(topic).await?;
                done.extend(wrong.into_iter().map(|difference| {
                    format!("set {} of {} to {}", difference.property, difference.topic, difference.declared)
                }));
            }
        }
        Ok(done)
    }

    /// Every difference between these declarations and the cluster.
    pub async fn check(&self, topics: &[&Topic]) -> Result<Vec<Difference>, ClusterError> {
        let mut differences = Vec::new();
        for topic in topics {
            let found = match self.find(topic).await? {
                Some(Spread { partitions, replicas }) => {
                    Some(FoundTopic { partitions, replicas, settings: self.settings(topic).await? })
                }
                None => None,
            };
            differences.extend(self::differences(topic, found.as_ref()));
        }
        Ok(differences)
    }

    /// A new topic is known to the brokers one after the other; whoever asks next may ask any of them.
    async fn wait_until_known(&self, topic: &Topic) -> Result<(), ClusterError> {
        let deadline = Instant::now() + TIMEOUT;
        let mut in_a_row = 0;
        while in_a_row < ANSWERS_IN_A_ROW && Instant::now() < deadline {
            in_a_row = if self.find(topic).await?.is_some() { in_a_row + 1 } else { 0 };
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    async fn find(&self, topic: &Topic) -> Result<Option<Spread>, ClusterError> {
        let (admin, name) = (self.admin.clone(), self.prefix.physical(topic.name).into_owned());
        let metadata = tokio::task::spawn_blocking(move || admin.inner().fetch_metadata(Some(&name), TIMEOUT))
            .await
            .map_err(|_| ClusterError::Stopped)?
            .map_err(|source| self.unavailable("asking for metadata", source))?;
        Ok(metadata
            .topics()
            .iter()
            .find(|found| {
                self.prefix.logical(found.name()) == Some(topic.name)
                    && found.error().is_none()
                    && !found.partitions().is_empty()
            })
            .map(|found| {
                let replicas = || found.partitions().iter().map(|partition| partition.replicas().len());
                let count = |number: Option<usize>| number.and_then(|number| i32::try_from(number).ok()).unwrap_or(0);
                Spread {
                    partitions: count(Some(found.partitions().len())),
                    replicas: (count(replicas().min()), count(replicas().max())),
                }
            }))
    }

    /// The settings of an existing topic by name, defaults included.
    async fn settings(&self, topic: &Topic) -> Result<HashMap<String, String>, ClusterError> {
        let found = self
            .admin
            .describe_configs([&ResourceSpecifier::Topic(&self.prefix.physical(topic.name))], &options())
            .await
            .map_err(|source| self.unavailable("asking for topic settings", source))?;
        let found = found.into_iter().next().ok_or_else(|| refused("describe", topic, RDKafkaErrorCode::NoEnt))?;
        let found = found.map_err(|code| refused("describe", topic, code))?;
        Ok(found.entries.into_iter().filter_map(|entry| Some((entry.name, entry.value?))).collect())
    }

    async fn create(&self, topic: &Topic) -> Result<(), ClusterError> {
        let settings = topic.settings();
        let name = self.prefix.physical(topic.name);
        let mut new = NewTopic::new(&name, topic.partitions, TopicReplication::Fixed(REPLICATION_FACTOR));
        for (name, value) in &settings {
            new = new.set(name, value);
        }
        let created = self
            .admin
            .create_topics([&new], &options())
            .await
            .map_err(|source| self.unavailable("creating topics", source))?;
        match created.into_iter().next() {
            // Two deployments at once: the other one was quicker.
            Some(Err((_, code))) if code != RDKafkaErrorCode::TopicAlreadyExists => Err(refused("create", topic, code)),
            _ => Ok(()),
        }
    }

    /// Sets all declared settings at once; any other override on the topic returns to its default.
    async fn alter(&self, topic: &Topic) -> Result<(), ClusterError> {
        let settings = topic.settings();
        let name = self.prefix.physical(topic.name);
        let mut alter = AlterConfig::new(ResourceSpecifier::Topic(&name));
        for (name, value) in &settings {
            alter = alter.set(name, value);
        }
        let altered = self
            .admin
            .alter_configs([&alter], &options())
            .await
            .map_err(|source| self.unavailable("changing topic settings", source))?;
        match altered.into_iter().next() {
            Some(Err((_, code))) => Err(refused("change the settings of", topic, code)),
            _ => Ok(()),
        }
    }

    fn unavailable(&self, doing: &'static str, source: KafkaError) -> ClusterError {
        ClusterError::Unavailable { brokers: self.brokers.clone(), doing, source }
    }
}

fn options() -> AdminOptions {
    AdminOptions::new().operation_timeout(Some(TIMEOUT)).request_timeout(Some(TIMEOUT))
}

fn refused(doing: &'static str, topic: &Topic, code: RDKafkaErrorCode) -> ClusterError {
    ClusterError::Refused { doing, topic: topic.name.to_owned(), code }
}
