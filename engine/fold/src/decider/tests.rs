//! Timers and inputs of a small decider: a lamp is lit for a while, and goes out by itself.

use super::*;
use crate::{
    decoding::{Decoded, Entry},
    processor::{Decided, States},
};
use chrono::{DateTime, TimeDelta, Utc};
use foldstream_log::{Cause, RecordType, TopicPartition, Violation};
use proptest::prelude::*;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::{HashMap, HashSet};
use uuid::Uuid;

const LAMPS: &str = "lamps";
static SWITCHED: RecordType =
    RecordType { topic: LAMPS, full_name: "test.Switched", key: "key", schema: "", rules: &[] };

/// Lit until a time, or out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Switched {
    key: String,
    lit_until_ms: Option<i64>,
}

impl TopicEvent for Switched {
    fn topics() -> &'static [&'static Topic] {
        &[]
    }

    fn record_types() -> Vec<&'static RecordType> {
        vec![&SWITCHED]
    }

    fn record_type(&self) -> &'static RecordType {
        &SWITCHED
    }

    fn key(&self) -> &str {
        &self.key
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

    fn deserialize<'de, D: Deserializer<'de>>(_: &str, _: &str, from: D) -> Option<Result<Self, D::Error>> {
        Some(Deserialize::deserialize(from))
    }

    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        Serialize::serialize(self, to)
    }
}

/// Lamps go out by themselves; those whose name says so fail at it.
struct Lamps;

impl Decider for Lamps {
    type Input = Switched;
    type Output = Switched;
    type State = Option<i64>;
    type Changelog = Switched;

    const NAME: &'static str = "lamps-processor";
    const FOLD_VERSION: u32 = 1;
    const FACTS: &'static [&'static Topic] = &[];

    fn decide(_: &Option<i64>, input: &Recorded<Switched>) -> Decision<Switched> {
        match &input.event {
            Some(event) => Decision::Emit(vec![Fact::Event(event.clone())]),
            None => Decision::Skip,
        }
    }

    fn due(state: &Option<i64>) -> Due {
        Due { wall_time: state.map(time), ..Due::default() }
    }

    fn wake(state: &Option<i64>, timer: &TimerFired) -> Decision<Switched> {
        let switched = |lit_until_ms| {
            let key = timer.key.clone();
            Decision::Emit(vec![Fact::Event(Switched { key, lit_until_ms })])
        };
        match timer.key.as_str() {
            "broken" => Decision::Halt("the switch is broken".to_owned()),
            "refusing" => Decision::DeadLetter("it will not".to_owned()),
            "stuck" => switched(*state),
            "idle" => Decision::Skip,
            _ => switched(None),
        }
    }

    fn evolve(state: &mut Option<i64>, fact: &Fact<Switched>) {
        if let Fact::Event(event) = fact {
            *state = event.lit_until_ms;
        }
    }

    fn is_of_state(fact: &Fact<Switched>) -> bool {
        matches!(fact, Fact::Event(event) if event.key != "refused")
    }

    fn save(_: &str, _: &Option<i64>) -> Switched {
        Switched { key: String::new(), lit_until_ms: None }
    }

    fn load(record: Switched) -> Option<i64> {
        record.lit_until_ms
    }
}

fn time(ms: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::milliseconds(ms)
}

type LampStates = States<Deciding<Lamps>>;

const PARTITION: TopicPartition = TopicPartition { topic: LAMPS, partition: 0 };

fn lit(lamps: &[(&str, i64)]) -> LampStates {
    let mut states = States::new();
    lamps.iter().for_each(|(key, until_ms)| states.task(0).set(key, ONLY_CELL, Some(Some(*until_ms))));
    states
}

fn state(states: &mut LampStates, key: &str) -> Option<i64> {
    states.task(0).cells(key).first().and_then(|(_, state)| *state)
}

fn parked(states: &LampStates) -> Vec<String> {
    states.parked().map(|(_, key, _)| key.to_owned()).collect()
}

fn switched(decided: &Decided<Deciding<Lamps>>) -> Vec<String> {
    let key = |(fact, _): &(Fact<Switched>, Cause)| match fact {
        Fact::Event(event) => event.key.clone(),
        Fact::Tombstone { key, .. } => panic!("{key} is no tombstone"),
    };
    decided.facts.iter().map(key).collect()
}

