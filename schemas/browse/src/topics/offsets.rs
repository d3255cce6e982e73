//! Where partitions begin and end: one question a leader and kind of end, for all topics at once.
//!
//! Whatever a leader does not tell is missing from the answer.

use super::{PATIENCE, TopicState};
use crate::brokers::Brokers;
use futures::future::join_all;
use kafka_protocol::{
    messages::{
        BrokerId, ListOffsetsRequest, ListOffsetsResponse, TopicName,
        list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic},
    },
    protocol::StrBytes,
};
use std::collections::{BTreeMap, HashMap};

/// Which offset of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    First,
    LastStable,
    HighWatermark,
    /// Of the first record that is not older than this, milliseconds since 1970; -1 when there is none.
    SinceMs(i64),
}

/// By topic and partition.
pub(crate) type Offsets = HashMap<(String, i32), i64>;

/// Who leads what: broker, topic, partitions.
#[derive(Debug, Clone, Default)]
pub(crate) struct Led(BTreeMap<i32, BTreeMap<String, Vec<i32>>>);

impl Led {
    pub(crate) fn of<'a>(topics: impl IntoIterator<Item = &'a TopicState>) -> Self {
        let mut led = Self::default();
        for topic in topics {
            for partition in &topic.partitions {
                let Some(leader) = partition.leader else { continue };
                let of_leader = led.0.entry(leader).or_default();
                of_leader.entry(topic.name.clone()).or_default().push(partition.partition);
            }
        }
        led
    }
}

impl Brokers {
    pub(crate) async fn offsets_of_topics(&self, led: &Led, end: End) -> Offsets {
        let asked = led.0.iter().map(async |(broker, partitions)| {
            let answer = self.ask(*broker, &request(partitions, end), PATIENCE).await;
            answer
                .inspect_err(|error| tracing::debug!(broker, error.message = %error, "a leader tells no offsets"))
                .ok()
        });
        join_all(asked).await.into_iter().flatten().flat_map(told).collect()
    }
}

fn request(partitions: &BTreeMap<String, Vec<i32>>, end: End) -> ListOffsetsRequest {
    let (timestamp, isolation_level) = match end {
        End::First => (-2, 0),
        End::HighWatermark => (-1, 0),
        End::LastStable => (-1, 1),
        End::SinceMs(since) => (since, 1),
    };
    let of_partition =
        |partition: &i32| ListOffsetsPartition::default().with_partition_index(*partition).with_timestamp(timestamp);
    let topics = partitions.iter().map(|(topic, partitions)| {
        ListOffsetsTopic::default()
            .with_name(TopicName(StrBytes::from_string(topic.clone())))
            .with_partitions(partitions.iter().map(of_partition).collect())
    });
    ListOffsetsRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_isolation_level(isolation_level)
        .with_topics(topics.collect())
}

fn told(answer: ListOffsetsResponse) -> impl Iterator<Item = ((String, i32), i64)> {
    answer.topics.into_iter().flat_map(|topic| {
        let name = topic.name.to_string();
        let known = topic.partitions.into_iter().filter(|partition| partition.error_code == 0);
        known.map(move |partition| ((name.clone(), partition.partition_index), partition.offset))
    })
}
