//! Appends events, each acknowledged by a majority of replicas, each once and in the order of its key.
//!
//! An idempotent producer that cannot keep its promise any more is dead for good (librdkafka calls it fatal), however well the
//! brokers are: whoever asked is told that the event was not acknowledged, and another producer takes its place.

use crate::{
    client_log::Plain,
    codec::{EncodeError, encode},
    config::Config,
    events::{RecordType, TopicEvent},
    fetched::FetchedRecord,
    headers::{Cause, headers_of, headers_of_copy, headers_of_tombstone},
    position::Position,
    prefix::Prefix,
    registry::{Registry, RegistryError, WriterSchema},
    segment_end::SEGMENT_END,
    topic::Topic,
};
use rdkafka::{
    ClientConfig,
    error::KafkaError,
    message::ToBytes,
    producer::{FutureProducer, FutureRecord, Producer as _},
    util::Timeout,
};
use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
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
    client: ClientConfig,
    producer: Arc<Mutex<Producer>>,
    schemas: Schemas,
}

type Producer = FutureProducer<Plain>;

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("source", &self.source).finish_non_exhaustive()
    }
}

impl Writer {
    /// A writer on behalf of the service `source`. The brokers are first asked when something is written.
    pub fn connect(config: &Config, registry: &Registry, source: &'static str) -> Result<Self, WriteError> {
        let mut client = config.producer(&format!("foldstream-{source}"));
        client
            .set("message.timeout.ms", DELIVERY_TIMEOUT.as_millis().to_string())
            // One interactive event is not held back for company.
            .set("linger.ms", "1");
        let producer = client.create_with_context(Plain).map_err(|source| WriteError::Connect { source })?;
        let (prefix, producer) = (config.prefix.clone(), Arc::new(Mutex::new(producer)));
        Ok(Self { source, prefix, client, producer, schemas: Schemas::new(registry) })
    }

    /// Appends an event and says where it lies.
    pub async fn append<E: TopicEvent>(&self, event: &E) -> Result<Position, WriteError> {
        let topic = event.record_type().topic;
        let schema = self.schemas.of(event.record_type()).await?;
        let value = encode(event, &schema)?;
        let headers = headers_of(event, self.source, &Cause::here());
        let name = self.prefix.physical(topic);
        let record = FutureRecord::to(&name).key(event.key()).payload(&value).headers(headers);
        self.send(topic, record).await
    }

    /// Appends a record once more, as it was: same bytes, same headers, same partition, and a header that says where it
    /// was first.
    pub async fn append_again(&self, topic: &'static Topic, record: &FetchedRecord) -> Result<Position, WriteError> {
        let name = self.prefix.physical(topic.name);
        let mut again: FutureRecord<'_, [u8], [u8]> =
            FutureRecord::to(&name).partition(record.partition).headers(headers_of_copy(record));
        again.key = record.key.as_deref();
        again.payload = record.value.as_deref();
        self.send(topic.name, again).await
    }

    /// Appends the record that says nothing, so that the brokers close what lies before it once that is old enough.
    pub async fn end_segment(&self, topic: &'static Topic, partition: i32) -> Result<Position, WriteError> {
        let headers = headers_of_tombstone(self.source, &Cause::default());
        let name = self.prefix.physical(topic.name);
        let end: FutureRecord<'_, str, [u8]> =
            FutureRecord::to(&name).partition(partition).key(SEGMENT_END).headers(headers);
        self.send(topic.name, end).await
    }

    async fn send<K, V>(&self, topic: &'static str, record: FutureRecord<'_, K, V>) -> Result<Position, WriteError>
    where
        K: ToBytes + ?Sized,
        V: ToBytes + ?Sized,
    {
        let producer = self.producer().clone();
        match producer.send(record, Timeout::After(DELIVERY_TIMEOUT)).await {
            Ok(delivered) => {
                metrics_counter(topic, 1);
                Ok(Position { topic: topic.to_owned(), partition: delivered.partition, offset: delivered.offset })
            }
            Err((source, _)) => {
                self.replace_dead();
                Err(WriteError::NotAcknowledged { topic, source })
            }
        }
    }

    /// Of those who find the producer dead, one replaces it.
    fn replace_dead(&self) {
        let mut producer = self.producer();
        let Some((_, reason)) = producer.client().fatal_error() else { return };
        match self.client.create_with_context(Plain) {
            Ok(another) => {
                foldstream_telemetry::error!(error.message = reason, "a producer died, and another takes its place");
                *producer = another;
            }
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                foldstream_telemetry::error!(error, "a producer died, and no other can be made");
            }
        }
    }

    fn producer(&self) -> MutexGuard<'_, Producer> {
        self.producer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) fn metrics_counter(topic: impl Into<metrics::SharedString>, count: u64) {
    metrics::counter!(foldstream_telemetry::names::PRODUCER_RECORDS_TOTAL, "topic" => topic.into()).increment(count);
}

/// The ids of our own schemas, each looked up once, and by one of those who need it at the same time.
#[derive(Clone)]
pub(crate) struct Schemas {
    registry: Registry,
    known: Arc<Mutex<HashMap<Subject, Arc<LookedUp>>>>,
}

/// Topic and record.
type Subject = (&'static str, &'static str);
type LookedUp = OnceCell<Arc<WriterSchema>>;

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topic::{Cleanup, Writers};
    use rdkafka::{
        mocking::MockCluster,
        types::{RDKafkaApiKey, RDKafkaRespErr},
    };

    static SEEN: Topic = Topic {
        name: "seen",
        key: "who",
        partitions: 1,
        cleanup: Cleanup::KeepAll,
        max_record_bytes: 1024,
        writers: Writers::EveryProcessor,
    };

    #[tokio::test]
    async fn a_producer_that_died_is_replaced() {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic(SEEN.name, 1, 1).unwrap();
        let config = Config::at(&cluster.bootstrap_servers(), "http://127.0.0.1:1".parse().unwrap());
        let mut writer = Writer::connect(&config, &Registry::new(&config).unwrap(), "test").unwrap();
        // As brokers are that have lost what they knew of a producer: it must not go on as if nothing were missing.
        writer.client.set("enable.gapless.guarantee", "true");
        writer.producer = Arc::new(Mutex::new(writer.client.create_with_context(Plain).unwrap()));
        let record = FetchedRecord {
            topic: SEEN.name.to_owned(),
            partition: 0,
            offset: 0,
            timestamp_ms: 0,
            key: None,
            value: Some(b"v".to_vec()),
            headers: Vec::new(),
        };
        assert_eq!(writer.append_again(&SEEN, &record).await.unwrap().offset, 0);
        let lost = RDKafkaRespErr::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
        cluster.request_errors(RDKafkaApiKey::Produce, &[lost]);
        let refused = writer.append_again(&SEEN, &record).await;
        assert!(matches!(refused, Err(WriteError::NotAcknowledged { .. })), "{refused:?}");
        assert_eq!(writer.append_again(&SEEN, &record).await.unwrap().offset, 1);
    }
}
