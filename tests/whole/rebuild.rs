//! A projection is folded again beside the live tables while they are read and written, killed in the middle, compared,
//! swapped under the readers, swapped back, and dropped.
//!
//! All the while clients read, together about a hundred times a second: none may ever meet an error or see fewer rows than
//! it saw before, and each must find what it has just written.

use crate::harness::{REGISTER, World, until};
use reqwest::blocking::Client;
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

const LOCATIONS: &str = "locations-projection";
const PEOPLE: &str = "people-projection";
const HISTORY: i64 = 160_000;
const MORE: i64 = 200_000;
const READERS: usize = 3;

#[test]
fn a_projection_is_rebuilt_and_swapped_under_readers() {
    let world = World::start("rebuild");
    let services = world.run_all();
    world.succeeds(&["replay", "aircraft", "--speed", "max", "--limit", &HISTORY.to_string()]);
    world.until_caught_up();
    erase_somebody(&world);
    people_were_where_the_history_says(&world);
    // At rest, and nothing altered.
    assert_eq!(run(&world, "verify", LOCATIONS, &[])["equal"], true);

    let reading = thread::scope(|scope| {
        let world = &world;
        // Dropped with this closure: a failure here ends the readers too.
        let (stops, readers): (Vec<_>, Vec<_>) = (0..READERS)
            .map(|_| {
                let (stop, stopped) = mpsc::channel::<()>();
                (stop, scope.spawn(move || read_until(world, &stopped)))
            })
            .unzip();
        let started = Instant::now();
        let replay = world.spawn("replay", &["replay", "aircraft", "--speed", "40", "--limit", &MORE.to_string()]);
        println!("{}", killed_and_resumed(world));
        stays_current(world, 2);
        // Ended well: a transaction it left open would hold back what readers write for ten seconds.
        replay.terminate();
        swaps_and_goes_back(world);
        rebuilds_people_too(world);
        let took = started.elapsed();
        drop(stops);
        (readers.into_iter().map(|reader| reader.join().unwrap()).collect::<Vec<_>>(), took)
    });
    let (readers, took) = reading;
    let reads: u64 = readers.iter().map(|reader| reader.reads).sum();
    println!("{:.0} reads/s without an error or a step back: {readers:?}", reads as f64 / took.as_secs_f64());
    assert!(readers.iter().all(|reader| reader.reads > 100), "{readers:?}");
    services.terminate();
}

/// Whoever is erased has no rows in a version that is made later, either.
fn erase_somebody(world: &World) {
    let id = world.json("/api/persons?limit=2")[1]["id"].as_str().unwrap().to_owned();
    let rows = || world.sql(&format!("select count(*) from location_history where person_id = '{id}'"));
    assert_ne!(rows(), "0");
    let answer = Client::new().delete(format!("http://{}/api/persons/{id}", world.http)).send().unwrap();
    assert_eq!(answer.status().as_u16(), 204);
    until("the locations are erased", Duration::from_secs(20), || match rows() {
        none if none == "0" => Ok(()),
        some => Err(some),
    });
}

