//! Where things come from and where they lead: every row names the message that made it, and a message tells which
//! records and rows followed from it, and what became of those.

use crate::harness::{REGISTER, Running, World, header_of, until};
use reqwest::{
    Method,
    blocking::{Client, Response},
};
use serde_json::{Value, json};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(30);

#[test]
fn rows_lead_to_their_messages_and_messages_to_their_rows() {
    let world = World::start_alone("provenance");
    let services = world.run_all();
    let (id, command) = registers(&world);
    let reported = reports(&world, &id);
    counts_in_hours(&world, &reported);
    every_row_names_its_message(&world, &id);
    waits_behind_what_cannot_be_used(&world);
    cannot_be_decided(&world);
    erases(&world, &id, &command, &reported);
    refuses_what_is_no_message(&world);
    not_folded_yet(&world, services);
}

/// A command leads to its outcome and to facts, and one of those to a row.
fn registers(world: &World) -> (String, String) {
    let body = json!({"first_name": "Ada", "last_name": "Byron", "company_name": "Engines"});
    let answer = ask(world, Method::POST, REGISTER, Some(&body));
    assert_eq!(answer.status().as_u16(), 201);
    let command = position(&answer);
    let person: Value = answer.json().unwrap();
    let id = person["id"].as_str().unwrap().to_owned();
    assert!(person.get("event").is_none(), "{person}");
    let person = world.json(&format!("/api/persons/{id}?after={command}"));

    let effects = effects_of(world, &command);
    assert_eq!((&effects["type"], &effects["complete"]), (&json!("foldstream.people.RegisterPerson"), &json!(true)));
    assert_eq!((&effects["position"], &effects["message"]), (&json!(command), &json!(link(&command))));
    assert_eq!(effects["rows"], json!([]));
    assert_eq!(effects["processors"][0]["service"], "people-processor");
    assert_eq!(effects["processors"][0]["state"], "passed");
    assert_eq!(led_to(&effects), ["people", "person-outcomes", "person-profiles"]);
    for caused in effects["led_to"].as_array().unwrap() {
        assert_eq!(caused["cause"], json!(link(&command)), "{caused}");
        let message = message(world, caused["message"].as_str().unwrap());
        assert_eq!((&message["position"], &message["key"]), (&caused["position"], &json!(id)));
        assert_eq!(header_of(&message, "cause"), &json!(command));
    }
    let outcome = message(world, caused(&effects, "person-outcomes")["message"].as_str().unwrap());
    assert_eq!(outcome["value"]["decision"], "accepted");
    let profile = caused(&effects, "person-profiles");
    let row = row(profile, "person");
    assert_eq!(
        (&row["state"], &row["key"], &row["projection"]),
        (&json!("current"), &json!(id), &json!("people-projection"))
    );
    // Both ways.
    assert_eq!(person["event"], profile["message"]);
    let served = world.json(row["resource"].as_str().unwrap());
    assert_eq!(served, person);
    assert_eq!(unmasked(world, person["event"].as_str().unwrap())["value"]["last_name"], person["last_name"]);
    // That somebody was registered changes no row of locations.
    assert_eq!(caused(&effects, "people")["rows"][0]["state"], "none");

    // Changed, the row is of another message, which the first one names.
    let changed = ask(world, Method::PATCH, &format!("/api/persons/{id}"), Some(&json!({"last_name": "Lovelace"})));
    assert_eq!(changed.status().as_u16(), 200);
    let changed: Value = changed.json().unwrap();
    let first = effects_of_link(world, person["event"].as_str().unwrap());
    let row = self::row(&first, "person");
    assert_eq!((&row["state"], &row["superseded_by"]), (&json!("superseded"), &changed["event"]));
    assert_eq!(unmasked(world, changed["event"].as_str().unwrap())["value"]["last_name"], "Lovelace");
    (id, command)
}

