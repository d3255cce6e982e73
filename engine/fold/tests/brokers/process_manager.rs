//! Process managers and the aggregate they ask: whoever is killed, every saga ends once, as it may, and what was done is taken
//! back where it failed.

use crate::{
    events::Trip,
    trips::{LOST_ORDER, NO_MEAL},
    world::{World, until, world},
};
use chrono::Utc;
use std::collections::BTreeMap;
use uuid::Uuid;

const TEXTS: [&str; 3] = ["all is well", NO_MEAL, LOST_ORDER];

fn trips(round: usize) -> Vec<Trip> {
    let trip = |number: usize| Trip {
        event_id: Uuid::new_v4(),
        parcel: format!("trip-{round}-{number}"),
        occurred_at: Utc::now(),
        text: TEXTS[number % TEXTS.len()].to_owned(),
    };
    (0..60).map(trip).collect()
}

/// How a trip may end: whatever is killed long enough is late, and then goes back like one whose order is lost.
fn may_end(text: &str, end: &str) -> bool {
    match text {
        NO_MEAL => ["meal sold_out", "meal late"].contains(&end),
        LOST_ORDER => end == "meal late",
        _ => ["done", "meal late"].contains(&end),
    }
}

/// What must have become of the tickets of a trip that ended so: booked and kept, or none is left.
fn agrees(end: &str, seat: &[&str], meal: &[&str]) -> bool {
    let taken_back = |ticket: &[&str]| ticket == ["book", "cancel"];
    match end {
        "done" => seat == ["book"] && meal == ["book"],
        _ => taken_back(seat) && (meal.is_empty() || taken_back(meal)),
    }
}

fn ended(world: &World) -> BTreeMap<String, String> {
    let mut ended = BTreeMap::new();
    for end in world.read("trip-ends") {
        let again = ended.insert(end.key.clone(), end.text());
        assert_eq!(again, None, "{} ended twice", end.key);
    }
    ended
}

#[test]
fn every_saga_ends_once_and_leaves_nothing_half_done_though_manager_and_aggregate_are_killed() {
    let world = world();
    let (mut manager, mut aggregate) = (world.spawn("trips", "0"), world.spawn("tickets", "0"));
    for round in 0..3 {
        let before = ended(world).len();
        world.append_at_once(trips(round));
        until("some trips have ended", || {
            let now = ended(world).len();
            if now > before { Ok(()) } else { Err(now.to_string()) }
        });
        manager.kill_9();
        if round == 1 {
            aggregate.kill_9();
            aggregate = world.spawn("tickets", "0");
        }
        manager = world.spawn("trips", "0");
    }
    let trips: BTreeMap<String, String> =
        world.read("trips").into_iter().map(|trip| (trip.key.clone(), trip.text())).collect();
    until("every trip has ended", || {
        let now = ended(world).len();
        if now >= trips.len() { Ok(()) } else { Err(format!("{now} of {}", trips.len())) }
    });
    let mut happened: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for ticket in world.read("tickets") {
        happened.entry(ticket.key.clone()).or_default().push(ticket.text());
    }
    let ends = ended(world);
    for (trip, text) in &trips {
        let end = &ends[trip];
        let tickets = ["seat", "meal"].map(|of| {
            happened.get(&format!("{trip}-{of}")).into_iter().flatten().map(String::as_str).collect::<Vec<_>>()
        });
        assert!(may_end(text, end) && agrees(end, &tickets[0], &tickets[1]), "{trip} ({text}): {end}, {tickets:?}");
    }
    for end in ["done", "meal sold_out", "meal late"] {
        let so_many = ends.values().filter(|found| *found == end).count();
        assert!(so_many >= 20, "{so_many} ended as {end:?}: {ends:?}");
    }
    // Request and reply: whatever was decided was told once, under the saga's key.
    let told = |topic: &str| {
        let mut told: Vec<_> = world.read(topic).iter().map(|outcome| outcome.headers["cause"].clone()).collect();
        told.sort();
        told
    };
    assert_eq!(told("trip-replies"), told("ticket-outcomes"));
    assert!(world.read("trip-replies").iter().all(|reply| trips.contains_key(&reply.key)));
    manager.kill_9();
    aggregate.kill_9();
}
