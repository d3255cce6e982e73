//! What holds a partition back: a transaction that nobody has ended, and behind which nothing is shown to readers of committed
//! records, though it may be acknowledged.
//!
//! The last stable offset is where the oldest open transaction of the partition begins, so the batch that lies there is its
//! first: it says who writes it and since when. The brokers end it when it times out, at the latest.

use crate::{
    batches::Batches,
    brokers::{Brokers, BrowseError, Layout, PATIENCE},
    fetch::{Wanted, fetch_request},
    offsets::{Isolation, Range},
    settled::{SETTLING, refusal},
};
use chrono::{DateTime, SecondsFormat, Utc};
use futures::future::try_join_all;
use std::{collections::BTreeMap, fmt};

/// Enough for the header of a batch: the first of an answer always comes whole.
const LEAST_BYTES: i32 = 1024;

/// An open transaction and the partition it holds back.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct HeldBack {
    pub topic: String,
    pub partition: i32,
    /// Its first record: readers of committed records are shown nothing from here on.
    pub offset: i64,
    /// The time of that record.
    pub since: Option<DateTime<Utc>>,
    /// Who writes it, as the brokers number producers.
    pub producer_id: i64,
    /// How many offsets wait for its end.
    pub waiting: i64,
}

impl HeldBack {
    /// Since when, and by whom.
    #[must_use]
    pub fn told(&self) -> String {
        let since = self.since.map(|since| format!("since {} ", since.to_rfc3339_opts(SecondsFormat::Millis, true)));
        format!("{}by an open transaction of producer {}", since.unwrap_or_default(), self.producer_id)
    }
}

impl fmt::Display for HeldBack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{} is held back at {} {}", self.topic, self.partition, self.offset, self.told())
    }
}

impl Range {
    /// How many offsets may be acknowledged and are not decided.
    #[must_use]
    pub fn undecided(&self) -> i64 {
        (self.high_watermark - self.stable_end).max(0)
    }
}

impl Brokers {
    /// Which partitions of a topic open transactions hold back, by the ranges they had a moment ago. A transaction that is
    /// just being written is one, too.
    pub async fn held_back(&self, topic: &str, ranges: &BTreeMap<i32, Range>) -> Result<Vec<HeldBack>, BrowseError> {
        let held: Vec<(i32, Range)> =
            ranges.iter().filter(|(_, range)| range.undecided() > 0).map(|(number, range)| (*number, *range)).collect();
        if held.is_empty() {
            return Ok(Vec::new());
        }
        let asked = async |layout: Layout| {
            try_join_all(held.iter().map(|(partition, range)| self.holding(&layout, *partition, range))).await
        };
        Ok(self.settled(topic, SETTLING, asked).await?.into_iter().flatten().collect())
    }

    async fn holding(&self, layout: &Layout, partition: i32, range: &Range) -> Result<Option<HeldBack>, BrowseError> {
        let Some(leader) = layout.leaders.get(&partition).copied() else { return Ok(None) };
        let wanted = Wanted { partition, offset: range.stable_end, max_bytes: LEAST_BYTES };
        let request = fetch_request(layout, vec![wanted], Isolation::Uncommitted, 0);
        let answer = self.ask_leader(layout, leader, &request, PATIENCE).await?;
        for answer in answer.responses.into_iter().flat_map(|topic| topic.partitions) {
            if let Some(error) = refusal(&layout.topic, "to say what holds a partition back", answer.error_code) {
                return Err(error);
            }
            if let Some(opened) = Batches::of(answer, range.stable_end, self.max_batch_bytes()).opened()? {
                return Ok(Some(HeldBack {
                    topic: layout.topic.clone(),
                    partition,
                    offset: range.stable_end,
                    since: DateTime::from_timestamp_millis(opened.timestamp_ms),
                    producer_id: opened.producer_id,
                    waiting: range.undecided(),
                }));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_a_partition_back_is_said_in_one_sentence() {
        let held_back = HeldBack {
            topic: "parcels".to_owned(),
            partition: 3,
            offset: 17,
            since: DateTime::from_timestamp_millis(1_795_797_950_123),
            producer_id: 4001,
            waiting: 5,
        };
        assert_eq!(
            held_back.to_string(),
            "parcels:3 is held back at 17 since 2026-11-27T16:45:50.123Z by an open transaction of producer 4001"
        );
        assert_eq!(Range { low: 0, stable_end: 17, high_watermark: 22 }.undecided(), 5);
    }
}
