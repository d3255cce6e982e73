//! The loop of a decider: topics -> topics, with state for each key.
//!
//! A decider answers inputs (commands, or the events of others) with facts: events, outcomes, commands for others. Its
//! state is the fold of the facts it has written itself and of nothing else, so it can be made anew from its topics at
//! any time; `evolve` is that fold, and the only thing that ever changes a state.
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
//! A changelog record names the version of the fold that made it. If any is of another version than the code's, the
//! partition's states are folded anew from the topics the decider writes ([`Decider::FACTS`]), and written to the
//! changelog with the first transaction.
//!
//! # Timers
//!
//! A state says itself when it wants to be woken ([`Decider::due`]); nothing is scheduled or cancelled. What a timer
//! changes is written in a transaction like any other, under the same fence. Emitted timers, kept beside the state,
//! were rejected: a second store for what the state knows already.
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
//! Not here: what a decider decides (each processor's `decide.rs`).

mod deciding;
mod restoring;
mod session;
pub(crate) mod transaction;

pub use session::run_decider;

use chrono::{DateTime, Utc};
use foldstream_log::Recorded;
use foldstream_log::{DeadLettersEvent, Fact, Flow, ServiceKind, Topic, TopicEvent};

/// Decides on inputs, one key at a time. All pure: no clock, no I/O, no randomness, no log.
pub trait Decider: Send + Sync + 'static {
    type Input: TopicEvent;
    type Output: TopicEvent;
    type State: Clone + PartialEq + Send + Sync + 'static;
    /// The state as a record of the changelog.
    type Changelog: TopicEvent;

    /// Names the consumer group and the transactions; it never changes.
    const NAME: &'static str;
    /// Whether whatever it writes about an input bears the input's key, on topics of as many partitions: readers who
    /// follow a position then look in one partition. Wrong where a decider sends commands to others.
    const KEEPS_KEYS: bool = false;
    /// Changes whenever `evolve` or the meaning of the state does.
    const FOLD_VERSION: u32;
    /// Of the topics it writes, those whose facts make the state. Each part of a state must be fed by one of them: they
    /// are folded one after the other when state is made anew.
    const FACTS: &'static [&'static Topic];

    /// The state of a key nothing is known of.
    fn initial(key: &str) -> Self::State;

    fn decide(state: &Self::State, input: &Recorded<Self::Input>) -> Decision<Self::Output>;

    /// When the state wants to be woken next.
    fn due(_: &Self::State) -> Option<DateTime<Utc>> {
        None
    }

    /// What follows from the time having come. Must move `due` on; else, and where it fails, its key is parked.
    fn wake(_: &Self::State, timer: &TimerFired) -> Decision<Self::Output> {
        Decision::Halt(format!("a timer of {} fired, and this decider has none", timer.key))
    }

    fn evolve(state: &mut Self::State, fact: &Fact<Self::Output>);

    fn save(state: &Self::State) -> Self::Changelog;

    fn load(record: Self::Changelog) -> Self::State;
}

/// What a decider reads and writes, as its types say.
#[must_use]
pub fn decider_flow<D: Decider>() -> Flow {
    Flow::of(D::NAME, ServiceKind::Processor)
        .reading::<D::Input>()
        .writing::<D::Output>()
        .writing::<D::Changelog>()
        .writing::<DeadLettersEvent>()
        .keeping_keys(D::KEEPS_KEYS)
}

/// A state's time has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimerFired {
    pub key: String,
    pub due_at: DateTime<Utc>,
}

/// What follows from an input.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision<E> {
    /// These facts, in this order.
    Emit(Vec<Fact<E>>),
    /// Nothing.
    Skip,
    /// It cannot be used; the reason.
    DeadLetter(String),
    /// This version must not go past it; the reason. Its partition stops.
    Halt(String),
}
