//! Following topics from their ends on: what is appended from now on, without a consumer group.
//!
//! One thread polls and hands over small batches. A receiver that is slow holds the thread, not the memory: the client
//! fetches no more than its bounded queue.

use crate::Topic;
use crate::{
    Batch, Config,
    browser::{BrowserError, create, ranges},
    client_log::{Plain, log_error},
    reader::batch::Keep,
};
use rdkafka::{
    Message, Offset, TopicPartitionList,
    config::ClientConfig,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
};
use std::time::Duration;
use tokio::sync::{mpsc, watch};

const POLL: Duration = Duration::from_millis(100);
const BATCH_RECORDS: usize = 1_000;
/// Between two tries to find the ends of the topics.
const AGAIN: Duration = Duration::from_millis(500);

/// What is appended to topics; ends when dropped.
#[derive(Debug)]
pub struct Tail {
    batches: mpsc::Receiver<Batch>,
    ready: watch::Receiver<bool>,
}

impl Tail {
    /// Starts to follow, and keeps this header with each record. Brokers that are away are waited for.
    #[must_use]
    pub fn start(config: &Config, topics: &'static [&'static Topic], header: &'static str) -> Self {
        let mut client = config.consumer("foldstream-tail", "foldstream-tail-never-joined");
        client.set("auto.offset.reset", "latest").set("fetch.error.backoff.ms", "50");
        let (sender, batches) = mpsc::channel(4);
        let (found, ready) = watch::channel(false);
        let keep = Keep { header, records: usize::MAX };
        let follow = move || follow(&client, topics, keep, &sender, &found);
        if let Err(error) = std::thread::Builder::new().name("tail".to_owned()).spawn(follow) {
            foldstream_telemetry::error!(error.message = %error, "cannot follow topics: no thread");
        }
        Self { batches, ready }
    }

    /// Turns true when everything that is appended from then on will be seen.
    #[must_use]
    pub fn ready(&self) -> watch::Receiver<bool> {
        self.ready.clone()
    }

    /// The next records.
    pub async fn next(&mut self) -> Option<Batch> {
        self.batches.recv().await
    }
}

fn follow(
    client: &ClientConfig,
    topics: &'static [&'static Topic],
    keep: Keep,
    sender: &mpsc::Sender<Batch>,
    found: &watch::Sender<bool>,
) {
    let consumer = loop {
        match at_the_ends(client, topics) {
            Ok(consumer) => break consumer,
            Err(error) => {
                foldstream_telemetry::debug!(error.message = %error, "the ends of the topics are not known yet")
            }
        }
        if sender.is_closed() {
            return;
        }
        std::thread::sleep(AGAIN);
    };
    found.send_replace(true);
    let mut batch = Batch::default();
    while !sender.is_closed() {
        match consumer.poll(if batch.is_empty() { POLL } else { Duration::ZERO }) {
            Some(Ok(message)) => {
                if let Some(topic) = topics.iter().find(|topic| topic.name == message.topic()) {
                    batch.push(topic.name, &message, keep);
                }
                if batch.len() < BATCH_RECORDS {
                    continue;
                }
            }
            Some(Err(KafkaError::PartitionEOF(_))) | None => {}
            Some(Err(error)) => log_error(&error, "while following topics"),
        }
        if !batch.is_empty() && sender.blocking_send(std::mem::take(&mut batch)).is_err() {
            return;
        }
    }
}

fn at_the_ends(client: &ClientConfig, topics: &[&'static Topic]) -> Result<BaseConsumer<Plain>, BrowserError> {
    let consumer = create(client)?;
    let mut assignment = TopicPartitionList::new();
    let unavailable = |source| BrowserError::Unavailable { doing: "following topics", source: Some(source) };
    for topic in topics {
        for range in ranges(&consumer, topic.name)? {
            let end = Offset::Offset(range.end);
            assignment.add_partition_offset(topic.name, range.partition, end).map_err(unavailable)?;
        }
    }
    consumer.assign(&assignment).map_err(unavailable)?;
    Ok(consumer)
}
