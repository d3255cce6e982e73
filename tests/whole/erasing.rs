//! Erased is erased: nothing of a person is left in any file of the brokers, any log and any table once the brokers have done
//! what they do by themselves, but for the opaque id and the positions on the topics of facts.
//!
//! The times after which they do it are the declared ones, all divided by one factor, and the real cleaner is waited for.

use crate::harness::{REGISTER, World, until};
use reqwest::blocking::Client;
use serde_json::{Value, json};
use std::{
    fs,
    time::{Duration, Instant},
};

/// A day becomes two seconds.
const FACTOR: &str = "43200";
/// How often the brokers look; what else they do stays as it is everywhere.
const BROKERS: &[&str] = &[
    "log.cleaner.backoff.ms=500",
    "log.retention.check.interval.ms=1000",
    "log.initial.task.delay.ms=1000",
    "log.segment.delete.delay.ms=500",
];
/// Longer than seven days are here, and the four that an id may take.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn nothing_of_a_person_who_was_erased_is_left_but_facts_under_an_opaque_id() {
    let world = World::start_alone_with("erasing", BROKERS);
    world.oracle("admin.py", &["divide-times", FACTOR]);
    let mut services = world.run_all();
    let client = Client::new();
    let url = |path: &str| format!("http://{}{path}", world.http);
    let people: Vec<Person> = (0..4).map(|number| Person::register(&world, &client, number)).collect();
    let (stays, erased) = people.split_first().unwrap();

    // One is put aside with everything, one is a dead letter of the decider, one is nothing special.
    world.append("person-profiles", &erased[0].id, format!("no event of {}", erased[0].names[0]).as_bytes());
    world.append("locations", &erased[0].id, b"no event");
    world.append("person-commands", &erased[1].id, format!("no command of {}", erased[1].names[0]).as_bytes());
    until("they are put aside", Duration::from_secs(30), || {
        // On `locations` two projections refuse it.
        let letters = world.sql("select count(*) from dead_letter");
        if letters == "3" { Ok(()) } else { Err(letters) }
    });
    for person in &people {
        person.report(&client, &url("/api/locations"));
        let change = client.patch(url(&format!("/api/persons/{}?wait_ms=0", person.id)));
        assert!(change.json(&json!({"last_name": person.names[3]})).send().unwrap().status().is_success());
    }
    until("what comes later waits", Duration::from_secs(30), || {
        let parked = world.sql("select count(*) from parked_record");
        if parked == "3" { Ok(()) } else { Err(parked) }
    });
    world.succeeds(&["projections", "rebuild", "people-projection", "--expect-changes"]);

    // Whoever looks finds what is there.
    let all_over = scan(&world, erased);
    for (kind, place) in [
        ("names", ": person-profiles"),
        ("names", ": person-commands"),
        ("names", ": people-processor-state"),
        ("names", ": dead-letters"),
        ("ids", ": person-outcomes"),
        ("names", "table: public.person"),
        ("names", "table: people_v2.person"),
        ("names", "table: public.dead_letter"),
        ("names", "table: public.parked_record"),
        ("positions", "table: public.location_history"),
        ("positions", "table: public.parked_record"),
    ] {
        let is_found = |found: &(String, String)| found.0 == kind && found.1.ends_with(place);
        assert!(all_over.iter().any(is_found), "{kind} in {place}: {all_over:?}");
    }

    let started = Instant::now();
    for person in erased {
        let answer = client.delete(url(&format!("/api/persons/{}?wait_ms=30000", person.id))).send().unwrap();
        assert_eq!(answer.status().as_u16(), 204);
        // What comes later of them is not kept either.
        world.oracle("append_copy.py", &["locations", &person.id]);
        world.append("locations", &person.id, b"no event");
    }
    until("nothing is left of them", PATIENCE, || match scan(&world, erased) {
        none if none.is_empty() => Ok(()),
        some => Err(format!("{some:?}")),
    });
    println!("nothing was left of them after {:.0} s", started.elapsed().as_secs_f64());
    assert!(!scan(&world, std::slice::from_ref(stays)).is_empty(), "who was not erased is there");

    // Nobody knows them, but that they were erased is known.
    services.kill_9();
    services = world.run_all();
    for person in erased {
        let answer = client.patch(url(&format!("/api/persons/{}?wait_ms=30000", person.id)));
        let answer = answer.json(&json!({"last_name": "Again"})).send().unwrap();
        assert_eq!(answer.status().as_u16(), 410);
    }
    let known = world.json(&format!("/api/persons/{}", stays.id));
    assert_eq!(known["last_name"], json!(stays.names[3]));
    services.terminate();
}

/// Somebody whose names and places are nobody else's.
struct Person {
    id: String,
    /// First, last, company, and the last one after a change.
    names: [String; 4],
    place: [f64; 2],
}

impl Person {
    fn register(world: &World, client: &Client, number: u32) -> Self {
        let names = ["Adafirst", "Adalast", "Adacompany", "Adachanged"].map(|name| format!("{name}Q7x{number}zW"));
        let [first_name, last_name, company_name, _] = &names;
        let person = json!({"first_name": first_name, "last_name": last_name, "company_name": company_name});
        let answer = client.post(format!("http://{}{REGISTER}", world.http)).json(&person).send().unwrap();
        let id = answer.json::<Value>().unwrap()["id"].as_str().unwrap().to_owned();
        let far = f64::from(number);
        let registered = Self { id, names, place: [12.345_678_912_3 + far, 45.678_912_345_6 + far] };
        registered.report(client, &format!("http://{}/api/locations", world.http));
        registered
    }

    fn report(&self, client: &Client, url: &str) {
        let [latitude, longitude] = self.place;
        let report = json!({"person_id": self.id, "latitude": latitude, "longitude": longitude, "creation_time": "2026-01-02T03:04:05Z"});
        assert_eq!(client.post(url).json(&report).send().unwrap().status().as_u16(), 201);
    }
}

/// What is found of these people where it may not be: its kind, and where.
fn scan(world: &World, people: &[Person]) -> Vec<(String, String)> {
    let secrets = json!({
        "names": people.iter().flat_map(|person| &person.names).collect::<Vec<_>>(),
        "ids": people.iter().map(|person| &person.id).collect::<Vec<_>>(),
        "positions": people.iter().flat_map(|person| person.place).collect::<Vec<_>>(),
    });
    let file = world.directory().join("secrets.json");
    fs::write(&file, secrets.to_string()).unwrap();
    let directories = [world.stack.directory(), world.directory(), file.as_path()].map(|path| path.to_str().unwrap());
    let found = world.oracle("erased.py", &directories);
    serde_json::from_str(&found).unwrap()
}
