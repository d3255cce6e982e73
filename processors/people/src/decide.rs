//! What follows from a wish about a person.
//!
//! | wish | unknown | registered | erased |
//! |---|---|---|---|
//! | register | registered | refused | refused |
//! | change | refused | changed, or unchanged where it is so already | refused |
//! | erase | refused | erased | unchanged |
//!
//! An id is never used again after its person was erased. The last [`REMEMBERED`] commands of a known person are
//! remembered: one that comes again is answered as the first time, and one that comes with another content is refused.
//! Nothing is remembered of people who are not known, or anybody could fill the state with ids.

use foldstream_events::{
    AnsweredCommand, PEOPLE, PERSON_OUTCOMES, PERSON_PROFILES, PeopleEvent, PeopleProcessorStateEvent, PersonChanged,
    PersonCommandDecided, PersonCommandsEvent, PersonErased, PersonOutcomesEvent, PersonProfileRecorded,
    PersonProfilesEvent, PersonRegistered, PersonState,
};
use foldstream_fold::{Decider, Decision};
use foldstream_log::Recorded;
use foldstream_log::{Fact, Topic, TopicEvent, derived_event_id, events_of};
use std::fmt;
use uuid::Uuid;

/// How many commands of a person are remembered.
pub const REMEMBERED: usize = 64;

events_of! {
    /// What is written about people.
    pub enum Output {
        Happened(PeopleEvent),
        Profile(PersonProfilesEvent),
        Outcome(PersonOutcomesEvent),
    }
}

/// What became of a command, as it stands in an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decided {
    Accepted,
    /// It was so already.
    Unchanged,
    Rejected,
    /// It was decided before.
    Duplicate,
}

/// Why a command is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    PersonUnknown,
    PersonErased,
    PersonKnown,
    KeyReused,
}

impl Decided {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Unchanged => "unchanged",
            Self::Rejected => "rejected",
            Self::Duplicate => "duplicate",
        }
    }
}

impl Rule {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::PersonUnknown => "person_unknown",
            Self::PersonErased => "person_erased",
            Self::PersonKnown => "person_known",
            Self::KeyReused => "idempotency_key_reused",
        }
    }

    fn reason(self) -> &'static str {
        match self {
            Self::PersonUnknown => "must be the id of a person who is known",
            Self::PersonErased => "the person was erased; the id is not used again",
            Self::PersonKnown => "a person of this id is registered already",
            Self::KeyReused => "an idempotency key belongs to one request; this one came with another content before",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

const UNKNOWN: &str = "unknown";
const REGISTERED: &str = "registered";
const ERASED: &str = "erased";

#[derive(Debug)]
pub struct People;

impl Decider for People {
    type Input = PersonCommandsEvent;
    type Output = Output;
    type State = PersonState;
    type Changelog = PeopleProcessorStateEvent;

    const NAME: &'static str = "people-processor";
    const KEEPS_KEYS: bool = true;
    const FOLD_VERSION: u32 = 1;
    const FACTS: &'static [&'static Topic] = &[&PEOPLE, &PERSON_PROFILES, &PERSON_OUTCOMES];

    fn initial(key: &str) -> PersonState {
        PersonState {
            event_id: Uuid::nil(),
            person_id: key.to_owned(),
            occurred_at: Default::default(),
            status: UNKNOWN.to_owned(),
            first_name: String::new(),
            last_name: String::new(),
            company_name: String::new(),
            answered: Vec::new(),
        }
    }

    fn decide(state: &PersonState, input: &Recorded<PersonCommandsEvent>) -> Decision<Output> {
        let Some(command) = &input.event else {
            return Decision::DeadLetter("a record without a value is no command".to_owned());
        };
        let asked = Asked { command, input, content_hash: content_hash(command) };
        let answered = state.answered.iter().find(|answered| answered.command_id == command.event_id());
        let facts = match answered {
            Some(answered) if answered.content_hash == asked.content_hash => vec![asked.again(answered)],
            Some(_) => vec![asked.rejected(Rule::KeyReused)],
            None => match command {
                PersonCommandsEvent::RegisterPerson(_) => asked.register(state),
                PersonCommandsEvent::ChangePerson(_) => asked.change(state),
                PersonCommandsEvent::ErasePerson(_) => asked.erase(state),
            },
        };
        Decision::Emit(facts)
    }

    fn evolve(state: &mut PersonState, fact: &Fact<Output>) {
        match fact {
            Fact::Event(Output::Happened(event)) => {
                state.event_id = event.event_id();
                state.occurred_at = event.occurred_at();
                let status = match event {
                    PeopleEvent::PersonRegistered(_) | PeopleEvent::PersonChanged(_) => REGISTERED,
                    PeopleEvent::PersonErased(_) => ERASED,
                };
                state.status = status.to_owned();
            }
            Fact::Event(Output::Profile(PersonProfilesEvent::PersonProfileRecorded(profile))) => {
                state.first_name.clone_from(&profile.first_name);
                state.last_name.clone_from(&profile.last_name);
                state.company_name.clone_from(&profile.company_name);
            }
            Fact::Event(Output::Outcome(PersonOutcomesEvent::PersonCommandDecided(outcome))) => {
                remember(state, outcome)
            }
            Fact::Tombstone { .. } => {
                state.first_name.clear();
                state.last_name.clear();
                state.company_name.clear();
            }
        }
    }

    fn save(state: &PersonState) -> PeopleProcessorStateEvent {
        state.clone().into()
    }

    fn load(record: PeopleProcessorStateEvent) -> PersonState {
        let PeopleProcessorStateEvent::PersonState(state) = record;
        state
    }
}

