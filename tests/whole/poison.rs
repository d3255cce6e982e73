//! Records that cannot be used: put aside with their bytes, and the next one is folded.

use crate::harness::{World, header_of, until};
use std::{fs, process::Command, time::Duration};

#[test]
fn a_bad_record_is_put_aside_and_the_next_one_is_visible() {
    let world = World::start("poison");
    let services = world.run_without_activity();
    world.succeeds(&["replay", "aircraft", "--limit", "3000"]);
    world.until_caught_up();

    // A good record to spoil: any one of the topic, as another client sees it.
    let good = world.directory().join("good.bin");
    copy_of_newest(&world, &good);
    let good = fs::read(&good).unwrap();
    let mut unknown_schema = good.clone();
    unknown_schema[1..5].copy_from_slice(&999_999u32.to_be_bytes());
    let mut out_of_range = good.clone();
    let latitude = out_of_range.len() - 16;
    out_of_range[latitude..latitude + 8].copy_from_slice(&91f64.to_le_bytes());
    let bad: [(&str, &[u8], &str); 6] = [
        ("not Avro", b"hello, this is no event", "the record has no schema id: it starts with byte 104, not with 0"),
        ("truncated", &good[..good.len() - 3], "is not what schema"),
        ("trailing", &[&good[..], b"!"].concat(), "1 bytes follow the end of the value"),
        ("unknown schema", &unknown_schema, "schema id 999999 is not in the registry"),
        ("out of range", &out_of_range, "a latitude is a number of degrees from -90 to 90"),
        ("wrong key", &good, "is not the event's"),
    ];
    for (name, bytes, _) in &bad {
        let file = world.directory().join("bad.bin");
        fs::write(&file, bytes).unwrap();
        // Each with a key of its own: behind the first of a key the others would only wait.
        produce(&world, &format!("key of {name}"), &file, name);
    }
    let file = world.directory().join("bad.bin");
    produce(&world, "key of truncated", &file, "waits");
    // `/messages` shows all of them in their places; those that are not what their schema says with the reason.
    let page = world.json("/messages?topic=locations&limit=7");
    let shown = page["messages"].as_array().unwrap();
    let cases: Vec<_> = shown.iter().rev().map(|message| header_of(message, "case").as_str().unwrap_or("")).collect();
    assert_eq!(cases[..6], bad.map(|(name, _, _)| name));
    assert_eq!(cases[6], "waits");
    let undecodable = shown.iter().filter(|message| message["error"]["reason"].is_string()).count();
    assert_eq!(undecodable, 3, "{page}");

    // Bytes that fit our struct and mean another thing: only their schema tells.
    let foreign = world.oracle("foreign_writer.py", &[]);
    let foreign: Vec<(&str, &str)> = foreign.lines().map(|line| line.split_once('\t').unwrap()).collect();
    assert!(foreign.len() >= 6, "{foreign:?}");

    // What follows the bad ones is folded.
    let rows = count(&world, "location_history");
    world.succeeds(&["replay", "aircraft", "--limit", "4000"]);
    world.until_caught_up();
    assert_eq!(count(&world, "location_history"), rows + 1000);

    assert_eq!(count(&world, "dead_letter"), i64::try_from(bad.len() + foreign.len()).unwrap());
    for (key, difference) in foreign {
        let found = world.sql(&format!("select reason from dead_letter where key = '{key}'::bytea"));
        assert!(found.contains(difference), "{key}: {found}");
    }
    let behind = "select letter.reason from parked_record join dead_letter as letter on letter.id = dead_letter_id";
    assert!(world.sql(behind).contains("is not what schema"), "{}", world.sql(behind));
    for (name, bytes, reason) in &bad {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let header = "headers -> 0 ->> 0 = 'case' and convert_from(decode(headers -> 0 ->> 1, 'base64'), 'UTF8')";
        let found = world.sql(&format!(
            "select reason from dead_letter where encode(value, 'hex') = '{hex}' and {header} = '{name}'"
        ));
        assert!(found.contains(reason), "{name}: {found}");
    }
    println!("{}", world.recount(&[]));
    services.terminate();
}

