//! Where partitions begin and end: one question a leader and kind of end, for all topics at once.
//!
//! Whatever a leader does not tell is missing from the answer.

use super::state::{PATIENCE, TopicState};
use crate::{
    brokers::Brokers,
    offsets::{End, offsets_request},
};
use futures::future::join_all;
use kafka_protocol::messages::{ListOffsetsResponse, TopicName};
use std::collections::{BTreeMap, HashMap};

/// By topic and partition.
pub(crate) type Offsets = HashMap<(String, i32), i64>;

/// Who leads what: broker, topic, partitions.
#[derive(Debug, Clone, Default)]
pub(crate) struct Led(BTreeMap<i32, BTreeMap<TopicName, Vec<i32>>>);

impl Led {
    pub(crate) fn of<'a>(brokers: &Brokers, topics: impl IntoIterator<Item = &'a TopicState>) -> Self {
        let mut led = Self::default();
        for topic in topics {
            for partition in &topic.partitions {
                let Some(leader) = partition.leader else { continue };
                let of_leader = led.0.entry(leader).or_default();
                of_leader.entry(brokers.physical(&topic.name)).or_default().push(partition.partition);
            }
        }
        led
    }
}

impl Brokers {
    pub(crate) async fn offsets_of_topics(&self, led: &Led, end: End) -> Offsets {
        let asked = led.0.iter().map(async |(broker, partitions)| {
            let answer = self.ask(*broker, &offsets_request(partitions, end), PATIENCE).await;
            answer
                .inspect_err(
                    |error| foldstream_telemetry::debug!(broker, error.message = %error, "a leader tells no offsets"),
                )
                .ok()
        });
        join_all(asked).await.into_iter().flatten().flat_map(|answer| self.told(answer)).collect()
    }

    fn told(&self, answer: ListOffsetsResponse) -> impl Iterator<Item = ((String, i32), i64)> {
        answer.topics.into_iter().filter_map(|topic| Some((self.logical(&topic.name)?, topic.partitions))).flat_map(
            |(topic, partitions)| {
                let known = partitions.into_iter().filter(|partition| partition.error_code == 0);
                known.map(move |partition| ((topic.clone(), partition.partition_index), partition.offset))
            },
        )
    }
}
