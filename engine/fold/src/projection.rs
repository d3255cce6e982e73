//! The loop of a projection: topics -> tables.
//!
//! # Why it is exactly once
//!
//! A position (`next_offset` of a partition) lives in the store, next to the rows. A batch that holds the records from
//! `start` up to `end` is folded into one transaction that changes the rows *and* moves the position from `start` to
//! `end`, and only if it still stands at `start`: that condition is the fence. So:
//!
//! - **Killed before the commit**: neither rows nor position changed; the next owner starts at `start`.
//! - **Killed after the commit**: both changed; the next owner starts at `end`.
//! - **Commit answer lost**: the retry finds the position past `start` and is refused; this owner drops the batch and
//!   starts again from the store. Whether the commit happened need not be known.
//! - **Two owners** (a process that was frozen past its session and woke up): the first to commit moves the position;
//!   the other one is refused. No clock and no lease is involved.
//!
//! Kafka's committed offsets play no part; they are a hint for tools that show lag.
//!
//! # What happens to a record
//!
//! [`Step`] says it, and nothing else decides what happens to an offset. Bytes that are no event are dead letters. A
//! batch the store refuses for its *data* is split in half until the one event is found; each half is a transaction
//! with a fence of its own, so there is nothing to undo (savepoints would do the same with one more state to think
//! about). A store or registry that is away is waited for. Anything else halts: nothing is ever skipped.
//!
//! # Poison keeps its key's order
//!
//! A dead letter parks its key: later records of that key in that partition are not applied but queued behind it in the
//! store, in the transaction that moves the position past them. All other keys flow. Which keys are parked is loaded
//! with the positions and held in memory, and the fold decides by it, so that it is as repeatable as the rest. A record
//! that ends its key ([`Projection::erases`]: nothing before it may be kept) does not wait; it
//! drops what does.
//!
//! When somebody asks for it, the owner of the partition folds a dead letter again, with today's decoder and fold, and
//! then what is parked behind it, in order; or drops the dead letter and folds what is behind it. Each piece of the
//! queue is one transaction: the rows it leads to, and the records it takes from the queue. Its fence is the position,
//! which does not move, *and* the queue, which must be as it was read: so of two owners one is refused here too. Killed
//! before the commit, everything is still parked; after it, what was applied is gone from the queue. A record that
//! fails again becomes the dead letter, and the rest goes on waiting.
//!
//! Parked records are stored without their headers: no fold looks at them, and a record that becomes a dead letter has
//! them read again from the topic, like every dead letter.
//!
//! # Versions, and folding again
//!
//! A projection may be folded into several stores at once, its versions. Each has rows and positions of its own and so a
//! loop, a fence and a consumer group of its own; none knows of the others ([`Store::version`]). [`replay`] folds what is
//! there already, from the store's positions up to given ends, by the same session over a reader that is in no group:
//! there is one meaning of a batch, whoever asks for it.
//!
//! Not here: SQL (see `foldstream-store`), and what an event means (each projection's `apply.rs`).

pub(crate) mod contract;
mod folding;
mod parking;
mod redriving;
mod refolding;
mod replaying;
mod session;

pub use contract::{
    Action, Advance, Commit, ParkedRecord, Projection, RedriveRequest, Settled, Settlement, Step, Store, StoreError,
    StoredRecord,
};
pub use replaying::{ReplayError, replay};
pub use session::run_projection;
