//! Asking until the cluster has settled: leaders move, brokers come and go, and a question meets it halfway.
//!
//! Whoever asks a leader gets an error that says whether the layout is to blame; then the layout is asked for again
//! and the question once more, until it is answered or time is up.

use crate::{
    brokers::{Brokers, BrowseError, Layout},
    connection::ConnectionError,
};
use backon::{ExponentialBuilder, Retryable};
use kafka_protocol::{ResponseError, protocol::Request};
use std::{
    future::Future,
    time::{Duration, Instant},
};

const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// How long the cluster may take to settle before a question is given up.
pub(crate) const SETTLING: Duration = Duration::from_secs(3);

impl BrowseError {
    /// Whether the same question may be answered once the cluster has settled.
    #[must_use]
    pub fn is_retriable(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::NoLeader { .. } | Self::Moved { .. } | Self::Late { .. } => true,
            Self::Refused { error, .. } => error.is_retriable(),
            Self::UnknownTopic { .. } | Self::UnknownPartition { .. } | Self::Batch(_) | Self::Stopped => false,
        }
    }
}

/// What an error code of a partition means; none for no error.
pub(crate) fn refusal(topic: &str, doing: &'static str, code: i16) -> Option<BrowseError> {
    use ResponseError::{
        FencedLeaderEpoch, InconsistentTopicId, LeaderNotAvailable, NotLeaderOrFollower, UnknownLeaderEpoch,
        UnknownTopicId, UnknownTopicOrPartition,
    };
    Some(match ResponseError::try_from_code(code)? {
        FencedLeaderEpoch
        | InconsistentTopicId
        | LeaderNotAvailable
        | NotLeaderOrFollower
        | UnknownLeaderEpoch
        | UnknownTopicId
        | UnknownTopicOrPartition => BrowseError::Moved { topic: topic.to_owned() },
        error => BrowseError::Refused { doing, error },
    })
}

impl Brokers {
    /// Asks the leader of partitions.
    pub(crate) async fn ask_leader<R: Request>(
        &self,
        layout: &Layout,
        leader: i32,
        request: &R,
        patience: Duration,
    ) -> Result<R::Response, BrowseError> {
        let topic = layout.topic.clone();
        let Some(partition) = layout.led_by(leader) else { return Err(BrowseError::Moved { topic }) };
        let no_leader = |source| BrowseError::NoLeader { topic, partition, source };
        if leader < 0 {
            return Err(no_leader(None));
        }
        self.ask(leader, request, patience).await.map_err(|error| no_leader(Some(error)))
    }

    /// Asks with the layout of the topic, and again with the one that follows while that may help.
    pub(crate) async fn settled<T, F: Future<Output = Result<T, BrowseError>>>(
        &self,
        topic: &str,
        patience: Duration,
        question: impl Fn(Layout) -> F,
    ) -> Result<T, BrowseError> {
        let asked = async || question(self.layout(topic).await?).await;
        until_settled(patience, asked).await
    }
}

/// Asks again while that may help, longer apart each time.
pub(crate) async fn until_settled<T, F: Future<Output = Result<T, BrowseError>>>(
    patience: Duration,
    question: impl FnMut() -> F,
) -> Result<T, BrowseError> {
    let deadline = Instant::now() + patience;
    question
        .retry(pauses())
        .when(|error: &BrowseError| error.is_retriable() && Instant::now() < deadline)
        .notify(|error, pause| {
            foldstream_telemetry::debug!(
                error = error as &dyn std::error::Error,
                pause_ms = milliseconds(pause),
                "asking the brokers again"
            );
        })
        .await
}

fn milliseconds(pause: Duration) -> u64 {
    u64::try_from(pause.as_millis()).unwrap_or(u64::MAX)
}

/// Between one try and the next.
pub(crate) fn pauses() -> ExponentialBuilder {
    ExponentialBuilder::new().with_min_delay(FIRST_PAUSE).with_max_delay(LONGEST_PAUSE).without_max_times()
}

impl From<ConnectionError> for BrowseError {
    fn from(error: ConnectionError) -> Self {
        Self::Unreachable(error)
    }
}
