//! A counter that goes up to ten: what commands come to that were, or were not, decided before.

use super::*;
use chrono::{DateTime, Utc};
use foldstream_log::{RecordType, Violation};
use proptest::prelude::*;
use serde::{Deserializer, Serializer};
use std::borrow::Cow;

static RECORD: RecordType =
    RecordType { topic: "counters", full_name: "test.Counter", key: "key", schema: "", rules: &[] };

#[derive(Debug, Clone, PartialEq)]
enum Written {
    Add { id: u8, amount: u8 },
    Added { event_id: Uuid, amount: u8 },
    Decided(CommandDecided),
}

impl TopicEvent for Written {
    fn topics() -> &'static [&'static Topic] {
        &[]
    }

    fn record_types() -> Vec<&'static RecordType> {
        vec![&RECORD]
    }

    fn record_type(&self) -> &'static RecordType {
        &RECORD
    }

    fn key(&self) -> &str {
        "one"
    }

    fn event_id(&self) -> Uuid {
        match self {
            Self::Add { id, .. } => Uuid::from_u128((*id).into()),
            Self::Added { event_id, .. } => *event_id,
            Self::Decided(decided) => decided.event_id,
        }
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

struct Counter;

impl Aggregate for Counter {
    type Command = Written;
    type Event = Written;
    type State = u8;
    type Changelog = Written;

    const NAME: &'static str = "counters-processor";
    const FOLD_VERSION: u32 = 1;
    const FACTS: &'static [&'static Topic] = &[];

    fn initial(_: &str) -> u8 {
        0
    }

    fn decide(sum: &u8, received: &Received<'_, Written>) -> Answer<Written> {
        let reject = |rule| Answer::Rejected(Rejection { rule, reason: Cow::Borrowed("no") });
        match received.command {
            Written::Add { amount: 0, .. } => Answer::Unchanged,
            Written::Add { amount: 9.., .. } => reject("not_remembered"),
            Written::Add { amount, .. } if sum + amount > 10 => reject("too_much"),
            Written::Add { amount, .. } => {
                let added = |index| Written::Added { event_id: received.event_id(index), amount: *amount };
                Answer::Accepted(vec![Fact::Event(added(0))])
            }
            _ => reject("no_command"),
        }
    }

    fn evolve(sum: &mut u8, event: &Fact<Written>) {
        match event {
            Fact::Event(Written::Added { amount, .. }) => *sum += amount,
            other => panic!("{other:?} is no event"),
        }
    }

    fn content(command: &Written) -> String {
        format!("{command:?}")
    }

    fn remembers(rule: &str) -> bool {
        rule != "not_remembered"
    }

    fn outcome(decided: CommandDecided) -> Written {
        Written::Decided(decided)
    }

    fn outcome_of(event: &Written) -> Option<CommandDecided> {
        match event {
            Written::Decided(decided) => Some(decided.clone()),
            _ => None,
        }
    }

    fn save(_: &Kept<u8>) -> Written {
        Written::Add { id: 0, amount: 0 }
    }

    fn load(_: Written) -> Kept<u8> {
        <Counter as Decider>::initial("one")
    }
}

fn record(offset: i64, event: Option<Written>) -> Recorded<Written> {
    Recorded { topic: "counter-commands", partition: 0, offset, appended_at_ms: 0, key: "one".to_owned(), event }
}

/// Decides on commands one after the other; gives what is kept and all that was written.
fn run(commands: &[(u8, u8)]) -> (Kept<u8>, Vec<Written>) {
    let (mut kept, mut all) = (<Counter as Decider>::initial("one"), Vec::new());
    for (offset, (id, amount)) in (0..).zip(commands) {
        let input = record(offset, Some(Written::Add { id: *id, amount: *amount }));
        let facts = match <Counter as Decider>::decide(&kept, &input) {
            Decision::Emit(facts) => facts,
            other => panic!("{other:?}"),
        };
        for fact in facts {
            <Counter as Decider>::evolve(&mut kept, &fact);
            match fact {
                Fact::Event(event) => all.push(event),
                Fact::Tombstone { key, .. } => panic!("{key} is no tombstone"),
            }
        }
    }
    (kept, all)
}

