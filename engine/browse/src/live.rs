//! The topics that somebody listens to.
//!
//! A topic is followed once, whoever listens (`following.rs`), as long as somebody does, and all who listen walk along one row
//! (`feed.rs`). After every record a reader stands at a vector of offsets, one of each partition. Whoever comes back with it
//! goes on there: first from the log, then along the row.
//!
//! Whoever begins to listen waits for nobody but the leaders of that topic, and for those that do not answer not for long.

use crate::{
    brokers::{Brokers, BrowseError, Layout},
    feed::{Feed, Listener, Offsets, Rows},
    following::Following,
    offsets::Range,
    settled::pauses,
};
use backon::BackoffBuilder;
use chrono::Utc;
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};
use tokio::time::{Instant, sleep};

/// Between two polls for people: what comes in quick succession is fetched together.
pub(crate) const UNHURRIED: Duration = Duration::from_millis(20);
/// How long the leaders of a topic may take to say where it ends before those that did are listened to.
const ENDS_KNOWN: Duration = Duration::from_secs(1);

/// The feed of a topic while there is one; locked while one begins.
type Place = Arc<tokio::sync::Mutex<Weak<Feed>>>;

#[derive(Debug)]
pub(crate) struct Live {
    brokers: Brokers,
    /// Between two polls.
    pace: Duration,
    /// Never locked for long: who waits for one topic holds up nobody who listens to another.
    feeds: Mutex<HashMap<String, Place>>,
    rows: Rows,
}

impl Live {
    pub(crate) fn new(brokers: Brokers, pace: Duration) -> Self {
        Self { brokers, pace, feeds: Mutex::default(), rows: Rows::default() }
    }

    /// Listens from now on. Partitions whose leader does not answer are listened to as soon as it does.
    pub(crate) async fn listen(&self, layout: &Layout) -> Result<Listener, BrowseError> {
        let place = self.place(&layout.topic);
        let mut running = place.lock().await;
        if let Some(feed) = running.upgrade().filter(|feed| feed.topic_id == layout.id && !feed.has_ended()) {
            return Ok(feed.listener());
        }
        let feed = Feed::new(layout.id, self.ends(layout).await?, self.rows.clone());
        *running = Arc::downgrade(&feed);
        let following = Following { brokers: self.brokers.clone(), pace: self.pace, feed: Arc::downgrade(&feed) };
        tokio::spawn(following.follow(layout.clone()));
        Ok(feed.listener())
    }

    fn place(&self, topic: &str) -> Place {
        let mut feeds = self.feeds.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever is on the way to one holds it.
        feeds.retain(|_, place| {
            Arc::strong_count(place) > 1 || place.try_lock().is_ok_and(|running| running.strong_count() > 0)
        });
        feeds.entry(topic.to_owned()).or_default().clone()
    }

    /// Where each partition ends, or since when it is to be followed; an error when no leader answers at all.
    async fn ends(&self, layout: &Layout) -> Result<Offsets, BrowseError> {
        let (since_ms, deadline) = (Utc::now().timestamp_millis(), Instant::now() + ENDS_KNOWN);
        let (mut known, mut missing, mut pauses) = (BTreeMap::new(), layout.clone(), pauses().build());
        loop {
            let (ranges, error) = self.brokers.ranges_that_are_told(&missing, deadline).await;
            known.extend(ranges);
            let Some(error) = error else { break };
            let pause = pauses.next().filter(|pause| error.is_retriable() && Instant::now() + *pause < deadline);
            let Some(pause) = pause else {
                if known.is_empty() {
                    return Err(error);
                }
                break;
            };
            sleep(pause).await;
            // It may be led by another by now.
            if let Ok(found) = self.brokers.layout(&layout.topic).await
                && found.id == layout.id
            {
                missing = found;
            }
            missing
                .leaders
                .retain(|partition, _| layout.leaders.contains_key(partition) && !known.contains_key(partition));
        }
        let end = |partition: &i32| known.get(partition).map_or(-since_ms, |range: &Range| range.stable_end);
        Ok(layout.leaders.keys().map(|partition| (*partition, end(partition))).collect())
    }
}
