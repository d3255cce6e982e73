//! How far behind a service is: records and seconds per partition, measured beside its loop, against what is acknowledged.
//!
//! An open transaction of whomever holds back what lies behind it, though it is acknowledged: that is lag, too. Where it lasts,
//! the service says so: it is well, and cannot do all of its work.

use crate::sessions::Service;
use chrono::{DateTime, Utc};
use foldstream_browse::{BrowseError, HeldBack, Range};
use foldstream_log::TopicPartition;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

const EVERY: Duration = Duration::from_secs(2);
/// A transaction that is open for so long hinders: those of healthy writers take a fraction of it.
const HELD_BACK_FROM: Duration = Duration::from_secs(5);

/// Where the loop stands, shared with the task that measures.
#[derive(Debug, Clone, Default)]
pub(crate) struct Standing(Arc<Mutex<HashMap<TopicPartition, Stand>>>);

#[derive(Debug, Clone, Copy)]
struct Stand {
    next_offset: i64,
    appended_at_ms: Option<i64>,
}

impl Standing {
    pub(crate) fn set(&self, partition: TopicPartition, next_offset: i64, appended_at_ms: Option<i64>) {
        let mut stands = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let stand = stands.entry(partition).or_insert(Stand { next_offset, appended_at_ms });
        stand.next_offset = next_offset;
        stand.appended_at_ms = appended_at_ms.or(stand.appended_at_ms);
    }

    pub(crate) fn forget(&self, partition: TopicPartition) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&partition);
    }

    fn all(&self) -> HashMap<TopicPartition, Stand> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Where a lag is shown: the metrics, and the label that names the service.
#[derive(Debug)]
pub(crate) struct Gauges {
    pub(crate) label: &'static str,
    pub(crate) records: &'static str,
    pub(crate) seconds: &'static str,
    pub(crate) held_back_seconds: &'static str,
}

/// Measures until shutdown. Brokers that do not answer leave the last value standing; the loop itself reports them.
pub(crate) async fn measure(gauges: &'static Gauges, name: String, standing: Standing, service: Service) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut level = Level::default();
    while service.shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
        let stands = standing.all();
        let topics: BTreeSet<&'static str> = stands.keys().map(|partition| partition.topic).collect();
        let (mut hindering, mut all_answered) = (Vec::new(), true);
        for topic in topics {
            let asked_at = SystemTime::now();
            let Ok((ranges, held_back)) = look(&service, topic).await else {
                all_answered = false;
                continue;
            };
            for (partition, range) in ranges {
                let place = TopicPartition { topic, partition };
                let Some(stand) = stands.get(&place) else { continue };
                let records = stand.behind(&range);
                let seconds = level.seconds(place, *stand, records, asked_at);
                let held_back = held_back.iter().find(|held_back| held_back.partition == partition);
                let held_seconds = held_back.and_then(|held_back| held_back.since).map_or(0.0, seconds_since_time);
                if held_seconds >= HELD_BACK_FROM.as_secs_f64() {
                    hindering.extend(held_back.map(|held_back| (held_back.since, held_back.to_string())));
                }
                let labels =
                    [(gauges.label, name.clone()), ("topic", topic.to_owned()), ("partition", partition.to_string())];
                #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
                metrics::gauge!(gauges.records, &labels).set(records as f64);
                metrics::gauge!(gauges.seconds, &labels).set(seconds);
                metrics::gauge!(gauges.held_back_seconds, &labels).set(held_seconds);
            }
        }
        if all_answered {
            service.component.hinder(hindering.into_iter().min().map(|(_, reason)| reason));
        }
    }
}

async fn look(service: &Service, topic: &'static str) -> Result<(BTreeMap<i32, Range>, Vec<HeldBack>), BrowseError> {
    let ranges = service.brokers.ranges_of(topic).await?;
    let held_back = service.brokers.held_back(topic, &ranges).await?;
    Ok((ranges, held_back))
}

impl Stand {
    /// How many records are acknowledged and not passed, decided or not: those behind an open transaction, too.
    fn behind(&self, range: &Range) -> i64 {
        (range.high_watermark - self.next_offset).max(0)
    }
}

/// When partitions were last seen passed to their ends, and those that never were, when they were first seen.
#[derive(Debug, Default)]
struct Level {
    seen: HashMap<TopicPartition, SystemTime>,
    never: HashMap<TopicPartition, SystemTime>,
}

impl Level {
    /// Since when something is not passed, at most: an idle partition was level until it was last seen so. Of one that was never
    /// seen so, and of which nothing was passed, at least.
    fn seconds(&mut self, place: TopicPartition, stand: Stand, records: i64, asked_at: SystemTime) -> f64 {
        if records == 0 {
            self.seen.insert(place, asked_at);
            return 0.0;
        }
        let since = |seen: &SystemTime| SystemTime::now().duration_since(*seen).unwrap_or_default().as_secs_f64();
        let passed = stand.appended_at_ms.map(seconds_since);
        let known = self.seen.get(&place).map(since).into_iter().chain(passed).reduce(f64::min);
        known.unwrap_or_else(|| since(self.never.entry(place).or_insert(asked_at)))
    }
}

fn seconds_since_time(time: DateTime<Utc>) -> f64 {
    seconds_since(time.timestamp_millis())
}

/// Seconds since a broker's append time; never negative, whatever the clocks say.
pub(crate) fn seconds_since(appended_at_ms: i64) -> f64 {
    let appended = SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(appended_at_ms).unwrap_or(0));
    SystemTime::now().duration_since(appended).unwrap_or_default().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_open_transaction_holds_back_is_lag() {
        let range = Range { low: 0, stable_end: 10, high_watermark: 15 };
        let stand = |next_offset| Stand { next_offset, appended_at_ms: None };
        assert_eq!((stand(7).behind(&range), stand(10).behind(&range), stand(15).behind(&range)), (8, 5, 0));
        // Ends are read before and after: it may be further by now.
        assert_eq!(stand(16).behind(&range), 0);
    }

    #[test]
    fn a_partition_long_idle_lags_since_it_was_last_seen_level() {
        let place = TopicPartition { topic: "parcels", partition: 0 };
        let stand = Stand { next_offset: 1, appended_at_ms: Some(0) };
        let mut level = Level::default();
        assert!(level.seconds(place, stand, 1, SystemTime::now()) > 1e9, "since the last one that was passed");
        assert!(level.seconds(place, stand, 0, SystemTime::now()).abs() < f64::EPSILON);
        assert!(level.seconds(place, stand, 1, SystemTime::now()) < 60.0);
    }

    #[test]
    fn a_partition_that_was_never_level_lags_since_it_was_first_seen() {
        let place = TopicPartition { topic: "parcels", partition: 0 };
        let stand = Stand { next_offset: 0, appended_at_ms: None };
        let (mut level, then) = (Level::default(), SystemTime::now() - Duration::from_secs(30));
        assert!(level.seconds(place, stand, 1, then) >= 30.0);
        assert!(level.seconds(place, stand, 1, SystemTime::now()) >= 30.0, "it is not seen for the first time");
    }
}
