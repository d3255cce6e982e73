//! A counter that goes up to ten: what commands come to that were, or were not, decided before.

use super::*;
use chrono::{DateTime, Utc};
use foldstream_log::{RecordType, Violation};
use proptest::prelude::*;
use serde::{Deserializer, Serializer};

static RECORD: RecordType =
    RecordType { topic: "counters", full_name: "test.Counter", key: "key", schema: "", rules: &[] };

#[derive(Debug, Clone, PartialEq)]
enum Written {
    Add { id: u16, amount: u8 },
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

    fn needs_no_memory(command: &Written) -> bool {
        matches!(command, Written::Add { id: ALWAYS, .. })
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

    fn save(_: &str, _: &Kept<u8>) -> Written {
        Written::Add { id: 0, amount: 0 }
    }

    fn load(_: Written) -> Kept<u8> {
        Kept::default()
    }
}

/// The command that needs no memory.
const ALWAYS: u16 = u16::MAX;
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

fn record(offset: i64, event: Option<Written>) -> Recorded<Written> {
    Recorded { topic: "counter-commands", partition: 0, offset, appended_at_ms: 0, key: "one".to_owned(), event }
}

/// Decides on commands one after the other; gives what is kept and all that was written.
fn run(commands: &[(u16, u8)]) -> (Kept<u8>, Vec<Written>) {
    let at_once: Vec<_> = commands.iter().map(|(id, amount)| (0, *id, *amount)).collect();
    run_at(&at_once)
}

/// The same of commands that were appended at these times.
fn run_at(commands: &[(i64, u16, u8)]) -> (Kept<u8>, Vec<Written>) {
    let (mut kept, mut all) = (Kept::default(), Vec::new());
    for (offset, (appended_at_ms, id, amount)) in (0..).zip(commands) {
        let add = Written::Add { id: *id, amount: *amount };
        let input = Recorded { appended_at_ms: *appended_at_ms, ..record(offset, Some(add)) };
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

fn told(commands: &[(u16, u8)]) -> Vec<String> {
    told_of(&run(commands).1)
}

fn told_of(all: &[Written]) -> Vec<String> {
    let words = |Verdict { decision, rule, first_decision, .. }: Verdict| {
        [Some(decision), first_decision, rule].into_iter().flatten().collect::<Vec<_>>().join(" ")
    };
    verdicts(all).into_iter().map(words).collect()
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
    let (kept, all) =
        run_at(&[(0, 1, 1), (1, 2, 1), (7 * DAY_MS, 1, 1), (7 * DAY_MS + 1, 1, 1), (7 * DAY_MS + 2, 2, 1)]);
    assert_eq!(told_of(&all), ["accepted", "accepted", "duplicate accepted", "accepted", "accepted"]);
    let ids: Vec<Uuid> = kept.answered.iter().map(|answered| answered.command_id).collect();
    assert_eq!(ids, [Uuid::from_u128(1), Uuid::from_u128(2)]);
}

/// However many come in between: nothing is carried out twice, and what cannot be remembered is refused until there is room.
#[test]
fn a_command_that_cannot_be_remembered_is_refused() {
    let many = u16::try_from(MOST_REMEMBERED).unwrap();
    let mut commands = vec![(0, 0, 1)];
    commands.extend((1..many + 50).map(|id| (1000, id, 0)));
    commands.extend([(2000, 0, 1), (2000, 5, 0), (2000, ALWAYS, 0), (7 * DAY_MS + 1, many, 1)]);
    let (kept, all) = run_at(&commands);
    let told = told_of(&all);
    assert!(told[1..MOST_REMEMBERED].iter().all(|told| told == "unchanged"));
    assert!(told[MOST_REMEMBERED..MOST_REMEMBERED + 50].iter().all(|told| told == "rejected too_many_commands"));
    // The third of them needs no memory.
    assert_eq!(told[MOST_REMEMBERED + 50..], ["duplicate accepted", "duplicate unchanged", "unchanged", "accepted"]);
    assert_eq!((kept.answered.len(), kept.state), (MOST_REMEMBERED, 2));
    let refused =
        verdicts(&all).into_iter().find(|verdict| verdict.rule.as_deref() == Some(TOO_MANY_COMMANDS)).unwrap();
    assert!(refused.reason.unwrap().ends_with("the oldest is forgotten at 1970-01-08T00:00:00Z"));
}

/// A state that was kept before times were: its commands are remembered until one with a time is over.
#[test]
fn commands_kept_without_a_time_go_with_the_first_that_has_one() {
    let (mut kept, _) = run(&[(1, 1), (2, 1)]);
    kept.answered.iter_mut().for_each(|answered| answered.appended_at = None);
    let decide = |kept: &mut Kept<u8>, appended_at_ms, id| {
        let input = Recorded { appended_at_ms, ..record(9, Some(Written::Add { id, amount: 1 })) };
        let Decision::Emit(facts) = <Counter as Decider>::decide(kept, &input) else { panic!("nothing is emitted") };
        facts.iter().for_each(|fact| <Counter as Decider>::evolve(kept, fact));
        facts.iter().filter_map(outcome_in::<Counter>).map(|decided| decided.verdict.decision).collect::<String>()
    };
    assert_eq!(decide(&mut kept, 90 * DAY_MS, 1), "duplicate");
    assert_eq!(decide(&mut kept, 90 * DAY_MS, 3), "accepted");
    assert_eq!(decide(&mut kept, 97 * DAY_MS, 2), "duplicate");
    assert_eq!(decide(&mut kept, 97 * DAY_MS + 1, 2), "accepted");
    assert_eq!(kept.answered.len(), 1);
}

fn event_in(fact: Fact<Written>) -> Option<Written> {
    match fact {
        Fact::Event(event) => Some(event),
        Fact::Tombstone { .. } => None,
    }
}

/// Equal contents would tell who asked for the same; what an older program kept is known again.
#[test]
fn what_is_kept_of_contents_tells_nothing_of_each_other() {
    let (mut kept, _) = run(&[(1, 1), (2, 1)]);
    assert_ne!(kept.answered[0].content_hash, kept.answered[1].content_hash);
    let command = |id, amount| record(9, Some(Written::Add { id, amount }));
    let content = |id, amount| <Counter as Aggregate>::content(&Written::Add { id, amount });
    kept.answered
        .iter_mut()
        .for_each(|answered| answered.content_hash = foldstream_log::derived_event_id(&content(1, 1)));
    let decide = |input: &Recorded<Written>| match <Counter as Decider>::decide(&kept, input) {
        Decision::Emit(facts) => told_of(&facts.into_iter().filter_map(event_in).collect::<Vec<_>>()).concat(),
        _ => panic!("nothing is emitted"),
    };
    assert_eq!(decide(&command(1, 1)), "duplicate accepted");
    assert_eq!(decide(&command(1, 2)), "rejected idempotency_key_reused");
}

#[test]
fn a_record_without_a_value_is_a_dead_letter() {
    let decision = <Counter as Decider>::decide(&Kept::default(), &record(0, None));
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
    /// Whatever is asked, and whenever: one outcome each, a memory within its bound, and all of it the fold of what was
    /// written, events before outcomes as when it is made anew.
    #[test]
    fn what_is_kept_is_the_fold_of_what_was_written(commands in prop::collection::vec((0..DAY_MS, 0..90u16, 0..12u8), 0..150)) {
        let (kept, all) = run_at(&after_each_other(&commands));
        prop_assert_eq!(verdicts(&all).len(), commands.len());
        prop_assert!(kept.answered.len() <= MOST_REMEMBERED);
        let (outcomes, events): (Vec<_>, Vec<_>) = all.into_iter().partition(|event| matches!(event, Written::Decided(_)));
        let mut anew = Kept::default();
        for event in events.into_iter().chain(outcomes) {
            <Counter as Decider>::evolve(&mut anew, &Fact::Event(event));
        }
        prop_assert_eq!(anew, kept);
    }

    /// Within the time, nothing that was decided and is remembered is decided otherwise, whatever came in between.
    #[test]
    fn nothing_is_carried_out_twice_within_the_time(
        commands in prop::collection::vec((0..DAY_MS / 100, 0..1500u16, 0..9u8), 0..2500),
    ) {
        let commands = after_each_other(&commands);
        let (_, all) = run_at(&commands);
        let mut first: std::collections::HashMap<u16, (i64, u8)> = std::collections::HashMap::new();
        for ((at, id, amount), verdict) in commands.iter().zip(verdicts(&all)) {
            let known = first.get(id).filter(|(known_at, _)| at - known_at <= REMEMBERED_FOR.num_milliseconds());
            match (known, verdict.rule.as_deref()) {
                (Some((_, before)), _) if before == amount => prop_assert_eq!(&verdict.decision, "duplicate"),
                (Some(_), rule) => prop_assert_eq!(rule, Some(KEY_REUSED)),
                (None, Some(TOO_MANY_COMMANDS)) => {}
                (None, rule) => {
                    prop_assert!(verdict.decision != "duplicate" && rule != Some(KEY_REUSED), "{verdict:?}");
                    first.insert(*id, (*at, *amount));
                }
            }
        }
    }
}

/// With pauses before them instead of times.
fn after_each_other(commands: &[(i64, u16, u8)]) -> Vec<(i64, u16, u8)> {
    let times = commands.iter().scan(0, |time, (pause, ..)| {
        *time += pause;
        Some(*time)
    });
    times.zip(commands).map(|(time, (_, id, amount))| (time, *id, *amount)).collect()
}
