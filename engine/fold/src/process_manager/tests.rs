//! A trip is booked in three steps. Whatever is answered, and whatever is not: what was done is taken back where it fails.

use super::*;
use crate::processor::Clock;
use foldstream_log::{
    Cleanup, MAX_RECORD_BYTES, RecordType, Violation, Writers,
    generated::{STATE_KEPT_RULES, STATE_KEPT_SCHEMA},
    topic_events,
};
use proptest::prelude::*;
use serde::{Deserializer, Serializer};
use std::collections::BTreeMap;

const fn topic(name: &'static str) -> Topic {
    Topic {
        name,
        key: "key",
        partitions: 3,
        cleanup: Cleanup::KeepAll,
        max_record_bytes: MAX_RECORD_BYTES,
        writers: Writers::Services(&["tests"]),
    }
}

static REPLIES: Topic = topic("replies");
static STATES: Topic = topic("states");
static COMMANDS: Topic = topic("commands");
static ORDERED: RecordType =
    RecordType { topic: "commands", full_name: "test.Told", key: "key", schema: "", rules: &[] };

topic_events! {
    StatesEvent on STATES {
        StateKept keyed by state_key: "foldstream.engine.StateKept", STATE_KEPT_SCHEMA, STATE_KEPT_RULES;
    }
}

/// All there is: what begins, what is ordered, what is answered, what ends.
#[derive(Debug, Clone, PartialEq)]
enum Told {
    Begins,
    Orders { name: &'static str, id: Uuid },
    Answers(Box<CommandDecided>),
    Ends(Option<Failure>),
}

impl TopicEvent for Told {
    fn topics() -> &'static [&'static Topic] {
        static TOPICS: &[&Topic] = &[&COMMANDS];
        TOPICS
    }

    fn record_types() -> Vec<&'static RecordType> {
        vec![&ORDERED]
    }

    fn record_type(&self) -> &'static RecordType {
        &ORDERED
    }

    fn key(&self) -> &str {
        "trip"
    }

    fn event_id(&self) -> Uuid {
        Uuid::nil()
    }

    fn occurred_at(&self) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH
    }

    fn check(&self) -> Result<(), Violation> {
        Ok(())
    }

    fn deserialize<'de, D: Deserializer<'de>>(_: &str, _: &str, _: D) -> Option<Result<Self, D::Error>> {
        None
    }

    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_unit()
    }
}

struct Trips;

impl ProcessManager for Trips {
    type Input = Told;
    type Output = Told;
    type Command = Told;
    type Data = u8;
    type Changelog = StatesEvent;

    const NAME: &'static str = "trips";
    const REPLIES: &'static Topic = &REPLIES;
    const STEPS: &'static [Step] = &[
        Step { name: "flight", time_limit: Duration::from_secs(10), compensation: Some("cancel-flight") },
        Step { name: "mail", time_limit: Duration::from_secs(20), compensation: None },
        Step { name: "hotel", time_limit: Duration::from_secs(30), compensation: Some("cancel-hotel") },
    ];

    fn begin(event: &Recorded<Told>) -> Option<u8> {
        matches!(event.event, Some(Told::Begins)).then_some(7)
    }

    fn outcome(input: &Told) -> Option<&CommandDecided> {
        match input {
            Told::Answers(decided) => Some(decided),
            _ => None,
        }
    }

    fn command(_: &u8, request: &Request<'_>) -> Told {
        Told::Orders { name: request.name, id: request.command_id }
    }

    fn ended(_: &u8, end: &SagaEnd<'_>) -> Option<Told> {
        Some(Told::Ends(end.failure.cloned()))
    }

    fn kept(record: StatesEvent) -> StateKept {
        let StatesEvent::StateKept(kept) = record;
        kept
    }
}

type Trip = Leading<Trips>;

/// One saga; kept and loaded again after each step.
#[derive(Default)]
struct World {
    kept: Option<Saga<u8>>,
    ordered: Vec<&'static str>,
    ended: Vec<Option<Failure>>,
    seconds: i64,
}

impl World {
    fn begun() -> Self {
        let mut world = Self::default();
        world.tell(Told::Begins);
        world
    }

