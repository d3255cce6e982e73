//! Dead letters in sequence: behind a record that cannot be used its key waits, in order, and nobody else does; once it
//! is folded again or dropped, the tables are those of the whole log.

use crate::harness::{REGISTER, WITHOUT_ACTIVITY, World, header_of, until};
use reqwest::blocking::{Client, Response};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    fs,
    process::{Command, Output},
    time::Duration,
};

const SOON: Duration = Duration::from_secs(30);

#[test]
fn a_key_waits_behind_its_dead_letter_and_all_others_are_live() {
    let world = World::start("parked");
    let mut services = world.run_without_activity();
    world.succeeds(&["replay", "aircraft", "--limit", "3000"]);
    world.until_caught_up();
    let key = world.sql("select person_id from location_history group by 1 order by count(*) desc, 1 limit 1");
    produce(&world, "locations", &key, b"hello, this is no event");
    until_count(&world, "dead_letter", 1);
    let id = world.sql("select id from dead_letter");

    world.succeeds(&["replay", "aircraft", "--limit", "6000"]);
    world.until_caught_up();
    let parked = waiting_in_order(&world, 6000);
    // Whoever takes over knows what is parked.
    services.kill_9();
    services = world.run_without_activity();
    world.succeeds(&["replay", "aircraft", "--limit", "9000"]);
    world.until_caught_up();
    let parked_later = waiting_in_order(&world, 9000);
    assert!(parked_later.len() > parked.len() && parked_later.starts_with(&parked));
    println!("{}", world.recount(&[]));

    is_shown(&world, &id, &key, &parked_later);
    reads_say_parked(&world, &id, &parked_later);

    // It is no event today either.
    let said = world.output(&["dead-letters", "redrive", "--id", &id, "--wait"]);
    assert_eq!(state(&said), "failed");
    assert!(!said.status.success());
    assert_eq!(waiting_in_order(&world, 9000), parked_later);
    let listed = json_of(&world, &["dead-letters", "list"]);
    assert!(listed[0]["state"].as_str().unwrap().starts_with("redrive failed: locations:"), "{listed}");

    assert!(world.fails(&["dead-letters", "discard"]).contains("say which"));
    let said = world.succeeds(&["dead-letters", "discard", "--key", &key, "--dry-run"]);
    assert!(said.contains("would be asked"), "{said}");
    assert!(!world.succeeds(&["dead-letters", "discard", "--key", "nobody", "--dry-run"]).contains("would"));
    let said = world.output(&["dead-letters", "discard", "--reason-contains", "no schema id", "--wait"]);
    assert!(said.status.success());
    assert_eq!(state(&said), "done");
    nothing_waits(&world, 9000, &[listed[0]["position"].as_str().unwrap()]);
    assert_eq!(world.json("/api/dead-letters"), json!([]));
    let answer = world.get(&format!("/api/locations?after={}", parked_later[0])).unwrap();
    assert_eq!(answer.status().as_u16(), 200);

    a_processors_is_appended_again(&world);
    nobody_answers_for_a_version_that_is_loading(&world);
    services.terminate();
}

/// A value the database refuses parks its key too; made usable, everything is folded, whenever processes are killed.
#[test]
fn killed_while_dead_letters_are_folded_again_every_row_is_there_once() {
    let world = World::start("redrive");
    let mut services = world.run_without_activity();
    world.sql("alter table location_history add constraint refused check (source_offset % 40 <> 7)");
    world.succeeds(&["replay", "aircraft", "--limit", "20000"]);
    world.until_caught_up();
    let letters = count(&world, "dead_letter");
    assert!(letters > 20, "{letters}");
    waiting_in_order(&world, 20_000);
    println!("{}", world.recount(&[]));

    one_that_fails_again_is_the_dead_letter(&world);

    world.sql("alter table location_history drop constraint refused");
    world.succeeds(&["dead-letters", "redrive", "--all"]);
    let letters = count(&world, "dead_letter");
    let mut killed = BTreeSet::new();
    for kill in 1..=5 {
        let moment = letters - letters * kill / 6;
        let left = until("some are folded", Duration::from_secs(60), || {
            let left = count(&world, "dead_letter");
            if left < moment { Ok(left) } else { Err(format!("{left}, waiting for {moment}")) }
        });
        services.kill_9();
        if left > 0 {
            killed.insert(left);
        }
        services = world.spawn("foldstream", &[&["run"], &WITHOUT_ACTIVITY[..]].concat());
    }
    println!("killed with {killed:?} of {letters} dead letters left");
    assert!(!killed.is_empty(), "every kill came too late");
    until_count(&world, "dead_letter", 0);
    nothing_waits(&world, 20_000, &[]);
    services.terminate();
}

