//! Following topics: every committed record that is appended from now on, at once, for a service that waits for it.
//!
//! What people watch goes through [`crate::browse::Browse::listen`], which lets records gather for a moment. Brokers that are
//! away are waited for. Whoever is too slow by many megabytes misses records, and so does everybody while a topic is
//! made anew; both are logged, and nothing may depend on seeing every record.

use crate::{
    brokers::{Brokers, BrowseError},
    feed::{Chunk, News},
    live::Live,
    settled::pauses,
};
use backon::BackoffBuilder;
use foldstream_log::Topic;
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{mpsc, watch},
    time::sleep,
};

/// What is appended to topics; ends when dropped.
#[derive(Debug)]
pub struct Follower {
    chunks: mpsc::Receiver<Arc<Chunk>>,
    /// How many of the topics are not followed yet.
    missing: watch::Receiver<usize>,
}

/// A way to wait until everything that is appended from then on will be seen; cheap to clone.
#[derive(Debug, Clone)]
pub struct Ready(watch::Receiver<usize>);

impl Follower {
    /// Starts to follow. Must be called within a tokio runtime.
    #[must_use]
    pub fn start(brokers: &Brokers, topics: &'static [&'static Topic]) -> Self {
        let live = Arc::new(Live::new(brokers.clone(), Duration::ZERO));
        let (sender, chunks) = mpsc::channel(4);
        let (missing, is_missing) = watch::channel(topics.len());
        for topic in topics {
            let following = follow(brokers.clone(), live.clone(), topic, sender.clone(), missing.clone());
            let sender = sender.clone();
            tokio::spawn(async move {
                tokio::select! {
                    () = following => {}
                    () = sender.closed() => {}
                }
            });
        }
        Self { chunks, missing: is_missing }
    }

    #[must_use]
    pub fn ready(&self) -> Ready {
        Ready(self.missing.clone())
    }

    /// The next records.
    pub async fn next(&mut self) -> Option<Arc<Chunk>> {
        self.chunks.recv().await
    }
}

impl Ready {
    /// Waits until every topic is followed; gives false when the follower is gone.
    pub async fn wait(&mut self) -> bool {
        self.0.wait_for(|missing| *missing == 0).await.is_ok()
    }
}

async fn follow(
    brokers: Brokers,
    live: Arc<Live>,
    topic: &'static Topic,
    chunks: mpsc::Sender<Arc<Chunk>>,
    missing: watch::Sender<usize>,
) {
    loop {
        let mut pauses = pauses().build();
        let mut listener = loop {
            let listening = async { live.listen(&brokers.layout(topic.name).await?).await };
            match listening.await {
                Ok(listener) => break listener,
                Err(error) => not_yet(topic, &error),
            }
            sleep(pauses.next().unwrap_or_default()).await;
        };
        missing.send_modify(|missing| *missing -= 1);
        while let Some(news) = listener.next().await {
            match news {
                News::Chunk(chunk) => {
                    // Nobody listens any more when this fails.
                    if chunks.send(chunk).await.is_err() {
                        return;
                    }
                }
                News::Undecided(_) => {}
                News::Gap(gaps) => {
                    let partitions = gaps.len();
                    foldstream_telemetry::warn!(
                        kafka.topic = topic.name,
                        partitions,
                        "records went by unseen: too slow"
                    );
                }
            }
        }
        foldstream_telemetry::warn!(kafka.topic = topic.name, "the topic that is followed is gone");
        missing.send_modify(|missing| *missing += 1);
    }
}

fn not_yet(topic: &Topic, error: &BrowseError) {
    foldstream_telemetry::debug!(
        kafka.topic = topic.name,
        error = error as &dyn std::error::Error,
        "the end of the topic is not known yet"
    );
}
