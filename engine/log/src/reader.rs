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
//! A processor keeps its positions in Kafka instead, in the transactions of a [`crate::transactional_writer::TransactionalWriter`]: it asks
//! [`Reader::committed`] where to start, and shows its [`Reader::membership`] with each transaction, so that the brokers
//! refuse one of a member that has lost its partitions. That membership is of the generation in which the partitions
//! were assigned for as long as their revocation is not settled, because only then the client joins anew.
//!
//! Not here: decoding, folding, and any opinion on what an offset means.

pub(crate) mod batch;
mod bounded;
mod contract;
mod event_times;
mod led_to;
mod polling;

pub use batch::{Batch, PartitionEnd, RawRecord};
pub use contract::{Assignment, ReaderError, ReaderEvent, ReaderOptions};
pub use event_times::EventTimes;
pub use led_to::LedTo;

use crate::{config::Config, position::TopicPartition, prefix::Prefix};
use bounded::{BoundedThread, GivenUp};
use polling::{Hooks, PollThread};
use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer, ConsumerGroupMetadata},
    error::KafkaError,
};
use std::{
    fmt,
    sync::{
        Arc, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};
use tokio::{
    runtime::Handle,
    sync::{Semaphore, mpsc},
};

/// How long open transactions may take to be settled: their time-out, and some more for the brokers.
const SETTLED_WITHIN: Duration = Duration::from_secs(30);

/// How far the group of a processor is in a partition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Committed {
    /// What follows from everything before it is committed.
    pub next_offset: i64,
    /// Where what it led to lies: kept as metadata of the offset.
    pub led_to: LedTo,
    /// The time of the events before it, where the processor follows that.
    pub event_times: Option<EventTimes>,
}

impl Committed {
    pub(crate) fn noted(&self) -> Noted {
        let times = self.event_times.map(EventTimes::note).unwrap_or_default();
        Noted { next_offset: self.next_offset, note: self.led_to.note() + &times }
    }
}

impl From<Noted> for Committed {
    fn from(Noted { next_offset, note }: Noted) -> Self {
        let (led_to, event_times) = EventTimes::split(&note);
        Self { next_offset, led_to: LedTo::of_note(led_to), event_times }
    }
}

/// An offset of a group in a partition, and what the group has noted with it, as metadata.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Noted {
    pub next_offset: i64,
    pub note: String,
}

impl Noted {
    pub(crate) fn of(list: &TopicPartitionList, topic: &str, partition: i32) -> Result<Option<Self>, KafkaError> {
        let Some(element) = list.find_partition(topic, partition) else { return Ok(None) };
        element.error()?;
        let Offset::Offset(next_offset) = element.offset() else { return Ok(None) };
        Ok(Some(Self { next_offset, note: element.metadata().to_owned() }))
    }
}

/// A member of a consumer group in one generation of it.
pub struct Membership(pub(crate) ConsumerGroupMetadata);

impl fmt::Debug for Membership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Membership").finish_non_exhaustive()
    }
}