/// A location is a row of the history for good, and where the person is until a later one comes.
fn reports(world: &World, id: &str) -> Vec<String> {
    let first = report(world, id, "2026-01-02T03:04:05Z");
    let effects = effects_of(world, &first);
    let history = row(&effects, "location_history");
    assert_eq!(history["state"], "current");
    assert_eq!(world.json(history["resource"].as_str().unwrap())["event"], json!(link(&first)));
    let current = row(&effects, "current_location");
    assert_eq!((&current["state"], &current["key"]), (&json!("current"), &json!(id)));

    let second = report(world, id, "2026-01-02T04:04:05Z");
    let late = report(world, id, "2026-01-02T03:30:00Z");
    let effects = effects_of(world, &first);
    assert_eq!(row(&effects, "location_history")["state"], "current");
    let current = row(&effects, "current_location");
    assert_eq!((&current["state"], &current["superseded_by"]), (&json!("superseded"), &json!(link(&second))));
    let effects = effects_of(world, &late);
    assert_eq!(row(&effects, "current_location")["state"], "none", "{effects}");
    assert_eq!(row(&effects, "location_history")["state"], "current");
    vec![first, second, late]
}

fn counts_in_hours(world: &World, reported: &[String]) {
    let hours = reported.iter().map(|position| {
        let effects = effects_of(world, position);
        let row = row(&effects, "activity").clone();
        assert_eq!((&row["state"], &row["projection"]), (&json!("current"), &json!("activity-projection")));
        let served = world.json(row["resource"].as_str().unwrap());
        let hour = served.as_array().unwrap().iter().find(|hour| hour["hour"] == row["key"]).cloned();
        (row["key"].as_str().unwrap().to_owned(), hour.unwrap()["reports"].as_i64().unwrap())
    });
    let three = ("2026-01-02T03:00:00Z".to_owned(), 2);
    assert_eq!(hours.collect::<Vec<_>>(), [three.clone(), ("2026-01-02T04:00:00Z".to_owned(), 1), three]);
}

/// Of every list and of every single resource; but for connections, whose shape is the clients'.
fn every_row_names_its_message(world: &World, id: &str) {
    let lists = ["/api/locations", "/api/locations/current", "/api/locations/current?as_of=2026-01-02T03:10:00Z"];
    let lists = lists.map(str::to_owned).into_iter().chain([format!("/api/persons/{id}/locations")]);
    let mut compared = 0;
    for path in lists {
        for location in world.json(&path).as_array().unwrap() {
            let message = message(world, location["event"].as_str().unwrap());
            let (value, of_event) = (&message["value"], location["id"].as_str().unwrap());
            assert_eq!((&value["event_id"], &value["latitude"]), (&json!(of_event), &location["latitude"]), "{path}");
            assert_eq!(message["topic"], "locations");
            assert_eq!(world.json(&format!("/api/locations/{of_event}")), *location);
            compared += 1;
        }
    }
    assert_eq!(compared, 3 + 1 + 1 + 3);
    let persons = world.json("/api/persons");
    for person in persons.as_array().unwrap() {
        assert_eq!(message(world, person["event"].as_str().unwrap())["value"]["person_id"], person["id"]);
    }
    let other = registered(world);
    report(world, &other, "2026-01-02T04:04:05Z");
    let near =
        world.json(&format!("/api/persons/{id}/connection?start_date=2026-01-02&end_date=2026-01-02&distance=5"));
    assert_eq!(near.as_array().unwrap().len(), 1);
    assert_eq!(near[0]["person"]["id"], json!(other));
    assert_eq!(near[0]["location"].as_object().unwrap().len() + near[0]["person"].as_object().unwrap().len(), 9);
}