/// What is kept of somebody goes with them, and an erasure does not wait behind what cannot be used.
#[test]
fn erasing_a_person_takes_what_is_parked_along() {
    let world = World::start("parked-erased");
    let services = world.run_all();
    let client = Client::new();
    let url = |path: &str| format!("http://{}{path}", world.http);
    let person = json!({"first_name": "Ada", "last_name": "Lovelace", "company_name": "Engines"});
    let answer = client.post(url(REGISTER)).json(&person).send().unwrap();
    let position = header(&answer, "foldstream-position");
    let id = answer.json::<Value>().unwrap()["id"].as_str().unwrap().to_owned();
    world.json(&format!("/api/persons/{id}?after={position}"));

    produce(&world, "locations", &id, b"no event");
    produce(&world, "person-profiles", &id, b"no event");
    // On `locations` two projections refuse it.
    until_count(&world, "dead_letter", 3);
    let location = json!({"person_id": id, "latitude": 1, "longitude": 2, "creation_time": "2026-01-02T03:04:05Z"});
    let answer = client.post(url("/api/locations")).json(&location).send().unwrap();
    assert_eq!(answer.status().as_u16(), 201);
    let answer = client.patch(url(&format!("/api/persons/{id}?wait_ms=30000"))).json(&json!({"last_name": "King"}));
    let answer = answer.send().unwrap();
    // Decided, and not readable.
    assert_eq!(answer.status().as_u16(), 202);
    until_count(&world, "parked_record", 3);
    // A command leads to the profile that waits: the way there is followed.
    let answer = world.get(&format!("/api/persons/{id}?after={}", header(&answer, "foldstream-position"))).unwrap();
    let problem: Value = answer.json().unwrap();
    assert_eq!(problem["type"], "/docs#parked", "{problem}");
    assert!(problem["dead_letter"]["position"].as_str().unwrap().starts_with("person-profiles:"), "{problem}");

    world.fails(&["dead-letters", "redrive", "--all", "--wait"]);
    assert_eq!(count(&world, "dead_letter_request"), 3);
    let answer = client.delete(url(&format!("/api/persons/{id}?wait_ms=30000"))).send().unwrap();
    assert_eq!(answer.status().as_u16(), 204);
    for table in ["dead_letter", "parked_record", "dead_letter_request", "person", "location_history"] {
        until_count(&world, table, 0);
    }

    // What comes later of them and cannot be used is not kept either, and nothing waits behind it.
    produce(&world, "locations", &id, b"no event");
    produce(&world, "person-profiles", &id, b"no event");
    produce(&world, "locations", "somebody else", b"no event");
    until_count(&world, "dead_letter", 2);
    world.until_caught_up();
    assert_eq!(world.sql("select distinct convert_from(key, 'UTF8') from dead_letter"), "somebody else");
    services.terminate();
}

/// A record behind the dead letter is refused again: those before it are rows, it is the dead letter, the rest waits.
fn one_that_fails_again_is_the_dead_letter(world: &World) {
    let queue = "select dead_letter_id || ' ' || count(*) from parked_record group by dead_letter_id
        order by count(*) desc limit 1";
    let queue = world.sql(queue);
    let (id, parked) = queue.split_once(' ').unwrap();
    let parked: i64 = parked.parse().unwrap();
    assert!(parked >= 4, "{queue}");
    let place = world.sql(&format!(
        "select partition || ' ' || key from (
        select partition, convert_from(key, 'UTF8') as key from dead_letter where id = {id}) as letter"
    ));
    let (partition, key) = place.split_once(' ').unwrap();
    let third = world
        .sql(&format!("select \"offset\" from parked_record where dead_letter_id = {id} order by 1 offset 2 limit 1"));
    world.sql("alter table location_history drop constraint refused");
    world.sql(&format!(
        "alter table location_history add constraint refused
         check (not (source_partition = {partition} and source_offset = {third}))"
    ));
    let rows = format!("select count(*) from location_history where person_id = '{key}'");
    let before: i64 = world.sql(&rows).parse().unwrap();
    let said = world.output(&["dead-letters", "redrive", "--id", id, "--wait"]);
    let _ = state(&said);
    let shown = json_of(world, &["dead-letters", "show", id]);
    assert_eq!(shown["position"], format!("locations:{partition}:{third}"), "{shown}");
    assert!(shown["reason"].as_str().unwrap().contains("SQLSTATE 23514"), "{shown}");
    assert!(header_of(&shown, "ce_id").is_string(), "its headers are read from the topic: {shown}");
    assert_eq!(shown["value"]["person_id"], key);
    assert_eq!(shown["parked"], parked - 3);
    // The dead letter, and two that waited.
    assert_eq!(world.sql(&rows).parse::<i64>().unwrap(), before + 3);
    assert_eq!(state(&said), "failed");
    world.recount(&[]);
}

