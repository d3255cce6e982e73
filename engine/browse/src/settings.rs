//! What decides how a topic can be read.
//!
//! A topic that was given to the brokers' times later on keeps the times it had, which may be anything. So what its
//! setting says is believed only where each partition begins with a batch that its broker stamped. (One that was switched
//! to producers' times and back in between looks alike, and is not told.)

use crate::{
    batches::Batches,
    brokers::{Brokers, BrowseError, Layout, PATIENCE},
    fetch::{Wanted, fetch_request},
    offsets::{Isolation, Range},
    settled::refusal,
};
use futures::future::try_join_all;
use kafka_protocol::ResponseError;
use std::collections::BTreeMap;

/// Enough for most batches; one that is longer comes when its partition is asked for first.
const BATCH_BYTES: i32 = 16 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Settings {
    /// Records that were superseded go away.
    pub(crate) compacted: bool,
    /// Timestamps are those of the brokers, from the first to the last, so within a partition they follow the offsets.
    pub(crate) append_time: bool,
}

impl Brokers {
    pub(crate) async fn settings(&self, topic: &str) -> Result<Settings, BrowseError> {
        let all = self.settings_of_topics(&[topic]).await?.remove(topic);
        // Deleted a moment ago: whoever asks for its layout again is told so.
        let all = all.ok_or_else(|| BrowseError::Moved { topic: topic.to_owned() })?;
        let value = |name| all.iter().find(|setting| setting.name == name).and_then(|found| found.value.as_deref());
        Ok(Settings {
            compacted: value("cleanup.policy").is_some_and(|policy| policy.contains("compact")),
            append_time: value("message.timestamp.type") == Some("LogAppendTime"),
        })
    }

    /// Whether every partition begins with a batch that bears the time of its broker, as far as there are any.
    pub(crate) async fn begins_stamped(
        &self,
        layout: &Layout,
        ranges: &BTreeMap<i32, Range>,
    ) -> Result<bool, BrowseError> {
        let filled = ranges.iter().filter(|(_, range)| range.low < range.high_watermark);
        let by_leader = layout.by_leader(filled.map(|(partition, _)| *partition));
        let asked = by_leader.into_iter().map(|(leader, mut open)| async move {
            while !open.is_empty() {
                let wanted = open.iter().filter_map(|partition| {
                    let offset = ranges.get(partition)?.low;
                    Some(Wanted { partition: *partition, offset, max_bytes: BATCH_BYTES })
                });
                let request = fetch_request(layout, wanted.collect(), Isolation::Uncommitted, 0);
                let answer = self.ask_leader(layout, leader, &request, PATIENCE).await?;
                let before = open.len();
                for answer in answer.responses.into_iter().flat_map(|topic| topic.partitions) {
                    let partition = answer.partition_index;
                    if ResponseError::try_from_code(answer.error_code) == Some(ResponseError::OffsetOutOfRange) {
                        // Retention was quicker: who asks next is told more.
                        return Ok(false);
                    }
                    if let Some(error) = refusal(&layout.topic, "to give records", answer.error_code) {
                        return Err(error);
                    }
                    match Batches::of(answer, i64::MAX, self.max_batch_bytes()).begin_stamped()? {
                        Some(true) => open.retain(|open| *open != partition),
                        Some(false) => return Ok(false),
                        None => {}
                    }
                }
                // The first batch of an answer always comes whole, so there is always some.
                if open.len() == before {
                    return Ok(false);
                }
            }
            Ok(true)
        });
        Ok(try_join_all(asked).await?.into_iter().all(|stamped| stamped))
    }
}
