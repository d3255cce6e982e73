//! Keyed folds: inputs -> facts, with state for each key that is the fold of the inputs: windows, grids, pairs.
//!
//! A key has cells, as many as the fold makes: a window each, say. A cell is kept on the compacted changelog as the engine's
//! own record ([`StateKept`]), in the partition of its key, and ended by a record without a value. It is bounded
//! ([`MAX_CELL_BYTES`](crate::MAX_CELL_BYTES)): an input that would make one larger is a dead letter with that reason, and changes nothing; a timer
//! that would parks its key. Whoever needs more room makes more cells.
//!
//! # Late events
//!
//! An event is late when it is older than the watermark: a window that ended by event time may be gone. It is counted, and
//! handed to the fold as late; whether it is skipped or corrects what was said is for [`Keyed::fold`] to say. An event that
//! is no later than the declared lateness behind its partition's newest is never late, in whatever order partitions are read.
//!
//! # Poison
//!
//! An input that the fold cannot use is a dead letter and its key goes on; one it must not go past halts its partition. A
//! timer that fails parks its key and nobody else's, as for a decider.
//!
//! # Another version of the fold
//!
//! Cells cannot be made from what was written, so the fold declares what is done with those of another version
//! ([`OnNewVersion`]): the inputs are folded again as far as the group is, in the order of their append times, from the
//! oldest that is still there, and what follows from them is not written again; or the cells end, and what comes next begins
//! anew. Timers on the machine's clock that had fired before fire once more after a replay, where the inputs alone say that
//! they are due.
//!
//! Not here: the loop it runs in, and why that is exactly once (`processor.rs`).

use crate::processor::{
    Anew, Arrival, Cells, Decision, Due, EventTime, KeptCell, Processor, TimerFired, run_processor, state_record,
};
use crate::sessions::Service;
use chrono::{DateTime, Utc};
use foldstream_log::{DeadLettersEvent, Flow, ServiceKind, TopicEvent, generated::StateKept};
use std::marker::PhantomData;

/// Folds inputs, one key at a time. All pure: no clock, no I/O, no randomness, no log.
pub trait Keyed: Send + Sync + 'static {
    type Input: TopicEvent;
    type Output: TopicEvent;
    /// The state of a cell.
    type Cell: Clone + Send + Sync + 'static;
    /// The topic that keeps the cells. It carries [`StateKept`] and nothing else, and has as many partitions as the inputs.
    type Changelog: TopicEvent + From<StateKept>;

    /// Names the consumer group and the transactions; it never changes.
    const NAME: &'static str;
    /// Whether whatever it writes about an input bears the input's key, on topics of as many partitions.
    const KEEPS_KEYS: bool = false;
    /// Changes whenever `fold` or the meaning of a cell does.
    const FOLD_VERSION: u32;
    const ON_NEW_VERSION: OnNewVersion;
    const EVENT_TIME: EventTime;

    /// When what an input tells happened.
    fn event_time(input: &Self::Input) -> DateTime<Utc> {
        input.occurred_at()
    }

    /// Takes an input into the cells of its key. They change only where it emits, be it nothing.
    fn fold(cells: &mut Cells<'_, Self::Cell>, input: &Arrival<'_, Self::Input>) -> Decision<Self::Output>;

    /// When a cell wants to be woken next.
    fn due(_: &Self::Cell) -> Due {
        Due::default()
    }

    /// What follows from the time of a cell having come. Must end the cell or move its `due` on; else, and where it fails,
    /// its key is parked.
    fn wake(_: &mut Cells<'_, Self::Cell>, timer: &TimerFired) -> Decision<Self::Output> {
        Decision::Halt(format!("a timer of {} fired, and this fold has none", timer.key))
    }

    fn save(cell: &Self::Cell) -> Vec<u8>;

    fn load(bytes: &[u8]) -> Result<Self::Cell, String>;

    /// How many bytes a cell is kept in, asked each time it changes; to be overridden where that can be told cheaper, and
    /// then never less.
    fn size(cell: &Self::Cell) -> usize {
        Self::save(cell).len()
    }

    /// The engine's record in a record of the changelog.
    fn kept(record: Self::Changelog) -> StateKept;
}

/// What becomes of cells that another version of the fold has made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnNewVersion {
    /// The inputs are folded again, from the oldest there is.
    Replay,
    /// They end.
    Cut,
}

/// Folds until shutdown.
pub async fn run_keyed<K: Keyed>(service: Service) {
    run_processor::<Folding<K>>(service).await;
}

/// What a keyed fold reads and writes, as its types say.
#[must_use]
pub fn keyed_flow<K: Keyed>() -> Flow {
    Flow::of(K::NAME, ServiceKind::Processor)
        .reading::<K::Input>()
        .writing::<K::Output>()
        .writing::<K::Changelog>()
        .writing::<DeadLettersEvent>()
        .keeping_keys(K::KEEPS_KEYS)
}

/// A keyed fold as the loop runs it.
struct Folding<K>(PhantomData<fn() -> K>);

impl<K: Keyed> Processor for Folding<K> {
    type Input = K::Input;
    type Output = K::Output;
    type State = K::Cell;
    type Changelog = K::Changelog;

    const NAME: &'static str = K::NAME;
    const KEEPS_KEYS: bool = K::KEEPS_KEYS;
    const FOLD_VERSION: u32 = K::FOLD_VERSION;
    const EVENT_TIME: Option<EventTime> = Some(K::EVENT_TIME);
    const ANEW: Anew = match K::ON_NEW_VERSION {
        OnNewVersion::Replay => Anew::FromInputs,
        OnNewVersion::Cut => Anew::Cut,
    };

    fn event_time(input: &K::Input) -> DateTime<Utc> {
        K::event_time(input)
    }

    fn take(cells: &mut Cells<'_, K::Cell>, input: &Arrival<'_, K::Input>) -> Decision<K::Output> {
        K::fold(cells, input)
    }

    fn fire(cells: &mut Cells<'_, K::Cell>, timer: &TimerFired) -> Decision<K::Output> {
        K::wake(cells, timer)
    }

    fn due(cell: &K::Cell) -> Due {
        K::due(cell)
    }

    fn refusal(key: &str, cell: &str, state: &K::Cell) -> Option<String> {
        state_record::refusal(key, cell, K::size(state))
    }

    fn record_key(key: &str, cell: &str) -> String {
        state_record::record_key(key, cell)
    }

    fn key_and_cell(record_key: &str) -> (&str, &str) {
        state_record::key_and_cell(record_key)
    }

    fn save(kept: &KeptCell<'_>, state: &K::Cell) -> K::Changelog {
        state_record::record(kept, K::save(state)).into()
    }

    fn load(record: K::Changelog) -> Result<K::Cell, String> {
        let StateKept { state_key, state, .. } = K::kept(record);
        K::load(&state).map_err(|reason| format!("the cell {state_key:?}: {reason}"))
    }
}

#[cfg(test)]
mod tests;
