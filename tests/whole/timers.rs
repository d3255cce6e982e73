//! What `people-processor` does not need of the decider's loop: timers, and commands for others.
//!
//! A decider of its own runs in the test: whoever is registered is erased when its time has come, and another one is
//! asked to be registered.

use crate::harness::{World, header_of, until};
use chrono::{DateTime, TimeDelta, Utc};
use foldstream_browse::Brokers;
use foldstream_events::{
    PEOPLE, PeopleEvent, PeopleProcessorStateEvent, PersonCommandsEvent, PersonErased, PersonRegistered, PersonState,
    RegisterPerson,
};
use foldstream_fold::{Decider, Decision, Due, Service, TimerFired, run_decider};
use foldstream_log::{Fact, Topic, derived_event_id, events_of};
use foldstream_log::{Recorded, Registry, TransactionalOptions, TransactionalWriter};
use foldstream_telemetry::health::Health;
use serde_json::Value;
use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};
use tokio_util::sync::CancellationToken;

/// How long a registered person lives: first longer than the test, later so short that the time has come. (A decider of
/// the product has no such variable; a machine that is busy would make a race of a fixed time.)
static LIFETIME_MS: AtomicI64 = AtomicI64::new(3_600_000);

events_of! {
    enum Output { Happened(PeopleEvent), Wished(PersonCommandsEvent) }
}

struct Mortals;

#[derive(Clone, Default)]
struct Mortal {
    is_registered: bool,
    since: DateTime<Utc>,
}

impl Decider for Mortals {
    type Input = PersonCommandsEvent;
    type Output = Output;
    type State = Mortal;
    type Changelog = PeopleProcessorStateEvent;

    const NAME: &'static str = "mortals";
    const FOLD_VERSION: u32 = 1;
    const FACTS: &'static [&'static Topic] = &[&PEOPLE];

    fn decide(_: &Mortal, input: &Recorded<PersonCommandsEvent>) -> Decision<Output> {
        let registered = PersonRegistered {
            event_id: derived_event_id(&input.position().to_string()),
            person_id: input.key.clone(),
            occurred_at: input.appended_at(),
        };
        Decision::Emit(vec![Fact::Event(PeopleEvent::from(registered).into())])
    }

    fn due(mortal: &Mortal) -> Due {
        let lifetime = TimeDelta::milliseconds(LIFETIME_MS.load(Ordering::Relaxed));
        Due { wall_time: mortal.is_registered.then(|| mortal.since + lifetime), ..Due::default() }
    }

    fn wake(_: &Mortal, timer: &TimerFired) -> Decision<Output> {
        let (event_id, occurred_at) = (derived_event_id(&format!("{}/{}", timer.key, timer.due_at)), timer.due_at);
        let person_id = timer.key.clone();
        let mut facts = vec![Fact::Event(PeopleEvent::from(PersonErased { event_id, person_id, occurred_at }).into())];
        if !timer.key.starts_with("child-of-") {
            let wish = RegisterPerson {
                event_id,
                person_id: format!("child-of-{}", timer.key),
                occurred_at,
                first_name: "a".to_owned(),
                last_name: "b".to_owned(),
                company_name: "c".to_owned(),
            };
            facts.push(Fact::Event(PersonCommandsEvent::from(wish).into()));
        }
        Decision::Emit(facts)
    }

    fn evolve(mortal: &mut Mortal, fact: &Fact<Output>) {
        match fact {
            Fact::Event(Output::Happened(PeopleEvent::PersonRegistered(event))) => {
                *mortal = Mortal { is_registered: true, since: event.occurred_at };
            }
            Fact::Event(Output::Happened(PeopleEvent::PersonErased(_))) => mortal.is_registered = false,
            _ => {}
        }
    }

    fn save(key: &str, mortal: &Mortal) -> PeopleProcessorStateEvent {
        let Mortal { is_registered, since } = mortal;
        PersonState {
            event_id: derived_event_id(key),
            person_id: key.to_owned(),
            occurred_at: *since,
            status: if *is_registered { "registered" } else { "unknown" }.to_owned(),
            first_name: String::new(),
            last_name: String::new(),
            company_name: String::new(),
            answered: Vec::new(),
        }
        .into()
    }

    fn load(record: PeopleProcessorStateEvent) -> Mortal {
        let PeopleProcessorStateEvent::PersonState(state) = record;
        Mortal { is_registered: state.status == "registered", since: state.occurred_at }
    }
}

