//! What each wish comes to in each state, and that the state is nothing but the fold of what was written.

use super::*;
use chrono::DateTime;
use foldstream_arbitrary::events;
use foldstream_events::{ErasePerson, PersonCommandDecided};
use foldstream_fold::{Decider, Decision, MOST_REMEMBERED};
use foldstream_log::Recorded;
use proptest::prelude::*;
use uuid::Uuid;

fn record(offset: i64, command: PersonCommandsEvent) -> Recorded<PersonCommandsEvent> {
    Recorded {
        topic: "person-commands",
        partition: 0,
        offset,
        appended_at_ms: 1000 + offset,
        key: "ada".to_owned(),
        event: Some(command),
    }
}

fn command(kind: u8, id: u16, name: u8) -> PersonCommandsEvent {
    let (event_id, person_id, occurred_at) = (Uuid::from_u128(id.into()), "ada".to_owned(), DateTime::UNIX_EPOCH);
    let name = format!("name {name}");
    match kind {
        0 => RegisterPerson {
            event_id,
            person_id,
            occurred_at,
            first_name: name,
            last_name: "x".to_owned(),
            company_name: "y".to_owned(),
        }
        .into(),
        1 => ChangePerson {
            event_id,
            person_id,
            occurred_at,
            first_name: Some(name),
            last_name: None,
            company_name: None,
        }
        .into(),
        _ => ErasePerson { event_id, person_id, occurred_at }.into(),
    }
}

fn facts(state: &Kept<Person>, input: &Recorded<PersonCommandsEvent>) -> Vec<Fact<Output>> {
    match <People as Decider>::decide(state, input) {
        Decision::Emit(facts) => facts,
        other => panic!("{other:?}"),
    }
}

fn outcomes(facts: &[Fact<Output>]) -> Vec<&PersonCommandDecided> {
    let outcome = |fact| match fact {
        &Fact::Event(Output::Outcome(PersonOutcomesEvent::PersonCommandDecided(ref outcome))) => Some(outcome),
        _ => None,
    };
    facts.iter().filter_map(outcome).collect()
}

/// Decides on commands one after the other; gives the state and everything that was written.
fn run(commands: &[PersonCommandsEvent]) -> (Kept<Person>, Vec<Fact<Output>>) {
    let (mut state, mut all) = (Kept::default(), Vec::new());
    for (offset, command) in (0..).zip(commands) {
        let facts = facts(&state, &record(offset, command.clone()));
        assert_eq!(outcomes(&facts).len(), 1, "{command:?}");
        facts.iter().for_each(|fact| <People as Decider>::evolve(&mut state, fact));
        all.extend(facts);
    }
    (state, all)
}

fn decisions(commands: &[PersonCommandsEvent]) -> Vec<String> {
    let (_, all) = run(commands);
    outcomes(&all).into_iter().map(|outcome| outcome.rule.clone().unwrap_or_else(|| outcome.decision.clone())).collect()
}

#[test]
fn the_table_of_wishes() {
    assert_eq!(decisions(&[command(0, 1, 1), command(0, 2, 1)]), ["accepted", "person_known"]);
    assert_eq!(decisions(&[command(1, 1, 1)]), ["person_unknown"]);
    assert_eq!(
        decisions(&[command(0, 1, 1), command(1, 2, 1), command(1, 3, 2)]),
        ["accepted", "unchanged", "accepted"]
    );
    assert_eq!(decisions(&[command(2, 1, 0)]), ["person_unknown"]);
    assert_eq!(
        decisions(&[command(0, 1, 1), command(2, 2, 0), command(2, 3, 0), command(1, 4, 1), command(0, 5, 1)]),
        ["accepted", "accepted", "unchanged", "person_erased", "person_erased"]
    );
}

#[test]
fn a_command_that_comes_again_is_answered_as_the_first_time() {
    let (_, all) = run(&[command(0, 1, 1), command(0, 1, 1), command(0, 1, 2), command(0, 2, 1), command(0, 2, 1)]);
    let told: Vec<_> = outcomes(&all)
        .into_iter()
        .map(|outcome| (outcome.decision.as_str(), outcome.first_decision.as_deref(), outcome.rule.as_deref()))
        .collect();
    assert_eq!(
        told,
        [
            ("accepted", None, None),
            ("duplicate", Some("accepted"), None),
            ("rejected", None, Some("idempotency_key_reused")),
            ("rejected", None, Some("person_known")),
            ("duplicate", Some("rejected"), Some("person_known")),
        ]
    );
}

