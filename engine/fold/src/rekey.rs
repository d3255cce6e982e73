//! Re-keying: inputs -> facts on other keys, without state.
//!
//! Every input leads to what its bytes alone say. There is no changelog and nothing to restore; offsets and facts are one
//! transaction, as for every processor, so what follows from an input is there once. The id of a fact is to be of its input
//! ([`Arrival::fact_id`]), so that it is the same whoever writes it.
//!
//! Where it says how event time is followed, partitions far ahead of the others are paused on catch-up: whoever reads the
//! new keys gets events of many partitions in one, and would find those of a slow one late.
//!
//! Not here: the loop it runs in, and why that is exactly once (`processor.rs`).

use crate::processor::{
    Anew, Arrival, Cells, Decision, Due, EventTime, KeptCell, Processor, Stateless, TimerFired, run_processor,
};
use crate::sessions::Service;
use foldstream_log::{DeadLettersEvent, Flow, ServiceKind, TopicEvent};
use std::marker::PhantomData;

/// Says things of one key about others. Pure: no clock, no I/O, no randomness, no log.
pub trait Rekey: Send + Sync + 'static {
    type Input: TopicEvent;
    type Output: TopicEvent;

    /// Names the consumer group and the transactions; it never changes.
    const NAME: &'static str;
    const EVENT_TIME: Option<EventTime> = None;

    fn rekey(input: &Arrival<'_, Self::Input>) -> Decision<Self::Output>;
}

/// Re-keys until shutdown.
pub async fn run_rekey<R: Rekey>(service: Service) {
    run_processor::<Rekeying<R>>(service).await;
}

/// What a re-keying reads and writes, as its types say.
#[must_use]
pub fn rekey_flow<R: Rekey>() -> Flow {
    Flow::of(R::NAME, ServiceKind::Processor).reading::<R::Input>().writing::<R::Output>().writing::<DeadLettersEvent>()
}

/// A re-keying as the loop runs it: nothing is kept.
struct Rekeying<R>(PhantomData<fn() -> R>);

impl<R: Rekey> Processor for Rekeying<R> {
    type Input = R::Input;
    type Output = R::Output;
    type State = Stateless;
    type Changelog = Stateless;

    const NAME: &'static str = R::NAME;
    const KEEPS_KEYS: bool = false;
    const FOLD_VERSION: u32 = 1;
    const EVENT_TIME: Option<EventTime> = R::EVENT_TIME;
    const ANEW: Anew = Anew::Cut;

    fn take(_: &mut Cells<'_, Stateless>, input: &Arrival<'_, R::Input>) -> Decision<R::Output> {
        R::rekey(input)
    }

    fn fire(_: &mut Cells<'_, Stateless>, timer: &TimerFired) -> Decision<R::Output> {
        Decision::Halt(format!("a timer of {} fired, and nothing is kept", timer.key))
    }

    fn due(none: &Stateless) -> Due {
        match *none {}
    }

    fn save(_: &KeptCell<'_>, none: &Stateless) -> Stateless {
        match *none {}
    }

    fn load(none: Stateless) -> Result<Stateless, String> {
        match none {}
    }
}