/// The parked positions; checks that each is later than its dead letter, that nothing later of a parked key is a row,
/// and that everything else is.
fn waiting_in_order(world: &World, replayed: i64) -> Vec<String> {
    let parked = world.sql(
        "select topic || ':' || partition || ':' || parked.\"offset\"
         from parked_record as parked join dead_letter as letter on letter.id = dead_letter_id
         where parked.\"offset\" > letter.\"offset\" order by parked.\"offset\"",
    );
    let parked: Vec<String> = parked.lines().map(str::to_owned).collect();
    assert!(!parked.is_empty());
    assert_eq!(i64::try_from(parked.len()).unwrap(), count(world, "parked_record"));
    let overtaken = world.sql(
        "select count(*) from location_history as row join dead_letter as letter
         on convert_from(letter.key, 'UTF8') = row.person_id and row.source_offset >= letter.\"offset\"",
    );
    assert_eq!(overtaken, "0");
    // A dead letter that the database refused is one of those that were replayed.
    let refused = count(world, "dead_letter where reason like '%SQLSTATE%'");
    let waiting = i64::try_from(parked.len()).unwrap() + refused;
    assert_eq!(count(world, "location_history"), replayed - waiting);
    parked
}

fn nothing_waits(world: &World, replayed: i64, discarded: &[&str]) {
    for table in ["dead_letter", "parked_record", "dead_letter_request"] {
        assert_eq!(count(world, table), 0, "{table}");
    }
    assert_eq!(
        world.sql("select count(*), count(distinct event_id) from location_history"),
        format!("{replayed}|{replayed}")
    );
    world.recount(discarded);
}

fn is_shown(world: &World, id: &str, key: &str, parked: &[String]) {
    let listed = json_of(world, &["dead-letters", "list", "--key", key, "--topic", "locations"]);
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert_eq!((&listed[0]["id"], &listed[0]["parked"]), (&json!(id), &json!(parked.len())));
    let shown = json_of(world, &["dead-letters", "show", id]);
    assert_eq!(shown["parked_positions"], json!(parked));
    assert_eq!(header_of(&shown, "case"), "bad");
    let hex: String = b"hello, this is no event".iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(shown["value_hex"], hex);
    assert_eq!((&shown["value"], &shown["undecodable"]), (&json!("hello, this is no event"), &Value::Null));
    assert!(world.succeeds(&["dead-letters", "show", id]).contains(&hex));
    let served = world.json(&format!("/api/dead-letters?key={key}&projection=locations-projection&limit=1"));
    assert_eq!(served[0]["id"].to_string(), id);
    assert_eq!(served[0]["parked"], json!(parked.len()));
    assert_eq!(world.json("/api/dead-letters?topic=people"), json!([]));
    let metrics = world.get("/metrics").unwrap().text().unwrap();
    let gauge = "foldstream_projection_parked_keys{projection=\"locations-projection\"} 1";
    assert!(metrics.contains(gauge), "{metrics}");
}

/// A reader that asks for a record that waits is told behind which; one that asks for another is not.
fn reads_say_parked(world: &World, id: &str, parked: &[String]) {
    let problem = |position: &str| {
        let answer = world.get(&format!("/api/locations?after={position}")).unwrap();
        assert_eq!(answer.status().as_u16(), 503);
        assert!(answer.headers().contains_key("retry-after"));
        answer.json::<Value>().unwrap()
    };
    let waits = problem(&parked[1]);
    assert_eq!(waits["type"], "/docs#parked");
    assert_eq!(waits["dead_letter"]["id"].to_string(), id);
    assert!(waits["dead_letter"]["reason"].as_str().unwrap().contains("no schema id"), "{waits}");
    let dead = problem(waits["dead_letter"]["position"].as_str().unwrap());
    assert_eq!(dead["dead_letter"], waits["dead_letter"]);
    let live = world.sql(
        "select 'locations:' || source_partition || ':' || source_offset from location_history
         order by source_offset desc limit 1",
    );
    assert_eq!(world.get(&format!("/api/locations?after={live}")).unwrap().status().as_u16(), 200);
}

