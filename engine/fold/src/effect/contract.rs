//! What an effect is to the loop.

use backon::{BackoffBuilder, ExponentialBuilder};
use foldstream_log::{DeadLettersEvent, Flow, Recorded, ServiceKind, TopicEvent};
use std::time::Duration;
use uuid::Uuid;

/// Hands records to the outside world.
pub trait Effect: Send + Sync + 'static {
    type Event: TopicEvent;
    /// What goes back.
    type Answer: TopicEvent;

    /// The service. The consumer group's, the transactions' and the idempotency keys'; it never changes.
    const NAME: &'static str;
    const RETRY: Retry = Retry::USUAL;

    /// Delivers one record. May be given up at any time, and tried again: whatever it asks of the outside bears the
    /// attempt's idempotency key.
    fn deliver(
        &self,
        record: &Recorded<Self::Event>,
        attempt: Attempt,
    ) -> impl Future<Output = Delivery<Self::Answer>> + Send;
}

/// The edges of an effect.
#[must_use]
pub fn effect_flow<E: Effect>() -> Flow {
    Flow::of(E::NAME, ServiceKind::Effect).reading::<E::Event>().writing::<E::Answer>().writing::<DeadLettersEvent>()
}

/// How often and when a record is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// A record that failed as often as this is a dead letter.
    pub attempts: u32,
    /// About how long to wait after the first attempt; doubled after each.
    pub first_pause: Duration,
    pub longest_pause: Duration,
    /// An attempt that takes longer has failed.
    pub patience: Duration,
}

impl Retry {
    /// About an hour and a half, all together.
    pub const USUAL: Self = Self {
        attempts: 20,
        first_pause: Duration::from_millis(500),
        longest_pause: Duration::from_secs(600),
        patience: Duration::from_secs(30),
    };

    /// How long to wait after so many attempts: at least the doubled pause, at most twice that.
    pub(crate) fn pause(&self, attempts: u32) -> Duration {
        let pauses = ExponentialBuilder::default()
            .with_min_delay(self.first_pause)
            .with_max_delay(self.longest_pause)
            .with_jitter()
            .without_max_times();
        let before = usize::try_from(attempts.saturating_sub(1)).unwrap_or(usize::MAX);
        pauses.build().nth(before).unwrap_or(self.longest_pause)
    }
}

/// One try to deliver a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// From 1.
    pub number: u32,
    /// The same at every attempt for this record, whoever makes it; another one for every other record.
    pub idempotency_key: Uuid,
    /// The event id of the answer: the same at every attempt, too.
    pub answer_id: Uuid,
}

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq)]
pub enum Delivery<A> {
    /// The outside has it. What goes back, where anything does.
    Done(Option<A>),
    /// It may work later: after this time where the outside named one, else after a pause that grows.
    Again { after: Option<Duration>, reason: String },
    /// It will never work; the reason.
    Never(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_with_jitter_up_to_the_longest() {
        let retry = Retry {
            first_pause: Duration::from_millis(100),
            longest_pause: Duration::from_millis(350),
            ..Retry::USUAL
        };
        for (attempts, least_ms) in [(1, 100), (2, 200), (3, 350), (4, 350), (500, 350)] {
            let pauses: Vec<u128> = (0..20).map(|_| retry.pause(attempts).as_millis()).collect();
            assert!(pauses.iter().all(|pause| (least_ms..=2 * least_ms).contains(pause)), "{attempts}: {pauses:?}");
            assert!(pauses.iter().any(|pause| *pause != pauses[0]), "no jitter: {pauses:?}");
        }
    }
}