    fn tell(&mut self, told: Told) {
        let record = Recorded {
            topic: "any",
            partition: 0,
            offset: 0,
            appended_at_ms: self.seconds * 1000,
            key: "trip".to_owned(),
            event: Some(told),
        };
        let arrival =
            Arrival { record: &record, watermark: None, is_late: false, reply_to: None, service: Trips::NAME };
        self.take(|cells| Trip::take(cells, &arrival));
    }

    /// The time that is due comes, where any is.
    fn wait(&mut self) {
        let Some(due_at) = self.kept.as_ref().and_then(|saga| Trip::due(saga).wall_time) else { return };
        self.seconds = due_at.timestamp();
        let (key, cell) = ("trip".to_owned(), String::new());
        let timer = TimerFired { key, cell, clock: Clock::Wall, due_at, service: Trips::NAME };
        self.take(|cells| Trip::fire(cells, &timer));
    }

    fn answer(&mut self, name: &str, decision: &str) {
        let text = |text: &str| Some(text.to_owned());
        let decided = CommandDecided {
            event_id: Uuid::nil(),
            aggregate_id: "trip".to_owned(),
            occurred_at: DateTime::UNIX_EPOCH,
            command_id: Trip::id("trip", name),
            command: "test.Told".to_owned(),
            content_hash: Uuid::nil(),
            decision: decision.split(' ').next().unwrap().to_owned(),
            rule: text("full"),
            reason: text("it is full"),
            first_decision: decision.split_once(' ').map(|(_, first)| first.to_owned()),
        };
        self.tell(Told::Answers(Box::new(decided)));
    }