/// What cannot be used is a dead letter of every projection; what comes behind it waits, and the rows of others do not.
fn waits_behind_what_cannot_be_used(world: &World) {
    let other = registered(world);
    world.append("locations", &other, b"no event");
    let bad = world.json("/messages?topic=locations&limit=1")["messages"][0]["position"].as_str().unwrap().to_owned();
    let location = json!({"person_id": other, "latitude": 1, "longitude": 2, "creation_time": "2026-01-02T03:04:05Z"});
    let behind = ask(world, Method::POST, "/api/locations", Some(&location));
    assert_eq!(behind.status().as_u16(), 201);
    let behind = position(&behind);
    world.until_caught_up();

    let effects = effects_of(world, &bad);
    let rows = effects["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 2, "{effects}");
    for row in rows {
        assert_eq!((&row["state"], &row["dead_letter"]["position"]), (&json!("dead_letter"), &json!(bad)), "{row}");
        assert!(row["dead_letter"]["reason"].as_str().unwrap().contains("no schema id"), "{row}");
    }
    let effects = effects_of(world, &behind);
    for table in ["location_history", "current_location", "activity"] {
        let row = row(&effects, table);
        assert_eq!((&row["state"], &row["dead_letter"]["position"]), (&json!("parked"), &json!(bad)), "{row}");
    }
    world.succeeds(&["dead-letters", "discard", "--key", &other, "--wait"]);
    let effects = effects_of(world, &behind);
    let states = effects["rows"].as_array().unwrap().iter().map(|row| &row["state"]).collect::<Vec<_>>();
    assert_eq!(states, ["current"; 3], "{effects}");
    let effects = effects_of(world, &bad);
    assert_eq!(effects["rows"][0]["state"], "none");
    assert!(effects["rows"][0]["reason"].as_str().unwrap().contains("no schema id"), "{effects}");
}

/// What is no command leads to a dead letter on the topic.
fn cannot_be_decided(world: &World) {
    world.append("person-commands", "somebody", b"no command");
    world.until_caught_up();
    let bad = world.json("/messages?topic=person-commands&limit=1")["messages"][0]["position"].clone();
    let effects = effects_of(world, bad.as_str().unwrap());
    assert_eq!(led_to(&effects), ["dead-letters"], "{effects}");
    let letter = message(world, effects["led_to"][0]["message"].as_str().unwrap());
    assert_eq!(letter["value"]["origin"], bad);
}

/// Erased, the messages are there and say that the rows are not.
fn erases(world: &World, id: &str, command: &str, reported: &[String]) {
    let erased = ask(world, Method::DELETE, &format!("/api/persons/{id}"), None);
    assert_eq!(erased.status().as_u16(), 204);
    let after = position(&erased);
    world.until_caught_up();
    for position in reported {
        let effects = effects_of(world, position);
        for table in ["location_history", "current_location"] {
            let row = row(&effects, table);
            assert_eq!((&row["state"], row.get("resource")), (&json!("erased"), None), "{row}");
        }
        // Nobody is told by a sum.
        assert_eq!(row(&effects, "activity")["state"], "current");
    }
    let effects = effects_of(world, command);
    assert_eq!(row(caused(&effects, "person-profiles"), "person")["state"], "erased");
    let erasure = effects_of(world, &after);
    let fact = caused(&erasure, "people");
    assert_eq!(row(fact, "erased_person")["state"], "current");
    assert_eq!(row(fact, "current_location")["state"], "erased");
    assert_eq!(row(caused(&erasure, "person-profiles"), "person")["state"], "erased");
}

fn refuses_what_is_no_message(world: &World) {
    for (path, status, field) in [
        ("/messages/locations/x/0/effects", 400, "partition"),
        ("/messages/locations/0/-1/effects", 400, "offset"),
        ("/messages/a%20b/0/0/effects", 400, "topic"),
        ("/messages/locations/0/0/effects?depth=1", 400, "depth"),
        ("/messages/no-such-topic/0/0/effects", 404, "topic"),
        ("/messages/locations/99/0/effects", 404, "partition"),
        ("/messages/locations/0/999999/effects", 404, "offset"),
    ] {
        let answer = world.get(path).unwrap();
        assert_eq!(answer.status().as_u16(), status, "{path}");
        let problem: Value = answer.json().unwrap();
        let error = &problem["errors"][0];
        assert_eq!(error["field"], field, "{path}: {problem}");
        assert!(error["value"].is_string() && !error["rule"].as_str().unwrap().is_empty(), "{problem}");
    }
}

/// While nobody folds, and while nobody decides, a message says how far those are who will.
fn not_folded_yet(world: &World, services: Running) {
    services.terminate();
    let api = world.spawn("api", &["run", "api"]);
    until("the API answers", SOON, || world.get("/health").map(drop).map_err(|error| error.to_string()));
    let body = json!({"first_name": "Eve", "last_name": "Byron", "company_name": "Engines"});
    let asked = ask(world, Method::POST, "/api/persons?wait_ms=0", Some(&body));
    assert_eq!(asked.status().as_u16(), 202);
    let effects = effects_of(world, &position(&asked));
    assert_eq!((&effects["processors"][0]["state"], &effects["led_to"]), (&json!("not_yet"), &json!([])), "{effects}");
    assert_eq!(effects["processors"][0]["behind"], 1);
    let known = world.json("/api/persons?limit=1")[0]["id"].as_str().unwrap().to_owned();
    let location = json!({"person_id": known, "latitude": 1, "longitude": 2, "creation_time": "2026-01-03T03:04:05Z"});
    let reported = ask(world, Method::POST, "/api/locations", Some(&location));
    let effects = effects_of(world, &position(&reported));
    for table in ["location_history", "current_location", "activity"] {
        let row = row(&effects, table);
        assert_eq!((&row["state"], &row["behind"]), (&json!("not_yet"), &json!(1)), "{row}");
    }
    world.stack.stop_postgres().unwrap();
    let answer = world.get(&format!("{}/effects", link(&position(&reported)))).unwrap();
    assert_eq!(answer.status().as_u16(), 503, "{}", answer.text().unwrap());
    api.terminate();
}

fn ask(world: &World, method: Method, path: &str, body: Option<&Value>) -> Response {
    let request = Client::new().request(method, format!("http://{}{path}", world.http));
    let request = match body {
        Some(body) => request.json(body),
        None => request,
    };
    request.send().unwrap()
}

/// Another person, who can be read.
fn registered(world: &World) -> String {
    let body = json!({"first_name": "Grace", "last_name": "Hopper", "company_name": "Navy"});
    let answer = ask(world, Method::POST, REGISTER, Some(&body));
    let position = position(&answer);
    let id = answer.json::<Value>().unwrap()["id"].as_str().unwrap().to_owned();
    world.json(&format!("/api/persons/{id}?after={position}"));
    id
}

/// Reports a location and waits for it; gives its position, which the answer links to.
fn report(world: &World, id: &str, at: &str) -> String {
    let location = json!({"person_id": id, "latitude": 1, "longitude": 2, "creation_time": at});
    let answer = ask(world, Method::POST, "/api/locations", Some(&location));
    assert_eq!(answer.status().as_u16(), 201);
    let position = position(&answer);
    let location: Value = answer.json().unwrap();
    assert_eq!(location["event"], json!(link(&position)));
    let read = world.json(&format!("/api/locations/{}?after={position}", location["id"].as_str().unwrap()));
    assert_eq!(read, location);
    world.json(&format!("/api/activity?after={position}"));
    position
}

fn position(answer: &Response) -> String {
    answer.headers()["foldstream-position"].to_str().unwrap().to_owned()
}

fn link(position: &str) -> String {
    format!("/messages/{}", position.replace(':', "/"))
}

fn effects_of(world: &World, position: &str) -> Value {
    effects_of_link(world, &link(position))
}

fn effects_of_link(world: &World, message: &str) -> Value {
    world.json(&format!("{message}/effects"))
}

/// The message at a link.
fn message(world: &World, link: &str) -> Value {
    let parts: Vec<&str> = link.split('/').collect();
    let (topic, position) = (parts[2], parts[2..].join(":"));
    let page = world.json(&format!("/messages?topic={topic}&limit=1000"));
    let found = page["messages"].as_array().unwrap().iter().find(|message| message["position"] == json!(position));
    found.unwrap_or_else(|| panic!("no {link}: {page}")).clone()
}

/// The same, with what is personal.
fn unmasked(world: &World, link: &str) -> Value {
    let position = link.split('/').skip(2).collect::<Vec<_>>().join(":");
    let topic = position.split(':').next().unwrap();
    let asked = ["messages", "--topic", topic, "--limit", "1000", "--output", "json", "--personal", "shown"];
    let messages = world.succeeds(&asked);
    let mut messages = messages.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    messages.find(|message| message["position"] == json!(position)).unwrap_or_else(|| panic!("no {link}"))
}

/// The topics of the records it led to.
fn led_to(effects: &Value) -> Vec<&str> {
    let mut topics: Vec<&str> =
        effects["led_to"].as_array().unwrap().iter().map(|caused| caused["topic"].as_str().unwrap()).collect();
    topics.sort_unstable();
    topics
}

fn caused<'a>(effects: &'a Value, topic: &str) -> &'a Value {
    let found = effects["led_to"].as_array().unwrap().iter().find(|caused| caused["topic"] == json!(topic));
    found.unwrap_or_else(|| panic!("nothing on {topic}: {effects}"))
}

fn row<'a>(effects: &'a Value, table: &str) -> &'a Value {
    let found = effects["rows"].as_array().unwrap().iter().find(|row| row["table"] == json!(table));
    found.unwrap_or_else(|| panic!("no {table}: {effects}"))
}
