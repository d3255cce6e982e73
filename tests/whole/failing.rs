//! What services stand on fails, one thing at a time: each failure shows with its reason, nothing is lost, and it heals
//! alone.

use crate::harness::{Running, World, so_much, until};
use reqwest::blocking::Client;
use serde_json::{Value, json};
use std::{fs, process::Command, time::Duration};

#[test]
fn a_registry_that_is_away_is_waited_for() {
    let world = World::start_alone("registry-away");
    world.succeeds(&["replay", "aircraft", "--limit", "3000"]);
    world.stack.stop_registry().unwrap();
    // None of these has a schema yet.
    let services = world.spawn("services", &["run", "all"]);
    until("readiness names the registry", Duration::from_secs(60), || {
        let report = ready(&world)?;
        if report.contains("the schema registry at") { Ok(()) } else { Err(report) }
    });
    let answer = post_location(&world, "0101de");
    assert_eq!(answer.status, 422, "nobody is known yet: {}", answer.body);
    let person = json!({"first_name": "a", "last_name": "b", "company_name": "c"});
    let answer = post(&world, "persons", &person);
    assert_eq!(answer.status, 503, "{}", answer.body);
    assert!(
        answer.body["detail"].as_str().unwrap().contains("the schema registry cannot be reached"),
        "{}",
        answer.body
    );

    world.stack.start_registry().unwrap();
    until_ready(&world);
    world.until_caught_up();
    println!("{}", world.recount(&[]));
    println!("{}", world.oracle("decide.py", &[]));
    services.terminate();
}

#[test]
fn one_broker_alone_takes_no_writes_and_says_so() {
    let world = World::start_alone("brokers-away");
    let services = world.run_all();
    world.succeeds(&["replay", "aircraft", "--limit", "3000"]);
    world.until_caught_up();
    let key = world.newest_key("locations");
    world.stack.kill_broker(2).unwrap();
    world.stack.kill_broker(3).unwrap();
    let refused = until("a write is refused", Duration::from_secs(60), || {
        let answer = post_location(&world, &key);
        if answer.status == 503 { Ok(answer.body) } else { Err(answer.body.to_string()) }
    });
    assert_eq!(refused["acknowledged"], 0, "{refused}");
    assert_eq!(refused["type"], "/docs#not-acknowledged");
    // What was folded is still there to be read.
    assert_eq!(world.json(&format!("/api/persons/{key}"))["id"], json!(key));

    world.stack.start_broker(2).unwrap();
    world.stack.start_broker(3).unwrap();
    until("writes are taken again", Duration::from_secs(120), || {
        let answer = post_location(&world, &key);
        if answer.status == 201 { Ok(()) } else { Err(answer.body.to_string()) }
    });
    world.until_caught_up();
    println!("{}", world.recount(&[]));
    services.terminate();
}

/// The disk of one broker is full: it stops, the other two go on, and with room it comes back.
#[test]
fn a_full_disk_of_the_log_loses_nothing() {
    let world = World::start_alone("disk-full");
    let services = world.run_all();
    world.succeeds(&["replay", "aircraft", "--limit", "20000"]);
    let pid = world.stack.broker_pid(2).unwrap().unwrap().to_string();
    // No file of this process may grow past what it is now: writing fails as on a full disk.
    let limited = Command::new("prlimit").args(["--pid", &pid, "--fsize=500000"]).status().unwrap();
    assert!(limited.success());
    let limit = so_much("284505", "60000");
    let mut replay = world.spawn("replay", &["replay", "aircraft", "--speed", "max", "--limit", limit]);
    until("the broker has stopped", Duration::from_secs(120), || match world.stack.broker_pid(2).unwrap() {
        None => Ok(()),
        Some(_) => Err("it runs".to_owned()),
    });
    let ended = replay.wait(Duration::from_secs(180));
    assert!(ended.success(), "{}", replay.log_tail());
    world.stack.start_broker(2).unwrap();
    world.stack.wait_broker_ready(2).unwrap();
    world.until_caught_up();
    println!("{}", world.recount(&[]));
    println!("{}", world.oracle("decide.py", &[]));
    services.terminate();
}

/// Instances come and go while a replay runs: partitions move, and every row is there once.
#[test]
fn partitions_are_shared_and_handed_over() {
    let world = World::start("rebalances");
    let services = ["people-processor", "people-projection", "locations-projection", "activity-projection"];
    let start = |name: &str| world.spawn(name, &[&["run"], &services[..], &["--instance", name]].concat());
    let first = start("first");
    first.until_log_says("partitions assigned", Duration::from_secs(60));
    let mut replay = world.spawn("replay", &["replay", "aircraft", "--speed", "60"]);
    for round in 1..=3 {
        let second = start("second");
        // The second time on, its place in the group was kept: it gets its partitions without asking the first.
        until(&format!("the second instance has its share, round {round}"), Duration::from_secs(60), || {
            let (one, other) = (assigned(&first, "locations-projection"), assigned(&second, "locations-projection"));
            if one > 0 && other >= round { Ok(()) } else { Err(format!("{one} and {other} assignments")) }
        });
        second.terminate();
    }
    replay.kill_9();
    until("the first instance has all partitions", Duration::from_secs(60), || {
        let status = world.succeeds(&["projections", "status", "--output", "json"]);
        let status: Vec<Value> = serde_json::from_str(&status).unwrap();
        let behind = status.iter().filter(|partition| partition["lag_records"] != 0).count();
        if behind == 0 { Ok(()) } else { Err(format!("{behind} partitions are behind")) }
    });
    world.until_caught_up();
    println!("{}", world.recount(&[]));
    println!("{}", world.oracle("decide.py", &[]));
    first.terminate();
}

/// How often a service of this process was given partitions.
fn assigned(process: &Running, service: &str) -> usize {
    let log = fs::read_to_string(process.log()).unwrap_or_default();
    log.lines().filter(|line| line.contains("partitions assigned") && line.contains(service)).count()
}

struct Answer {
    status: u16,
    body: Value,
}

fn post(world: &World, what: &str, body: &Value) -> Answer {
    let client = Client::builder().timeout(Duration::from_secs(30)).build().unwrap();
    let answer = client.post(format!("http://{}/api/{what}", world.http)).json(body).send().unwrap();
    Answer { status: answer.status().as_u16(), body: answer.json().unwrap() }
}

fn post_location(world: &World, person_id: &str) -> Answer {
    let location =
        json!({"person_id": person_id, "latitude": 1, "longitude": 2, "creation_time": "2026-01-02T03:04:05Z"});
    post(world, "locations", &location)
}

fn ready(world: &World) -> Result<String, String> {
    world.get("/health/ready").and_then(reqwest::blocking::Response::text).map_err(|error| error.to_string())
}

fn until_ready(world: &World) {
    until("every service is ready", Duration::from_secs(120), || {
        let answer = world.get("/health/ready").map_err(|error| error.to_string())?;
        if answer.status().is_success() { Ok(()) } else { Err(answer.text().unwrap_or_default()) }
    });
}
