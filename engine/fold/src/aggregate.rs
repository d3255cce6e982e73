//! Aggregates: commands -> events, and exactly one outcome for each command.
//!
//! An aggregate says what its rules are, in two pure functions: [`Aggregate::decide`] and [`Aggregate::evolve`]. What is the
//! same for every aggregate is written here, once:
//!
//! - **One outcome for each command**, after the events it led to, in the same transaction.
//! - **Command memory.** With the state of a key stand the commands of [`REMEMBERED_FOR`] and what was decided. A command that
//!   comes again within that time is answered as the first time (`duplicate`), whatever came in between; one that comes with
//!   another content is refused ([`KEY_REUSED`]). A state is bounded: of a key [`MOST_REMEMBERED`] are remembered, and where
//!   there is no room for another one it is refused ([`TOO_MANY_COMMANDS`]) until the oldest is forgotten. Forgetting one
//!   before its time was rejected: sent again, it would be carried out again, and take back what came after it.
//! - **Request and reply.** A command whose header names a topic and a key ([`ReplyTo`]) has its outcome there too, in the
//!   same transaction: this is how a process manager hears of it.
//! - **The fold of its own facts.** The memory is folded from the outcomes as the state is from the events, so all of it can
//!   be made anew from the topics. Whether a command is remembered is therefore told by its outcome alone.
//!
//! Every aggregate is a [`Decider`], and runs in its loop.
//!
//! Not here: the records that cross the wire. Each aggregate says how an outcome and a state become records of its topics.

mod memory;
mod records;

pub use memory::{
    AnsweredCommand, CommandDecided, KEY_REUSED, Kept, MOST_REMEMBERED, REMEMBERED_FOR, Rejection, TOO_MANY_COMMANDS,
    Verdict,
};

use crate::{
    decider::Decider,
    processor::{Decision, Due, EventTime, TimerFired},
};
use foldstream_log::{Fact, Recorded, ReplyTo, Topic, TopicEvent, derived_event_id};
use memory::is_remembered;
use std::borrow::Cow;
use uuid::Uuid;

/// What there is to be decided about one thing, told apart by the record key. All pure: no clock, no I/O, no randomness,
/// no log.
pub trait Aggregate: Send + Sync + 'static {
    type Command: TopicEvent;
    /// All that is written but the state: events and outcomes.
    type Event: TopicEvent;
    /// That of a key nothing is known of is its default. It does not hold its key.
    type State: Default + Clone + Send + Sync + 'static;
    /// State and command memory as a record.
    type Changelog: TopicEvent;

    /// Names the consumer group and the transactions; it never changes.
    const NAME: &'static str;
    /// Changes whenever `evolve` or the meaning of the state does.
    const FOLD_VERSION: u32;
    /// The topics of `Event`, partitioned alike. Each part of a state must be fed by one of them: they are folded one after
    /// the other when state is made anew.
    const FACTS: &'static [&'static Topic];
    /// How it follows the time of its commands; where it does not, no timer on event time ever fires.
    const EVENT_TIME: Option<EventTime> = None;

    /// Under which key the state of a key is kept, as [`Decider::kept_under`] has it.
    fn kept_under(key: &str) -> Cow<'_, str> {
        Cow::Borrowed(key)
    }

    /// What a command comes to that was not decided before.
    fn decide(state: &Self::State, command: &Received<'_, Self::Command>) -> Answer<Self::Event>;

    /// When the state wants to be woken next.
    fn due(_: &Self::State) -> Due {
        Due::default()
    }

    /// The events that follow from the time having come. Must move `due` on; else, and where it fails, its key is parked.
    fn wake(_: &Self::State, timer: &TimerFired) -> Result<Vec<Fact<Self::Event>>, String> {
        Err(format!("a timer of {} fired, and this aggregate has none", timer.key))
    }

    /// Takes an event, never an outcome.
    fn evolve(state: &mut Self::State, event: &Fact<Self::Event>);

    /// What a command asks for, without its envelope: two with the same id must agree in it.
    fn content(command: &Self::Command) -> String;

    /// Whether a command that was rejected by this rule is remembered. Not where nothing is known of the key, or anybody
    /// could fill the state with keys.
    fn remembers(_rule: &str) -> bool {
        true
    }

    /// Whether a command comes to the same however often it is carried out, and must be whatever came before it: it is decided
    /// even where it cannot be remembered.
    fn needs_no_memory(_: &Self::Command) -> bool {
        false
    }

    /// An outcome as a record.
    fn outcome(decided: CommandDecided) -> Self::Event;

    /// The outcome that a record is; none where it is an event.
    fn outcome_of(event: &Self::Event) -> Option<CommandDecided>;

    /// The outcome as a record of a topic on which the sender of a command wants it too; none where this aggregate answers
    /// nobody there, and such a command is a dead letter. Its key is the one the sender named.
    fn reply(_topic: &str, _decided: CommandDecided) -> Option<Self::Event> {
        None
    }

    /// As a record of this key, the one it is kept under.
    fn save(key: &str, kept: &Kept<Self::State>) -> Self::Changelog;

    fn load(record: Self::Changelog) -> Kept<Self::State>;
}