fn verdicts(all: &[Written]) -> Vec<Verdict> {
    all.iter().filter_map(Counter::outcome_of).map(|decided| decided.verdict).collect()
}

fn told(commands: &[(u8, u8)]) -> Vec<String> {
    let (_, all) = run(commands);
    let words = |Verdict { decision, rule, first_decision, .. }: Verdict| {
        [Some(decision), first_decision, rule].into_iter().flatten().collect::<Vec<_>>().join(" ")
    };
    verdicts(&all).into_iter().map(words).collect()
}

#[test]
fn a_command_that_comes_again_is_answered_as_the_first_time() {
    assert_eq!(
        told(&[(1, 6), (1, 6), (2, 6), (2, 6), (3, 0), (3, 0)]),
        [
            "accepted",
            "duplicate accepted",
            "rejected too_much",
            "duplicate rejected too_much",
            "unchanged",
            "duplicate unchanged"
        ]
    );
    assert_eq!(run(&[(1, 4), (1, 4), (1, 4)]).0.state, 4, "nothing happens twice");
}

#[test]
fn an_id_that_comes_with_another_content_is_refused_and_the_first_stays() {
    assert_eq!(told(&[(1, 2), (1, 3), (1, 2)]), ["accepted", "rejected idempotency_key_reused", "duplicate accepted"]);
}

#[test]
fn what_a_rule_says_is_not_remembered_is_decided_anew() {
    assert_eq!(told(&[(1, 9), (1, 9), (1, 1)]), ["rejected not_remembered", "rejected not_remembered", "accepted"]);
}

#[test]
fn the_oldest_command_is_forgotten_first() {
    let ids: Vec<(u8, u8)> = (0..=u8::try_from(REMEMBERED).unwrap()).map(|id| (id, 0)).collect();
    let (kept, _) = run(&ids);
    assert_eq!(kept.answered.len(), REMEMBERED);
    assert_eq!(kept.answered[0].command_id, Uuid::from_u128(1));
}

#[test]
fn a_record_without_a_value_is_a_dead_letter() {
    let decision = <Counter as Decider>::decide(&<Counter as Decider>::initial("one"), &record(0, None));
    assert!(matches!(decision, Decision::DeadLetter(_)));
}

#[test]
fn ids_follow_from_the_commands_place_and_none_is_the_outcomes() {
    let input = record(7, None);
    let received = Received { command: &Written::Add { id: 1, amount: 1 }, record: &input };
    let mut ids: Vec<Uuid> = (0..=u8::MAX).map(|index| received.event_id(index)).collect();
    assert_eq!(ids[0], derived_event_id("counter-commands:0:7/0"));
    ids.push(received.outcome_id());
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 257);
}

proptest! {
    /// Whatever is asked: one outcome each, a memory within its bound, and all of it the fold of what was written, events
    /// before outcomes as when it is made anew.
    #[test]
    fn what_is_kept_is_the_fold_of_what_was_written(commands in prop::collection::vec((0..90u8, 0..12u8), 0..150)) {
        let (kept, all) = run(&commands);
        prop_assert_eq!(verdicts(&all).len(), commands.len());
        prop_assert!(kept.answered.len() <= REMEMBERED);
        let (outcomes, events): (Vec<_>, Vec<_>) = all.into_iter().partition(|event| matches!(event, Written::Decided(_)));
        let mut anew = <Counter as Decider>::initial("one");
        for event in events.into_iter().chain(outcomes) {
            <Counter as Decider>::evolve(&mut anew, &Fact::Event(event));
        }
        prop_assert_eq!(anew, kept);
    }
}
