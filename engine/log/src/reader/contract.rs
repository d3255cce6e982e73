//! What a reader is asked for, and what its receiver is told.

use super::batch::Batch;
use crate::position::TopicPartition;
use rdkafka::error::KafkaError;
use tokio::sync::oneshot;

/// How partitions are shared out among the instances of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Assignment {
    /// Partitions move one by one, and the others go on: for services whose partitions know nothing of each other.
    Balanced,
    /// The same partition of every topic goes to the same instance (`range` over equal partition counts): for services
    /// whose state for a key is fed by several topics. A rebalance takes all partitions back first.
    CoPartitioned,
}

#[derive(Debug, Clone)]
pub struct ReaderOptions {
    /// The service: names the consumer group.
    pub service: String,
    pub topics: Vec<&'static str>,
    /// A batch is handed over at this many records at the latest.
    pub max_batch_records: usize,
    pub assignment: Assignment,
}

/// What the receiver is told, in this order.
#[derive(Debug)]
pub enum ReaderEvent {
    /// Partitions are now ours; reading starts where `start` says.
    Assigned {
        partitions: Vec<TopicPartition>,
        start: oneshot::Sender<Vec<(TopicPartition, i64)>>,
    },
    Batch(Batch),
    /// Partitions are no longer ours once `settled` is answered (or dropped).
    Revoked {
        partitions: Vec<TopicPartition>,
        settled: oneshot::Sender<()>,
    },
    /// The reader cannot go on; make a new one.
    Failed(ReaderError),
}

#[derive(Debug, thiserror::Error)]
pub enum ReaderError {
    #[error("cannot make a consumer")]
    Connect { source: KafkaError },
    #[error("the offset to start at is gone from the log: records were deleted before they were folded")]
    OffsetGone { source: KafkaError },
    #[error("the consumer cannot go on")]
    Fatal { source: KafkaError },
    #[error("the brokers did not say how far the group is")]
    Committed { source: KafkaError },
    #[error("a partition could not be read to its end")]
    Restore { source: Option<KafkaError> },
}

impl Assignment {
    pub(super) fn strategy(self) -> &'static str {
        match self {
            Self::Balanced => "cooperative-sticky",
            Self::CoPartitioned => "range",
        }
    }
}