/// A command, and where it lies.
#[derive(Debug, Clone, Copy)]
pub struct Received<'a, C> {
    pub command: &'a C,
    pub record: &'a Recorded<C>,
}

impl<C> Received<'_, C> {
    /// The id of an event that follows from the command: of its place in the log, so that deciding again makes the same.
    #[must_use]
    pub fn event_id(&self, index: u8) -> Uuid {
        // The outcome bears number 2.
        let number = if index < OUTCOME_NUMBER { u16::from(index) } else { u16::from(index) + 1 };
        derived_event_id(&format!("{}/{number}", self.record.position()))
    }

    fn outcome_id(&self) -> Uuid {
        derived_event_id(&format!("{}/{OUTCOME_NUMBER}", self.record.position()))
    }
}

const OUTCOME_NUMBER: u8 = 2;

/// What an aggregate makes of a command.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer<E> {
    /// These events, in this order.
    Accepted(Vec<Fact<E>>),
    /// It is so already.
    Unchanged,
    /// It is against a rule.
    Rejected(Rejection),
}

impl<A: Aggregate> Decider for A {
    type Input = A::Command;
    type Output = A::Event;
    type State = Kept<A::State>;
    type Changelog = A::Changelog;

    const NAME: &'static str = A::NAME;
    const KEEPS_KEYS: bool = true;
    const FOLD_VERSION: u32 = A::FOLD_VERSION;
    const FACTS: &'static [&'static Topic] = A::FACTS;
    const EVENT_TIME: Option<EventTime> = A::EVENT_TIME;

    fn kept_under(key: &str) -> Cow<'_, str> {
        A::kept_under(key)
    }

    fn decide(kept: &Kept<A::State>, input: &Recorded<A::Command>) -> Decision<A::Event> {
        let Some(command) = &input.event else {
            return Decision::DeadLetter("a record without a value is no command".to_owned());
        };
        let received = Received { command, record: input };
        let content = A::content(command);
        let remembered = memory::remembered(&kept.answered, input.appended_at());
        let answered = remembered.iter().find(|answered| answered.command_id == command.event_id());
        let has_room = remembered.len() < MOST_REMEMBERED || A::needs_no_memory(command);
        let (mut facts, verdict) = match answered {
            Some(first) if memory::is_the_same(first, &content) => (Vec::new(), Verdict::duplicate(first)),
            Some(_) => (Vec::new(), Verdict::rejected(memory::key_reused())),
            None if !has_room => (Vec::new(), Verdict::rejected(memory::too_many(remembered))),
            None => match A::decide(&kept.state, &received) {
                Answer::Accepted(events) => (events, Verdict::accepted()),
                Answer::Unchanged => (Vec::new(), Verdict::unchanged()),
                Answer::Rejected(rejection) => (Vec::new(), Verdict::rejected(rejection)),
            },
        };
        facts.push(Fact::Event(A::outcome(CommandDecided {
            event_id: received.outcome_id(),
            key: input.key.clone(),
            occurred_at: input.appended_at(),
            command_id: command.event_id(),
            command: command.record_type().full_name.to_owned(),
            content_hash: memory::content_hash(command.event_id(), &content),
            verdict,
        })));
        Decision::Emit(facts)
    }

    fn reply(facts: &[Fact<A::Event>], to: &ReplyTo) -> Result<Option<A::Event>, String> {
        let Some(decided) = facts.iter().find_map(outcome_in::<A>) else { return Ok(None) };
        let event_id = derived_event_id(&format!("{}/{to}", decided.event_id));
        let reply = A::reply(&to.topic, CommandDecided { event_id, key: to.key.clone(), ..decided });
        let reply = reply.ok_or_else(|| format!("its outcome is wanted on {to}, where nobody is answered"))?;
        reply.check().map_err(|violation| format!("its outcome is wanted on {to}: {violation}"))?;
        Ok(Some(reply))
    }

    fn due(kept: &Kept<A::State>) -> Due {
        A::due(&kept.state)
    }

    fn wake(kept: &Kept<A::State>, timer: &TimerFired) -> Decision<A::Event> {
        A::wake(&kept.state, timer).map_or_else(Decision::Halt, Decision::Emit)
    }

    fn is_of_state(fact: &Fact<A::Event>) -> bool {
        outcome_in::<A>(fact).is_none_or(|decided| is_remembered(&decided.verdict, A::remembers))
    }

    fn evolve(kept: &mut Kept<A::State>, fact: &Fact<A::Event>) {
        match outcome_in::<A>(fact) {
            None => A::evolve(&mut kept.state, fact),
            Some(decided) if is_remembered(&decided.verdict, A::remembers) => {
                memory::remember(&mut kept.answered, decided);
            }
            Some(_) => {}
        }
    }

    fn save(key: &str, kept: &Kept<A::State>) -> A::Changelog {
        A::save(key, kept)
    }

    fn load(record: A::Changelog) -> Kept<A::State> {
        A::load(record)
    }
}

fn outcome_in<A: Aggregate>(fact: &Fact<A::Event>) -> Option<CommandDecided> {
    match fact {
        Fact::Event(event) => A::outcome_of(event),
        Fact::Tombstone { .. } => None,
    }
}

#[cfg(test)]
mod tests;
