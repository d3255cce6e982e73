//! The thread of a bounded reader: partitions of its own, each from where the receiver says up to an end, then it ends.
//!
//! It is no member of any group: nobody hands it partitions or takes them away. Batches are always filled, because
//! whoever reads so replays what is there already and gains nothing by an early answer.

use super::{
    batch::{Batch, Keep, PartitionEnd},
    contract::{ReaderError, ReaderEvent},
    polling::{Hooks, check},
};
use crate::{headers::TRACEPARENT, position::TopicPartition, prefix::Prefix};
use rdkafka::{
    Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
    message::BorrowedMessage,
};
use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    runtime::Handle,
    sync::{Semaphore, mpsc, oneshot},
};

const IDLE_POLL: Duration = Duration::from_millis(50);
const MAX_BATCH_BYTES: usize = 8 * 1024 * 1024;

/// Partitions the receiver wants nothing more of.
pub(super) type GivenUp = Arc<Mutex<HashSet<TopicPartition>>>;

pub(super) struct BoundedThread {
    pub(super) prefix: Prefix,
    pub(super) consumer: Arc<BaseConsumer<Hooks>>,
    pub(super) events: mpsc::Sender<ReaderEvent>,
    /// A permit for each batch the receiver has asked for.
    pub(super) asked: Arc<Semaphore>,
    pub(super) stop: Arc<AtomicBool>,
    pub(super) given_up: GivenUp,
    pub(super) runtime: Handle,
    pub(super) max_records: usize,
    pub(super) ends: Vec<PartitionEnd>,
}

impl BoundedThread {
    pub(super) fn run(self) {
        if let Err(error) = self.read() {
            // Nobody listens any more when this fails.
            let _ = self.events.blocking_send(ReaderEvent::Failed(error));
        }
    }

    fn read(&self) -> Result<(), ReaderError> {
        let mut open = self.begin()?;
        let mut batch = Batch::default();
        while !open.is_empty() && !self.stop.load(Ordering::Relaxed) && !self.events.is_closed() {
            self.take(&mut open, &mut batch)?;
            self.leave_out_given_up(&mut open);
            let is_full = batch.len() >= self.max_records || batch.size() >= MAX_BATCH_BYTES;
            if (is_full || open.is_empty()) && !batch.is_empty() {
                self.hand_over(std::mem::take(&mut batch));
            }
        }
        Ok(())
    }

    /// Asks the receiver where to start; gives the end of each partition that is not there yet.
    fn begin(&self) -> Result<HashMap<TopicPartition, i64>, ReaderError> {
        let mut open = HashMap::new();
        let partitions = self.ends.iter().map(|end| end.partition).collect();
        let (start, answer) = oneshot::channel();
        let asked = self.events.blocking_send(ReaderEvent::Assigned { partitions, start });
        // Fails when the receiver is gone: then there is nothing to read.
        let (Ok(()), Ok(starts)) = (asked, answer.blocking_recv()) else { return Ok(open) };
        let mut assignment = TopicPartitionList::new();
        for (partition, offset) in starts {
            let end = self.ends.iter().find(|end| end.partition == partition).map(|end| end.next_offset);
            let Some(end) = end.filter(|end| offset < *end) else { continue };
            assignment
                .add_partition_offset(
                    &self.prefix.physical(partition.topic),
                    partition.partition,
                    Offset::Offset(offset),
                )
                .map_err(|source| ReaderError::Fatal { source })?;
            open.insert(partition, end);
        }
        self.consumer.assign(&assignment).map_err(|source| ReaderError::Fatal { source })?;
        Ok(open)
    }

    fn leave_out_given_up(&self, open: &mut HashMap<TopicPartition, i64>) {
        let given_up = self.given_up.lock().unwrap_or_else(PoisonError::into_inner);
        if !given_up.is_empty() {
            open.retain(|partition, _| !given_up.contains(partition));
        }
    }

    fn take(&self, open: &mut HashMap<TopicPartition, i64>, batch: &mut Batch) -> Result<(), ReaderError> {
        match self.consumer.poll(IDLE_POLL) {
            Some(Ok(message)) => self.push(&message, open, batch),
            // Only here the client may stand past records it does not show.
            Some(Err(KafkaError::PartitionEOF(_))) | None => self.note_positions(open, batch)?,
            Some(Err(error)) => check(error)?,
        }
        Ok(())
    }

    fn note_positions(&self, open: &mut HashMap<TopicPartition, i64>, batch: &mut Batch) -> Result<(), ReaderError> {
        let position = self.consumer.position().map_err(|source| ReaderError::Fatal { source })?;
        open.retain(|partition, end| {
            let found = position.find_partition(&self.prefix.physical(partition.topic), partition.partition);
            let Some(Offset::Offset(offset)) = found.map(|element| element.offset()) else { return true };
            batch.stand(*partition, offset.min(*end));
            offset < *end
        });
        Ok(())
    }

    /// Waits until the receiver asks for a batch. It may take its time: there is no group to be thrown out of.
    fn hand_over(&self, batch: Batch) {
        // Closed when the receiver is gone: the loop notices.
        if let Ok(permit) = self.runtime.block_on(self.asked.acquire()) {
            permit.forget();
            let _ = self.events.blocking_send(ReaderEvent::Batch(batch));
        }
    }

    /// Takes a record that lies before its partition's end; one at or behind it says that everything before it was shown.
    fn push(&self, message: &BorrowedMessage<'_>, open: &mut HashMap<TopicPartition, i64>, batch: &mut Batch) {
        let found = open
            .iter()
            .find(|(partition, _)| {
                partition.partition == message.partition()
                    && self.prefix.logical(message.topic()) == Some(partition.topic)
            })
            .map(|(partition, end)| (*partition, *end));
        // One that was given up, or is at its end.
        let Some((partition, end)) = found else { return };
        if message.offset() < end {
            batch.push(partition.topic, message, Keep { header: TRACEPARENT, records: 0, reply_to: false });
        } else {
            batch.stand(partition, end);
        }
        if message.offset() + 1 >= end {
            open.remove(&partition);
        }
    }
}