#[test]
fn a_timer_fires_once_even_if_nobody_ran_when_it_was_due() {
    let world = World::start("timers");
    // `run all` is not needed, only a command to decide on: a copy of one that the replay sends.
    world.succeeds(&["replay", "aircraft", "--limit", "1"]);
    let key = world.newest_key("person-commands");
    let happened = || -> Vec<(String, String)> {
        let messages = world.succeeds(&["messages", "--topic", "people", "--limit", "100", "--output", "json"]);
        let messages = messages.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let event = |message: Value| {
            let kind = header_of(&message, "ce_type").as_str().unwrap().rsplit('.').next().unwrap().to_owned();
            (message["key"].as_str().unwrap().to_owned(), kind)
        };
        let mut events: Vec<_> = messages.map(event).collect();
        events.sort();
        events
    };
    let until_happened = |what: &[(&str, &str)]| {
        let mut what: Vec<_> = what.iter().map(|(key, kind)| ((*key).to_owned(), (*kind).to_owned())).collect();
        what.sort();
        until(&format!("{what:?} happened"), Duration::from_secs(60), || {
            let found = happened();
            if found == what { Ok(()) } else { Err(format!("{found:?}")) }
        });
    };

    // Registered, and stopped before its time has come.
    let first = Running::start(&world);
    until_happened(&[(&key, "PersonRegistered")]);
    first.stop();
    LIFETIME_MS.store(1_000, Ordering::Relaxed);
    until_happened(&[(&key, "PersonRegistered")]);

    // A state that another version of the fold has made is none: the states are made anew from what was written. As it
    // stands there, nobody would ever be woken.
    append_stale_state(&world, &key);
    // The timer is in the restored state; it fires, and so does that of the one it led to.
    let second = Running::start(&world);
    let child = format!("child-of-{key}");
    let all = [
        (key.as_str(), "PersonRegistered"),
        (&key, "PersonErased"),
        (&child, "PersonRegistered"),
        (&child, "PersonErased"),
    ];
    until_happened(&all);
    second.stop();

    // Nothing fires again.
    let third = Running::start(&world);
    world.append("person-commands", "x", b"no command");
    until("the next record is taken", Duration::from_secs(60), || {
        let letters = world.succeeds(&["messages", "--topic", "dead-letters", "--output", "json"]);
        if letters.lines().count() == 1 { Ok(()) } else { Err(letters) }
    });
    third.stop();
    until_happened(&all);
}

/// Puts a wrong state of another fold version behind the right one.
fn append_stale_state(world: &World, key: &str) {
    let wire = world.log();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let options = TransactionalOptions {
        source: "mortals",
        transactional_id: "another-version".to_owned(),
        record_types: PeopleProcessorStateEvent::RECORD_TYPES.iter().collect(),
        linger_ms: 0,
    };
    let registry = Registry::new(&wire).unwrap();
    let mut writer = runtime.block_on(TransactionalWriter::connect(&wire, &registry, options)).unwrap();
    writer.fence().unwrap();
    writer.begin().unwrap();
    writer.append_state(&Mortals::save(key, &Mortal::default()), Mortals::FOLD_VERSION + 1).unwrap();
    writer.commit().unwrap();
}

/// The decider in a runtime of its own.
struct Running {
    runtime: tokio::runtime::Runtime,
    shutdown: CancellationToken,
    running: tokio::task::JoinHandle<()>,
}

impl Running {
    fn start(world: &World) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let wire = world.log();
        let shutdown = CancellationToken::new();
        let service = Service {
            registry: Registry::new(&wire).unwrap(),
            brokers: Brokers::new(&wire),
            component: Health::new().component("mortals"),
            shutdown: shutdown.clone(),
            wire,
        };
        let running = runtime.spawn(run_decider::<Mortals>(service));
        Self { runtime, shutdown, running }
    }

    fn stop(self) {
        self.shutdown.cancel();
        self.runtime.block_on(self.running).unwrap();
    }
}
