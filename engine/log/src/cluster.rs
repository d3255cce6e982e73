//! Makes the cluster agree with the declared topics, and says where it does not.
//!
//! However many topics there are, each thing is asked and done for all of them in one request: what there is, how it is
//! set, what is made, what is corrected. Partitions and replicas of a topic are never changed.

use crate::{
    client_log::Plain,
    config::Config,
    prefix::Prefix,
    topic::{REPLICATION_FACTOR, Topic},
};
use rdkafka::{
    admin::{AdminClient, AdminOptions, AlterConfig, NewTopic, ResourceSpecifier, TopicReplication},
    error::KafkaError,
    metadata::MetadataTopic,
    types::RDKafkaErrorCode,
};
use serde::Serialize;
use std::{
    borrow::Cow,
    collections::HashMap,
    fmt,
    sync::Arc,
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
    admin: Arc<AdminClient<Plain>>,
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

/// How a topic is called outside, and to be set.
struct Declared<'a> {
    name: Cow<'a, str>,
    settings: Vec<(&'static str, String)>,
}

impl Spread {
    /// None of a topic that is not there, or not yet.
    fn of(found: &MetadataTopic) -> Option<Self> {
        if found.error().is_some() || found.partitions().is_empty() {
            return None;
        }
        let replicas = || found.partitions().iter().map(|partition| partition.replicas().len());
        let count = |number: Option<usize>| number.and_then(|number| i32::try_from(number).ok()).unwrap_or(0);
        Some(Self {
            partitions: count(Some(found.partitions().len())),
            replicas: (count(replicas().min()), count(replicas().max())),
        })
    }
}

impl Cluster {
    pub fn connect(config: &Config) -> Result<Self, ClusterError> {
        let brokers = config.brokers.clone();
        let admin = config.client("foldstream-admin").create_with_context(Plain).map_err(|source| {
            ClusterError::Unavailable { brokers: brokers.clone(), doing: "making a client", source }
        })?;
        Ok(Self { brokers, prefix: config.prefix.clone(), admin: Arc::new(admin) })
    }

    /// Creates those of these topics that are missing, and corrects settings; returns what it did. Partitions and replicas
    /// are left alone: `check` names them.
    pub async fn apply(&self, topics: &[&Topic]) -> Result<Vec<String>, ClusterError> {
        let found = self.find(topics).await?;
        let missing: Vec<&Topic> = topics.iter().filter(|topic| !found.contains_key(topic.name)).copied().collect();
        self.create(&missing).await?;
        self.wait_until_known(&missing).await?;
        let wrong =
            |topic: &Topic| found.get(topic.name).map_or_else(Vec::new, |found| wrong_settings(topic, &found.settings));
        let otherwise: Vec<&Topic> = topics.iter().filter(|topic| !wrong(topic).is_empty()).copied().collect();
        self.alter(&otherwise).await?;
        let created =
            missing.iter().map(|topic| format!("created {} with {} partitions", topic.name, topic.partitions));
        let corrected = otherwise.iter().flat_map(|topic| wrong(topic)).map(|difference| {
            format!("set {} of {} to {}", difference.property, difference.topic, difference.declared)
        });
        Ok(created.chain(corrected).collect())
    }

    /// Every difference between these declarations and the cluster.
    pub async fn check(&self, topics: &[&Topic]) -> Result<Vec<Difference>, ClusterError> {
        let found = self.find(topics).await?;
        Ok(topics.iter().flat_map(|topic| differences(topic, found.get(topic.name))).collect())
    }

    /// Those of these topics that exist, by name.
    async fn find<'a>(&self, topics: &[&'a Topic]) -> Result<HashMap<&'a str, FoundTopic>, ClusterError> {
        let spread = self.spread(topics).await?;
        let present: Vec<&'a Topic> = topics.iter().filter(|topic| spread.contains_key(topic.name)).copied().collect();
        let settings = self.settings(&present).await?;
        let found = |(topic, settings): (&'a Topic, _)| {
            let Spread { partitions, replicas } = *spread.get(topic.name)?;
            Some((topic.name, FoundTopic { partitions, replicas, settings }))
        };
        Ok(present.iter().copied().zip(settings).filter_map(found).collect())
    }

    /// A new topic is known to the brokers one after the other; whoever asks next may ask any of them.
    async fn wait_until_known(&self, topics: &[&Topic]) -> Result<(), ClusterError> {
        let deadline = Instant::now() + TIMEOUT;
        let mut in_a_row = 0;
        while !topics.is_empty() && in_a_row < ANSWERS_IN_A_ROW && Instant::now() < deadline {
            // A broker that has not heard of a topic may also answer that it has no settings at all.
            let settings = self.settings(topics).await.unwrap_or_default();
            let is_known = settings.len() == topics.len() && settings.iter().all(|settings| !settings.is_empty());
            let is_known = is_known && self.spread(topics).await?.len() == topics.len();
            in_a_row = if is_known { in_a_row + 1 } else { 0 };
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// How those of these topics that exist are spread over the brokers.
    async fn spread<'a>(&self, topics: &[&'a Topic]) -> Result<HashMap<&'a str, Spread>, ClusterError> {
        let admin = self.admin.clone();
        let metadata = tokio::task::spawn_blocking(move || admin.inner().fetch_metadata(None, TIMEOUT))
            .await
            .map_err(|_| ClusterError::Stopped)?
            .map_err(|source| self.unavailable("asking for metadata", source))?;
        let spread = |found: &MetadataTopic| {
            let name = self.prefix.logical(found.name())?;
            let topic = topics.iter().find(|topic| topic.name == name)?;
            Some((topic.name, Spread::of(found)?))
        };
        Ok(metadata.topics().iter().filter_map(spread).collect())
    }

    /// The settings of existing topics by name, defaults included, in the order of the topics.
    async fn settings(&self, topics: &[&Topic]) -> Result<Vec<HashMap<String, String>>, ClusterError> {
        if topics.is_empty() {
            return Ok(Vec::new());
        }
        let names: Vec<_> = topics.iter().map(|topic| self.prefix.physical(topic.name)).collect();
        let asked: Vec<_> = names.iter().map(|name| ResourceSpecifier::Topic(name)).collect();
        let found = self
            .admin
            .describe_configs(&asked, &options())
            .await
            .map_err(|source| self.unavailable("asking for topic settings", source))?;
        // The client gives what it is told in the order in which it was asked.
        let mut found = found.into_iter();
        let settings = |topic: &&Topic| {
            let found = found.next().ok_or_else(|| refused("describe", topic, RDKafkaErrorCode::NoEnt))?;
            let found = found.map_err(|code| refused("describe", topic, code))?;
            Ok(found.entries.into_iter().filter_map(|entry| Some((entry.name, entry.value?))).collect())
        };
        topics.iter().map(settings).collect()
    }

    async fn create(&self, topics: &[&Topic]) -> Result<(), ClusterError> {
        if topics.is_empty() {
            return Ok(());
        }
        let declared = self.declared(topics);
        let mut new = Vec::with_capacity(topics.len());
        for (topic, Declared { name, settings }) in topics.iter().zip(&declared) {
            let topic = NewTopic::new(name, topic.partitions, TopicReplication::Fixed(REPLICATION_FACTOR));
            new.push(settings.iter().fold(topic, |topic, (name, value)| topic.set(name, value)));
        }
        let created = self
            .admin
            .create_topics(&new, &options())
            .await
            .map_err(|source| self.unavailable("creating topics", source))?;
        for (topic, created) in topics.iter().zip(created) {
            match created {
                // Two deployments at once: the other one was quicker.
                Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((_, code)) => return Err(refused("create", topic, code)),
            }
        }
        Ok(())
    }

    /// Sets all declared settings; any other override on these topics returns to its default.
    async fn alter(&self, topics: &[&Topic]) -> Result<(), ClusterError> {
        if topics.is_empty() {
            return Ok(());
        }
        let declared = self.declared(topics);
        let mut alter = Vec::with_capacity(topics.len());
        for Declared { name, settings } in &declared {
            let topic = AlterConfig::new(ResourceSpecifier::Topic(name));
            alter.push(settings.iter().fold(topic, |topic, (name, value)| topic.set(name, value)));
        }
        let altered = self
            .admin
            .alter_configs(&alter, &options())
            .await
            .map_err(|source| self.unavailable("changing topic settings", source))?;
        for (topic, altered) in topics.iter().zip(altered) {
            altered.map_err(|(_, code)| refused("change the settings of", topic, code))?;
        }
        Ok(())
    }

    fn declared<'a>(&self, topics: &[&'a Topic]) -> Vec<Declared<'a>> {
        let declared =
            |topic: &&'a Topic| Declared { name: self.prefix.physical(topic.name), settings: topic.settings() };
        topics.iter().map(declared).collect()
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
