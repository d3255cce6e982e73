//! Appends events in Kafka transactions: all of a transaction's events become visible, or none; with them the offsets
//! of what they follow from move, or do not.
//!
//! A call that fails or does not end in time leaves it open whether the transaction happened. Nothing is tried again on
//! the same client: the caller drops it, makes a new one, and [`TransactionalWriter::fence`] settles what was left open
//! before it returns. One thing is left to the brokers' time-outs: an end of transaction that is delayed on the wire
//! for longer than all of that could meet the next transaction of the same id, because the client lacks the second half
//! of KIP-890 (an epoch of its own for each transaction).
//!
//! Blocking: it lives on a thread of its own, because the transaction calls of the client block. Whoever begins with
//! the same transactional id later fences this one: its next call fails as *fenced*, and nothing of its open
//! transaction is ever seen.

use crate::{
    client_log::log_error,
    codec::{EncodeError, encode},
    config::Config,
    events::{RecordType, TopicEvent},
    fetched::FetchedRecord,
    headers::{Cause, headers_of, headers_of_copy, headers_of_tombstone, with_fold_version},
    position::TopicPartition,
    position::{Position, Positions},
    position_range::PositionRange,
    prefix::Prefix,
    reader::{Committed, Membership, Noted},
    registry::{Registry, RegistryError, WriterSchema},
    topic::Topic,
    writer::{Schemas, metrics_counter},
};
use rdkafka::{
    ClientConfig, ClientContext, Message, Offset, TopicPartitionList,
    error::{KafkaError, RDKafkaErrorCode},
    message::{DeliveryResult, OwnedHeaders, ToBytes},
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

/// Who writes, and what.
#[derive(Debug, Clone)]
pub struct TransactionalOptions {
    /// The service on whose behalf it writes.
    pub source: &'static str,
    pub transactional_id: String,
    pub record_types: Vec<&'static RecordType>,
    /// How long records are held back for company; 0 where somebody waits for the transaction.
    pub linger_ms: u32,
}

/// A producer with a transactional id.
pub struct TransactionalWriter {
    transactional_id: String,
    source: &'static str,
    prefix: Prefix,
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
    delivered: Mutex<Delivered>,
    changed: Condvar,
}

#[derive(Default)]
struct Delivered {
    count: u64,
    /// From the first record to the last of each partition in this transaction: few, so a list will do.
    written: Vec<PositionRange>,
    /// Why a record of this transaction was not taken.
    refused: Option<RDKafkaErrorCode>,
}

impl Delivered {
    fn note(&mut self, topic: &str, partition: i32, offset: i64) {
        let known = self.written.iter_mut().find(|known| known.partition == partition && known.topic == topic);
        match known {
            Some(known) => (known.first, known.last) = (known.first.min(offset), known.last.max(offset)),
            None => self.written.push(Position { topic: topic.to_owned(), partition, offset }.into()),
        }
    }
}

struct Deliveries {
    progress: Arc<Progress>,
    prefix: Prefix,
}

impl ClientContext for Deliveries {
    fn error(&self, error: KafkaError, reason: &str) {
        log_error(&error, reason);
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    /// A failed delivery needs no handling here: the commit of its transaction fails.
    fn delivery(&self, delivered: &DeliveryResult<'_>, (): ()) {
        let mut progress = self.progress.delivered.lock().unwrap_or_else(PoisonError::into_inner);
        progress.count += 1;
        match delivered {
            Ok(message) => {
                if let Some(topic) = self.prefix.logical(message.topic()) {
                    progress.note(topic, message.partition(), message.offset());
                }
            }
            // Those behind the first one are purged because of it.
            Err((error, _)) => progress.refused = progress.refused.or(error.rdkafka_error_code()),
        }
        drop(progress);
        self.progress.changed.notify_one();
    }
}

impl TransactionalWriter {
    /// Looks the schemas up; to be followed by [`Self::fence`] before the first transaction.
    pub async fn connect(
        config: &Config,
        registry: &Registry,
        options: TransactionalOptions,
    ) -> Result<Self, TransactionError> {
        let lookup = Schemas::new(registry);
        let mut schemas = HashMap::new();
        for record in &options.record_types {
            schemas.insert(record.full_name, lookup.of(record).await?);
        }
        let mut client = config.producer(&format!("foldstream-{}", options.source));
        client.set("batch.size", "262144");
        Self::with_client(client, config.prefix.clone(), options, schemas)
    }

    /// Of a client that is set as what is written needs it.
    pub(crate) fn with_client(
        mut client: ClientConfig,
        prefix: Prefix,
        options: TransactionalOptions,
        schemas: HashMap<&'static str, Arc<WriterSchema>>,
    ) -> Result<Self, TransactionError> {
        let TransactionalOptions { source, transactional_id, record_types: _, linger_ms } = options;
        let transactional_id = prefix.physical(&transactional_id).into_owned();
        let deliveries = Arc::new(Progress::default());
        let producer = client
            .set("transactional.id", &transactional_id)
            .set("transaction.timeout.ms", "10000")
            .set("linger.ms", linger_ms.to_string())
            .create_with_context(Deliveries { progress: deliveries.clone(), prefix: prefix.clone() })
            .map_err(|source| TransactionError::Failed { doing: "making a client", source })?;
        Ok(Self { transactional_id, source, prefix, producer, deliveries, schemas, appended: HashMap::new() })
    }

    /// Fences every earlier writer of this transactional id and settles what it left open. Blocks.
    pub fn fence(&self) -> Result<(), TransactionError> {
        self.producer.init_transactions(CALL_TIMEOUT).map_err(|error| self.failed("taking over the id", error))
    }

    pub fn begin(&mut self) -> Result<(), TransactionError> {
        self.appended.clear();
        *self.deliveries.delivered.lock().unwrap_or_else(PoisonError::into_inner) = Delivered::default();
        self.producer.begin_transaction().map_err(|error| self.failed("beginning", error))
    }

    /// Adds an event to the open transaction. Blocks while the client's queue is full.
    pub fn append<E: TopicEvent>(&mut self, event: &E, cause: &Cause) -> Result<(), TransactionError> {
        self.append_with(event, headers_of(event, self.source, cause))
    }

    /// Adds a processor's state, made by this version of its fold.
    pub fn append_state<E: TopicEvent>(&mut self, state: &E, fold_version: u32) -> Result<(), TransactionError> {
        let headers = headers_of(state, self.source, &Cause::default());
        self.append_with(state, with_fold_version(headers, fold_version))
    }

    /// The same in this partition, wherever its key would lie: of a state that is kept in several cells.
    pub fn append_state_to<E: TopicEvent>(
        &mut self,
        partition: i32,
        state: &E,
        fold_version: u32,
    ) -> Result<(), TransactionError> {
        let headers = with_fold_version(headers_of(state, self.source, &Cause::default()), fold_version);
        let value = self.encoded(state)?;
        let record = BaseRecord::to(state.record_type().topic).partition(partition).key(state.key()).headers(headers);
        self.send(state.record_type().topic, record.payload(&value))
    }

    /// Ends a state in this partition.
    pub fn end_state(&mut self, topic: &'static Topic, partition: i32, key: &str) -> Result<(), TransactionError> {
        let headers = headers_of_tombstone(self.source, &Cause::default());
        self.send(topic.name, BaseRecord::to(topic.name).partition(partition).key(key).headers(headers))
    }

    /// Erases a key from a compacted topic.
    pub fn append_tombstone(
        &mut self,
        topic: &'static Topic,
        key: &str,
        cause: &Cause,
    ) -> Result<(), TransactionError> {
        self.send(topic.name, BaseRecord::to(topic.name).key(key).headers(headers_of_tombstone(self.source, cause)))
    }

    /// Adds a record once more, as it was, with a header that says where it was first.
    pub(crate) fn append_again(
        &self,
        (topic, partition): (&str, i32),
        record: &FetchedRecord,
    ) -> Result<(), TransactionError> {
        let name = self.prefix.physical(topic);
        let mut again: BaseRecord<'_, [u8], [u8]> =
            BaseRecord::to(&name).partition(partition).headers(headers_of_copy(record));
        again.key = record.key.as_deref();
        again.payload = record.value.as_deref();
        self.hand_over(again)
    }

    fn append_with<E: TopicEvent>(&mut self, event: &E, headers: OwnedHeaders) -> Result<(), TransactionError> {
        let value = self.encoded(event)?;
        let topic = event.record_type().topic;
        self.send(topic, BaseRecord::to(topic).key(event.key()).headers(headers).payload(&value))
    }

    fn encoded<E: TopicEvent>(&self, event: &E) -> Result<Vec<u8>, TransactionError> {
        let record_type = event.record_type();
        let schema = self.schemas.get(record_type.full_name).ok_or_else(|| {
            let subject = self.prefix.physical(&record_type.subject()).into_owned();
            RegistryError::NotRegistered { subject }
        })?;
        Ok(encode(event, schema)?)
    }

    fn send(&mut self, topic: &'static str, record: BaseRecord<'_, str, Vec<u8>>) -> Result<(), TransactionError> {
        let name = self.prefix.physical(topic);
        self.hand_over(BaseRecord { topic: &name, ..record })?;
        *self.appended.entry(topic).or_default() += 1;
        Ok(())
    }

    fn hand_over<K, V>(&self, mut record: BaseRecord<'_, K, V>) -> Result<(), TransactionError>
    where
        K: ToBytes + ?Sized,
        V: ToBytes + ?Sized,
    {
        while let Err((error, unsent)) = self.producer.send(record) {
            if error != KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull) {
                return Err(self.failed("appending", error));
            }
            record = unsent;
            self.wait_for_a_delivery(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Where what was appended to the open transaction lies, the furthest record of each partition. Blocks until the
    /// brokers have all of it.
    pub fn written(&self) -> Positions {
        self.ranges().iter().map(PositionRange::end).collect()
    }

    /// The same from the first record on. What others append meanwhile may lie between.
    pub(crate) fn ranges(&self) -> Vec<PositionRange> {
        let deadline = Instant::now() + CALL_TIMEOUT;
        // The client crate's own wait for outstanding records looks only every 100 ms.
        // Where one was refused there is nothing to wait for: the others stay where they are until they time out.
        while self.producer.in_flight_count() > 0 && self.refused().is_none() && Instant::now() < deadline {
            self.wait_for_a_delivery(Duration::from_millis(2));
        }
        self.deliveries.delivered.lock().unwrap_or_else(PoisonError::into_inner).written.clone()
    }

    /// Why a record of the open transaction was not taken, of those the brokers have answered for.
    pub(crate) fn refused(&self) -> Option<RDKafkaErrorCode> {
        self.deliveries.delivered.lock().unwrap_or_else(PoisonError::into_inner).refused
    }

    /// Moves a group's offsets with the transaction, and says what they led to: the fence, for the brokers refuse it to
    /// a member that is not current any more.
    pub fn move_offsets<'a>(
        &self,
        moves: impl IntoIterator<Item = (TopicPartition, &'a Committed)>,
        membership: &Membership,
    ) -> Result<(), TransactionError> {
        self.note_offsets(moves.into_iter().map(|(partition, committed)| (partition, committed.noted())), membership)
    }

    /// The same with notes of any kind.
    pub fn note_offsets(
        &self,
        moves: impl IntoIterator<Item = (TopicPartition, Noted)>,
        membership: &Membership,
    ) -> Result<(), TransactionError> {
        let mut list = TopicPartitionList::new();
        for (partition, Noted { next_offset, note }) in moves {
            let mut element = list.add_partition(&self.prefix.physical(partition.topic), partition.partition);
            element.set_metadata(note);
            element.set_offset(Offset::Offset(next_offset)).map_err(|error| self.failed("naming an offset", error))?;
        }
        self.send_offsets(&list, membership)
    }

    /// The same for topics that are no matter of declaration.
    pub(crate) fn send_offsets(
        &self,
        offsets: &TopicPartitionList,
        membership: &Membership,
    ) -> Result<(), TransactionError> {
        self.producer
            .send_offsets_to_transaction(offsets, &membership.0, CALL_TIMEOUT)
            .map_err(|error| self.failed("moving offsets", error))
    }

    /// Makes the transaction's events visible. Blocks until the brokers say so.
    pub fn commit(&mut self) -> Result<(), TransactionError> {
        self.ranges();
        self.producer.commit_transaction(CALL_TIMEOUT).map_err(|error| self.failed("committing", error))?;
        for (topic, count) in self.appended.drain() {
            metrics_counter(topic, count);
        }
        Ok(())
    }

    /// At most for `patience`, because deliveries may have come before this lock.
    fn wait_for_a_delivery(&self, patience: Duration) {
        let delivered = self.deliveries.delivered.lock().unwrap_or_else(PoisonError::into_inner);
        let before = delivered.count;
        let wait = self.deliveries.changed.wait_timeout_while(delivered, patience, |now| now.count == before);
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
