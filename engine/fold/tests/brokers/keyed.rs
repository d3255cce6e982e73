//! Windows of event time: whoever is killed, joins or leaves, and whatever comes too late, each window is counted once and
//! right, by an oracle that reads the log with a client that is not ours.

use crate::{
    events::Visit,
    visits::{LATENESS_MS, POISONED, WINDOW_MS},
    world::{Printed, World, until, world},
};
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::BTreeMap;
use uuid::Uuid;

/// Windows by key and start, in milliseconds.
type Windows = BTreeMap<(String, i64), u32>;

fn visit(key: &str, occurred_at: DateTime<Utc>) -> Visit {
    Visit { event_id: Uuid::new_v4(), parcel: key.to_owned(), occurred_at, text: String::new() }
}

/// Visits of many keys over ten seconds: out of order, some of them much too late, and of two keys whose timers fail.
fn round(from: DateTime<Utc>) -> Vec<Visit> {
    let one = |number: i64| {
        let jitter_ms = number * 7919 % 300;
        let late_ms = if number % 31 == 30 { 4_000 } else { 0 };
        let at = from + TimeDelta::milliseconds(number * 25 + jitter_ms - late_ms);
        match number % 23 {
            5 => visit(&format!("{POISONED}-{}", number % 2), at),
            key => visit(&format!("visitor-{key}"), at),
        }
    };
    (0..400).map(one).collect()
}

/// What the visits as they lie in the log come to: which are late follows from what lies before them in their partition.
fn oracle(visits: &[Printed]) -> (Windows, usize) {
    let mut newest: BTreeMap<i32, i64> = BTreeMap::new();
    let (mut windows, mut late) = (Windows::new(), 0);
    for visit in visits {
        let at_ms = visit.occurred_at_ms();
        let newest = newest.entry(visit.partition).or_insert(at_ms);
        if at_ms < *newest - LATENESS_MS {
            late += 1;
        } else if !visit.key.starts_with(POISONED) {
            *windows.entry((visit.key.clone(), at_ms - at_ms % WINDOW_MS)).or_default() += 1;
        }
        *newest = (*newest).max(at_ms);
    }
    // The watermark has not reached the last ones.
    windows.retain(|(key, _), _| !key.starts_with("end-"));
    (windows, late)
}

fn counted(world: &World) -> Windows {
    let counts = world.read("counts");
    let window = |count: &Printed| ((count.key.clone(), count.occurred_at_ms()), count.text().parse().unwrap());
    let windows: Windows = counts.iter().map(window).collect();
    assert_eq!(windows.len(), counts.len(), "a window was counted twice");
    windows
}

#[test]
fn windows_are_right_though_instances_are_killed_join_and_leave() {
    let world = world();
    let began = Utc::now() - TimeDelta::hours(1);
    let began = began - TimeDelta::milliseconds(began.timestamp_millis() % WINDOW_MS);
    let send = |number: i32| world.append_in_order(round(began + TimeDelta::seconds(10) * number));
    let until_more = |before: usize| {
        until(&format!("more than {before} windows are counted"), || {
            let found = counted(world).len();
            if found > before { Ok(found) } else { Err(found.to_string()) }
        })
    };

    let mut first = world.spawn("visits", "first");
    send(0);
    let found = until_more(0);
    // Killed with a transaction under way, and taken up by itself.
    send(1);
    first.kill_9();
    first = world.spawn("visits", "first");
    let found = until_more(found);
    // Another one joins, and the partitions move while visits come.
    let mut second = world.spawn("visits", "second");
    send(2);
    second.until_log_says("state restored");
    let found = until_more(found);
    send(3);
    // It leaves without a word; the first takes its partitions over.
    second.kill_9();
    until_more(found);
    send(4);
    // Of each partition one that is far ahead, so that every window ends.
    let key_in = |partition: i32| {
        let mut keys = (0..).map(|number| format!("end-{number}"));
        keys.find(|key| foldstream_log::partition_of(key.as_bytes(), 3) == partition).unwrap()
    };
    let soon = Utc::now() - TimeDelta::minutes(1);
    world.append_in_order((0..3).map(|partition| visit(&key_in(partition), soon)).collect());

    let visits = world.read("visits");
    let (expected, late) = oracle(&visits);
    assert!(late > 20, "{late} are late");
    until("every window is counted", || {
        let found = counted(world);
        if found.len() >= expected.len() { Ok(()) } else { Err(format!("{} of {}", found.len(), expected.len())) }
    });
    assert_eq!(counted(world), expected);
    // The keys whose timers fail are parked, and nobody else: what came for them afterwards is put aside.
    let letters = world.read("dead-letters");
    let aside: Vec<_> = letters.iter().filter(|letter| letter.key.starts_with("visits:")).collect();
    assert!(!aside.is_empty());
    for letter in aside {
        let reason = String::from_utf8_lossy(&letter.value).into_owned();
        assert!(reason.contains(POISONED) && reason.contains("its key is parked"), "{reason}");
    }
    first.kill_9();
}
