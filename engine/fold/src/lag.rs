//! How far behind a service is: records and seconds per partition, measured beside its loop.

use crate::sessions::Service;
use foldstream_log::TopicPartition;
use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

const EVERY: Duration = Duration::from_secs(2);

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
}

/// Measures until shutdown. Brokers that do not answer leave the last value standing; the loop itself reports them.
pub(crate) async fn measure(gauges: &'static Gauges, name: String, standing: Standing, service: Service) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while service.shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
        let stands = standing.all();
        let topics: BTreeSet<&'static str> = stands.keys().map(|partition| partition.topic).collect();
        for topic in topics {
            let Ok(ranges) = service.brokers.ranges_of(topic).await else { continue };
            for (partition, range) in ranges {
                let Some(stand) = stands.get(&TopicPartition { topic, partition }) else { continue };
                let records = (range.stable_end - stand.next_offset).max(0);
                let seconds = if records == 0 { 0.0 } else { stand.appended_at_ms.map_or(0.0, seconds_since) };
                let labels =
                    [(gauges.label, name.clone()), ("topic", topic.to_owned()), ("partition", partition.to_string())];
                #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
                metrics::gauge!(gauges.records, &labels).set(records as f64);
                metrics::gauge!(gauges.seconds, &labels).set(seconds);
            }
        }
    }
}

/// Seconds since a broker's append time; never negative, whatever the clocks say.
pub(crate) fn seconds_since(appended_at_ms: i64) -> f64 {
    let appended = SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(appended_at_ms).unwrap_or(0));
    SystemTime::now().duration_since(appended).unwrap_or_default().as_secs_f64()
}
