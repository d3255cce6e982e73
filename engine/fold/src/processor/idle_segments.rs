//! Lets the brokers compact what has come to rest. They compact closed segments only, and close one only when something is
//! appended: a record that was overwritten or ended in a partition to which nothing comes any more would stay for ever.
//!
//! So where nothing was appended to a compacted partition for as long as it may lag, a record is appended that says nothing:
//! it closes the segment before it, and has what lies there compacted. Invariant: at most one of them in that time from each
//! process; of two that write one, both are as good, so it needs no fence. Compaction takes it out like any other.
//!
//! Not here: topics that no processor writes, and what expires: brokers delete that from idle partitions, too.

use super::contract::Processor;
use crate::sessions::{Service, chain};
use foldstream_browse::BrowseError;
use foldstream_log::{Cleanup, Topic, TopicEvent, WriteError, Writer};
use std::{collections::BTreeMap, time::Duration};

/// What a topic says of how long its compaction may lag.
const LAG: &str = "max.compaction.lag.ms";
/// How many times in that time it is looked.
const LOOKS: u32 = 8;
const LOOK_AT_MOST_EVERY: Duration = Duration::from_millis(200);
const LOOK_AT_LEAST_EVERY: Duration = Duration::from_secs(3600);
const RETRY_AFTER: Duration = Duration::from_secs(30);

#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Browse(#[from] BrowseError),
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Closes the segments of what this processor writes and brokers compact, where they idle, until shutdown.
pub(super) async fn close<P: Processor>(service: Service) {
    let written = P::Output::topics().iter().chain(P::Changelog::topics());
    let compacted: BTreeMap<&str, &'static Topic> = written
        .filter(|topic| matches!(topic.cleanup, Cleanup::Compact { .. }))
        .map(|topic| (topic.name, *topic))
        .collect();
    if compacted.is_empty() {
        return;
    }
    loop {
        let mut pause = LOOK_AT_LEAST_EVERY;
        for topic in compacted.values() {
            let look = close_idle::<P>(&service, topic);
            let Some(closed) = service.shutdown.run_until_cancelled(look).await else { return };
            pause = pause.min(closed.unwrap_or_else(|error| {
                let reason = chain(&error);
                foldstream_telemetry::warn!(
                    processor = P::NAME,
                    kafka.topic = topic.name,
                    error.message = reason,
                    "whether its segments idle cannot be told; what was erased there may stay for longer"
                );
                RETRY_AFTER
            }));
        }
        if service.shutdown.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
            return;
        }
    }
}

/// Gives how soon it is to be looked again.
async fn close_idle<P: Processor>(service: &Service, topic: &'static Topic) -> Result<Duration, Failed> {
    let lag = lag(topic, service.brokers.setting(topic.name, LAG).await?.as_deref());
    let idle = service.brokers.idle_partitions(topic.name, lag).await?;
    if !idle.is_empty() {
        let writer = Writer::connect(&service.wire, &service.registry, P::NAME)?;
        for partition in idle {
            writer.end_segment(topic, partition).await?;
            foldstream_telemetry::debug!(
                processor = P::NAME,
                kafka.topic = topic.name,
                kafka.partition = partition,
                "an idle segment is closed"
            );
        }
    }
    Ok((lag / LOOKS).clamp(LOOK_AT_MOST_EVERY, LOOK_AT_LEAST_EVERY))
}

/// As the topic is set, or else declared.
fn lag(topic: &Topic, set: Option<&str>) -> Duration {
    let declared_ms = match topic.cleanup {
        Cleanup::Compact { max_lag_ms } => max_lag_ms,
        Cleanup::KeepAll | Cleanup::Expire { .. } => u64::MAX,
    };
    Duration::from_millis(set.and_then(|set| set.parse().ok()).unwrap_or(declared_ms))
}