/// The database refuses one event in the midst of many: that one is put aside, those of other keys are rows.
#[test]
fn one_value_the_database_refuses_does_not_hold_up_the_others() {
    let world = World::start("refused");
    let services = world.run_without_activity();
    // Stands for any constraint that an event may meet.
    world.sql("alter table location_history add constraint refused check (source_offset not in (0, 777))");
    world.succeeds(&["replay", "aircraft", "--limit", "30000"]);
    world.until_caught_up();
    let dead = count(&world, "dead_letter");
    assert!((2..=12).contains(&dead), "{dead}");
    let parked = count(&world, "parked_record");
    assert!(parked > 0);
    assert_eq!(count(&world, "location_history"), 30_000 - dead - parked);
    assert_eq!(world.sql("select distinct \"offset\" from dead_letter order by 1"), "0\n777");
    assert!(world.sql("select min(reason) from dead_letter").contains("SQLSTATE 23514"));
    println!("{}", world.recount(&[]));
    services.terminate();
}

/// The database is away for a while: nothing is lost, readiness says why, and it heals alone.
#[test]
fn a_database_that_is_away_is_waited_for() {
    let world = World::start_alone("database-away");
    let services = world.run_without_activity();
    // The registry of this stack lives in the same database, so what needs a schema must have it by then.
    let mut replay = world.spawn("replay", &["replay", "aircraft", "--limit", "60000"]);
    until("the fold is under way", Duration::from_secs(60), || {
        let rows = count(&world, "location_history");
        if rows > 10_000 { Ok(()) } else { Err(format!("{rows} rows")) }
    });
    world.stack.stop_postgres().unwrap();
    until("readiness names the store", Duration::from_secs(60), || {
        let report = world
            .get("/health/ready")
            .and_then(reqwest::blocking::Response::text)
            .map_err(|error| error.to_string())?;
        if report.contains("the store is away") { Ok(()) } else { Err(report) }
    });
    let answer = world.get("/api/persons").unwrap();
    assert_eq!(answer.status().as_u16(), 503, "{}", answer.text().unwrap());
    world.stack.start_postgres().unwrap();
    let ended = replay.wait(Duration::from_secs(120));
    assert!(ended.success(), "{}", replay.log_tail());
    world.until_caught_up();
    assert_eq!(count(&world, "location_history"), 60_000);
    // The registry notices late that its database is back, and the recount needs it.
    world.stack.stop_registry().unwrap();
    world.stack.start_registry().unwrap();
    println!("{}", world.recount(&[]));
    services.terminate();
}

fn count(world: &World, table: &str) -> i64 {
    world.sql(&format!("select count(*) from {table}")).parse().unwrap()
}

/// Writes the value of a record of partition 0 to a file.
fn copy_of_newest(world: &World, file: &std::path::Path) {
    let read = |format: &str| {
        let output = Command::new("kcat")
            .args([
                "-b",
                &world.stack.bootstrap(),
                "-t",
                &world.topic("locations"),
                "-C",
                "-p",
                "0",
                "-o",
                "0",
                "-c",
                "1",
                "-e",
                "-q",
            ])
            .args(["-X", "isolation.level=read_committed", "-f", format])
            .output()
            .unwrap();
        assert!(output.status.success());
        output.stdout
    };
    fs::write(file, read("%s")).unwrap();
}

fn produce(world: &World, key: &str, file: &std::path::Path, case: &str) {
    let produced = Command::new("kcat")
        .args([
            "-b",
            &world.stack.bootstrap(),
            "-t",
            &world.topic("locations"),
            "-P",
            "-k",
            key,
            "-H",
            &format!("case={case}"),
        ])
        .args(["-X", "partitioner=murmur2_random"])
        .arg(file)
        .status()
        .unwrap();
    assert!(produced.success());
}
