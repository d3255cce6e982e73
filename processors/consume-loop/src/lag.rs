//! How far behind a projection is: records and seconds per partition, measured beside the loop.

use foldstream_telemetry::names;
use foldstream_wire::{Browser, TopicPartition};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};
use tokio_util::sync::CancellationToken;

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

/// Measures until shutdown. Brokers that do not answer leave the last value standing; the loop itself reports them.
pub(crate) async fn measure(
    projection: &'static str,
    topic: &'static str,
    standing: Standing,
    browser: Browser,
    shutdown: CancellationToken,
) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
        let Ok(ranges) = browser.ranges(topic).await else { continue };
        let stands = standing.all();
        for range in ranges {
            let Some(stand) = stands.get(&TopicPartition { topic, partition: range.partition }) else { continue };
            let records = (range.end - stand.next_offset).max(0);
            let seconds = if records == 0 { 0.0 } else { stand.appended_at_ms.map_or(0.0, seconds_since) };
            let labels = [
                ("projection", projection.to_owned()),
                ("topic", topic.to_owned()),
                ("partition", range.partition.to_string()),
            ];
            #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
            metrics::gauge!(names::PROJECTION_LAG_RECORDS, &labels).set(records as f64);
            metrics::gauge!(names::PROJECTION_LAG_SECONDS, &labels).set(seconds);
        }
    }
}

/// Seconds since a broker's append time; never negative, whatever the clocks say.
pub(crate) fn seconds_since(appended_at_ms: i64) -> f64 {
    let appended = SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(appended_at_ms).unwrap_or(0));
    SystemTime::now().duration_since(appended).unwrap_or_default().as_secs_f64()
}
