//! Deciders: inputs -> facts, with state for each key that is the fold of those facts.
//!
//! A decider answers inputs (commands, or the events of others) with facts: events, outcomes, commands for others. Its
//! state is the fold of the facts it has written itself and of nothing else, so it can be made anew from its topics at
//! any time; `evolve` is that fold, and the only thing that ever changes a state.
//!
//! If any record of the changelog is of another version of the fold than the code's, the partition's states are folded
//! anew from the topics the decider writes ([`Decider::FACTS`]), and written to the changelog before anything is decided, so
//! many in a transaction.
//!
//! Not here: the loop it runs in, and why that is exactly once (`processor.rs`).

use crate::processor::{
    Anew, Arrival, Cells, Decision, Due, EventTime, KeptCell, Processor, TimerFired, run_processor,
};
use crate::sessions::Service;
use foldstream_log::{DeadLettersEvent, Fact, Flow, Recorded, ReplyTo, ServiceKind, Topic, TopicEvent};
use std::{borrow::Cow, marker::PhantomData};

/// Decides on inputs, one key at a time. All pure: no clock, no I/O, no randomness, no log.
pub trait Decider: Send + Sync + 'static {
    type Input: TopicEvent;
    type Output: TopicEvent;
    /// That of a key nothing is known of is its default. It does not hold its key.
    type State: Default + Clone + Send + Sync + 'static;
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
    /// How it follows the time of its inputs; where it does not, no timer on event time ever fires.
    const EVENT_TIME: Option<EventTime> = None;

    /// Under which key the state of a key is kept. Another one than the key itself ([`hidden_key`](crate::hidden_key)) where
    /// the ids of those who were erased must not stand on the changelog; then no state may want to be woken, for nobody
    /// could say who it is.
    fn kept_under(key: &str) -> Cow<'_, str> {
        Cow::Borrowed(key)
    }

    fn decide(state: &Self::State, input: &Recorded<Self::Input>) -> Decision<Self::Output>;

    /// What goes where the sender of an input wants its answer too ([`ReplyTo`]), in the same transaction; the reason why it
    /// cannot, and the input is a dead letter. It is no part of the state.
    fn reply(_: &[Fact<Self::Output>], _: &ReplyTo) -> Result<Option<Self::Output>, String> {
        Ok(None)
    }

    /// When the state wants to be woken next.
    fn due(_: &Self::State) -> Due {
        Due::default()
    }

    /// What follows from the time having come. Must move `due` on; else, and where it fails, its key is parked.
    fn wake(_: &Self::State, timer: &TimerFired) -> Decision<Self::Output> {
        Decision::Halt(format!("a timer of {} fired, and this decider has none", timer.key))
    }

    /// Whether a fact is part of the state. Others are not handed to [`Self::evolve`], and no state is written for them.
    fn is_of_state(_: &Fact<Self::Output>) -> bool {
        true
    }

    fn evolve(state: &mut Self::State, fact: &Fact<Self::Output>);

    /// The state as a record of this key, the one it is kept under.
    fn save(key: &str, state: &Self::State) -> Self::Changelog;

    fn load(record: Self::Changelog) -> Self::State;
}

/// Decides until shutdown.
pub async fn run_decider<D: Decider>(service: Service) {
    run_processor::<Deciding<D>>(service).await;
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

/// A decider as the loop runs it: one cell for each key.
struct Deciding<D>(PhantomData<fn() -> D>);

const ONLY_CELL: &str = "";

impl<D: Decider> Processor for Deciding<D> {
    type Input = D::Input;
    type Output = D::Output;
    type State = D::State;
    type Changelog = D::Changelog;

    const NAME: &'static str = D::NAME;
    const KEEPS_KEYS: bool = D::KEEPS_KEYS;
    const FOLD_VERSION: u32 = D::FOLD_VERSION;
    const EVENT_TIME: Option<EventTime> = D::EVENT_TIME;
    const ANEW: Anew = Anew::FromFacts(D::FACTS);

    fn take(cells: &mut Cells<'_, D::State>, input: &Arrival<'_, D::Input>) -> Decision<D::Output> {
        let mut decision = with_state::<D, _>(cells, |state| D::decide(state, input.record));
        evolve::<D>(cells, &decision);
        if let (Decision::Emit(facts), Some(to)) = (&mut decision, input.reply_to) {
            match D::reply(facts, to) {
                Ok(reply) => facts.extend(reply.map(Fact::Event)),
                Err(reason) => return Decision::DeadLetter(reason),
            }
        }
        decision
    }

    fn fire(cells: &mut Cells<'_, D::State>, timer: &TimerFired) -> Decision<D::Output> {
        let decision = with_state::<D, _>(cells, |state| D::wake(state, timer));
        evolve::<D>(cells, &decision);
        decision
    }

    fn due(state: &D::State) -> Due {
        D::due(state)
    }

    fn kept_under(key: &str) -> Cow<'_, str> {
        D::kept_under(key)
    }

    fn refusal(key: &str, _: &str, state: &D::State) -> Option<String> {
        let nobody_is_woken = D::due(state) == Due::default() || D::kept_under(key) == key;
        (!nobody_is_woken).then(|| format!("{key} would want to be woken, and is kept under another key"))
    }

    /// What is of no state makes none either, or whoever is refused could fill the states with ids.
    fn evolve(cells: &mut Cells<'_, D::State>, fact: &Fact<D::Output>) {
        if D::is_of_state(fact) {
            let mut state = with_state::<D, _>(cells, Clone::clone);
            D::evolve(&mut state, fact);
            cells.set(ONLY_CELL, state);
        }
    }

    fn save(kept: &KeptCell<'_>, state: &D::State) -> D::Changelog {
        D::save(kept.key, state)
    }

    fn load(record: D::Changelog) -> Result<D::State, String> {
        Ok(D::load(record))
    }
}

fn with_state<D: Decider, T>(cells: &Cells<'_, D::State>, look: impl FnOnce(&D::State) -> T) -> T {
    match cells.get(ONLY_CELL) {
        Some(state) => look(state),
        None => look(&D::State::default()),
    }
}

/// Folds what was decided into the state, which is copied only where that is part of it.
fn evolve<D: Decider>(cells: &mut Cells<'_, D::State>, decision: &Decision<D::Output>) {
    let Decision::Emit(facts) = decision else { return };
    let mut evolved: Option<D::State> = None;
    for fact in facts.iter().filter(|fact| D::is_of_state(fact)) {
        let state = evolved.get_or_insert_with(|| with_state::<D, _>(cells, Clone::clone));
        D::evolve(state, fact);
    }
    if let Some(state) = evolved {
        cells.set(ONLY_CELL, state);
    }
}

#[cfg(test)]
mod tests;
