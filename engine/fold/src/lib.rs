//! The loops that every service behind the brokers runs in, each written once:
//!
//! | | from | to | exactly once by |
//! |---|---|---|---|
//! | [`projection`] | topics | tables | position and rows in one SQL transaction, fenced by the position itself |
//! | [`decider`] | topics | topics | offsets, state and events in one Kafka transaction, fenced by the group's generation |
//! | [`effect`] | topics | the outside | at least once: answers and progress in one Kafka transaction, one idempotency key a record |
//!
//! What a decider decides is best said as an [`aggregate`]: commands -> events and one outcome each, with the memory of
//! commands written once.
//!
//! All hold sessions one after the other, decode in batches, put poison aside and measure their lag; that is shared
//! and lies beside them. Each module's text has the argument why nothing is lost, and why nothing happens twice or what may.

mod aggregate;
mod backoff;
mod decider;
mod decoding;
mod effect;
mod fetching;
mod lag;
mod projection;
mod sessions;
mod waiting;

pub use aggregate::{
    Aggregate, Answer, AnsweredCommand, CommandDecided, KEY_REUSED, Kept, REMEMBERED, Received, Rejection, Verdict,
};
pub use decider::{Decider, Decision, TimerFired, decider_flow, run_decider};
pub use effect::{Attempt, Delivery, Effect, Retry, effect_flow, run_effect};
pub use projection::{
    Action, Advance, Asked, Commit, Outcome, ParkedRecord, Projection, ReplayError, Settlement, Step, Store,
    StoreError, StoredRecord, replay, run_projection,
};
pub use sessions::Service;

use foldstream_log::TopicPartition;

/// A record that could not be used, as it lay in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    pub partition: TopicPartition,
    pub offset: i64,
    pub appended_at_ms: i64,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    pub reason: String,
}