/// Fires what is due; gives whose lamps were switched.
fn wake(states: &mut LampStates, now_ms: i64) -> Vec<String> {
    switched(&states.wake(time(now_ms), 100))
}

fn input(offset: i64, key: &str) -> Entry<Switched> {
    let event = Switched { key: key.to_owned(), lit_until_ms: Some(500) };
    Entry {
        partition: PARTITION,
        offset,
        appended_at_ms: 0,
        index: usize::try_from(offset).unwrap(),
        header: None,
        reply_to: None,
        decoded: Decoded::Event(Recorded {
            topic: LAMPS,
            partition: 0,
            offset,
            appended_at_ms: 0,
            key: key.to_owned(),
            event: Some(event),
        }),
    }
}

#[test]
fn timers_fire_when_they_are_due_and_once() {
    let mut states = lit(&[("a", 100), ("b", 200)]);
    assert!(wake(&mut states, 99).is_empty());
    assert_eq!(wake(&mut states, 100), ["a"]);
    assert!(wake(&mut states, 150).is_empty());
    assert_eq!(states.next_due(), Some(time(200)));
}

#[test]
fn a_timer_that_fails_parks_its_key_and_nobody_else() {
    for poisoned in ["broken", "refusing", "stuck", "idle"] {
        let mut states = lit(&[(poisoned, 100), ("good", 100), ("later", 300)]);
        assert_eq!(wake(&mut states, 200), ["good"], "{poisoned}");
        assert_eq!(parked(&states), [poisoned]);
        assert_eq!(state(&mut states, poisoned), Some(100), "a timer that fails changes nothing");
        assert_eq!(states.next_due(), Some(time(300)), "{poisoned} is not woken again");
    }
}

#[test]
fn what_comes_for_a_parked_key_is_put_aside_and_the_partition_goes_on() {
    let mut states = lit(&[("broken", 100)]);
    wake(&mut states, 200);
    states.take_unwritten(usize::MAX);
    let inputs = [input(0, "broken"), input(1, "good"), input(2, "broken")];
    let decided = states.decide(&inputs, &HashMap::from([(PARTITION, 0)]), &[], 100);
    assert_eq!(decided.dead.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [0, 2]);
    assert!(decided.dead[0].1.contains("the switch is broken"), "{:?}", decided.dead);
    let written: Vec<_> = states.take_unwritten(usize::MAX).into_iter().map(|written| written.record_key).collect();
    assert_eq!(written, ["good"]);
    assert_eq!(decided.next.values().collect::<Vec<_>>(), [&3]);
    assert!(decided.halted.is_empty());
}

#[test]
fn whoever_owns_the_partition_next_parks_the_key_again() {
    let mut states = lit(&[("broken", 100)]);
    wake(&mut states, 200);
    // The state as it was kept: it bears no mark, and is due.
    let mut next_owner = lit(&[("broken", 100)]);
    wake(&mut next_owner, 200);
    assert_eq!(parked(&next_owner), parked(&states));
    next_owner.retain(|_| false);
    assert!(parked(&next_owner).is_empty());
}

/// A fold of another version makes states anew from all that was written, refusals among it.
#[test]
fn what_is_of_no_state_makes_none() {
    for (key, kept) in [("refused", 0), ("lit", 1)] {
        let mut cells = Cells::new(key, &[]);
        let fact = Fact::Event(Switched { key: key.to_owned(), lit_until_ms: Some(1) });
        <Deciding<Lamps> as Processor>::evolve(&mut cells, &fact);
        assert_eq!(cells.changes().len(), kept, "{key}");
    }
}

#[test]
fn many_states_are_written_in_pieces() {
    let lamps: Vec<String> = (0..25).map(|number| format!("lamp-{number:02}")).collect();
    let inputs: Vec<_> = (0..).zip(&lamps).map(|(offset, key)| input(offset, key)).collect();
    let mut states = lit(&[]);
    states.decide(&inputs, &HashMap::from([(PARTITION, 0)]), &[], 100);
    let mut written = Vec::new();
    for (most, left) in [(10, 15), (10, 5), (10, 0), (10, 0)] {
        let piece = states.take_unwritten(most);
        assert!(piece.len() <= most && states.unwritten() == left, "{} of {}", piece.len(), states.unwritten());
        written.extend(piece.into_iter().map(|written| written.record_key));
    }
    assert_eq!(written, lamps);
}

