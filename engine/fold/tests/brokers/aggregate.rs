//! An aggregate with timers on event time: whoever is killed, joins or leaves, every command has one outcome, and lockers
//! close exactly where an oracle says that reads the log with a client that is not ours.

use crate::{
    events::LockerCommand,
    lockers::{JAMMED, LATENESS_MS},
    world::{Printed, World, until, world},
};
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// Lockers that are opened for a second and a half, and used meanwhile and afterwards; some commands come twice.
fn round(from: DateTime<Utc>) -> Vec<LockerCommand> {
    let one = |number: i64| {
        let locker = match number % 19 {
            7 => format!("{JAMMED}-{}", number % 2),
            locker => format!("locker-{locker}"),
        };
        let text = if number % 3 == 0 { "open 1500" } else { "put" }.to_owned();
        let occurred_at = from + TimeDelta::milliseconds(number * 20 + number * 7919 % 150);
        LockerCommand { event_id: Uuid::new_v4(), parcel: locker, occurred_at, text }
    };
    let mut commands: Vec<_> = (0..200).map(one).collect();
    let again: Vec<_> = commands.iter().skip(5).step_by(20).cloned().collect();
    commands.extend(again);
    commands
}

#[derive(Debug, Default)]
struct Locker {
    open_until_ms: Option<i64>,
    parcels: u32,
    answered: BTreeSet<String>,
    is_jammed: bool,
}

/// What the commands as they lie in the log come to: of each locker what happened, in order; of each command what was
/// decided.
#[derive(Debug, Default, PartialEq)]
struct Expected {
    happened: BTreeMap<String, Vec<String>>,
    decided: BTreeMap<String, String>,
}

fn oracle(commands: &[Printed]) -> Expected {
    let mut expected = Expected::default();
    let mut newest: BTreeMap<i32, i64> = BTreeMap::new();
    let mut lockers: BTreeMap<(i32, String), Locker> = BTreeMap::new();
    for command in commands {
        let (partition, at_ms, text) = (command.partition, command.occurred_at_ms(), command.text());
        let locker = lockers.entry((partition, command.key.clone())).or_default();
        if !locker.is_jammed {
            let happened = expected.happened.entry(command.key.clone()).or_default();
            let decision = match text.as_str() {
                _ if locker.answered.contains(&command.id()) => "duplicate",
                "put" if locker.open_until_ms.is_some() => {
                    locker.parcels += 1;
                    happened.push(text);
                    "accepted"
                }
                "put" => "rejected",
                _ if locker.open_until_ms.is_some() => "unchanged",
                _ => {
                    (locker.open_until_ms, locker.parcels) = (Some(at_ms + 1500), 0);
                    happened.push(text);
                    "accepted"
                }
            };
            locker.answered.insert(command.id());
            expected.decided.insert(command.position("locker-commands"), decision.to_owned());
        }
        let newest = newest.entry(partition).or_insert(at_ms);
        *newest = (*newest).max(at_ms);
        let watermark = *newest - LATENESS_MS;
        for ((_, key), locker) in lockers.iter_mut().filter(|((of, _), _)| *of == partition) {
            if locker.open_until_ms.is_some_and(|until| until <= watermark) {
                locker.open_until_ms = None;
                locker.is_jammed = key.starts_with(JAMMED);
                if !locker.is_jammed {
                    let happened = expected.happened.entry(key.clone()).or_default();
                    happened.push(format!("closed {}", locker.parcels));
                }
            }
        }
    }
    expected.happened.retain(|_, happened| !happened.is_empty());
    expected
}

fn found(world: &World) -> Expected {
    let mut found = Expected::default();
    for event in world.read("lockers") {
        found.happened.entry(event.key.clone()).or_default().push(event.text());
    }
    for outcome in world.read("locker-outcomes") {
        let again = found.decided.insert(outcome.headers["cause"].clone(), outcome.decision());
        assert_eq!(again, None, "two outcomes of {:?}", outcome.headers["cause"]);
    }
    found
}

#[test]
fn lockers_close_by_event_time_though_instances_are_killed_join_and_leave() {
    let world = world();
    let began = Utc::now() - TimeDelta::hours(1);
    let send = |number: i32| world.append_in_order(round(began + TimeDelta::seconds(4) * number));
    let until_more = |before: usize| {
        until(&format!("more than {before} commands are decided"), || {
            let decided = found(world).decided.len();
            if decided > before { Ok(decided) } else { Err(decided.to_string()) }
        })
    };
    let mut first = world.spawn("lockers", "first");
    send(0);
    let decided = until_more(0);
    send(1);
    first.kill_9();
    first = world.spawn("lockers", "first");
    let decided = until_more(decided);
    let mut second = world.spawn("lockers", "second");
    send(2);
    second.until_log_says("state restored");
    let decided = until_more(decided);
    send(3);
    second.kill_9();
    until_more(decided);
    send(4);
    let expected = oracle(&world.read("locker-commands"));
    until("every command is decided", || {
        let decided = found(world).decided.len();
        if decided >= expected.decided.len() { Ok(()) } else { Err(decided.to_string()) }
    });
    assert_eq!(found(world), expected);
    let closed = expected.happened.values().flatten().filter(|text| text.starts_with("closed")).count();
    assert!(closed > 50, "{closed} were closed by their timers");
    first.kill_9();
}
