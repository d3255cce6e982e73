//! The poll thread and the rebalance hooks that run on it.

use super::{
    batch::{Batch, Keep},
    contract::{Assignment, ReaderError, ReaderEvent, ReaderOptions},
};
use crate::{client_log::log_error, headers::TRACEPARENT, position::TopicPartition, prefix::Prefix};
use rdkafka::{
    ClientContext, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer, ConsumerContext, RebalanceProtocol},
    error::KafkaError,
    message::{BorrowedMessage, Message},
    types::{RDKafkaErrorCode, RDKafkaRespErr},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    runtime::Handle,
    sync::{Semaphore, mpsc, oneshot},
    time::timeout,
};

/// How long a poll waits while nothing arrives; also how soon a stop is noticed.
const IDLE_POLL: Duration = Duration::from_millis(100);
/// How long the thread waits for the receiver before it looks for more records.
const BUSY_WAIT: Duration = Duration::from_millis(2);
/// How long a full batch waits before partitions are paused and polling goes on.
const PATIENCE: Duration = Duration::from_secs(1);
const MAX_BATCH_BYTES: usize = 8 * 1024 * 1024;
/// A batch of a projection links to the traces of this many records; more would be unreadable.
const TRACED_RECORDS: usize = 32;

/// Hands rebalances to the receiver and waits for its answers.
pub(super) struct Hooks {
    events: mpsc::Sender<ReaderEvent>,
    prefix: Prefix,
    topics: Vec<&'static str>,
}

impl Hooks {
    pub(super) fn new(events: mpsc::Sender<ReaderEvent>, prefix: Prefix, topics: Vec<&'static str>) -> Self {
        Self { events, prefix, topics }
    }

    fn partitions(&self, list: &TopicPartitionList) -> Vec<TopicPartition> {
        list.elements()
            .iter()
            .filter_map(|element| {
                let topic = self.prefix.find(&self.topics, element.topic())?;
                Some(TopicPartition { topic, partition: element.partition() })
            })
            .collect()
    }

    /// Where the receiver wants each partition to start; none when it is gone.
    fn starts(&self, list: &TopicPartitionList) -> Option<TopicPartitionList> {
        let partitions = self.partitions(list);
        let mut starts = TopicPartitionList::new();
        if partitions.is_empty() {
            return Some(starts);
        }
        let (start, answer) = oneshot::channel();
        self.events.blocking_send(ReaderEvent::Assigned { partitions, start }).ok()?;
        for (partition, offset) in answer.blocking_recv().ok()? {
            let topic = self.prefix.physical(partition.topic);
            starts.add_partition_offset(&topic, partition.partition, Offset::Offset(offset)).ok()?;
        }
        Some(starts)
    }

    fn settle(&self, list: &TopicPartitionList) {
        let partitions = self.partitions(list);
        let (settled, answer) = oneshot::channel();
        if !partitions.is_empty() && self.events.blocking_send(ReaderEvent::Revoked { partitions, settled }).is_ok() {
            // Dropped without an answer: the receiver has given up, which settles it too.
            let _ = answer.blocking_recv();
        }
    }
}

impl ClientContext for Hooks {
    fn error(&self, error: KafkaError, reason: &str) {
        log_error(&error, reason);
    }
}

impl ConsumerContext for Hooks {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, kind: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let eager = matches!(consumer.rebalance_protocol(), RebalanceProtocol::Eager);
        let done = match kind {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => match self.starts(list) {
                Some(starts) if eager => consumer.assign(&starts),
                Some(starts) => consumer.incremental_assign(&starts),
                None if eager => consumer.unassign(),
                None => consumer.incremental_unassign(list),
            },
            _ => {
                self.settle(list);
                if eager { consumer.unassign() } else { consumer.incremental_unassign(list) }
            }
        };
        if let Err(error) = done {
            foldstream_telemetry::warn!(error.message = %error, "a rebalance could not be carried out; the group will repeat it");
        }
    }
}

pub(super) struct PollThread {
    consumer: Arc<BaseConsumer<Hooks>>,
    events: mpsc::Sender<ReaderEvent>,
    /// A permit for each batch the receiver has asked for.
    asked: Arc<Semaphore>,
    stop: Arc<AtomicBool>,
    runtime: Handle,
    prefix: Prefix,
    topics: Vec<&'static str>,
    max_records: usize,
    keep: Keep,
    pending: Batch,
}

impl PollThread {
    pub(super) fn new(
        consumer: Arc<BaseConsumer<Hooks>>,
        events: mpsc::Sender<ReaderEvent>,
        asked: Arc<Semaphore>,
        stop: Arc<AtomicBool>,
        options: &ReaderOptions,
    ) -> Self {
        // A processor hands the trace of each record on; of a projection's batch a few are enough.
        let prefix = consumer.context().prefix.clone();
        let is_processor = options.assignment == Assignment::CoPartitioned;
        let records = if is_processor { usize::MAX } else { TRACED_RECORDS };
        Self {
            consumer,
            events,
            asked,
            stop,
            runtime: Handle::current(),
            prefix,
            topics: options.topics.clone(),
            max_records: options.max_batch_records,
            keep: Keep { header: TRACEPARENT, records, reply_to: is_processor },
            pending: Batch::default(),
        }
    }

