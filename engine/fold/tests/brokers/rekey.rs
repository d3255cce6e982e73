//! Re-keying: whoever is killed, every input leads to its facts, each of them once and on its own key.

use crate::{
    events::Scan,
    world::{World, until, world},
};
use chrono::Utc;
use std::collections::BTreeMap;
use uuid::Uuid;

/// The places that were told of each scan, by the position of the scan.
fn told(world: &World) -> BTreeMap<String, Vec<String>> {
    let mut told: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for stop in world.read("stops") {
        told.entry(stop.headers["cause"].clone()).or_default().push(stop.key);
    }
    told.values_mut().for_each(|places| places.sort());
    told
}

#[test]
fn every_input_is_on_its_new_keys_once_though_its_process_is_killed() {
    let world = world();
    let send = |round: usize| {
        let scan = |number: usize| {
            let text = format!("place-{} place-{} place-{}", number % 10, number % 10 + 10, number % 7 + 20);
            Scan { event_id: Uuid::new_v4(), parcel: format!("scan-{round}-{number}"), occurred_at: Utc::now(), text }
        };
        world.append_at_once((0..1_500).map(scan).collect());
    };
    let mut running = world.spawn("stops", "0");
    for round in 0..3 {
        let before = told(world).len();
        send(round);
        until("some of them are told", || {
            let now = told(world).len();
            if now > before { Ok(()) } else { Err(now.to_string()) }
        });
        running.kill_9();
        running = world.spawn("stops", "0");
    }
    let mut expected = BTreeMap::new();
    for scan in world.read("scans") {
        let mut places: Vec<_> = scan.text().split(' ').map(str::to_owned).collect();
        places.sort();
        expected.insert(scan.position("scans"), places);
    }
    until("all of them are told", || {
        let now = told(world).len();
        if now >= expected.len() { Ok(()) } else { Err(now.to_string()) }
    });
    assert_eq!(told(world), expected);
    running.kill_9();
}
