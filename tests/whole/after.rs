//! `?after=` is about the reader's own records: many writers at random, some of whose keys are parked, and neither is one
//! who is parked shown what is older, nor anybody else kept waiting by him.

use crate::harness::{REGISTER, World, so_much, until};
use rand::{Rng, SeedableRng, rngs::StdRng};
use reqwest::blocking::{Client, Response};
use serde_json::{Value, json};
use std::{thread, time::Duration};

const WRITERS: usize = 6;
/// Of each writer's people. Six partitions: everybody shares theirs with somebody who is parked.
const PEOPLE: usize = 4;

#[test]
fn a_read_after_a_write_is_about_that_write_whoever_else_is_parked() {
    let world = World::start("after");
    let services = world.run_without_activity();
    let client = Client::new();
    let people: Vec<Vec<Person>> =
        (0..WRITERS).map(|_| (0..PEOPLE).map(|_| register(&world, &client)).collect()).collect();
    for writer in &people {
        // The first waits with everything, the second with what is known of him, the third with where he was.
        for person in &writer[..2] {
            world.append("person-profiles", &person.id, b"no event");
        }
        for person in [&writer[0], &writer[2]] {
            world.append("locations", &person.id, b"no event");
        }
    }
    until("their keys are parked", Duration::from_secs(30), || {
        let parked = world.sql("select count(*) from dead_letter where parks");
        if parked == (WRITERS * 4).to_string() { Ok(()) } else { Err(parked) }
    });
    // What was written before is there.
    for person in people.iter().flatten() {
        assert_eq!(world.json(&format!("/api/persons/{}?after={}", person.id, person.registered))["last_name"], "Old");
    }
    thread::scope(|scope| {
        for (worker, people) in people.iter().enumerate() {
            let world = &world;
            scope.spawn(move || write_and_read(world, people, worker));
        }
    });
    services.terminate();
}

struct Person {
    id: String,
    registered: String,
}

fn register(world: &World, client: &Client) -> Person {
    let person = json!({"first_name": "Ada", "last_name": "Old", "company_name": "Engines"});
    let answer = client.post(format!("http://{}{REGISTER}", world.http)).json(&person).send().unwrap();
    let registered = position(&answer);
    Person { id: answer.json::<Value>().unwrap()["id"].as_str().unwrap().to_owned(), registered }
}

fn write_and_read(world: &World, people: &[Person], worker: usize) {
    let (client, mut random) = (Client::new(), StdRng::seed_from_u64(worker as u64));
    let get = |path: String| client.get(format!("http://{}{path}&wait_ms=20000", world.http)).send().unwrap();
    let change = |person: &Person, name: &str, key: &str| {
        let url = format!("http://{}/api/persons/{}", world.http, person.id);
        let asked = client.patch(url).header("prefer", "respond-async").header("idempotency-key", key);
        position(&asked.json(&json!({"last_name": name})).send().unwrap())
    };
    let report = |persons: &[&Person]| {
        let location = |person: &&Person| json!({"person_id": person.id, "latitude": 1, "longitude": 2, "creation_time": "2026-01-02T03:04:05Z"});
        let locations: Vec<Value> = persons.iter().map(location).collect();
        let answer = client.post(format!("http://{}/api/locations", world.http)).json(&locations).send().unwrap();
        let at = position(&answer);
        let reported: Vec<Value> = answer.json().unwrap();
        (at, reported)
    };
    for number in 0..so_much(170, 12) {
        let index = random.random_range(0..PEOPLE);
        let (person, key) = (&people[index], format!("{worker}-{number}"));
        let name = format!("New {key}");
        let changed = change(person, &name, &key);
        let mut asked = changed.clone();
        if random.random_bool(0.3) {
            // Sent again, it leads to nothing more.
            asked = change(person, &name, &key);
        }
        let read = get(format!("/api/persons/{}?after={asked}", person.id));
        if index < 2 {
            is_parked(read, "person-profiles");
            // Nor with somebody else's position beside it, be that later in the partition or not.
            let other = change(&people[3], &name, &format!("{key}-other"));
            is_parked(get(format!("/api/persons?after={asked},{other}")), "person-profiles");
            is_parked(get(format!("/api/persons?after={other},{asked}")), "person-profiles");
            let shown: Value = get(format!("/api/persons/{}?after={other}", people[3].id)).json().unwrap();
            assert_eq!(shown["last_name"], json!(name), "{other}");
        } else {
            let status = read.status();
            let shown: Value = read.json().unwrap();
            assert_eq!((status.as_u16(), &shown["last_name"]), (200, &json!(name)), "{asked}: {shown}");
        }

        let together: Vec<&Person> =
            (0..random.random_range(1..5)).map(|_| &people[random.random_range(0..PEOPLE)]).collect();
        let (at, reported) = report(&together);
        let read = get(format!("/api/persons/{}/locations?limit=1000&after={at}", people[3].id));
        let is_held = |person: &&Person| [&people[0].id, &people[2].id].contains(&&person.id);
        if together.iter().any(is_held) {
            is_parked(read, "locations");
        } else {
            let status = read.status();
            let shown: Value = read.json().unwrap();
            assert_eq!(status.as_u16(), 200, "{at}: {shown}");
            for location in reported.iter().filter(|location| location["person_id"] == json!(people[3].id)) {
                assert!(shown.as_array().unwrap().contains(location), "{at}: {shown} lacks {location}");
            }
        }
    }
}

fn is_parked(answer: Response, topic: &str) {
    let (url, status) = (answer.url().to_string(), answer.status().as_u16());
    let problem: Value = answer.json().unwrap();
    assert_eq!((status, &problem["type"]), (503, &json!("/docs#parked")), "{url}: {problem}");
    let dead_letter = problem["dead_letter"]["position"].as_str().unwrap();
    assert!(dead_letter.starts_with(&format!("{topic}:")), "{url}: {problem}");
}

fn position(answer: &Response) -> String {
    let position = answer.headers().get("foldstream-position");
    position.unwrap_or_else(|| panic!("{answer:?}")).to_str().unwrap().to_owned()
}
