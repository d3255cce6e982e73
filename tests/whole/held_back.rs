//! A producer that leaves a transaction open: what is acknowledged behind it is invisible, and every answer says so, since when
//! and because of whom. Once it is ended, everything is there.

use crate::harness::{REGISTER, World, until};
use chrono::{DateTime, Utc};
use reqwest::blocking::{Client, Response};
use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

const SOON: Duration = Duration::from_secs(30);

#[test]
fn what_an_open_transaction_holds_back_is_lag_and_is_told() {
    let world = World::start("held-back");
    let services = world.run_without_activity();
    let client = Client::new();
    let url = |path: &str| format!("http://{}{path}", world.http);
    let person = json!({"first_name": "Ada", "last_name": "Lovelace", "company_name": "Engines"});
    let answer = client.post(url(REGISTER)).json(&person).send().unwrap();
    let registered = position(&answer);
    let id = answer.json::<Value>().unwrap()["id"].as_str().unwrap().to_owned();
    world.json(&format!("/api/persons/{id}?after={registered}&wait_ms=30000"));
    assert_eq!(world.json("/messages?topic=locations&limit=5")["undecided"], json!([]));
    // The marks that end transactions are passed, too.
    until("nothing lags", SOON, || match lag_ms(&world, &id) {
        0 => Ok(()),
        lag_ms => Err(format!("{lag_ms} ms")),
    });

    let mut open = open_transaction(&world, &id, &["locations", "person-commands"]);
    let location = json!({"person_id": id, "latitude": 1, "longitude": 2, "creation_time": "2026-01-02T03:04:05Z"});
    let answer = client.post(url("/api/locations")).json(&location).send().unwrap();
    assert_eq!(answer.status().as_u16(), 201);
    let reported = position(&answer);
    let change = client.patch(url(&format!("/api/persons/{id}"))).header("prefer", "respond-async");
    let changed = position(&change.json(&json!({"last_name": "King"})).send().unwrap());

    let partition = |position: &str| position.split(':').nth(1).unwrap().parse::<i64>().unwrap();
    let projection = held_back(&world, "projections", "locations", partition(&reported));
    let processor = held_back(&world, "processors", "person-commands", partition(&changed));
    assert_eq!(projection["producer_id"], processor["producer_id"]);
    let producer = format!("by an open transaction of producer {}", projection["producer_id"]);
    for status in ["projections", "processors"] {
        assert!(world.succeeds(&[status, "status"]).contains(&producer), "the table says it, too");
    }

    for (path, after) in [(format!("/api/persons/{id}/locations"), &reported), (format!("/api/persons/{id}"), &changed)]
    {
        let answer = world.get(&format!("{path}?after={after}&wait_ms=300")).unwrap();
        assert_eq!(answer.status().as_u16(), 503);
        let problem: Value = answer.json().unwrap();
        let detail = problem["detail"].as_str().unwrap();
        assert_eq!(problem["type"], "/docs#not-yet-applied", "{problem}");
        assert!(detail.contains("is held back at") && detail.contains(&producer), "{problem}");
    }
    assert!(lag_ms(&world, &id) > 0);

    let readers = world.json("/topics/locations")["readers"].clone();
    let reader = readers.as_array().unwrap().iter().find(|reader| reader["service"] == "locations-projection").unwrap();
    assert_eq!(reader["lag_records"], 2, "{reader}");

    let page = world.json("/messages?topic=locations&limit=5");
    assert_eq!(page["messages"], json!([]));
    let offset = projection["offset"].as_i64().unwrap();
    let undecided = json!([{"partition": partition(&reported), "from": offset, "to": offset + 2}]);
    assert_eq!(page["undecided"], undecided);
    assert_eq!(world.json("/messages?topic=locations&isolation=read_uncommitted")["undecided"], json!([]));
    let listed = world.output(&["messages", "--topic", "locations"]);
    assert!(String::from_utf8_lossy(&listed.stderr).contains("waits for the end of a transaction"), "{listed:?}");

    for component in ["locations-projection v1", "people-processor", "kafka"] {
        until(&format!("{component} says why it is not ready"), SOON, || {
            let report = world.get("/health/ready").unwrap().json::<Value>().unwrap();
            let components = report["components"].as_array().unwrap();
            let found = components.iter().find(|found| found["name"] == component).unwrap();
            match found["reason"].as_str().is_some_and(|reason| reason.contains(&producer)) {
                true => Ok(()),
                false => Err(report.to_string()),
            }
        });
    }
    let metrics = world.get("/metrics").unwrap().text().unwrap();
    let gauge = |name: &str| {
        let of_partition = format!("partition=\"{}\"", partition(&reported));
        let mut lines = metrics.lines().filter(|line| line.starts_with(name) && line.contains("topic=\"locations\""));
        let line = lines.find(|line| line.contains(&of_partition)).unwrap_or_else(|| panic!("no {name}: {metrics}"));
        line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()
    };
    assert!(gauge("foldstream_projection_held_back_seconds") >= 5.0);
    assert!((gauge("foldstream_projection_lag_records") - 2.0).abs() < f64::EPSILON);
    assert!(gauge("foldstream_projection_lag_seconds") > 0.0);

    writeln!(open.stdin.take().unwrap(), "end").unwrap();
    assert!(open.wait().unwrap().success());
    let shown = world.json(&format!("/api/persons/{id}/locations?after={reported}&wait_ms=30000"));
    assert_eq!(shown.as_array().unwrap().len(), 1);
    assert_eq!(world.json(&format!("/api/persons/{id}?after={changed}&wait_ms=30000"))["last_name"], "King");
    until("everything is ready again", SOON, || {
        let ready = world.get("/health/ready").unwrap();
        if ready.status().is_success() { Ok(()) } else { Err(ready.text().unwrap()) }
    });
    world.until_caught_up();
    services.terminate();
}