#[test]
fn erasing_leaves_no_name_behind() {
    let (state, all) = run(&[command(0, 1, 1), command(1, 2, 2), command(2, 3, 0)]);
    assert!(!format!("{state:?}").contains("name "), "{state:?}");
    assert!(
        matches!(&all[all.len() - 2], Fact::Tombstone { topic, key } if topic.name == "person-profiles" && key == "ada")
    );
}

#[test]
fn only_so_many_commands_are_remembered() {
    let many = u16::try_from(MOST_REMEMBERED).unwrap();
    let mut commands = vec![command(0, 0, 1)];
    commands.extend((1..many + 20).map(|id| command(1, id, u8::from(id % 2 == 0))));
    // Sent again after all of them, the first change takes nothing back; and whoever is to be erased is erased.
    commands.extend([command(1, 1, 0), command(2, many + 20, 0)]);
    let (state, all) = run(&commands);
    assert_eq!(state.answered.len(), MOST_REMEMBERED);
    assert_eq!(state.answered.last().unwrap().command_id, Uuid::from_u128((many - 1).into()));
    let told: Vec<_> =
        outcomes(&all).into_iter().map(|outcome| (outcome.decision.as_str(), outcome.rule.as_deref())).collect();
    let refused = ("rejected", Some("too_many_commands"));
    assert!(told[MOST_REMEMBERED..MOST_REMEMBERED + 20].iter().all(|told| *told == refused), "{told:?}");
    assert_eq!(told[MOST_REMEMBERED + 20..], [("duplicate", None), ("accepted", None)]);
}

#[test]
fn a_command_without_a_value_is_a_dead_letter() {
    let tombstone = Recorded { event: None, ..record(0, command(2, 1, 0)) };
    assert!(matches!(<People as Decider>::decide(&Kept::default(), &tombstone), Decision::DeadLetter(_)));
}

proptest! {
    /// A state that was kept is the state at hand, whichever binary kept it.
    #[test]
    fn a_state_that_was_kept_reads_back_as_it_was(wishes in prop::collection::vec((0..3u8, 0..20u16, 0..3u8), 0..60)) {
        let commands: Vec<_> = wishes.iter().map(|(kind, id, name)| command(*kind, *id, *name)).collect();
        let (state, _) = run(&commands);
        prop_assert_eq!(<People as Decider>::load(<People as Decider>::save("ada", &state)), state);
    }

    /// Whatever the rules let be asked, what is written obeys them too, so everybody downstream can read it.
    #[test]
    fn what_is_written_obeys_the_rules(commands in prop::collection::vec(events::<PersonCommandsEvent>(), 1..12)) {
        let (_, all) = run(&commands);
        for fact in all {
            if let Fact::Event(event) = fact {
                prop_assert_eq!(event.check(), Ok(()), "{:?}", event);
            }
        }
    }

    /// Whatever is asked, each command has one outcome, and the state made anew, topic by topic, is the state at hand.
    #[test]
    fn the_state_is_the_fold_of_what_was_written(wishes in prop::collection::vec((0..3u8, 0..20u16, 0..3u8), 0..60)) {
        let commands: Vec<_> = wishes.iter().map(|(kind, id, name)| command(*kind, *id, *name)).collect();
        let (state, all) = run(&commands);
        let topic_of = |fact: &Fact<Output>| match fact {
            Fact::Event(event) => event.record_type().topic,
            Fact::Tombstone { topic, .. } => topic.name,
        };
        let mut anew = Kept::default();
        for topic in <People as Aggregate>::FACTS {
            all.iter().filter(|fact| topic_of(fact) == topic.name).for_each(|fact| <People as Decider>::evolve(&mut anew, fact));
        }
        prop_assert_eq!(&anew, &state);
        prop_assert_eq!(outcomes(&all).len(), commands.len());
        // Compaction keeps the newest profile only; that is enough.
        let mut compacted = Kept::default();
        let newest = all.iter().rfind(|fact| topic_of(fact) == "person-profiles");
        for topic in <People as Aggregate>::FACTS {
            all.iter()
                .filter(|fact| topic_of(fact) == topic.name)
                .filter(|fact| topic.name != "person-profiles" || newest == Some(*fact))
                .for_each(|fact| <People as Decider>::evolve(&mut compacted, fact));
        }
        prop_assert_eq!(&compacted, &state);
    }
}