    fn take(&mut self, decide: impl FnOnce(&mut Cells<'_, Saga<u8>>) -> Decision<Told>) {
        let kept: Vec<_> = self.kept.take().into_iter().map(|saga| (ONLY_CELL.into(), saga)).collect();
        let mut cells = Cells::new("trip", &kept);
        let facts = match decide(&mut cells) {
            Decision::Emit(facts) => facts,
            Decision::Skip => {
                self.kept = kept.into_iter().map(|(_, saga)| saga).next();
                return;
            }
            other => panic!("{other:?}"),
        };
        let bytes = cells.get(ONLY_CELL).map(|saga| serde_json::to_vec(saga).unwrap());
        self.kept = bytes.map(|bytes| serde_json::from_slice(&bytes).unwrap());
        for fact in facts {
            match fact {
                Fact::Event(Told::Orders { name, id }) => {
                    assert_eq!(id, Trip::id("trip", name));
                    self.ordered.push(name);
                }
                Fact::Event(Told::Ends(failure)) => self.ended.push(failure),
                other => panic!("{other:?}"),
            }
        }
    }
}

/// The step that failed, the rule, and the compensations that were refused.
type Ended = Option<(String, Option<String>, Vec<String>)>;

fn failure(step: &str, rule: Option<&str>, refused: &[&str]) -> Ended {
    let refused = refused.iter().map(|name| (*name).to_owned()).collect();
    Some((step.to_owned(), rule.map(str::to_owned), refused))
}

fn ends(world: &World) -> Vec<Ended> {
    let end = |end: &Option<Failure>| end.clone().map(|Failure { step, rule, refused, .. }| (step, rule, refused));
    world.ended.iter().map(end).collect()
}

#[test]
fn every_step_follows_the_one_before() {
    let mut world = World::begun();
    for (step, decision) in [("flight", "accepted"), ("mail", "unchanged"), ("hotel", "duplicate accepted")] {
        world.answer(step, decision);
    }
    assert_eq!(world.ordered, ["flight", "mail", "hotel"]);
    assert_eq!((ends(&world), world.kept.is_none()), (vec![None], true));
}

#[test]
fn a_rejection_takes_back_what_was_done_the_last_first() {
    let mut world = World::begun();
    world.answer("flight", "accepted");
    world.answer("mail", "accepted");
    world.answer("hotel", "rejected");
    assert_eq!(world.ordered, ["flight", "mail", "hotel", "cancel-flight"]);
    world.answer("cancel-flight", "accepted");
    assert_eq!(ends(&world), [failure("hotel", Some("full"), &[])]);
}

#[test]
fn what_has_no_answer_in_time_is_taken_back_too() {
    let mut world = World::begun();
    world.answer("flight", "accepted");
    world.answer("mail", "accepted");
    world.wait();
    // An answer that comes after all changes nothing.
    world.answer("hotel", "accepted");
    world.wait();
    assert_eq!(world.ordered, ["flight", "mail", "hotel", "cancel-hotel", "cancel-hotel"], "it is sent until answered");
    world.answer("cancel-hotel", "rejected");
    world.answer("cancel-flight", "duplicate rejected");
    assert_eq!(ends(&world), [failure("hotel", None, &["cancel-hotel", "cancel-flight"])]);
}

#[test]
fn a_first_step_that_is_rejected_leaves_nothing_to_take_back() {
    let mut world = World::begun();
    world.answer("flight", "rejected");
    world.answer("flight", "accepted");
    assert_eq!((world.ordered.len(), ends(&world)), (1, vec![failure("flight", Some("full"), &[])]));
}

#[test]
fn every_command_says_where_its_outcome_is_wanted() {
    let fact = Fact::Event(Told::Orders { name: "flight", id: Uuid::nil() });
    let expected = ReplyTo { topic: "replies".to_owned(), key: "trip".to_owned() };
    assert_eq!(Trip::reply_to("trip", &fact), Some(expected));
}

proptest! {
    /// Whatever is answered in whatever order, however often the time is up: a saga ends once, and what may have been done
    /// has been taken back, or the saga names what was refused.
    #[test]
    fn what_may_have_been_done_is_done_or_taken_back(
        answers in prop::collection::vec((0..6usize, prop::sample::select(vec!["accepted", "rejected", "unchanged"])), 0..40),
    ) {
        let names = ["flight", "mail", "hotel", "cancel-flight", "cancel-hotel", "time"];
        let mut world = World::begun();
        let all: Vec<_> = answers.iter().map(|(index, decision)| (names[*index], *decision)).collect();
        // Whoever waits still is answered in the end.
        let rest = names[..5].repeat(6).into_iter().map(|name| (name, "accepted"));
        let mut answered: BTreeMap<&str, &str> = BTreeMap::new();
        for (name, decision) in all.into_iter().chain(rest) {
            if name == "time" {
                world.wait();
            } else if world.ordered.contains(&name) {
                // An aggregate answers a command that comes again as the first time.
                let decision = *answered.entry(name).or_insert(decision);
                world.answer(name, decision);
            }
        }
        prop_assert_eq!(world.ended.len(), 1);
        prop_assert!(world.kept.is_none());
        for (step, compensation) in [("flight", "cancel-flight"), ("hotel", "cancel-hotel")] {
            let is_done = answered.get(step).is_some_and(|decision| *decision != "rejected");
            let is_back = world.ordered.contains(&compensation);
            match &world.ended[0] {
                None => prop_assert!(is_done && !is_back),
                Some(failure) => {
                    prop_assert!(is_back || !is_done, "{step}: {failure:?}");
                    let is_refused = failure.refused.iter().any(|refused| refused == compensation);
                    prop_assert_eq!(is_refused, answered.get(compensation) == Some(&"rejected"));
                }
            }
        }
    }
}

#[test]
fn a_limit_beyond_every_calendar_is_a_very_long_one() {
    let begun = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
    assert_eq!(deadline(begun, Duration::from_secs(10)), begun + TimeDelta::seconds(10));
    for absurd in [Duration::MAX, Duration::from_secs(u64::MAX / 1000), LONGEST_LIMIT.to_std().unwrap()] {
        assert_eq!(deadline(begun, absurd), begun + LONGEST_LIMIT, "{absurd:?}");
        assert_eq!(deadline(DateTime::<Utc>::MAX_UTC, absurd), DateTime::<Utc>::MAX_UTC);
    }
    let kept = serde_json::to_string(&deadline(begun, Duration::MAX)).unwrap();
    assert_eq!(serde_json::from_str::<DateTime<Utc>>(&kept).unwrap(), begun + LONGEST_LIMIT);
}
