//! What follows from a wish about a person.
//!
//! | wish | unknown | registered | erased |
//! |---|---|---|---|
//! | register | registered | refused | refused |
//! | change | refused | changed, or unchanged where it is so already | refused |
//! | erase | refused | erased | unchanged |
//!
//! An id is never used again after its person was erased. Nothing is remembered of people who are not known, or anybody
//! could fill the state with ids.

use crate::{
    person::{Person, Profile, Status},
    records,
};
use foldstream_events::{
    ChangePerson, PEOPLE, PEOPLE_PROCESSOR_STATE, PERSON_OUTCOMES, PERSON_PROFILES, PeopleEvent,
    PeopleProcessorStateEvent, PersonChanged, PersonCommandsEvent, PersonErased, PersonOutcomesEvent,
    PersonProfileRecorded, PersonProfilesEvent, PersonRegistered, RegisterPerson,
};
use foldstream_fold::{Aggregate, Answer, CommandDecided, Kept, Received, Rejection, hidden_key};
use foldstream_log::{Fact, Topic, TopicEvent, events_of};
use std::borrow::Cow;

events_of! {
    /// What is written about people.
    pub enum Output {
        Happened(PeopleEvent),
        Profile(PersonProfilesEvent),
        Outcome(PersonOutcomesEvent),
    }
}

/// Why a command is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    Unknown,
    Erased,
    Known,
}

impl Rule {
    /// For programs; it never changes.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "person_unknown",
            Self::Erased => "person_erased",
            Self::Known => "person_known",
        }
    }

    const fn reason(self) -> &'static str {
        match self {
            Self::Unknown => "must be the id of a person who is known",
            Self::Erased => "the person was erased; the id is not used again",
            Self::Known => "a person of this id is registered already",
        }
    }

    fn rejects(self) -> Answer<Output> {
        Answer::Rejected(Rejection { rule: self.name(), reason: Cow::Borrowed(self.reason()) })
    }
}

#[derive(Debug)]
pub struct People;

type Command<'a> = Received<'a, PersonCommandsEvent>;

impl Aggregate for People {
    type Command = PersonCommandsEvent;
    type Event = Output;
    type State = Person;
    type Changelog = PeopleProcessorStateEvent;

    const NAME: &'static str = "people-processor";
    // The second keeps states under hashes of the ids.
    const FOLD_VERSION: u32 = 2;
    const FACTS: &'static [&'static Topic] = &[&PEOPLE, &PERSON_PROFILES, &PERSON_OUTCOMES];

    /// An id is never used again, so whoever was erased must be known by it; and it stands on no topic but those of the facts.
    fn kept_under(key: &str) -> Cow<'_, str> {
        Cow::Owned(hidden_key(Self::NAME, key, &PEOPLE_PROCESSOR_STATE))
    }

    fn decide(person: &Person, received: &Command<'_>) -> Answer<Output> {
        match received.command {
            PersonCommandsEvent::RegisterPerson(wish) => register(person, wish, received),
            PersonCommandsEvent::ChangePerson(wish) => change(person, wish, received),
            PersonCommandsEvent::ErasePerson(_) => erase(person, received),
        }
    }

    fn evolve(person: &mut Person, event: &Fact<Output>) {
        match event {
            Fact::Event(Output::Happened(event)) => {
                person.event_id = event.event_id();
                person.occurred_at = event.occurred_at();
                person.status = match event {
                    PeopleEvent::PersonRegistered(_) | PeopleEvent::PersonChanged(_) => Status::Registered,
                    PeopleEvent::PersonErased(_) => Status::Erased,
                };
            }
            Fact::Event(Output::Profile(PersonProfilesEvent::PersonProfileRecorded(recorded))) => {
                let PersonProfileRecorded { first_name, last_name, company_name, .. } = recorded.clone();
                person.profile = Profile { first_name, last_name, company_name };
            }
            Fact::Event(Output::Outcome(_)) => {}
            Fact::Tombstone { .. } => person.profile = Profile::default(),
        }
    }

    fn content(command: &PersonCommandsEvent) -> String {
        match command {
            PersonCommandsEvent::RegisterPerson(wish) => {
                format!("register {:?} {:?} {:?}", wish.first_name, wish.last_name, wish.company_name)
            }
            PersonCommandsEvent::ChangePerson(wish) => {
                format!("change {:?} {:?} {:?}", wish.first_name, wish.last_name, wish.company_name)
            }
            PersonCommandsEvent::ErasePerson(_) => "erase".to_owned(),
        }
    }

    fn remembers(rule: &str) -> bool {
        rule != Rule::Unknown.name()
    }

    /// Nobody is kept who wants to be erased.
    fn needs_no_memory(command: &PersonCommandsEvent) -> bool {
        matches!(command, PersonCommandsEvent::ErasePerson(_))
    }

    fn outcome(decided: CommandDecided) -> Output {
        Output::Outcome(records::outcome(decided).into())
    }

    fn outcome_of(event: &Output) -> Option<CommandDecided> {
        match event {
            Output::Outcome(PersonOutcomesEvent::PersonCommandDecided(outcome)) => Some(records::decided(outcome)),
            Output::Happened(_) | Output::Profile(_) => None,
        }
    }

    fn save(key: &str, kept: &Kept<Person>) -> PeopleProcessorStateEvent {
        records::state(key, kept).into()
    }

    fn load(record: PeopleProcessorStateEvent) -> Kept<Person> {
        let PeopleProcessorStateEvent::PersonState(state) = record;
        records::kept(state)
    }
}