proptest! {
    /// Whatever is lit and whichever timers fail: all others that are due go out, once each.
    #[test]
    fn every_other_timer_fires_once(
        lamps in prop::collection::btree_map("[a-d]{2}|broken|stuck|idle", 0..50i64, 0..20),
        most in 1..5usize,
    ) {
        let lamps: Vec<(&str, i64)> = lamps.iter().map(|(key, until_ms)| (key.as_str(), *until_ms)).collect();
        let (mut states, mut fired) = (lit(&lamps), Vec::new());
        while states.is_due(time(25)) {
            let decided = states.wake(time(25), most);
            prop_assert!(decided.timers <= most);
            prop_assert_eq!(decided.facts.len(), states.take_unwritten(usize::MAX).len());
            fired.extend(switched(&decided));
        }
        let fails = |key: &str| matches!(key, "broken" | "stuck" | "idle");
        let due = || lamps.iter().filter(|(_, until_ms)| *until_ms <= 25).map(|(key, _)| (*key).to_owned());
        let expected: HashSet<String> = due().filter(|key| !fails(key)).collect();
        prop_assert_eq!(fired.len(), expected.len());
        prop_assert_eq!(fired.into_iter().collect::<HashSet<_>>(), expected);
        let parked: HashSet<String> = parked(&states).into_iter().collect();
        prop_assert_eq!(parked, due().filter(|key| fails(key)).collect::<HashSet<_>>());
    }
}

/// Lamps whose state tells nobody's name, and that stay as they are where they are named so.
struct HiddenLamps;

impl Decider for HiddenLamps {
    type Input = Switched;
    type Output = Switched;
    type State = Option<i64>;
    type Changelog = Switched;

    const NAME: &'static str = "hidden-lamps-processor";
    const FOLD_VERSION: u32 = 1;
    const FACTS: &'static [&'static Topic] = &[];

    fn kept_under(key: &str) -> Cow<'_, str> {
        Cow::Owned(key.chars().rev().collect())
    }

    fn decide(state: &Option<i64>, input: &Recorded<Switched>) -> Decision<Switched> {
        match (state, &input.event) {
            (None, Some(event)) => Decision::Emit(vec![Fact::Event(event.clone())]),
            _ => Decision::Skip,
        }
    }

    fn due(state: &Option<i64>) -> Due {
        Due { wall_time: state.filter(|until_ms| *until_ms > 0).map(time), ..Due::default() }
    }

    fn evolve(state: &mut Option<i64>, fact: &Fact<Switched>) {
        <Lamps as Decider>::evolve(state, fact);
    }

    fn save(key: &str, state: &Option<i64>) -> Switched {
        <Lamps as Decider>::save(key, state)
    }

    fn load(record: Switched) -> Option<i64> {
        <Lamps as Decider>::load(record)
    }
}

#[test]
fn whose_state_is_hidden_is_known_again_and_not_woken() {
    let input = |offset: i64, key: &str, until_ms| Entry {
        partition: PARTITION,
        offset,
        appended_at_ms: 0,
        index: 0,
        header: None,
        reply_to: None,
        decoded: Decoded::Event(Recorded {
            topic: LAMPS,
            partition: 0,
            offset,
            appended_at_ms: 0,
            key: key.to_owned(),
            event: Some(Switched { key: key.to_owned(), lit_until_ms: Some(until_ms) }),
        }),
    };
    let mut states = States::<Deciding<HiddenLamps>>::new();
    let next = HashMap::from([(PARTITION, 0)]);
    let entries = [input(0, "lamp", 0), input(1, "lamp", 0), input(2, "timed", 5)];
    let decided = states.decide(&entries, &next, &[], usize::MAX);
    assert_eq!(decided.facts.len(), 1, "the second one knows the first");
    assert!(states.task(0).cells("lamp").is_empty() && !states.task(0).cells("pmal").is_empty());
    let written: Vec<String> = states.take_unwritten(usize::MAX).into_iter().map(|one| one.record_key).collect();
    assert_eq!(written, ["pmal"]);
    // Nobody could say who is to be woken.
    let [(_, reason)] = decided.dead.as_slice() else { panic!("{:?}", decided.dead) };
    assert!(reason.contains("would want to be woken"), "{reason}");
}
