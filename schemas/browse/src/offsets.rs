//! Which offsets a partition holds, and which one a time stands for.

use crate::{
    brokers::{Brokers, BrowseError, Layout, PATIENCE},
    settled::{SETTLING, refusal},
};
use futures::future::try_join_all;
use kafka_protocol::{
    messages::{
        ListOffsetsRequest, TopicName,
        list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic},
    },
    protocol::StrBytes,
};
use std::collections::BTreeMap;

/// Instead of a time: the first offset there is, and the one the next record will get.
const EARLIEST: i64 = -2;
const LATEST: i64 = -1;

/// What a reader is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Isolation {
    /// Records of committed transactions and of none, up to the last stable offset.
    #[default]
    Committed,
    /// Everything up to the high watermark, each record with what became of its transaction.
    Uncommitted,
}

impl Isolation {
    /// As the protocol has it.
    pub(crate) fn level(self) -> i8 {
        match self {
            Self::Committed => 1,
            Self::Uncommitted => 0,
        }
    }
}

/// The offsets of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Range {
    /// The first that may hold a record.
    pub low: i64,
    /// The last stable offset: behind it, transactions are undecided.
    pub stable_end: i64,
    /// The high watermark: behind it, records may still be lost.
    pub high_watermark: i64,
}

impl Range {
    /// Where a reader of this isolation comes to an end.
    #[must_use]
    pub fn end(&self, isolation: Isolation) -> i64 {
        match isolation {
            Isolation::Committed => self.stable_end,
            Isolation::Uncommitted => self.high_watermark,
        }
    }
}

impl Brokers {
    /// The range of every partition of a topic.
    pub async fn ranges_of(&self, topic: &str) -> Result<BTreeMap<i32, Range>, BrowseError> {
        self.settled(topic, SETTLING, async |layout| self.ranges(&layout).await).await
    }

    /// The range of every partition.
    pub async fn ranges(&self, layout: &Layout) -> Result<BTreeMap<i32, Range>, BrowseError> {
        let (lows, stable, high) = futures::try_join!(
            self.offsets(layout, EARLIEST, Isolation::Uncommitted),
            self.offsets(layout, LATEST, Isolation::Committed),
            self.offsets(layout, LATEST, Isolation::Uncommitted),
        )?;
        let range = |partition: i32| {
            let of = |offsets: &BTreeMap<i32, i64>| offsets.get(&partition).copied().unwrap_or(0);
            Range { low: of(&lows), stable_end: of(&stable), high_watermark: of(&high) }
        };
        Ok(layout.leaders.keys().map(|partition| (*partition, range(*partition))).collect())
    }

    /// Of each partition the first offset whose record is of this time or later; none where there is no such record.
    pub async fn offsets_at(&self, layout: &Layout, time_ms: i64) -> Result<BTreeMap<i32, Option<i64>>, BrowseError> {
        let offsets = self.offsets(layout, time_ms.max(0), Isolation::Uncommitted).await?;
        Ok(offsets.into_iter().map(|(partition, offset)| (partition, (offset >= 0).then_some(offset))).collect())
    }

    async fn offsets(
        &self,
        layout: &Layout,
        time: i64,
        isolation: Isolation,
    ) -> Result<BTreeMap<i32, i64>, BrowseError> {
        let asked = layout.by_leader(layout.leaders.keys().copied()).into_iter().map(async |(leader, partitions)| {
            let partitions = partitions
                .into_iter()
                .map(|partition| ListOffsetsPartition::default().with_partition_index(partition).with_timestamp(time));
            let topic = ListOffsetsTopic::default()
                .with_name(TopicName(StrBytes::from_string(layout.topic.clone())))
                .with_partitions(partitions.collect());
            let request = ListOffsetsRequest::default()
                .with_replica_id((-1).into())
                .with_isolation_level(isolation.level())
                .with_topics(vec![topic]);
            let answer = self.ask_leader(layout, leader, &request, PATIENCE).await?;
            let partitions = answer.topics.into_iter().flat_map(|topic| topic.partitions);
            partitions
                .map(|partition| match refusal(&layout.topic, "to say which offsets there are", partition.error_code) {
                    Some(error) => Err(error),
                    None => Ok((partition.partition_index, partition.offset)),
                })
                .collect::<Result<Vec<_>, _>>()
        });
        Ok(try_join_all(asked).await?.into_iter().flatten().collect())
    }
}
