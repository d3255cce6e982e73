//! The brokers of a cluster: who leads what, and connections to ask them on.
//!
//! Connections are pooled by broker, and only so many questions run at one broker at once. No consumer group is ever
//! joined and no topic created: the requests made here cannot do either.

use crate::connection::{Connection, ConnectionError};
use foldstream_log::{Config, Prefix};
use kafka_protocol::{
    ResponseError,
    messages::{
        FindCoordinatorRequest, MetadataRequest, MetadataResponse, TopicName, metadata_request::MetadataRequestTopic,
    },
    protocol::{Request, StrBytes},
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::Semaphore;
use uuid::Uuid;

/// How long a broker may take to answer a question that needs no waiting.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);
/// The same where another broker may be asked instead.
const PATIENCE_WITH_ANY: Duration = Duration::from_secs(1);
/// Questions that run at one broker at the same time; the others wait their turn.
const AT_ONCE: usize = 8;

/// Why the log could not be looked into.
#[derive(Debug, thiserror::Error)]
pub enum BrowseError {
    #[error("there is no topic {topic}")]
    UnknownTopic { topic: String },
    #[error("{topic} has no partition {partition}: it has {partitions}, from 0 on")]
    UnknownPartition { topic: String, partition: i32, partitions: usize },
    #[error("no broker can be asked")]
    Unreachable(#[source] ConnectionError),
    #[error("partition {partition} of {topic} has no leader that answers")]
    NoLeader { topic: String, partition: i32, source: Option<ConnectionError> },
    #[error("a broker refused {doing}: {error:?}")]
    Refused { doing: &'static str, error: ResponseError },
    #[error("the log holds what cannot be read")]
    Batch(#[from] crate::batches::BatchError),
    #[error("{topic} is led by other brokers than a moment ago, or is another topic by now")]
    Moved { topic: String },
    #[error("the brokers did not answer in time: {doing}")]
    Late { doing: &'static str },
    #[error("the task that read the log was stopped")]
    Stopped,
}

/// A topic as it is laid out at the moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    pub topic: String,
    /// What it is called on the cluster.
    pub(crate) name: TopicName,
    /// Another one after the topic was deleted and made again.
    pub id: Uuid,
    /// Leader of each partition.
    pub leaders: BTreeMap<i32, i32>,
}

impl Layout {
    /// As if there were no other partitions.
    pub(crate) fn only(&self, partitions: &BTreeSet<i32>) -> Self {
        let mut only = self.clone();
        only.leaders.retain(|partition, _| partitions.contains(partition));
        only
    }

    /// The first partition that this broker leads.
    pub(crate) fn led_by(&self, broker: i32) -> Option<i32> {
        self.leaders.iter().find(|(_, leader)| **leader == broker).map(|(partition, _)| *partition)
    }

    /// The partitions, by the broker that leads them.
    pub(crate) fn by_leader(&self, partitions: impl IntoIterator<Item = i32>) -> BTreeMap<i32, Vec<i32>> {
        let mut by_leader: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
        for partition in partitions {
            if let Some(leader) = self.leaders.get(&partition) {
                by_leader.entry(*leader).or_default().push(partition);
            }
        }
        by_leader
    }
}

/// Cheap to clone.
#[derive(Debug, Clone)]
pub struct Brokers {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    bootstrap: Vec<String>,
    prefix: Prefix,
    max_batch_bytes: usize,
    /// Where each broker said it can be reached.
    addresses: Mutex<HashMap<i32, String>>,
    /// Who answered last when anybody would do.
    answering: Mutex<Option<String>>,
    /// Which broker looks after which consumer group.
    coordinators: Mutex<HashMap<String, i32>>,
    pools: Mutex<HashMap<String, Arc<Pool>>>,
}

#[derive(Debug)]
struct Pool {
    idle: Mutex<Vec<Connection>>,
    turns: Semaphore,
}

impl Brokers {
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let bootstrap = config.brokers.split(',').map(|address| address.trim().to_owned()).collect();
        Self {
            inner: Arc::new(Inner {
                bootstrap,
                prefix: config.prefix.clone(),
                max_batch_bytes: config.max_batch_bytes,
                addresses: Mutex::default(),
                answering: Mutex::default(),
                coordinators: Mutex::default(),
                pools: Mutex::default(),
            }),
        }
    }

    /// A batch that takes more, decompressed, is not read.
    pub(crate) fn max_batch_bytes(&self) -> usize {
        self.inner.max_batch_bytes
    }

    /// How a topic is laid out now. Asking creates nothing.
    pub async fn layout(&self, topic: &str) -> Result<Layout, BrowseError> {
        let mut layouts = self.layouts(Some(&[topic])).await?;
        layouts.pop().ok_or_else(|| BrowseError::UnknownTopic { topic: topic.to_owned() })
    }

    /// The layouts of these topics, or of all there are, in the order of their names; of unknown ones none.
    pub async fn layouts(&self, topics: Option<&[&str]>) -> Result<Vec<Layout>, BrowseError> {
        let metadata = self.metadata(topics).await?;
        let mut layouts = Vec::new();
        for topic in metadata.topics {
            let Some((topic_name, logical)) = topic.name.and_then(|name| self.logical(&name).map(|own| (name, own)))
            else {
                continue;
            };
            match ResponseError::try_from_code(topic.error_code) {
                None => {}
                Some(ResponseError::UnknownTopicOrPartition | ResponseError::InvalidTopicException) => continue,
                Some(error) => return Err(BrowseError::Refused { doing: "to describe a topic", error }),
            }
            // A leader of -1 is none: whoever asks that partition is told so.
            let leaders =
                topic.partitions.iter().map(|partition| (partition.partition_index, partition.leader_id.0)).collect();
            layouts.push(Layout { topic: logical, name: topic_name, id: topic.topic_id, leaders });
        }
        layouts.sort_by(|a, b| a.topic.cmp(&b.topic));
        Ok(layouts)
    }

    /// Everything the brokers say of topics, or of all there are.
    pub(crate) async fn metadata(&self, topics: Option<&[&str]>) -> Result<MetadataResponse, BrowseError> {
        let topics = topics.map(|topics| {
            let asked = |topic: &&str| MetadataRequestTopic::default().with_name(Some(self.physical(topic)));
            topics.iter().map(asked).collect()
        });
        let request = MetadataRequest::default().with_topics(topics).with_allow_auto_topic_creation(false);
        let metadata = self.ask_any(&request).await?;
        let mut addresses = self.inner.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        *addresses = metadata
            .brokers
            .iter()
            .map(|broker| (broker.node_id.0, format!("{}:{}", broker.host.as_str(), broker.port)))
            .collect();
        drop(addresses);
        Ok(metadata)
    }

    pub(crate) fn prefix(&self) -> &Prefix {
        &self.inner.prefix
    }

    /// What a topic is called on the cluster.
    pub(crate) fn physical(&self, topic: &str) -> TopicName {
        TopicName(StrBytes::from_string(self.inner.prefix.physical(topic).into_owned()))
    }

    /// What is called so on the cluster; none where it is of another environment.
    pub(crate) fn logical(&self, name: &str) -> Option<String> {
        self.inner.prefix.logical(name).map(str::to_owned)
    }

    /// Asks whichever broker answers.
    pub(crate) async fn ask_any<R: Request>(&self, request: &R) -> Result<R::Response, BrowseError> {
        let answering = self.inner.answering.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let known: Vec<String> =
            self.inner.addresses.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        let mut failed = ConnectionError::NoAddress;
        for address in answering.iter().chain(&known).chain(&self.inner.bootstrap) {
            match self.ask_at(address, request, PATIENCE_WITH_ANY).await {
                Ok(answer) => {
                    if answering.as_ref() != Some(address) {
                        *self.inner.answering.lock().unwrap_or_else(PoisonError::into_inner) = Some(address.clone());
                    }
                    return Ok(answer);
                }
                Err(error) => failed = error,
            }
        }
        Err(BrowseError::Unreachable(failed))
    }

    /// Asks one broker.
    pub(crate) async fn ask<R: Request>(
        &self,
        broker: i32,
        request: &R,
        patience: Duration,
    ) -> Result<R::Response, ConnectionError> {
        let address = self.address(broker)?;
        self.ask_at(&address, request, patience).await
    }

    /// Which broker looks after a consumer group; asked for once, until that turns out to be no longer so.
    pub(crate) async fn coordinator(&self, group: &str) -> Result<i32, BrowseError> {
        let known = self.inner.coordinators.lock().unwrap_or_else(PoisonError::into_inner).get(group).copied();
        if let Some(broker) = known {
            return Ok(broker);
        }
        let key = StrBytes::from_string(group.to_owned());
        let refused = |error| BrowseError::Refused { doing: "to say who looks after a group", error };
        let answer = self.ask_any(&FindCoordinatorRequest::default().with_coordinator_keys(vec![key])).await?;
        let found = answer.coordinators.into_iter().next();
        let found = found.ok_or_else(|| refused(ResponseError::CoordinatorNotAvailable))?;
        if let Some(error) = ResponseError::try_from_code(found.error_code) {
            return Err(refused(error));
        }
        let (broker, address) = (found.node_id.0, format!("{}:{}", found.host.as_str(), found.port));
        self.inner.addresses.lock().unwrap_or_else(PoisonError::into_inner).insert(broker, address);
        self.inner.coordinators.lock().unwrap_or_else(PoisonError::into_inner).insert(group.to_owned(), broker);
        Ok(broker)
    }

    pub(crate) fn forget_coordinator(&self, group: &str) {
        self.inner.coordinators.lock().unwrap_or_else(PoisonError::into_inner).remove(group);
    }

    /// The brokers that are known, by id.
    pub(crate) fn known(&self) -> Vec<i32> {
        self.inner.addresses.lock().unwrap_or_else(PoisonError::into_inner).keys().copied().collect()
    }

    async fn ask_at<R: Request>(
        &self,
        address: &str,
        request: &R,
        patience: Duration,
    ) -> Result<R::Response, ConnectionError> {
        let pool = self.pool(address);
        // Never closed, so this only waits.
        let _turn = pool.turns.acquire().await;
        // A connection that idled may have been closed by the broker; that shows when it is used.
        while let Some(mut connection) = pool.take() {
            match connection.call(request, patience).await {
                Ok(answer) => {
                    pool.give_back(connection);
                    return Ok(answer);
                }
                Err(ConnectionError::Unreachable { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        let mut connection = Connection::open(address).await?;
        let answer = connection.call(request, patience).await?;
        pool.give_back(connection);
        Ok(answer)
    }

    fn pool(&self, address: &str) -> Arc<Pool> {
        let mut pools = self.inner.pools.lock().unwrap_or_else(PoisonError::into_inner);
        let pool = || Arc::new(Pool { idle: Mutex::default(), turns: Semaphore::new(AT_ONCE) });
        pools.entry(address.to_owned()).or_insert_with(pool).clone()
    }

    /// A connection of its own, for a question that waits long and must not hold up others.
    pub(crate) async fn connect(&self, broker: i32) -> Result<Connection, ConnectionError> {
        Connection::open(&self.address(broker)?).await
    }

    fn address(&self, broker: i32) -> Result<String, ConnectionError> {
        let addresses = self.inner.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        addresses.get(&broker).cloned().ok_or(ConnectionError::Unknown { broker })
    }
}

impl Pool {
    fn take(&self) -> Option<Connection> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn give_back(&self, connection: Connection) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
    }
}