/// The rebuild is killed while it loads, and run again: it goes on where it was, and comes to the same rows.
fn killed_and_resumed(world: &World) -> String {
    let mut rebuild = world.spawn("rebuild", &["projections", "rebuild", LOCATIONS]);
    let loaded = until("the rebuild is under way", Duration::from_secs(60), || {
        assert!(!rebuild.has_ended(), "{}", rebuild.log_tail());
        let made = world.sql("select to_regclass('locations_v2.location_history') is not null") == "t";
        let rows = if made { count(world, "locations_v2.location_history") } else { 0 };
        if rows > 0 { Ok(rows) } else { Err(format!("made: {made}, {rows} rows")) }
    });
    rebuild.kill_9();
    let live = count(world, "public.location_history");
    assert!(loaded < live, "it was done before it was killed: {loaded} of {live} rows");
    assert_eq!(world.sql("select state from projection_version where version = 2"), "loading");

    let rebuilt = run(world, "rebuild", LOCATIONS, &[]);
    assert_eq!(rebuilt["equal"], true, "{rebuilt}");
    let records = rebuilt["records"].as_i64().unwrap();
    assert!(records > 0 && records < live, "{records} of {live} records: it began anew");
    for table in rebuilt["tables"].as_array().unwrap() {
        assert_eq!((&table["live_hash"], &table["live_rows"]), (&table["replayed_hash"], &table["replayed_rows"]));
    }
    let measured =
        format!("killed with {loaded} rows, then {} records/s; {}", rebuilt["records_per_second"], bare_copy(world));
    assert_eq!(world.sql("select count(*) from locations_v2.erased_person"), "1");
    // The same tables: the same indexes, and the same settings.
    let shape = |schema: &str| {
        world.sql(&format!(
            "select tablename, replace(indexdef, '{schema}.', ''), reloptions from pg_indexes
             join pg_class on oid = format('%I.%I', schemaname, tablename)::regclass
             where schemaname = '{schema}' and tablename in ('location_history', 'current_location') order by 1, 2"
        ))
    };
    assert_eq!(shape("locations_v2"), shape("public"));
    measured
}

/// Both versions come to the end of the log, each by itself.
fn stays_current(world: &World, version: i64) {
    until("both versions are folded on", Duration::from_secs(60), || {
        let rows = status(world);
        let rows: Vec<_> = rows.iter().filter(|row| row["projection"] == LOCATIONS).collect();
        let moved = |wanted: i64| {
            rows.iter().any(|row| row["version"] == wanted && row["records_per_second"].as_f64().unwrap() > 0.0)
        };
        let behind: i64 = rows.iter().map(|row| row["lag_records"].as_i64().unwrap()).max().unwrap();
        let active: BTreeSet<i64> =
            rows.iter().filter(|row| row["active"] == true).map(|row| row["version"].as_i64().unwrap()).collect();
        assert_eq!(active, BTreeSet::from([1]));
        if moved(1) && moved(version) && behind < 5_000 { Ok(()) } else { Err(format!("{rows:?}")) }
    });
}

fn swaps_and_goes_back(world: &World) {
    // A row altered by hand tells the versions apart.
    let id = world.sql("select event_id from public.location_history order by event_id limit 1");
    let latitude = || world.json(&format!("/api/locations/{id}"))["latitude"].as_f64().unwrap();
    let right = latitude();
    world.sql(&format!(
        "update public.location_history set position = st_makepoint(2, -1.5)::geography where event_id = '{id}'"
    ));
    assert_eq!(latitude(), -1.5);
    let said = world.fails(&["projections", "verify", LOCATIONS]);
    assert!(
        said.contains("location_history differs in 1 rows") && said.contains(&format!("{id} is not the same")),
        "{said}"
    );
    assert_eq!(world.sql("select to_regnamespace('locations_scratch') is null"), "t");
    let said = world.fails(&["projections", "drop", LOCATIONS, "1"]);
    assert!(said.contains("activate another one first"), "{said}");

    let swapped = run(world, "activate", LOCATIONS, &["2"]);
    assert_eq!((&swapped["version"], &swapped["before"]), (&json!(2), &json!(1)));
    assert_eq!(latitude(), right, "readers see the old version");
    assert_eq!(run(world, "verify", LOCATIONS, &[])["equal"], true);

    run(world, "activate", LOCATIONS, &["1"]);
    assert_eq!(latitude(), -1.5, "readers see the new version still");
    run(world, "activate", LOCATIONS, &["2"]);
    assert_eq!(latitude(), right);

    run(world, "drop", LOCATIONS, &["1"]);
    assert!(is_gone(world, "public.location_history"));
    let unknown = world.fails(&["projections", "activate", LOCATIONS, "1"]);
    assert!(unknown.contains("no version 1; there are 2"), "{unknown}");
    assert!(status(world).iter().all(|row| row["projection"] != LOCATIONS || row["version"] == 2));
}