fn register(person: &Person, wish: &RegisterPerson, received: &Command<'_>) -> Answer<Output> {
    match person.status {
        Status::Registered => return Rule::Known.rejects(),
        Status::Erased => return Rule::Erased.rejects(),
        Status::Unknown => {}
    }
    let RegisterPerson { first_name, last_name, company_name, .. } = wish.clone();
    let registered = PersonRegistered {
        event_id: received.event_id(0),
        person_id: received.record.key.clone(),
        occurred_at: received.record.appended_at(),
    };
    Answer::Accepted(vec![
        Fact::Event(PeopleEvent::from(registered).into()),
        recorded(Profile { first_name, last_name, company_name }, received),
    ])
}

fn change(person: &Person, wish: &ChangePerson, received: &Command<'_>) -> Answer<Output> {
    match person.status {
        Status::Unknown => return Rule::Unknown.rejects(),
        Status::Erased => return Rule::Erased.rejects(),
        Status::Registered => {}
    }
    let mut profile = person.profile.clone();
    let mut changed = Vec::new();
    let fields = [
        ("first_name", &wish.first_name, &mut profile.first_name),
        ("last_name", &wish.last_name, &mut profile.last_name),
        ("company_name", &wish.company_name, &mut profile.company_name),
    ];
    for (name, wished, stands) in fields {
        if let Some(wished) = wished.as_ref().filter(|wished| *wished != stands) {
            stands.clone_from(wished);
            changed.push(name.to_owned());
        }
    }
    if changed.is_empty() {
        return Answer::Unchanged;
    }
    let event = PersonChanged {
        event_id: received.event_id(0),
        person_id: received.record.key.clone(),
        occurred_at: received.record.appended_at(),
        changed,
    };
    Answer::Accepted(vec![Fact::Event(PeopleEvent::from(event).into()), recorded(profile, received)])
}

fn erase(person: &Person, received: &Command<'_>) -> Answer<Output> {
    match person.status {
        Status::Unknown => return Rule::Unknown.rejects(),
        Status::Erased => return Answer::Unchanged,
        Status::Registered => {}
    }
    let erased = PersonErased {
        event_id: received.event_id(0),
        person_id: received.record.key.clone(),
        occurred_at: received.record.appended_at(),
    };
    Answer::Accepted(vec![
        Fact::Event(PeopleEvent::from(erased).into()),
        Fact::Tombstone { topic: &PERSON_PROFILES, key: received.record.key.clone() },
    ])
}

fn recorded(profile: Profile, received: &Command<'_>) -> Fact<Output> {
    let Profile { first_name, last_name, company_name } = profile;
    let profile = PersonProfileRecorded {
        event_id: received.event_id(1),
        person_id: received.record.key.clone(),
        occurred_at: received.record.appended_at(),
        first_name,
        last_name,
        company_name,
    };
    Fact::Event(PersonProfilesEvent::from(profile).into())
}

#[cfg(test)]
mod tests;
