//! An event in two versions: both are written, read and folded side by side; and what must not be registered is not.

use crate::harness::{REGISTER, World, text, until};
use reqwest::{Method, blocking::Client};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

const SUBJECT: &str = "locations-foldstream.locations.LocationReported";
const ADA: &str = r#"{"first_name": "Ada", "last_name": "Lovelace", "company_name": "Analytical Engines"}"#;

#[test]
fn two_versions_of_an_event_are_read_and_folded_side_by_side() {
    let world = World::on_the_shared_stack("evolution");
    world.succeeds(&["topics", "apply"]);
    let golden = golden(1);
    guard_compatibility(&world);
    let first = register(&world, &golden["schema"]).unwrap();
    let checked = world.output(&["schemas", "check"]);
    let said = text(&checked.stdout);
    assert!(!checked.status.success());
    assert!(
        said.contains(&format!("{SUBJECT}: not registered, and compatible with every registered version (1)")),
        "{said}{}",
        text(&checked.stderr)
    );
    world.succeeds(&["schemas", "register"]);
    world.succeeds(&["schemas", "check"]);
    assert_eq!(versions(&world), json!([1, 2]));

    let services = world.run_all();
    append(&world, "0101de", first, golden["datum_hex"].as_str().unwrap());
    let ada = post(&world, REGISTER, ADA.to_owned())["id"].as_str().unwrap().to_owned();
    let report = json!({"person_id": ada, "creation_time": "2026-01-01T12:00:00Z", "latitude": 48.8584,
        "longitude": 2.2945, "accuracy_m": "12.5"});
    post(&world, "/api/locations", report.to_string());

    let rows = "select person_id, st_y(position::geometry), st_x(position::geometry) from location_history \
                order by occurred_at";
    let expected = format!("0101de|48.4824371338|-3.8288057767\n{ada}|48.8584|2.2945");
    until("both versions are folded", Duration::from_secs(60), || {
        let found = world.sql(rows);
        if found == expected { Ok(()) } else { Err(found) }
    });
    assert_eq!(world.sql("select count(*) from dead_letter"), "0");
    let printed = world.succeeds(&["messages", "--topic", "locations", "--output", "json"]);
    let printed: Vec<Value> = printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let answered = world.json("/messages?topic=locations");
    for messages in [&printed, answered["messages"].as_array().unwrap()] {
        let [second, first] = messages.as_slice() else { panic!("{messages:?}") };
        assert_eq!((&first["schema"]["version"], &first["value"]["latitude"]), (&json!(1), &json!(48.482_437_133_8)));
        assert_eq!(first["value"].get("accuracy_m"), None);
        assert_eq!((&second["schema"]["version"], &second["value"]["accuracy_m"]), (&json!(2), &json!(12.5)));
    }

    // The registry itself refuses what one of the versions could not read or be read by.
    let mut incompatible = golden["schema"].clone();
    incompatible["fields"][3]["type"] = json!("float");
    let refused = register(&world, &incompatible).unwrap_err();
    assert!(refused.contains("409"), "{refused}");
    assert_eq!(versions(&world), json!([1, 2]));
    services.terminate();
}

#[test]
fn a_schema_that_must_not_be_registered_is_named_and_refused() {
    let world = World::on_the_shared_stack("incompatible");
    guard_compatibility(&world);
    let mut other = golden(2)["schema"].clone();
    other["fields"][5]["default"] = json!(7.5);
    other["fields"][5]["type"] = json!("double");
    other["fields"].as_array_mut().unwrap().push(json!({"name": "floor", "type": "int"}));
    register(&world, &other).unwrap();
    let checked = world.output(&["schemas", "check"]);
    let said = text(&checked.stdout);
    assert!(!checked.status.success());
    for wanted in [
        "field accuracy_m: it was always there in version 1 and became optional, [null, double]. Forbidden, because",
        "field floor: it was in version 1 without a default, and is gone. Forbidden, because",
        "let readers take both",
    ] {
        assert!(
            said.contains(&format!("{SUBJECT}: not registered, and must not be: ")) && said.contains(wanted),
            "{said}{}",
            text(&checked.stderr)
        );
    }
    let refused = world.fails(&["schemas", "register"]);
    assert!(refused.contains(SUBJECT) && refused.contains("409"), "{refused}");
    assert_eq!(versions(&world), json!([1]));
}

fn golden(version: u32) -> Value {
    let folder = "schemas/golden/foldstream.locations.LocationReported";
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(folder).join(format!("v{version}.json"));
    serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap()
}

/// What `schemas register` does first: before it the registry takes anything.
fn guard_compatibility(world: &World) {
    ask(world, Method::PUT, "/config", &json!({"compatibility": "FULL_TRANSITIVE"})).unwrap();
}

/// Registers a schema as another team's tool would; gives its id.
fn register(world: &World, schema: &Value) -> Result<u32, String> {
    let body = json!({"schema": schema.to_string(), "schemaType": "AVRO"});
    let answer = ask(world, Method::POST, &format!("/subjects/{}/versions", world.topic(SUBJECT)), &body)?;
    Ok(u32::try_from(answer["id"].as_u64().unwrap()).unwrap())
}

fn versions(world: &World) -> Value {
    ask(world, Method::GET, &format!("/subjects/{}/versions", world.topic(SUBJECT)), &Value::Null).unwrap()
}

fn ask(world: &World, method: Method, path: &str, body: &Value) -> Result<Value, String> {
    let url = format!("{}{path}", world.stack.registry_url());
    let request = Client::new().request(method, url);
    let answer = if body.is_null() { request } else { request.json(body) }.send().unwrap();
    let (status, text) = (answer.status(), answer.text().unwrap());
    if status.is_success() { Ok(serde_json::from_str(&text).unwrap()) } else { Err(format!("{status}: {text}")) }
}

/// What a path of ours answers to a body that it takes.
fn post(world: &World, path: &str, body: String) -> Value {
    let url = format!("http://{}{path}", world.http);
    let answer = Client::new().post(url).header("content-type", "application/json").body(body).send().unwrap();
    let (status, text) = (answer.status(), answer.text().unwrap());
    assert!(status.is_success(), "{path}: {status} {text}");
    serde_json::from_str(&text).unwrap()
}

/// Appends a datum in frame to `locations`, by a client that is not ours.
fn append(world: &World, key: &str, schema_id: u32, datum_hex: &str) {
    let datum = (0..datum_hex.len() / 2).map(|at| u8::from_str_radix(&datum_hex[2 * at..2 * at + 2], 16).unwrap());
    let value: Vec<u8> = [0].into_iter().chain(schema_id.to_be_bytes()).chain(datum).collect();
    let file: &Path = &world.directory().join("first-version.bin");
    fs::write(file, value).unwrap();
    let appended = Command::new("kcat")
        .args(["-b", &world.stack.bootstrap(), "-t", &world.topic("locations"), "-P", "-k", key])
        .args(["-X", "partitioner=murmur2_random"])
        .arg(file)
        .status()
        .unwrap();
    assert!(appended.success());
}