/// Only what is told by the outcome decides whether it is remembered: a state made anew from the topics must be the
/// same.
fn remember(state: &mut PersonState, outcome: &PersonCommandDecided) {
    let rule = outcome.rule.as_deref();
    let is_new = outcome.decision != Decided::Duplicate.name() && rule != Some(Rule::KeyReused.name());
    if !is_new || rule == Some(Rule::PersonUnknown.name()) {
        return;
    }
    state.answered.push(AnsweredCommand {
        command_id: outcome.command_id,
        content_hash: outcome.content_hash,
        decision: outcome.decision.clone(),
        rule: outcome.rule.clone(),
        reason: outcome.reason.clone(),
    });
    let forgotten = state.answered.len().saturating_sub(REMEMBERED);
    state.answered.drain(..forgotten);
}

/// A command that was not answered yet.
struct Asked<'a> {
    command: &'a PersonCommandsEvent,
    input: &'a Recorded<PersonCommandsEvent>,
    content_hash: Uuid,
}

impl Asked<'_> {
    fn register(&self, state: &PersonState) -> Vec<Fact<Output>> {
        let PersonCommandsEvent::RegisterPerson(wish) = self.command else { return Vec::new() };
        match state.status.as_str() {
            REGISTERED => vec![self.rejected(Rule::PersonKnown)],
            ERASED => vec![self.rejected(Rule::PersonErased)],
            _ => {
                let registered = PersonRegistered {
                    event_id: self.event_id(0),
                    person_id: self.input.key.clone(),
                    occurred_at: self.input.appended_at(),
                };
                vec![
                    Fact::Event(PeopleEvent::from(registered).into()),
                    self.profile(&wish.first_name, &wish.last_name, &wish.company_name),
                    self.decided(Decided::Accepted),
                ]
            }
        }
    }

    fn change(&self, state: &PersonState) -> Vec<Fact<Output>> {
        let PersonCommandsEvent::ChangePerson(wish) = self.command else { return Vec::new() };
        match state.status.as_str() {
            REGISTERED => {}
            ERASED => return vec![self.rejected(Rule::PersonErased)],
            _ => return vec![self.rejected(Rule::PersonUnknown)],
        }
        let fields = [
            ("first_name", &wish.first_name, &state.first_name),
            ("last_name", &wish.last_name, &state.last_name),
            ("company_name", &wish.company_name, &state.company_name),
        ];
        let changed: Vec<String> = fields
            .iter()
            .filter(|(_, wished, known)| wished.as_ref().is_some_and(|wished| wished != *known))
            .map(|(name, ..)| (*name).to_owned())
            .collect();
        if changed.is_empty() {
            return vec![self.decided(Decided::Unchanged)];
        }
        let [first_name, last_name, company_name] = fields.map(|(_, wished, known)| wished.as_ref().unwrap_or(known));
        let event = PersonChanged {
            event_id: self.event_id(0),
            person_id: self.input.key.clone(),
            occurred_at: self.input.appended_at(),
            changed,
        };
        vec![
            Fact::Event(PeopleEvent::from(event).into()),
            self.profile(first_name, last_name, company_name),
            self.decided(Decided::Accepted),
        ]
    }

    fn erase(&self, state: &PersonState) -> Vec<Fact<Output>> {
        match state.status.as_str() {
            REGISTERED => {
                let erased = PersonErased {
                    event_id: self.event_id(0),
                    person_id: self.input.key.clone(),
                    occurred_at: self.input.appended_at(),
                };
                vec![
                    Fact::Event(PeopleEvent::from(erased).into()),
                    Fact::Tombstone { topic: &PERSON_PROFILES, key: self.input.key.clone() },
                    self.decided(Decided::Accepted),
                ]
            }
            ERASED => vec![self.decided(Decided::Unchanged)],
            _ => vec![self.rejected(Rule::PersonUnknown)],
        }
    }

    fn profile(&self, first_name: &str, last_name: &str, company_name: &str) -> Fact<Output> {
        let profile = PersonProfileRecorded {
            event_id: self.event_id(1),
            person_id: self.input.key.clone(),
            occurred_at: self.input.appended_at(),
            first_name: first_name.to_owned(),
            last_name: last_name.to_owned(),
            company_name: company_name.to_owned(),
        };
        Fact::Event(PersonProfilesEvent::from(profile).into())
    }

    fn decided(&self, decided: Decided) -> Fact<Output> {
        self.outcome(decided, None, None, None)
    }

    fn rejected(&self, rule: Rule) -> Fact<Output> {
        self.outcome(Decided::Rejected, Some(rule.name().to_owned()), Some(rule.reason().to_owned()), None)
    }

    fn again(&self, first: &AnsweredCommand) -> Fact<Output> {
        self.outcome(Decided::Duplicate, first.rule.clone(), first.reason.clone(), Some(first.decision.clone()))
    }

    fn outcome(
        &self,
        decided: Decided,
        rule: Option<String>,
        reason: Option<String>,
        first_decision: Option<String>,
    ) -> Fact<Output> {
        let outcome = PersonCommandDecided {
            event_id: self.event_id(2),
            person_id: self.input.key.clone(),
            occurred_at: self.input.appended_at(),
            command_id: self.command.event_id(),
            command: self.command.record_type().full_name.to_owned(),
            content_hash: self.content_hash,
            decision: decided.name().to_owned(),
            rule,
            reason,
            first_decision,
        };
        Fact::Event(PersonOutcomesEvent::from(outcome).into())
    }

    /// Of the command's place in the log, so that deciding again makes the same ids.
    fn event_id(&self, index: u8) -> Uuid {
        derived_event_id(&format!("{}/{index}", self.input.position()))
    }
}

/// What a command asks for, without its envelope.
fn content_hash(command: &PersonCommandsEvent) -> Uuid {
    let content = match command {
        PersonCommandsEvent::RegisterPerson(wish) => {
            format!("register {:?} {:?} {:?}", wish.first_name, wish.last_name, wish.company_name)
        }
        PersonCommandsEvent::ChangePerson(wish) => {
            format!("change {:?} {:?} {:?}", wish.first_name, wish.last_name, wish.company_name)
        }
        PersonCommandsEvent::ErasePerson(_) => "erase".to_owned(),
    };
    derived_event_id(&content)
}

#[cfg(test)]
mod tests;
