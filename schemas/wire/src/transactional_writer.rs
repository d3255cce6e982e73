//! Appends events in Kafka transactions: all of a transaction's events become visible, or none.
//!
//! Blocking: it lives on a thread of its own, because the transaction calls of the client block. Whoever begins with
//! the same transactional id later fences this one: its next call fails as *fenced*, and nothing of its open
//! transaction is ever seen.

use crate::{
    Config, EncodeError, Registry, RegistryError,
    client_log::log_error,
    codec::encode,
    headers::{Origin, headers_of},
    registry::WriterSchema,
    writer::{Schemas, metrics_counter},
};
use foldstream_events::{RecordType, TopicEvent};
use rdkafka::{
    ClientContext,
    error::{KafkaError, RDKafkaErrorCode},
    message::DeliveryResult,
    producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer},
};
use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::{Duration, Instant},
};

const CALL_TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Debug, thiserror::Error)]
pub enum TransactionError {
    #[error("another writer took over {transactional_id}")]
    Fenced { transactional_id: String },
    #[error("the transaction failed: {doing}")]
    Failed { doing: &'static str, source: KafkaError },
    #[error("cannot find the schema to write with")]
    Schema(#[from] RegistryError),
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

/// A producer with a transactional id.
pub struct TransactionalWriter {
    transactional_id: String,
    source: &'static str,
    producer: ThreadedProducer<Deliveries>,
    deliveries: Arc<Progress>,
    schemas: HashMap<&'static str, Arc<WriterSchema>>,
    appended: HashMap<&'static str, u64>,
}

impl fmt::Debug for TransactionalWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransactionalWriter").field("transactional_id", &self.transactional_id).finish_non_exhaustive()
    }
}

/// Told of every delivery, so that a full queue is waited for without polling.
#[derive(Default)]
struct Progress {
    delivered: Mutex<u64>,
    changed: Condvar,
}

struct Deliveries(Arc<Progress>);

impl ClientContext for Deliveries {
    fn error(&self, error: KafkaError, reason: &str) {
        log_error(&error, reason);
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    /// A failed delivery needs no handling here: the commit of its transaction fails.
    fn delivery(&self, _: &DeliveryResult<'_>, (): ()) {
        *self.0.delivered.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.changed.notify_one();
    }
}

impl TransactionalWriter {
    /// Looks the schemas up; to be followed by [`Self::fence`] before the first transaction.
    pub async fn connect(
        config: &Config,
        registry: &Registry,
        source: &'static str,
        transactional_id: &str,
        records: &[&'static [RecordType]],
    ) -> Result<Self, TransactionError> {
        let lookup = Schemas::new(registry);
        let mut schemas = HashMap::new();
        for record in records.iter().copied().flatten() {
            schemas.insert(record.full_name, lookup.of(record).await?);
        }
        let deliveries = Arc::new(Progress::default());
        let producer = config
            .producer(&format!("foldstream-{source}"))
            .set("transactional.id", transactional_id)
            .set("transaction.timeout.ms", "10000")
            .set("linger.ms", "20")
            .set("batch.size", "262144")
            .create_with_context(Deliveries(deliveries.clone()))
            .map_err(|source| TransactionError::Failed { doing: "making a client", source })?;
        Ok(Self {
            transactional_id: transactional_id.to_owned(),
            source,
            producer,
            deliveries,
            schemas,
            appended: HashMap::new(),
        })
    }

    /// Fences every earlier writer of this transactional id and settles what it left open. Blocks.
    pub fn fence(&self) -> Result<(), TransactionError> {
        self.producer.init_transactions(CALL_TIMEOUT).map_err(|error| self.failed("taking over the id", error))
    }

    pub fn begin(&mut self) -> Result<(), TransactionError> {
        self.appended.clear();
        self.producer.begin_transaction().map_err(|error| self.failed("beginning", error))
    }

    /// Adds an event to the open transaction. Blocks while the client's queue is full.
    pub fn append<E: TopicEvent>(&mut self, event: &E) -> Result<(), TransactionError> {
        let topic = E::topic().name;
        let record_type = event.record_type();
        let schema = self
            .schemas
            .get(record_type.full_name)
            .ok_or_else(|| RegistryError::NotRegistered { subject: record_type.subject() })?;
        let value = encode(event, schema)?;
        let headers = headers_of(event, &Origin { source: self.source, cause: None }, None);
        let mut record = BaseRecord::to(topic).key(event.key()).payload(&value).headers(headers);
        while let Err((error, unsent)) = self.producer.send(record) {
            if error != KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull) {
                return Err(self.failed("appending", error));
            }
            record = unsent;
            self.wait_for_a_delivery(Duration::from_millis(20));
        }
        *self.appended.entry(topic).or_default() += 1;
        Ok(())
    }

    /// Makes the transaction's events visible. Blocks until the brokers say so.
    pub fn commit(&mut self) -> Result<(), TransactionError> {
        // The client crate's own wait for outstanding records looks only every 100 ms.
        let deadline = Instant::now() + CALL_TIMEOUT;
        while self.producer.in_flight_count() > 0 && Instant::now() < deadline {
            self.wait_for_a_delivery(Duration::from_millis(2));
        }
        self.producer.commit_transaction(CALL_TIMEOUT).map_err(|error| self.failed("committing", error))?;
        for (topic, count) in self.appended.drain() {
            metrics_counter(topic, count);
        }
        Ok(())
    }

    /// At most for `patience`, because deliveries may have come before this lock.
    fn wait_for_a_delivery(&self, patience: Duration) {
        let delivered = self.deliveries.delivered.lock().unwrap_or_else(PoisonError::into_inner);
        let before = *delivered;
        let wait = self.deliveries.changed.wait_timeout_while(delivered, patience, |now| *now == before);
        drop(wait);
    }

    fn failed(&self, doing: &'static str, source: KafkaError) -> TransactionError {
        let fenced = matches!(
            source.rdkafka_error_code(),
            Some(RDKafkaErrorCode::Fenced | RDKafkaErrorCode::ProducerFenced | RDKafkaErrorCode::InvalidProducerEpoch)
        );
        // The code of a fatal error is generic; the one behind it tells.
        let fenced = fenced
            || self.producer.client().fatal_error().is_some_and(|(code, _)| {
                matches!(
                    code,
                    RDKafkaErrorCode::Fenced
                        | RDKafkaErrorCode::ProducerFenced
                        | RDKafkaErrorCode::InvalidProducerEpoch
                )
            });
        if fenced {
            return TransactionError::Fenced { transactional_id: self.transactional_id.clone() };
        }
        TransactionError::Failed { doing, source }
    }
}