/// How far an answer without any locations says that it is behind.
fn lag_ms(world: &World, id: &str) -> u64 {
    let read = world.get(&format!("/api/persons/{id}/locations")).unwrap();
    let lag_ms = read.headers()["foldstream-lag-ms"].to_str().unwrap().parse().unwrap();
    assert_eq!(read.json::<Value>().unwrap(), json!([]));
    lag_ms
}

/// What a status says of the transaction that holds a partition back; the lag counts what waits behind it.
fn held_back(world: &World, status: &str, topic: &str, partition: i64) -> Value {
    let said: Value = serde_json::from_str(&world.succeeds(&[status, "status", "--output", "json"])).unwrap();
    let all = said.as_array().unwrap();
    let found = all.iter().find(|found| found["topic"] == topic && found["partition"] == partition).unwrap();
    let held_back = &found["held_back"];
    let since: DateTime<Utc> = held_back["since"].as_str().unwrap_or_else(|| panic!("{said}")).parse().unwrap();
    assert!((0..60).contains(&(Utc::now() - since).num_seconds()), "{held_back}");
    assert!(held_back["producer_id"].as_i64().unwrap() >= 0, "{held_back}");
    // The record of the transaction, and the one that was acknowledged behind it.
    assert_eq!((&found["lag_records"], &held_back["waiting"]), (&json!(2), &json!(2)), "{found}");
    let others = all.iter().filter(|found| found["topic"] != topic || found["partition"] != partition);
    assert!(others.into_iter().all(|found| found["held_back"].is_null()), "{said}");
    held_back.clone()
}

/// A client that is not ours, with a transaction open until a line comes in.
pub(crate) fn open_transaction(world: &World, key: &str, topics: &[&str]) -> Child {
    let python = foldstream_stack::cache().unwrap().join("python/bin/python");
    let mut open = Command::new(python)
        .arg(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/oracle/open_transaction.py"))
        .args([&world.stack.bootstrap(), &world.stack.registry_url(), world.database_url(), key])
        .args(topics)
        .env("FOLDSTREAM_PREFIX", world.topic(""))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    BufReader::new(open.stdout.take().unwrap()).read_line(&mut said).unwrap();
    assert_eq!(said.trim(), "open");
    open
}

fn position(answer: &Response) -> String {
    let position = answer.headers().get("foldstream-position");
    position.unwrap_or_else(|| panic!("{answer:?}")).to_str().unwrap().to_owned()
}