/// The receiving side.
pub struct Reader {
    events: mpsc::Receiver<ReaderEvent>,
    prefix: Prefix,
    /// A permit for each batch asked for, taken by the thread.
    asked: Arc<Semaphore>,
    /// Whether a batch is asked for and has not come.
    is_asked: bool,
    consumer: Arc<BaseConsumer<Hooks>>,
    stop: Arc<AtomicBool>,
    /// Of a bounded reader: the partitions that were paused. None for a member of a group.
    given_up: Option<GivenUp>,
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
        let prefix = config.prefix.clone();
        let group = prefix.group_of(&options.service);
        let mut client = config.consumer(&group, &group);
        client
            .set("group.instance.id", format!("{}-{}", options.service, config.instance))
            .set("partition.assignment.strategy", options.assignment.strategy())
            .set("session.timeout.ms", "10000")
            // Only when a fetch comes back empty the client learns that markers end a partition: soon enough for the
            // lag to say so, seldom enough for idle brokers.
            .set("fetch.wait.max.ms", "100");
        let hooks = Hooks::new(sender.clone(), prefix.clone(), options.topics.clone());
        let connect = |source| ReaderError::Connect { source };
        let consumer: BaseConsumer<Hooks> = client.create_with_context(hooks).map_err(connect)?;
        let names: Vec<_> = options.topics.iter().map(|topic| prefix.physical(topic)).collect();
        consumer.subscribe(&names.iter().map(AsRef::as_ref).collect::<Vec<_>>()).map_err(connect)?;
        let consumer = Arc::new(consumer);
        let stop = Arc::new(AtomicBool::new(false));
        let polling = PollThread::new(consumer.clone(), sender, asked.clone(), stop.clone(), options);
        let thread = std::thread::Builder::new()
            .name(format!("{}-reader", options.service))
            .spawn(move || polling.run())
            .map_err(|error| connect(KafkaError::ClientCreation(error.to_string())))?;
        Ok(Self { events, prefix, asked, is_asked: false, consumer, stop, given_up: None, thread: Some(thread) })
    }

    /// Reads these partitions up to their ends and then ends, as no member of any group: see `bounded.rs`. Pausing a
    /// partition ends it early. Must be called within a tokio runtime.
    pub fn bounded(config: &Config, ends: Vec<PartitionEnd>, max_records: usize) -> Result<Self, ReaderError> {
        let (sender, events) = mpsc::channel(1);
        let (asked, stop, given_up) =
            (Arc::new(Semaphore::new(0)), Arc::new(AtomicBool::new(false)), GivenUp::default());
        let connect = |source| ReaderError::Connect { source };
        let client = config.consumer("foldstream-replay", &config.prefix.group_of("replay-never-joined"));
        // Nobody ever joins, so there is nothing to hand to the receiver; a sender of its events that outlived the thread
        // would keep it waiting for more.
        let hooks = Hooks::new(mpsc::channel(1).0, config.prefix.clone(), Vec::new());
        let consumer: Arc<BaseConsumer<Hooks>> = Arc::new(client.create_with_context(hooks).map_err(connect)?);
        let prefix = config.prefix.clone();
        let reading = BoundedThread {
            prefix: prefix.clone(),
            consumer: consumer.clone(),
            events: sender,
            asked: asked.clone(),
            stop: stop.clone(),
            given_up: given_up.clone(),
            runtime: Handle::current(),
            max_records,
            ends,
        };
        let thread = std::thread::Builder::new()
            .name("replay-reader".to_owned())
            .spawn(move || reading.run())
            .map_err(|error| connect(KafkaError::ClientCreation(error.to_string())))?;
        let given_up = Some(given_up);
        Ok(Self { events, prefix, asked, is_asked: false, consumer, stop, given_up, thread: Some(thread) })
    }

    /// The next event; none after a failure, and after the last batch of a bounded reader. May be given up and called again.
    pub async fn next(&mut self) -> Option<ReaderEvent> {
        if !self.is_asked {
            self.asked.add_permits(1);
            self.is_asked = true;
        }
        let event = self.events.recv().await;
        self.is_asked &= !matches!(event, Some(ReaderEvent::Batch(_)));
        event
    }

    /// Where the group's transactions left each of these partitions; none where it never committed. Waits until
    /// transactions that are still open are settled, which takes at most their time-out. Blocks.
    pub fn committed(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<Vec<(TopicPartition, Option<Committed>)>, ReaderError> {
        let noted = self.noted(partitions)?.into_iter();
        Ok(noted.map(|(partition, noted)| (partition, noted.map(Committed::from))).collect())
    }

    /// The same with the note as it stands there. Blocks.
    pub fn noted(&self, partitions: &[TopicPartition]) -> Result<Vec<(TopicPartition, Option<Noted>)>, ReaderError> {
        let mut list = TopicPartitionList::new();
        for partition in partitions {
            list.add_partition(&self.prefix.physical(partition.topic), partition.partition);
        }
        let failed = |source| ReaderError::Committed { source };
        let found = self.consumer.committed_offsets(list, SETTLED_WITHIN).map_err(failed)?;
        let noted = |partition: &TopicPartition| {
            let topic = self.prefix.physical(partition.topic);
            Noted::of(&found, &topic, partition.partition).map(|noted| (*partition, noted))
        };
        partitions.iter().map(noted).collect::<Result<_, _>>().map_err(failed)
    }

    /// Who we are in the group; none before it was joined.
    #[must_use]
    pub fn membership(&self) -> Option<Membership> {
        self.consumer.group_metadata().map(Membership)
    }

    /// Stops fetching a partition until it is resumed or assigned anew. What is on its way may still come.
    pub fn pause(&self, partition: TopicPartition) -> Result<(), ReaderError> {
        if let Some(given_up) = &self.given_up {
            given_up.lock().unwrap_or_else(PoisonError::into_inner).insert(partition);
        }
        let mut list = TopicPartitionList::new();
        list.add_partition(&self.prefix.physical(partition.topic), partition.partition);
        self.consumer.pause(&list).map_err(|source| ReaderError::Fatal { source })
    }

    /// Fetches a paused partition again, from where it stopped.
    pub fn resume(&self, partition: TopicPartition) -> Result<(), ReaderError> {
        let mut list = TopicPartitionList::new();
        list.add_partition(&self.prefix.physical(partition.topic), partition.partition);
        self.consumer.resume(&list).map_err(|source| ReaderError::Fatal { source })
    }

    /// Tells Kafka how far this group is. Only a hint for tools that show lag: reading never starts from it, so a
    /// failure is of no consequence.
    pub fn hint_progress(&self, ends: impl IntoIterator<Item = (TopicPartition, i64)>) {
        let mut list = TopicPartitionList::new();
        for (partition, offset) in ends {
            // Fails for duplicates only.
            let _ = list.add_partition_offset(
                &self.prefix.physical(partition.topic),
                partition.partition,
                Offset::Offset(offset),
            );
        }
        // A bounded reader is in no group.
        if self.given_up.is_none()
            && list.count() > 0
            && let Err(error) = self.consumer.commit(&list, CommitMode::Async)
        {
            foldstream_telemetry::debug!(error.message = %error, "the progress hint was not taken");
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
            foldstream_telemetry::error!("the reader thread panicked");
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.asked.close();
    }
}