/// A processor's dead letters lie on a topic; one of them goes to the topic it came from once more, as it was.
fn a_processors_is_appended_again(world: &World) {
    produce(world, "person-commands", "somebody", b"no command");
    let listed = until("the processor has put it aside", SOON, || {
        let listed = json_of(world, &["dead-letters", "list"]);
        if listed.as_array().is_some_and(|all| all.len() == 1) { Ok(listed) } else { Err(listed.to_string()) }
    });
    assert_eq!((&listed[0]["source"], &listed[0]["service"]), (&json!("topic"), &json!("people-processor")));
    let id = listed[0]["id"].as_str().unwrap();
    assert_eq!(header_of(&json_of(world, &["dead-letters", "show", id]), "case"), "bad");
    let origin = listed[0]["position"].as_str().unwrap();
    assert_eq!(state(&world.output(&["dead-letters", "redrive", "--id", id])), "appended again");
    // Nothing follows from it, and whoever waits for that is told why.
    let after = world.get(&format!("/api/persons?after={origin}")).unwrap();
    let status = after.status().as_u16();
    let problem: Value = after.json().unwrap();
    assert_eq!((status, &problem["type"]), (503, &json!("/docs#parked")), "{problem}");
    assert_eq!((&problem["dead_letter"]["id"], &problem["dead_letter"]["position"]), (&json!(id), &json!(origin)));
    let page = world.json("/messages?topic=person-commands&limit=1");
    let again = &page["messages"][0];
    assert_eq!((header_of(again, "redrive_of"), header_of(again, "case")), (&json!(origin), &json!("bad")));
    assert_eq!((&again["key"], &again["value"]), (&json!("somebody"), &json!("no command")));
    assert_ne!(again["position"], json!(origin));
}

/// A rebuild that was cut short leaves dead letters of a version that no service folds: whoever waits is told so.
fn nobody_answers_for_a_version_that_is_loading(world: &World) {
    world.sql(
        "create schema locations_v2; create table locations_v2.projection_position (like public.projection_position);
         insert into projection_version (projection, version, schema_name, state, tables_digest)
         values ('locations-projection', 2, 'locations_v2', 'loading', gen_random_uuid());
         insert into dead_letter (projection, topic, partition, \"offset\", appended_at, key, headers, reason, parks)
         values ('locations-projection/locations_v2', 'locations', 0, 0, now(), 'ada', '[]', 'bad', true)",
    );
    let id = world.sql("select max(id) from dead_letter");
    for wish in ["discard", "redrive"] {
        let said = world.output(&["dead-letters", wish, "--id", &id, "--wait", "1"]);
        assert_eq!((state(&said), said.status.success()), ("asked", false));
        let why = String::from_utf8_lossy(&said.stderr).into_owned();
        assert!(why.contains("version 2 of locations-projection is loading and served by nobody"), "{why}");
    }
}

/// What a command with `--output json` prints.
fn json_of(world: &World, arguments: &[&str]) -> Value {
    let arguments = [arguments, &["--output", "json"]].concat();
    serde_json::from_str(&world.succeeds(&arguments)).unwrap()
}

/// What became of the only dead letter of a `redrive` or `discard`, as its table says.
fn state(said: &Output) -> &'static str {
    let table = String::from_utf8_lossy(&said.stdout);
    let rows: Vec<&str> = table.lines().skip(1).collect();
    assert_eq!(rows.len(), 1, "{table}{}", String::from_utf8_lossy(&said.stderr));
    let states = ["appended again", "would be asked", "asked", "done", "failed", "gone"];
    let found = states.into_iter().find(|state| rows[0].contains(&format!("  {state}")));
    found.unwrap_or_else(|| panic!("{table}"))
}

fn count(world: &World, table: &str) -> i64 {
    world.sql(&format!("select count(*) from {table}")).parse().unwrap()
}

fn until_count(world: &World, table: &str, expected: i64) {
    until(&format!("{table} has {expected} rows"), Duration::from_secs(60), || {
        let found = count(world, table);
        if found == expected { Ok(()) } else { Err(found.to_string()) }
    });
}

fn header(answer: &Response, name: &str) -> String {
    answer.headers().get(name).unwrap_or_else(|| panic!("no {name}")).to_str().unwrap().to_owned()
}

/// A record as another client writes it, with a header.
fn produce(world: &World, topic: &str, key: &str, value: &[u8]) {
    let file = world.directory().join("bad.bin");
    fs::write(&file, value).unwrap();
    let produced = Command::new("kcat")
        .args(["-b", &world.stack.bootstrap(), "-t", &world.topic(topic), "-P", "-k", key, "-H", "case=bad"])
        .args(["-X", "partitioner=murmur2_random"])
        .arg(file)
        .status()
        .unwrap();
    assert!(produced.success());
}
