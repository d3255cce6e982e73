//! How far processors are, asked for many requests at once.
//!
//! An answer may be a few milliseconds old: a group only ever moves forward. All that wait for one share the next, and
//! however many they are, there is one question under way.

use foldstream_browse::{Brokers, BrowseError, Range};
use foldstream_log::{Committed, Position, Topic};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// How old an answer may be.
const FRESH: Duration = Duration::from_millis(5);

/// Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Lookups {
    brokers: Brokers,
    /// By service and topic.
    looks: Arc<Mutex<HashMap<(&'static str, &'static str), Look>>>,
}

/// The last answer and when it was asked for; whoever holds the lock asks for the next.
type Look = Arc<tokio::sync::Mutex<Option<(Instant, Arc<Vec<Committed>>)>>>;

impl Lookups {
    pub(crate) fn new(brokers: &Brokers) -> Self {
        Self { brokers: brokers.clone(), looks: Arc::default() }
    }

    /// How far a processor is in each partition of a topic it reads.
    pub(crate) async fn committed(
        &self,
        service: &'static str,
        topic: &'static Topic,
    ) -> Result<Arc<Vec<Committed>>, BrowseError> {
        let since = Instant::now() - FRESH;
        let look = self.look(service, topic);
        let mut last = look.lock().await;
        if let Some((_, answer)) = last.as_ref().filter(|(asked_at, _)| *asked_at >= since) {
            return Ok(answer.clone());
        }
        let asked_at = Instant::now();
        let answer = Arc::new(self.brokers.committed(service, topic).await?);
        *last = Some((asked_at, answer.clone()));
        Ok(answer)
    }

    /// The last record of each partition of a topic, committed or not.
    pub(crate) async fn last_appended(&self, topic: &'static Topic) -> Result<Vec<Position>, BrowseError> {
        let ranges = self.brokers.ranges_of(topic.name).await?;
        let last = |(partition, range): (i32, Range)| {
            let is_empty = range.high_watermark <= range.low;
            (!is_empty).then(|| Position { topic: topic.name.to_owned(), partition, offset: range.high_watermark - 1 })
        };
        Ok(ranges.into_iter().filter_map(last).collect())
    }

    fn look(&self, service: &'static str, topic: &'static Topic) -> Look {
        let mut looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        looks.entry((service, topic.name)).or_default().clone()
    }
}
