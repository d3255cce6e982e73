//! What the rules let through becomes rows: values from the whole range of every rule, written to the topics of facts and
//! of wishes, folded by every service, refused by none of them, and read back as they were.

use crate::harness::World;
use foldstream_arbitrary::events;
use foldstream_events::{LocationsEvent, PersonCommandsEvent};
use foldstream_log::{Registry, TopicEvent, Writer};
use futures::future::join_all;
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};
use std::{collections::BTreeMap, fmt::Debug};

#[test]
fn whatever_the_rules_let_through_becomes_rows() {
    let world = World::start("rules");
    let services = world.run_all();
    let reports: Vec<LocationsEvent> = sample(200);
    let wishes: Vec<PersonCommandsEvent> = sample(200);
    append(&world, &reports);
    append(&world, &wishes);
    world.until_caught_up();

    assert_eq!(world.sql("select projection, reason from dead_letter"), "");
    let refused = world.json("/messages?topic=dead-letters&limit=1");
    assert_eq!(refused["messages"].as_array().unwrap().len(), 0, "{refused}");
    assert_eq!(world.sql("select count(*) from location_history"), reports.len().to_string());
    assert_eq!(world.sql("select sum(reports) from activity"), reports.len().to_string());
    for LocationsEvent::LocationReported(report) in &reports {
        let row = world.json(&format!("/api/locations/{}", report.event_id));
        assert_eq!(row["person_id"], report.person_id);
        assert_eq!(row["latitude"], report.latitude);
        assert_eq!(row["longitude"], report.longitude);
        let time = chrono::DateTime::parse_from_rfc3339(row["creation_time"].as_str().unwrap());
        assert_eq!(time.unwrap(), report.occurred_at, "{row}");
    }
    // Of an id that several wishes name, it is not known which comes first.
    let mut named: BTreeMap<&str, usize> = BTreeMap::new();
    wishes.iter().for_each(|wish| *named.entry(wish.key()).or_default() += 1);
    let mut registered = 0;
    for wish in &wishes {
        let PersonCommandsEvent::RegisterPerson(wish) = wish else { continue };
        if named[wish.person_id.as_str()] > 1 {
            continue;
        }
        let shown = world.json(&format!("/api/persons/{}", in_path(&wish.person_id)));
        assert_eq!(
            (&shown["first_name"], &shown["last_name"], &shown["company_name"]),
            (&wish.first_name.clone().into(), &wish.last_name.clone().into(), &wish.company_name.clone().into())
        );
        registered += 1;
    }
    assert!(registered > 20, "{registered}");
    services.terminate();
}

/// The same ones each time.
fn sample<E: TopicEvent + Debug + Clone>(count: usize) -> Vec<E> {
    let (mut runner, strategy) = (TestRunner::deterministic(), events::<E>());
    (0..count).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect()
}

fn append<E: TopicEvent>(world: &World, events: &[E]) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let registry = Registry::new(&world.log()).unwrap();
    let writer = Writer::connect(&world.log(), &registry, "rules").unwrap();
    runtime.block_on(async {
        for appended in join_all(events.iter().map(|event| writer.append(event))).await {
            appended.unwrap();
        }
    });
}

/// Any text as one segment of a path.
fn in_path(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
