//! How many bytes the replicas of partitions take on the brokers' disks.
//!
//! A replica that is on its way to another directory counts once, where it is used.

use super::state::{Bytes, PATIENCE, PartitionState, TopicState};
use crate::brokers::Brokers;
use futures::future::join_all;
use kafka_protocol::messages::{DescribeLogDirsRequest, describe_log_dirs_request::DescribableLogDirTopic};
use std::collections::HashMap;

/// Bytes by topic and partition, for each broker that told them.
#[derive(Debug, Default)]
pub(crate) struct Sizes(HashMap<(String, i32), Vec<(i32, i64)>>);

impl Sizes {
    pub(crate) fn of(&self, topic: &str, partition: &PartitionState) -> Bytes {
        let told = self.0.get(&(topic.to_owned(), partition.partition)).map(Vec::as_slice).unwrap_or_default();
        let of_broker = |broker: i32| told.iter().find(|(told, _)| *told == broker).map(|(_, bytes)| *bytes);
        Bytes {
            leaders: partition.leader.and_then(of_broker),
            replicas: partition.replicas.iter().map(|broker| of_broker(*broker)).sum(),
        }
    }

    fn insert(&mut self, topic: &str, partition: i32, of_broker: (i32, i64)) {
        self.0.entry((topic.to_owned(), partition)).or_default().push(of_broker);
    }
}

impl Brokers {
    pub(crate) async fn sizes_of_topics(&self, brokers: &[i32], topics: &[TopicState]) -> Sizes {
        let topics = topics.iter().map(|topic| {
            DescribableLogDirTopic::default()
                .with_topic(self.physical(&topic.name))
                .with_partitions(topic.partitions.iter().map(|partition| partition.partition).collect())
        });
        let request = DescribeLogDirsRequest::default().with_topics(Some(topics.collect()));
        let answers = join_all(brokers.iter().map(async |broker| {
            let answer = self.ask(*broker, &request, PATIENCE).await;
            let silent =
                |error: &_| foldstream_telemetry::debug!(broker, error.message = %error, "a broker tells no sizes");
            Some((*broker, answer.inspect_err(silent).ok()?))
        }));
        let mut sizes = Sizes::default();
        for (broker, answer) in answers.await.into_iter().flatten() {
            for topic in answer.results.iter().flat_map(|directory| &directory.topics) {
                let Some(name) = self.logical(&topic.name) else { continue };
                for partition in topic.partitions.iter().filter(|partition| !partition.is_future_key) {
                    sizes.insert(&name, partition.partition_index, (broker, partition.partition_size));
                }
            }
        }
        sizes
    }
}