/// A second projection moves too, and an answer that stands on both finds both.
fn rebuilds_people_too(world: &World) {
    // What is not equal is named, and not handed over unless that is meant.
    let altered = world.sql("update public.person set first_name = 'Altered' where person_id = (select min(person_id) from person) returning person_id");
    let altered = altered.lines().next().unwrap();
    let said = world.fails(&["projections", "rebuild", PEOPLE]);
    assert!(said.contains(&format!("{altered} is not the same")), "{said}");
    assert!(world.fails(&["projections", "activate", PEOPLE, "2"]).contains("is not loaded yet"));
    let rebuilt = run(world, "rebuild", PEOPLE, &["--expect-changes"]);
    assert_eq!((&rebuilt["equal"], &rebuilt["version"]), (&json!(false), &json!(2)));
    until("the service folds it", Duration::from_secs(30), || {
        let activated = world.output(&["projections", "activate", PEOPLE, "2"]);
        if activated.status.success() { Ok(()) } else { Err(crate::harness::text(&activated.stderr)) }
    });
    run(world, "drop", PEOPLE, &["1"]);
    assert!(is_gone(world, "public.person"));
    let person = world.json("/api/persons?limit=1")[0].clone();
    let id = person["id"].as_str().unwrap();
    assert_eq!(world.json(&format!("/api/persons/{id}")), person);
    let path = format!("/api/persons/{id}/connection?start_date=2000-01-01&end_date=2100-01-01&distance=100000");
    assert!(!world.json(&path).as_array().unwrap().is_empty());
}

/// What the reading client met.
#[derive(Debug)]
#[expect(dead_code, reason = "shown")]
struct Reading {
    reads: u64,
    writes: u64,
    rows: usize,
    slowest_ms: u128,
}

/// Reads again and again until it is told to stop. Every 25th time it writes, and reads what it wrote.
fn read_until(world: &World, stopped: &mpsc::Receiver<()>) -> Reading {
    let client = Client::new();
    let url = |path: &str| format!("http://{}{path}", world.http);
    // Somebody of its own, so that it knows what must be there.
    let body = json!({"first_name": "Ada", "last_name": "Lovelace", "company_name": "Engines"});
    let answer = client.post(url(REGISTER)).json(&body).send().unwrap();
    assert_eq!(answer.status().as_u16(), 201);
    let position = answer.headers()["foldstream-position"].to_str().unwrap().to_owned();
    let created: Value = answer.json().unwrap();
    let id = created["id"].as_str().unwrap();
    let own = format!("/api/persons/{id}/locations?limit=1000");
    let get = |path: &str| {
        let answer = client.get(url(path)).send().unwrap();
        let status = answer.status().as_u16();
        let text = answer.text().unwrap();
        assert_eq!(status, 200, "{path}: {text}");
        serde_json::from_str::<Value>(&text).unwrap()
    };
    get(&format!("{own}&after={position}&wait_ms=20000"));

    let first =
        format!("/api/persons/{}/locations?limit=1000", world.json("/api/persons?limit=1")[0]["id"].as_str().unwrap());
    let mut reading = Reading { reads: 0, writes: 0, rows: 0, slowest_ms: 0 };
    let (mut seen, mut seen_of_first) = (0, 0);
    while stopped.recv_timeout(Duration::from_millis(8)) == Err(RecvTimeoutError::Timeout) {
        let started = Instant::now();
        if reading.reads.is_multiple_of(25) && reading.writes < 900 {
            let location =
                json!({"person_id": id, "latitude": 1, "longitude": 2, "creation_time": "2026-01-02T03:04:05Z"});
            let answer = client.post(url("/api/locations")).json(&location).send().unwrap();
            assert_eq!(answer.status().as_u16(), 201);
            let position = answer.headers()["foldstream-position"].to_str().unwrap().to_owned();
            reading.writes += 1;
            seen = get(&format!("{own}&after={position}&wait_ms=20000")).as_array().unwrap().len();
            assert_eq!(seen as u64, reading.writes, "what was written is not all there");
        }
        let rows = get(&own).as_array().unwrap().len();
        assert_eq!(rows, seen, "a step back");
        let rows_of_first = get(&first).as_array().unwrap().len();
        assert!(rows_of_first >= seen_of_first, "a step back: {rows_of_first} rows after {seen_of_first}");
        seen_of_first = rows_of_first;
        reading.reads += 2;
        reading.slowest_ms = reading.slowest_ms.max(started.elapsed().as_millis());
    }
    Reading { rows: seen, ..reading }
}

