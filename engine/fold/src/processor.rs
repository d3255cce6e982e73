//! The loop of every processor: topics -> topics, with state for each key or without.
//!
//! Deciders, keyed folds and re-keyings run in it, each by way of one small contract (`processor/contract.rs`).
//!
//! # Why it is exactly once
//!
//! A batch becomes one Kafka transaction that holds, together: the facts, the state of every key that changed (on a
//! compacted changelog), and the group's offsets behind the batch. The brokers make all of it visible, or nothing. The
//! offsets are sent with the membership under which the partitions were assigned: that is the fence. So:
//!
//! - **Killed before the commit**: the next owner's start is the offsets before the batch, its state is the changelog
//!   before the batch. What was written of the transaction is aborted and no reader of committed records ever sees it.
//! - **Killed after the commit**: all of it is there, and the next owner starts behind it.
//! - **Commit answer lost**: the client is dropped, and with it the state in memory. The next session takes the
//!   transactional id over, which settles the transaction one way or the other *before* it asks where to start.
//! - **Two owners** (a process that was frozen past its session and woke up): its membership is of an old generation,
//!   so the brokers refuse its offsets, and without them its transaction is not committed.
//! - **A rebalance**: the loop settles the transaction that is under way before it acknowledges the revocation, so there
//!   is nothing to abort, and only then the group goes into its next generation.
//!
//! With the offsets stands where what was written lies, for readers who wait for it. Brokers take only so much; above
//! that it says "anywhere on the topics written" ([`foldstream_log::LedTo`]), and readers wait for the ends of those:
//! longer than they must, never too short.
//!
//! # Restoring state
//!
//! The order matters. First the group's offsets, with open transactions waited for; then the end of the changelog
//! partition as it is, committed or not; then everything that is committed up to there; only then input is taken. The
//! other way round a transaction of the previous owner could be committed in between, and its offsets would be used
//! without its state. A partition that comes back to the same process is read from where its state stands.
//!
//! A changelog record names the version of the fold that made it. What is done with those of another version, each
//! contract says.
//!
//! # Time
//!
//! A state says itself when it wants to be woken, on the machine's clock or in the time of the events; nothing is scheduled
//! or cancelled. What a timer changes is written in a transaction like any other, under the same fence. Emitted timers,
//! kept beside the state, were rejected: a second store for what the state knows already.
//!
//! The time of the events is the watermark of each partition number (`processor/watermarks.rs`); it is committed with the
//! offsets, so whoever owns the partition next, late is what was late, and fired is what was fired. Timers on event time
//! fire behind the very input that moved the watermark past them, before the next one is taken, by time, key and cell: what
//! comes of a partition is the same wherever batches end and whoever is killed. Of several topics, how their records
//! interleave moves the watermark, but never makes late what came within the lateness. On catch-up, partitions far ahead
//! of the slowest are paused.
//!
//! A timer that fails (it is put aside or halted, or is still due afterwards) changes nothing and parks its key, and
//! nobody else's: what comes for the key goes to `dead-letters` with that reason, in order, until a version runs that
//! can fire the timer; then it is redriven. Health, a metric and one line of the log say which key it is. No mark is
//! kept: the state still says that the timer is due, and waking is pure, so whoever owns the partition next fires it,
//! sees it fail and parks the key again. Timers that are due are fired before a batch is taken, so no input of the key
//! comes in between.
//!
//! # Poison
//!
//! An input that is no event goes to the topic `dead-letters` with its bytes and its origin, in the same transaction;
//! one that this version does not know halts its partition.
//!
//! # Erasure
//!
//! What ended is on the changelog until the brokers compact it, and they do only where something is appended: so that it
//! does not stay in a partition that idles, something is (`processor/idle_segments.rs`). Where the ids of whom nothing is
//! known any more must not stand on the changelog, states are kept under hashes of them (`processor/hidden_key.rs`).
//!
//! Not here: what follows from an input (each processor's pure file).

mod cells;
mod contract;
mod deciding;
mod hidden_key;
mod idle_segments;
mod restoring;
mod session;
pub(crate) mod state_record;
mod stateless;
mod states;
mod transaction;
mod watermarks;

pub use cells::Cells;
pub(crate) use contract::{Anew, KeptCell, Processor};
pub use contract::{Arrival, Clock, Decision, Due, EventTime, TimerFired};
#[cfg(test)]
pub(crate) use deciding::Decided;
pub use hidden_key::hidden_key;
pub(crate) use session::run as run_processor;
pub use state_record::MAX_CELL_BYTES;
pub(crate) use stateless::Stateless;
#[cfg(test)]
pub(crate) use states::States;
