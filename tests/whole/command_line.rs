//! What an operator meets: topics that are not as declared, settings that are none, other clients' views.

use crate::harness::{World, text, until, without_settings};
use std::{
    fs,
    process::{Command, Stdio},
    time::Duration,
};

#[test]
fn topics_that_are_not_as_declared_are_named() {
    let world = World::on_the_shared_stack("topics");
    world.oracle("admin.py", &["create", "locations", "3"]);

    // Nothing starts on a topic with the wrong partitions, and a second `apply` does not touch it.
    let said = world.fails(&["run", "all"]);
    assert!(said.contains("topic locations: partitions is 3, declared 6"), "{said}");
    assert!(said.contains("topic person-profiles: existence is missing, declared present"), "{said}");
    let said = world.fails(&["topics", "apply"]);
    assert!(said.contains("topic locations: partitions is 3, declared 6"), "{said}");

    world.oracle("admin.py", &["delete", "locations"]);
    until("the topic is made anew", Duration::from_secs(30), || {
        let applied = world.output(&["topics", "apply"]);
        if applied.status.success() { Ok(()) } else { Err(text(&applied.stderr)) }
    });
    assert_eq!(world.succeeds(&["topics", "check"]).trim(), "every topic is as declared");

    // Every topic has three replicas in the eyes of another client.
    let listed = Command::new("kcat").args(["-b", &world.stack.bootstrap(), "-L"]).output().unwrap();
    let listed = text(&listed.stdout);
    for topic in ["locations", "person-profiles", "source-progress"] {
        assert!(listed.contains(&format!("topic \"{}\" with 6 partitions", world.topic(topic))), "{listed}");
    }
    let replicas: Vec<_> = listed.lines().filter(|line| line.contains("replicas: ")).collect();
    let of_three =
        |line: &&str| line.split("replicas: ").nth(1).unwrap().split(", isr").next().unwrap().split(',').count() == 3;
    assert!(replicas.len() >= 18 && replicas.iter().all(of_three), "{listed}");

    // Someone alters retention by hand: it is named, services start with a warning only, and `apply` corrects it.
    world.oracle("admin.py", &["set", "locations", "retention.ms", "3600000"]);
    let output = world.output(&["topics", "check"]);
    assert!(!output.status.success());
    let table = text(&output.stdout);
    assert!(table.contains("retention.ms") && table.contains("3600000") && table.contains("-1"), "{table}");
    let done = world.succeeds(&["topics", "apply"]);
    assert!(done.contains("set retention.ms of locations to -1"), "{done}");
    world.succeeds(&["topics", "check"]);

    // Schemas that are not registered are named, and registering twice is harmless.
    let output = world.output(&["schemas", "check"]);
    assert!(text(&output.stdout).contains("locations-foldstream.locations.LocationReported: not registered"));
    world.succeeds(&["schemas", "register"]);
    let first = world.succeeds(&["schemas", "register", "--output", "json"]);
    assert_eq!(first, world.succeeds(&["schemas", "register", "--output", "json"]));
    world.succeeds(&["schemas", "check"]);
}

#[test]
fn another_client_decodes_every_topic_and_agrees_with_messages() {
    let world = World::start("decode");
    let services = world.run_all();
    world.succeeds(&["replay", "aircraft", "--limit", "20000"]);
    // No command: a dead letter.
    world.append("person-commands", "nobody", b"no command");
    world.until_caught_up();
    for topic in [
        "person-commands",
        "person-outcomes",
        "people",
        "person-profiles",
        "people-processor-state",
        "locations",
        "source-progress",
        "dead-letters",
    ] {
        let asked = ["messages", "--topic", topic, "--limit", "200", "--output", "json", "--personal", "shown"];
        let messages = world.succeeds(&asked);
        let file = world.directory().join(format!("{topic}.ndjson"));
        fs::write(&file, messages).unwrap();
        println!("{}", world.oracle("decode.py", &[topic, file.to_str().unwrap()]));
    }

    let said = world.fails(&["messages", "--topic", "no-such-topic"]);
    assert!(said.contains("there is no topic no-such-topic"), "{said}");
    let table = world.succeeds(&["messages", "--topic", "locations", "--limit", "2"]);
    assert_eq!(table.lines().count(), 3, "{table}");

    services.terminate();
    // A reader that goes away is no error.
    let mut child = world.foldstream(&["messages", "--topic", "locations"]).stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());
}

#[test]
fn wrong_settings_stop_the_start_with_one_line() {
    for (name, value, expected) in [
        ("FOLDSTREAM_KAFKA_BROKER", "x", "FOLDSTREAM_KAFKA_BROKER is set, but there is no such setting"),
        ("FOLDSTREAM_DATABASE_URL", "mysql://x", "the scheme is `mysql`, expected `postgres`"),
        ("FOLDSTREAM_HTTP_LISTEN", "nowhere", "nowhere"),
        ("FOLDSTREAM_LOG", "inof", "inof"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_foldstream"));
        without_settings(&mut command);
        let output = command.args(["run", "all"]).env(name, value).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{name}");
        let said = text(&output.stderr);
        assert!(said.contains(expected), "{name}: {said}");
    }
}
