//! `?after=` is about the reader's own records: many writers at random, some of whose keys are parked, before, while and
//! after somebody's open transaction holds a partition of `locations` back. No read lies: what answers 200 holds everything
//! that was asked for, whoever is parked is told so, what cannot be seen yet has not arrived, and nobody waits for others.

use crate::{
    harness::{REGISTER, World, so_much, until},
    held_back::open_transaction,
};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use reqwest::blocking::{Client, Response};
use serde_json::{Value, json};
use std::{
    io::Write,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Duration,
};

const WRITERS: usize = 6;
/// Of each writer's people. Six partitions: everybody shares theirs with somebody who is parked.
const PEOPLE: usize = 4;
/// Whose profiles are put aside, and whose places, of each writer's people.
const WITHOUT_PROFILE: [usize; 2] = [0, 1];
const WITHOUT_PLACES: [usize; 2] = [0, 2];
const READS_OF_A_WRITE: usize = 4;

#[test]
fn a_read_after_a_write_is_about_that_write_whoever_else_is_parked() {
    let world = World::start("after");
    let services = world.run_without_activity();
    let client = Client::new();
    let people: Vec<Vec<Person>> = thread::scope(|scope| {
        let register = || (0..PEOPLE).map(|_| register(&world, &client)).collect();
        let registering: Vec<_> = (0..WRITERS).map(|_| scope.spawn(register)).collect();
        registering.into_iter().map(|writer| writer.join().unwrap()).collect()
    });
    let of_all = |indexes: [usize; 2]| -> Vec<&str> {
        people.iter().flat_map(|writer| indexes.map(|index| writer[index].id.as_str())).collect()
    };
    world.append_to_each("person-profiles", &of_all(WITHOUT_PROFILE), "no event");
    world.append_to_each("locations", &of_all(WITHOUT_PLACES), "no event");
    until("their keys are parked", Duration::from_secs(30), || {
        let parked = world.sql("select count(*) from dead_letter where parks");
        if parked == (WRITERS * 4).to_string() { Ok(()) } else { Err(parked) }
    });
    // What was written before is there.
    for person in people.iter().flatten() {
        assert_eq!(world.json(&format!("/api/persons/{}?after={}", person.id, person.registered))["last_name"], "Old");
    }

    let (held, reads) = (&people[0][3].id, AtomicUsize::new(0));
    let mut writers: Vec<Writer<'_>> =
        people.iter().enumerate().map(|(worker, people)| Writer::new(&world, people, worker)).collect();
    let mut write_and_read = |held_back: Option<HeldBack>| {
        let (held_back, reads) = (held_back.as_ref(), &reads);
        thread::scope(|scope| {
            for writer in &mut writers {
                scope.spawn(move || writer.write_and_read(held_back, reads));
            }
        });
    };
    write_and_read(None);
    let mut open = open_transaction(&world, held, &["locations"]);
    write_and_read(Some(held_partition(&world)));
    writeln!(open.stdin.take().unwrap(), "end").unwrap();
    assert!(open.wait().unwrap().success());
    write_and_read(None);
    println!("0 lies in {} reads", reads.into_inner());
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

/// Something that was written, and where its writer was told that it lies.
#[derive(Clone)]
struct Written {
    position: String,
    what: What,
}

#[derive(Clone)]
enum What {
    /// Whose, and the how manieth it was.
    Name { person: usize, number: usize },
    /// Whose, and where they were.
    Places(Vec<(usize, Value)>),
}

/// What is read, and of whom.
#[derive(Debug, Clone, Copy)]
enum Door {
    Person(usize),
    People,
    Places(usize),
}

/// What a read must be answered.
#[derive(Debug, PartialEq)]
enum Due {
    /// With everything that was asked for.
    Shown,
    /// 503, because of a dead letter on this topic.
    Parked(&'static str),
    /// 503: it cannot be seen yet.
    NotYet,
}

/// Writes about people of its own, and reads what it has written.
struct Writer<'a> {
    world: &'a World,
    people: &'a [Person],
    worker: usize,
    client: Client,
    random: StdRng,
    written: Vec<Written>,
}

impl<'a> Writer<'a> {
    fn new(world: &'a World, people: &'a [Person], worker: usize) -> Self {
        let random = StdRng::seed_from_u64(worker as u64);
        Self { world, people, worker, client: Client::new(), random, written: Vec::new() }
    }

    fn write_and_read(&mut self, held_back: Option<&HeldBack>, reads: &AtomicUsize) {
        for _ in 0..so_much(139, 3) {
            let written = if self.random.random_bool(0.5) { self.rename() } else { self.report() };
            self.written.push(written);
            for _ in 0..READS_OF_A_WRITE {
                self.read(held_back);
                reads.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn rename(&mut self) -> Written {
        let (person, number) = (self.random.random_range(0..PEOPLE), self.written.len());
        let url = format!("http://{}/api/persons/{}", self.world.http, self.people[person].id);
        let change = || {
            let key = format!("{}-{number}", self.worker);
            let asked = self.client.patch(&url).header("prefer", "respond-async").header("idempotency-key", key);
            position(&asked.json(&json!({"last_name": format!("New {number}")})).send().unwrap())
        };
        let mut position = change();
        if self.random.random_bool(0.3) {
            // Sent again, it leads to nothing more.
            position = change();
        }
        Written { position, what: What::Name { person, number } }
    }

    fn report(&mut self) -> Written {
        let together: Vec<usize> =
            (0..self.random.random_range(1..5)).map(|_| self.random.random_range(0..PEOPLE)).collect();
        let location = |person: &usize| json!({"person_id": self.people[*person].id, "latitude": 1, "longitude": 2, "creation_time": "2026-01-02T03:04:05Z"});
        let locations: Vec<Value> = together.iter().map(location).collect();
        let url = format!("http://{}/api/locations", self.world.http);
        let answer = self.client.post(url).json(&locations).send().unwrap();
        let position = position(&answer);
        let reported: Vec<Value> = answer.json().unwrap();
        Written { position, what: What::Places(together.into_iter().zip(reported).collect()) }
    }

    /// Asks for one to three of the things that were written, the newest more often than others, at any door: that of
    /// places follows from names, too, and those of people from nothing else.
    fn read(&mut self, held_back: Option<&HeldBack>) {
        let is_name = |written: &&Written| matches!(written.what, What::Name { .. });
        let names: Vec<&Written> = self.written.iter().filter(is_name).collect();
        let at_people = !names.is_empty() && self.random.random_bool(0.5);
        let chosen = if at_people { names } else { self.written.iter().collect() };
        let asked: Vec<Written> = (0..self.random.random_range(1..4))
            .map(|_| match self.random.random_bool(0.5) {
                true => (*chosen.last().unwrap()).clone(),
                false => (*chosen.choose(&mut self.random).unwrap()).clone(),
            })
            .collect();
        let person = match &asked[0].what {
            What::Name { person, .. } => *person,
            What::Places(places) => places[0].0,
        };
        let door = match (at_people, self.random.random_bool(0.3)) {
            (true, true) => Door::People,
            (true, false) => Door::Person(person),
            (false, _) => Door::Places(person),
        };
        let due = due(door, &asked, held_back);
        let path = match door {
            Door::Person(person) => format!("/api/persons/{}?", self.people[person].id),
            Door::People => "/api/persons?limit=100&".to_owned(),
            Door::Places(person) => format!("/api/persons/{}/locations?limit=1000&", self.people[person].id),
        };
        let after = asked.iter().map(|written| written.position.as_str()).collect::<Vec<_>>().join(",");
        let wait_ms = if due.contains(&Due::NotYet) { 200 } else { 20_000 };
        let url = format!("http://{}{path}after={after}&wait_ms={wait_ms}", self.world.http);
        let answer = self.client.get(&url).send().unwrap();
        let status = answer.status().as_u16();
        let shown: Value = answer.json().unwrap();
        let found = match (status, shown["type"].as_str()) {
            (200, _) => Due::Shown,
            (503, Some("/docs#not-yet-applied")) => Due::NotYet,
            (503, Some("/docs#parked")) => {
                let dead_letter = shown["dead_letter"]["position"].as_str().unwrap();
                Due::Parked(if dead_letter.starts_with("person-profiles:") { "person-profiles" } else { "locations" })
            }
            _ => panic!("{url}: {status} {shown}"),
        };
        assert!(due.contains(&found), "{url}: {due:?} is due, and the answer is {shown}");
        if found == Due::Shown {
            for written in &asked {
                self.holds(door, &shown, &written.what).unwrap_or_else(|lack| panic!("{url}: {lack}: {shown}"));
            }
        }
    }

    /// Whether what is shown holds what was written, where it is shown there.
    fn holds(&self, door: Door, shown: &Value, what: &What) -> Result<(), String> {
        match (door, what) {
            (Door::Person(shown_of), What::Name { person, number }) if shown_of == *person => is_as_new(shown, *number),
            (Door::People, What::Name { person, number }) => {
                let id = json!(self.people[*person].id);
                let row = shown.as_array().unwrap().iter().find(|row| row["id"] == id).ok_or("who is not there")?;
                is_as_new(row, *number)
            }
            (Door::Places(shown_of), What::Places(places)) => {
                let shown = shown.as_array().unwrap();
                let of_person = places.iter().filter(|(person, _)| *person == shown_of);
                let lacking = of_person.filter(|(_, place)| !shown.contains(place)).count();
                if lacking == 0 { Ok(()) } else { Err(format!("{lacking} places lack")) }
            }
            _ => Ok(()),
        }
    }
}

/// A partition of `locations` in which a transaction is open, and since which offset nothing of it is seen.
#[derive(Debug, Clone)]
struct HeldBack {
    partition: u64,
    offset: u64,
}

impl HeldBack {
    fn holds(&self, position: &str) -> bool {
        let mut parts = position.split(':');
        let topic = parts.next();
        // Of several records, the last.
        let mut number = || parts.next().and_then(|part| part.rsplit('-').next()?.parse::<u64>().ok());
        topic == Some("locations") && number() == Some(self.partition) && number() >= Some(self.offset)
    }
}

/// As the projection that waits for it says.
fn held_partition(world: &World) -> HeldBack {
    until("a partition is held back", Duration::from_secs(30), || {
        let status: Value =
            serde_json::from_str(&world.succeeds(&["projections", "status", "--output", "json"])).unwrap();
        let held = status.as_array().unwrap().iter().find(|one| !one["held_back"].is_null());
        let numbers = held.and_then(|one| one["partition"].as_u64().zip(one["held_back"]["offset"].as_u64()));
        numbers.map(|(partition, offset)| HeldBack { partition, offset }).ok_or_else(|| status.to_string())
    })
}

/// Every answer that is true.
fn due(door: Door, asked: &[Written], held_back: Option<&HeldBack>) -> Vec<Due> {
    let at_places = matches!(door, Door::Places(_));
    let without_profile = asked
        .iter()
        .any(|written| matches!(&written.what, What::Name { person, .. } if WITHOUT_PROFILE.contains(person)));
    let without_places = asked.iter().any(|written| match &written.what {
        What::Places(places) => places.iter().any(|(person, _)| WITHOUT_PLACES.contains(person)),
        What::Name { .. } => false,
    });
    let is_held = held_back.is_some_and(|held_back| {
        asked.iter().any(|written| written.position.split(',').any(|position| held_back.holds(position)))
    });
    let mut due = Vec::new();
    due.extend(without_profile.then_some(Due::Parked("person-profiles")));
    due.extend((at_places && without_places).then_some(Due::Parked("locations")));
    due.extend((at_places && is_held).then_some(Due::NotYet));
    if due.is_empty() { vec![Due::Shown] } else { due }
}

/// A writer's names are numbered: what was written later may be shown already.
fn is_as_new(row: &Value, number: usize) -> Result<(), String> {
    let shown = row["last_name"].as_str().and_then(|name| name.strip_prefix("New ")?.parse::<usize>().ok());
    if shown.is_some_and(|shown| shown >= number) { Ok(()) } else { Err(format!("older than {number}")) }
}

fn position(answer: &Response) -> String {
    let position = answer.headers().get("foldstream-position");
    position.unwrap_or_else(|| panic!("{answer:?}")).to_str().unwrap().to_owned()
}