    pub(super) fn run(mut self) {
        let mut wait = IDLE_POLL;
        while !self.stop.load(Ordering::Relaxed) && !self.events.is_closed() {
            let done = self.gather(wait).and_then(|()| Ok(self.pending.is_empty() || self.hand_over()?));
            match done {
                Ok(idle) => wait = if idle { IDLE_POLL } else { Duration::ZERO },
                Err(error) => {
                    // Nobody listens any more when this fails.
                    let _ = self.events.blocking_send(ReaderEvent::Failed(error));
                    return;
                }
            }
        }
    }

    /// Takes what is there: waits for the first record, then goes on until nothing is left or the batch is full.
    fn gather(&mut self, wait: Duration) -> Result<(), ReaderError> {
        let mut wait = wait;
        while !self.is_full() && self.poll(wait)? {
            wait = Duration::ZERO;
        }
        Ok(())
    }

    /// Takes the next thing the client has; false when there was none.
    fn poll(&mut self, wait: Duration) -> Result<bool, ReaderError> {
        let consumer = self.consumer.clone();
        match consumer.poll(wait) {
            None => return Ok(false),
            Some(Ok(message)) => self.push(&message),
            Some(Err(KafkaError::PartitionEOF(partition))) => self.note_end(partition)?,
            Some(Err(error)) => check(error)?,
        }
        Ok(true)
    }

    fn push(&mut self, message: &BorrowedMessage<'_>) {
        if let Some(topic) = self.prefix.find(&self.topics, message.topic()) {
            self.pending.push(topic, message, self.keep);
        }
    }

    /// At the end of a partition the client also stands past the records it does not show; that is progress too.
    /// The event does not name the topic, so every topic's partition of that number is looked at: for one that is not
    /// at its end the position is just behind its last record, which is true as well.
    fn note_end(&mut self, partition: i32) -> Result<(), ReaderError> {
        let position = self.consumer.position().map_err(|source| ReaderError::Fatal { source })?;
        for element in position.elements().iter().filter(|element| element.partition() == partition) {
            let topic = self.prefix.find(&self.topics, element.topic());
            if let (Some(topic), Offset::Offset(offset)) = (topic, element.offset()) {
                self.pending.stand(TopicPartition { topic, partition }, offset);
            }
        }
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.pending.len() >= self.max_records || self.pending.size() >= MAX_BATCH_BYTES
    }

    /// Hands the batch over if the receiver asks for one; a full batch waits, and keeps the group alive while it does.
    fn hand_over(&mut self) -> Result<bool, ReaderError> {
        if self.try_send(BUSY_WAIT)? {
            return Ok(true);
        }
        if !self.is_full() {
            return Ok(false);
        }
        if !self.try_send(PATIENCE)? {
            self.wait_paused()?;
        }
        Ok(true)
    }

    fn try_send(&mut self, patience: Duration) -> Result<bool, ReaderError> {
        match self.runtime.block_on(async { timeout(patience, self.asked.acquire()).await }) {
            Ok(Ok(permit)) => permit.forget(),
            // The receiver is gone: the loop notices.
            Ok(Err(_)) => return Ok(true),
            Err(_) => return Ok(false),
        }
        // What came while we waited goes along.
        self.gather(Duration::ZERO)?;
        // Fails when the receiver is gone: the loop notices.
        let _ = self.events.blocking_send(ReaderEvent::Batch(std::mem::take(&mut self.pending)));
        Ok(true)
    }

    /// Polls paused partitions, so that rebalances and heartbeats go on, until the receiver takes the batch.
    fn wait_paused(&mut self) -> Result<(), ReaderError> {
        let set_paused = |consumer: &BaseConsumer<Hooks>, paused| {
            let done =
                consumer.assignment().and_then(|all| if paused { consumer.pause(&all) } else { consumer.resume(&all) });
            if let Err(error) = done {
                foldstream_telemetry::debug!(error.message = %error, paused, "partitions could not be paused or resumed");
            }
        };
        set_paused(&self.consumer, true);
        while !self.stop.load(Ordering::Relaxed) && !self.try_send(IDLE_POLL)? {
            // A record that was on its way when the pause came is kept.
            self.poll(Duration::ZERO)?;
        }
        set_paused(&self.consumer, false);
        Ok(())
    }
}

/// Sorts the errors of a poll: those that heal alone, and those after which the consumer is of no use.
pub(super) fn check(error: KafkaError) -> Result<(), ReaderError> {
    match error {
        KafkaError::MessageConsumption(RDKafkaErrorCode::AutoOffsetReset) => {
            Err(ReaderError::OffsetGone { source: error })
        }
        KafkaError::MessageConsumptionFatal(_) | KafkaError::Global(RDKafkaErrorCode::Fatal) => {
            Err(ReaderError::Fatal { source: error })
        }
        KafkaError::MessageConsumption(
            RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::TopicAuthorizationFailed,
        ) => Err(ReaderError::Fatal { source: error }),
        other => {
            log_error(&other, "while polling");
            Ok(())
        }
    }
}
