//! Appends events, each acknowledged by a majority of replicas, each once and in the order of its key.

use crate::{
    client_log::Plain,
    codec::{EncodeError, encode},
    config::Config,
    events::{RecordType, TopicEvent},
    fetched::FetchedRecord,
    headers::{Cause, REDRIVE_OF, headers_of},
    position::Position,
    prefix::Prefix,
    registry::{Registry, RegistryError, WriterSchema},
    topic::Topic,
};
use rdkafka::{
    error::KafkaError,
    message::{Header, OwnedHeaders},
    producer::{FutureProducer, FutureRecord},
    util::Timeout,
};
use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::OnceCell;

/// How long a caller waits for the acknowledgement before it is told that the log is unavailable.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    #[error("topic {topic} did not acknowledge the event")]
    NotAcknowledged { topic: &'static str, source: KafkaError },
    #[error("cannot make a producer")]
    Connect { source: KafkaError },
    #[error("cannot find the schema to write with")]
    Schema(#[from] RegistryError),
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

/// An idempotent producer; cheap to clone.
#[derive(Clone)]
pub struct Writer {
    source: &'static str,
    prefix: Prefix,
    producer: FutureProducer<Plain>,
    schemas: Schemas,
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("source", &self.source).finish_non_exhaustive()
    }
}

impl Writer {
    /// A writer on behalf of the service `source`. The brokers are first asked when something is written.
    pub fn connect(config: &Config, registry: &Registry, source: &'static str) -> Result<Self, WriteError> {
        let producer = config
            .producer(&format!("foldstream-{source}"))
            .set("message.timeout.ms", DELIVERY_TIMEOUT.as_millis().to_string())
            // One interactive event is not held back for company.
            .set("linger.ms", "1")
            .create_with_context(Plain)
            .map_err(|source| WriteError::Connect { source })?;
        Ok(Self { source, prefix: config.prefix.clone(), producer, schemas: Schemas::new(registry) })
    }

    /// Appends an event and says where it lies.
    pub async fn append<E: TopicEvent>(&self, event: &E) -> Result<Position, WriteError> {
        let topic = event.record_type().topic;
        let schema = self.schemas.of(event.record_type()).await?;
        let value = encode(event, &schema)?;
        let headers = headers_of(event, self.source, &Cause::here());
        let name = self.prefix.physical(topic);
        let record = FutureRecord::to(&name).key(event.key()).payload(&value).headers(headers);
        let delivered = self
            .producer
            .send(record, Timeout::After(DELIVERY_TIMEOUT))
            .await
            .map_err(|(source, _)| WriteError::NotAcknowledged { topic, source })?;
        metrics_counter(topic, 1);
        Ok(Position { topic: topic.to_owned(), partition: delivered.partition, offset: delivered.offset })
    }

    /// Appends a record once more, as it was: same bytes, same headers, same partition, and a header that says where it
    /// was first.
    pub async fn append_again(&self, topic: &'static Topic, record: &FetchedRecord) -> Result<Position, WriteError> {
        let origin = Position { topic: record.topic.clone(), partition: record.partition, offset: record.offset };
        let kept = record.headers.iter().filter(|(name, _)| name != REDRIVE_OF);
        let headers = kept.fold(OwnedHeaders::new_with_capacity(record.headers.len() + 1), |headers, (key, value)| {
            headers.insert(Header { key, value: value.as_ref() })
        });
        let headers = headers.insert(Header { key: REDRIVE_OF, value: Some(&origin.to_string()) });
        let name = self.prefix.physical(topic.name);
        let mut again: FutureRecord<'_, [u8], [u8]> =
            FutureRecord::to(&name).partition(record.partition).headers(headers);
        again.key = record.key.as_deref();
        again.payload = record.value.as_deref();
        let delivered = self
            .producer
            .send(again, Timeout::After(DELIVERY_TIMEOUT))
            .await
            .map_err(|(source, _)| WriteError::NotAcknowledged { topic: topic.name, source })?;
        metrics_counter(topic.name, 1);
        Ok(Position { topic: topic.name.to_owned(), partition: delivered.partition, offset: delivered.offset })
    }
}

pub(crate) fn metrics_counter(topic: &'static str, count: u64) {
    metrics::counter!(foldstream_telemetry::names::PRODUCER_RECORDS_TOTAL, "topic" => topic).increment(count);
}

/// The ids of our own schemas, each looked up once, and by one of those who need it at the same time.
#[derive(Clone)]
pub(crate) struct Schemas {
    registry: Registry,
    known: Arc<Mutex<HashMap<Subject, Arc<OnceCell<Arc<WriterSchema>>>>>>,
}

/// Topic and record.
type Subject = (&'static str, &'static str);

impl Schemas {
    pub(crate) fn new(registry: &Registry) -> Self {
        Self { registry: registry.clone(), known: Arc::default() }
    }

    pub(crate) async fn of(&self, record: &RecordType) -> Result<Arc<WriterSchema>, RegistryError> {
        let place = {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.entry((record.topic, record.full_name)).or_default().clone()
        };
        let look_up = async || {
            let id = self.registry.id_of(record).await?;
            Ok(Arc::new(WriterSchema::parse(id, record.schema.to_owned())?))
        };
        place.get_or_try_init(look_up).await.cloned()
    }
}
