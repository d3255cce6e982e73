//! A member of a consumer group, on a thread of its own, that hands over batches and asks where to start.
//!
//! How it works: one thread polls. It copies what arrives into a batch and hands the batch over a channel when the
//! receiver asks for one: batches are small when idle (low latency) and large under load (throughput), and no batch
//! grows old in the channel while the one before it is being written. The rebalance
//! hooks run on that thread; they send a message over the same channel and wait for the answer, so everything handed
//! over before a revocation is settled before the revocation is acknowledged. On assignment the receiver says at
//! which offset each partition starts: positions live in its store, not in Kafka.
//!
//! The async consumer of the client is not used: its wake-ups can be lost (up to half of `max.poll.interval.ms`).
//! A receiver that is slow for more than a second makes the thread pause its partitions and go on polling, so the
//! group never loses a member that merely waits for its database.
//!
//! Not here: decoding, folding, and any opinion on what an offset means.

mod batch;
mod polling;

pub use batch::{Batch, PartitionEnd, RawRecord};

use crate::Config;
use polling::{Hooks, PollThread};
use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer},
    error::KafkaError,
};
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};
use tokio::sync::{Semaphore, mpsc, oneshot};

/// A partition of a declared topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicPartition {
    pub topic: &'static str,
    pub partition: i32,
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.topic, self.partition)
    }
}

#[derive(Debug, Clone)]
pub struct ReaderOptions {
    /// The service: names the consumer group.
    pub service: &'static str,
    pub topics: Vec<&'static str>,
    /// A batch is handed over at this many records at the latest.
    pub max_batch_records: usize,
}

/// What the receiver is told, in this order.
#[derive(Debug)]
pub enum ReaderEvent {
    /// Partitions are now ours; reading starts where `start` says.
    Assigned {
        partitions: Vec<TopicPartition>,
        start: oneshot::Sender<Vec<(TopicPartition, i64)>>,
    },
    Batch(Batch),
    /// Partitions are no longer ours once `settled` is answered (or dropped).
    Revoked {
        partitions: Vec<TopicPartition>,
        settled: oneshot::Sender<()>,
    },
    /// The reader cannot go on; make a new one.
    Failed(ReaderError),
}

#[derive(Debug, thiserror::Error)]
pub enum ReaderError {
    #[error("cannot make a consumer")]
    Connect { source: KafkaError },
    #[error("the offset to start at is gone from the log: records were deleted before they were folded")]
    OffsetGone { source: KafkaError },
    #[error("the consumer cannot go on")]
    Fatal { source: KafkaError },
}

/// The receiving side.
pub struct Reader {
    events: mpsc::Receiver<ReaderEvent>,
    /// A permit for each batch asked for, taken by the thread.
    asked: Arc<Semaphore>,
    /// Whether a batch is asked for and has not come.
    is_asked: bool,
    consumer: Arc<BaseConsumer<Hooks>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").finish_non_exhaustive()
    }
}

impl Reader {
    /// Joins the group of the service. Must be called within a tokio runtime.
    pub fn start(config: &Config, options: &ReaderOptions) -> Result<Self, ReaderError> {
        let (sender, events) = mpsc::channel(1);
        let asked = Arc::new(Semaphore::new(0));
        let group = format!("foldstream-{}", options.service);
        let mut client = config.consumer(&group, &group);
        client
            .set("group.instance.id", format!("{}-{}", options.service, config.instance))
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("session.timeout.ms", "10000");
        let hooks = Hooks::new(sender.clone(), options.topics.clone());
        let connect = |source| ReaderError::Connect { source };
        let consumer: BaseConsumer<Hooks> = client.create_with_context(hooks).map_err(connect)?;
        consumer.subscribe(&options.topics).map_err(connect)?;
        let consumer = Arc::new(consumer);
        let stop = Arc::new(AtomicBool::new(false));
        let polling = PollThread::new(consumer.clone(), sender, asked.clone(), stop.clone(), options);
        let thread = std::thread::Builder::new()
            .name(format!("{}-reader", options.service))
            .spawn(move || polling.run())
            .map_err(|error| connect(KafkaError::ClientCreation(error.to_string())))?;
        Ok(Self { events, asked, is_asked: false, consumer, stop, thread: Some(thread) })
    }

    /// The next event; none after a failure. May be given up and called again.
    pub async fn next(&mut self) -> Option<ReaderEvent> {
        if !self.is_asked {
            self.asked.add_permits(1);
            self.is_asked = true;
        }
        let event = self.events.recv().await;
        self.is_asked &= !matches!(event, Some(ReaderEvent::Batch(_)));
        event
    }

    /// Stops fetching a partition until it is assigned anew.
    pub fn pause(&self, partition: TopicPartition) -> Result<(), ReaderError> {
        let mut list = TopicPartitionList::new();
        list.add_partition(partition.topic, partition.partition);
        self.consumer.pause(&list).map_err(|source| ReaderError::Fatal { source })
    }

    /// Tells Kafka how far this group is. Only a hint for tools that show lag: reading never starts from it, so a
    /// failure is of no consequence.
    pub fn hint_progress(&self, ends: impl IntoIterator<Item = (TopicPartition, i64)>) {
        let mut list = TopicPartitionList::new();
        for (partition, offset) in ends {
            // Fails for duplicates only.
            let _ = list.add_partition_offset(partition.topic, partition.partition, Offset::Offset(offset));
        }
        if list.count() > 0
            && let Err(error) = self.consumer.commit(&list, CommitMode::Async)
        {
            tracing::debug!(error.message = %error, "the progress hint was not taken");
        }
    }

    /// Leaves polling, settles nothing more and waits for the thread. The group keeps the member's place until its
    /// session times out, so that a restarted instance gets the same partitions without a rebalance.
    pub async fn close(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Frees a thread that waits for an answer, for room in the channel or to be asked.
        self.asked.close();
        self.events.close();
        while self.events.recv().await.is_some() {}
        let Some(thread) = self.thread.take() else { return };
        let consumer = self.consumer.clone();
        drop(self);
        let joined = tokio::task::spawn_blocking(move || {
            let joined = thread.join();
            // The last handle: leaving the group blocks, so it is dropped here and not on an async thread.
            drop(consumer);
            joined
        })
        .await;
        if !matches!(joined, Ok(Ok(()))) {
            tracing::error!("the reader thread panicked");
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.asked.close();
    }
}