/// `/api/locations/current` against the definition, now and at a time in the middle of the history.
fn people_were_where_the_history_says(world: &World) {
    let middle = world.sql(
        "select to_char(percentile_disc(0.5) within group (order by occurred_at) at time zone 'UTC',
         'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') from location_history",
    );
    for (query, until) in
        [(String::new(), "'infinity'".to_owned()), (format!("&as_of={middle}"), format!("'{middle}'"))]
    {
        let expected = world.sql(&format!(
            "select distinct on (person_id) event_id from location_history where occurred_at <= {until}
             order by person_id, occurred_at desc, source_offset desc"
        ));
        let (mut found, mut next) = (Vec::new(), Some(format!("/api/locations/current?limit=30{query}")));
        while let Some(path) = next {
            let answer = world.get(&path).unwrap();
            next = answer
                .headers()
                .get("link")
                .map(|link| link.to_str().unwrap().split(['<', '>']).nth(1).unwrap().to_owned());
            let page: Vec<Value> = answer.json().unwrap();
            found.extend(page.iter().map(|location| location["id"].as_str().unwrap().to_owned()));
        }
        let expected: BTreeSet<&str> = expected.lines().collect();
        assert!(expected.len() > 60, "one page only: {}", expected.len());
        assert_eq!(found.len(), expected.len(), "somebody came twice, or not at all");
        assert_eq!(found.iter().map(String::as_str).collect::<BTreeSet<_>>(), expected, "as of {until}");
    }
    let before_all = world.json("/api/locations/current?as_of=1999-01-01T00:00:00Z");
    assert_eq!(before_all, json!([]));
}

/// The rows of the history by a plain COPY into a table without indexes, as a measure.
fn bare_copy(world: &World) -> String {
    let file = world.directory().join("history.bin");
    let columns = "event_id, person_id, occurred_at, position, source_partition, source_offset";
    world.sql("create table locations_v2.bare (like locations_v2.location_history including generated)");
    world.sql(&format!("\\copy locations_v2.location_history ({columns}) to '{}' (format binary)", file.display()));
    let started = Instant::now();
    world.sql(&format!("\\copy locations_v2.bare ({columns}) from '{}' (format binary)", file.display()));
    let rows = count(world, "locations_v2.bare");
    let rate = rows as f64 / started.elapsed().as_secs_f64();
    world.sql("drop table locations_v2.bare");
    format!("a bare COPY of {rows} rows: {rate:.0}/s")
}

fn run(world: &World, verb: &str, name: &str, more: &[&str]) -> Value {
    let arguments = [&["projections", verb, name], more, &["--output", "json"]].concat();
    serde_json::from_str(&world.succeeds(&arguments)).unwrap()
}

fn status(world: &World) -> Vec<Value> {
    serde_json::from_str(&world.succeeds(&["projections", "status", "--output", "json"])).unwrap()
}

fn is_gone(world: &World, table: &str) -> bool {
    world.sql(&format!("select to_regclass('{table}') is null")) == "t"
}

fn count(world: &World, table: &str) -> i64 {
    world.sql(&format!("select count(*) from {table}")).parse().unwrap()
}
