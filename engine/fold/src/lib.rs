//! The loops that every service behind the brokers runs in, each written once:
//!
//! | | from | to | exactly once by |
//! |---|---|---|---|
//! | [`projection`] | topics | tables | position and rows in one SQL transaction, fenced by the position itself |
//! | [`processor`] | topics | topics | offsets, state and events in one Kafka transaction, fenced by the group's generation |
//! | [`effect`] | topics | the outside | at least once: answers and progress in one Kafka transaction, one idempotency key a record |
//!
//! What a processor does is said in one of these:
//!
//! | | state is | for |
//! |---|---|---|
//! | [`aggregate`] | the fold of its own facts, and the memory of commands | commands -> events and one outcome each |
//! | [`decider`] | the fold of its own facts | inputs -> facts; every aggregate is one |
//! | [`keyed`] | the fold of its inputs, in cells | windows, grids, pairs |
//! | [`rekey`] | none | inputs -> facts on other keys |
//! | [`process_manager`] | where each saga stands | events -> commands, one step after the other, and back where one fails |
//!
//! All hold sessions one after the other, decode in batches, put poison aside and measure their lag; that is shared
//! and lies beside them. Each module's text has the argument why nothing is lost, and why nothing happens twice or what may.

mod aggregate;
mod backoff;
mod dead_letter;
mod decider;
mod decoding;
mod effect;
mod fetching;
mod keyed;
mod lag;
mod process_manager;
mod processor;
mod projection;
mod rekey;
mod sessions;
mod waiting;

pub use aggregate::{
    Aggregate, Answer, AnsweredCommand, CommandDecided, KEY_REUSED, Kept, MOST_REMEMBERED, REMEMBERED_FOR, Received,
    Rejection, TOO_MANY_COMMANDS, Verdict,
};
pub use dead_letter::DeadLetter;
pub use decider::{Decider, decider_flow, run_decider};
pub use effect::{Attempt, Delivery, Effect, Retry, effect_flow, run_effect};
pub use keyed::{Keyed, OnNewVersion, keyed_flow, run_keyed};
pub use process_manager::{
    Failure, ProcessManager, Request, SagaEnd, Step as SagaStep, process_manager_flow, run_process_manager,
};
pub use processor::{Arrival, Cells, Clock, Decision, Due, EventTime, MAX_CELL_BYTES, TimerFired, hidden_key};
pub use projection::{
    Action, Advance, Commit, ParkedRecord, Projection, RedriveRequest, ReplayError, Settled, Settlement, Step, Store,
    StoreError, StoredRecord, replay, run_projection,
};
pub use rekey::{Rekey, rekey_flow, run_rekey};
pub use sessions::Service;
