//! Which offsets a partition holds, and which one a time stands for.

use crate::{
    brokers::{Brokers, BrowseError, Layout, PATIENCE},
    settled::{SETTLING, refusal},
};
use futures::future::{join_all, try_join_all};
use kafka_protocol::messages::{
    BrokerId, ListOffsetsRequest, TopicName,
    list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic},
};
use std::collections::BTreeMap;
use tokio::time::{Instant, timeout_at};

/// Which offset of a partition is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    First,
    LastStable,
    HighWatermark,
    /// That of the first record that is not older than this, milliseconds since 1970; -1 when there is none.
    Since(i64, Isolation),
}

impl End {
    /// As the protocol has it: a time, or what stands for one, and for whom.
    fn asked(self) -> (i64, Isolation) {
        match self {
            Self::First => (-2, Isolation::Uncommitted),
            Self::LastStable => (-1, Isolation::Committed),
            Self::HighWatermark => (-1, Isolation::Uncommitted),
            Self::Since(time_ms, isolation) => (time_ms.max(0), isolation),
        }
    }
}

/// Asks one broker for offsets of partitions, by topic.
pub(crate) fn offsets_request(partitions: &BTreeMap<TopicName, Vec<i32>>, end: End) -> ListOffsetsRequest {
    let (time, isolation) = end.asked();
    let of_partition =
        |partition: &i32| ListOffsetsPartition::default().with_partition_index(*partition).with_timestamp(time);
    let topics = partitions.iter().map(|(topic, partitions)| {
        ListOffsetsTopic::default()
            .with_name(topic.clone())
            .with_partitions(partitions.iter().map(of_partition).collect())
    });
    ListOffsetsRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_isolation_level(isolation.level())
        .with_topics(topics.collect())
}

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
            self.offsets(layout, End::First),
            self.offsets(layout, End::LastStable),
            self.offsets(layout, End::HighWatermark),
        )?;
        let range = |partition: i32| {
            let of = |offsets: &BTreeMap<i32, i64>| offsets.get(&partition).copied().unwrap_or(0);
            Range { low: of(&lows), stable_end: of(&stable), high_watermark: of(&high) }
        };
        Ok(layout.leaders.keys().map(|partition| (*partition, range(*partition))).collect())
    }

    /// The range of every partition whose leader tells it in time, and an error where one does not.
    pub(crate) async fn ranges_that_are_told(
        &self,
        layout: &Layout,
        deadline: Instant,
    ) -> (BTreeMap<i32, Range>, Option<BrowseError>) {
        let asked = layout.by_leader(layout.leaders.keys().copied()).into_values().map(async |partitions| {
            let led = layout.only(&partitions.into_iter().collect());
            let late = |_| Err(BrowseError::Late { doing: "saying which offsets there are" });
            timeout_at(deadline, self.ranges(&led)).await.unwrap_or_else(late)
        });
        let (mut ranges, mut failed) = (BTreeMap::new(), None);
        for told in join_all(asked).await {
            match told {
                Ok(told) => ranges.extend(told),
                Err(error) => failed = Some(error),
            }
        }
        (ranges, failed)
    }

    /// Of each partition the first offset whose record is of this time or later; none where there is no such record.
    pub async fn offsets_at(&self, layout: &Layout, time_ms: i64) -> Result<BTreeMap<i32, Option<i64>>, BrowseError> {
        let offsets = self.offsets(layout, End::Since(time_ms, Isolation::Uncommitted)).await?;
        Ok(offsets.into_iter().map(|(partition, offset)| (partition, (offset >= 0).then_some(offset))).collect())
    }

    pub(crate) async fn offsets(&self, layout: &Layout, end: End) -> Result<BTreeMap<i32, i64>, BrowseError> {
        let asked = layout.by_leader(layout.leaders.keys().copied()).into_iter().map(async |(leader, partitions)| {
            let request = offsets_request(&[(layout.name.clone(), partitions)].into(), end);
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
