//! What a person meets who looks into topics from the command line.

use crate::harness::{Running, World, text, until};
use reqwest::blocking::Client;
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    time::Duration,
};

const FLAGS: &[&str] = &[
    "--topic",
    "--limit",
    "--partition",
    "--key",
    "--since",
    "--until",
    "--type",
    "--contains",
    "--where",
    "--undecodable",
    "--order",
    "--isolation",
    "--follow",
    "--timeout",
    "--output",
    "--color",
];

#[test]
fn a_person_looks_into_topics() {
    let world = World::start("messages");
    let services = world.run_all();
    world.succeeds(&["replay", "aircraft", "--limit", "2500"]);
    world.append("person-commands", "nobody", b"no command\xff");
    world.until_caught_up();
    prints_what_the_api_answers(&world);
    prints_values_alone(&world);
    reads_many_pages(&world);
    says_what_is_not_there(&world);
    shows_one_record(&world);
    ends_with_its_reader(&world);
    refuses_like_the_api(&world);
    follows_without_a_hole(&world);
    explains_itself(&world);
    says_what_it_cannot_compare(&world);
    services.terminate();
}

/// The messages that are printed as JSON, a line each.
fn listed(world: &World, arguments: &[&str]) -> Vec<Value> {
    let printed = world.succeeds(&[&["messages", "--output", "json"], arguments].concat());
    printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn prints_what_the_api_answers(world: &World) {
    let key = world.newest_key("locations");
    for (arguments, query) in [
        ("-n 20", "limit=20".to_owned()),
        ("-n 20 --order oldest --partition 0,3", "limit=20&order=oldest&partition=0,3".to_owned()),
        (&format!("--key {key}"), format!("key={key}")),
        (
            &format!("--where latitude>=-90 --where person_id={key} -n 9"),
            format!("where=latitude>=-90&where=person_id={key}&limit=9"),
        ),
        ("--key-as hex --value-as avro -n 9", "key_as=hex&value_as=avro&limit=9".to_owned()),
        ("--header ce_type~LocationReported --header ce_time>=2000-01-01 -n 9", {
            "header=ce_type~LocationReported&header=ce_time>=2000-01-01&limit=9".to_owned()
        }),
        ("--type LocationReported --since 2000-01-01 --until 2100-01-01 -n 3", {
            "type=LocationReported&since=2000-01-01&until=2100-01-01&limit=3".to_owned()
        }),
    ] {
        let arguments: Vec<&str> = ["-t", "locations"].into_iter().chain(arguments.split(' ')).collect();
        let answered = world.json(&format!("/messages?topic=locations&{query}"));
        let messages = answered["messages"].as_array().unwrap();
        assert!(!messages.is_empty(), "{query}");
        assert_eq!(&listed(world, &arguments), messages, "{query}");
    }

    let newest = listed(world, &["-t", "locations", "-n", "20"]);
    let table = world.succeeds(&["messages", "-t", "locations", "-n", "20"]);
    let rows: Vec<&str> = table.lines().collect();
    assert_eq!(rows[0].split_whitespace().collect::<Vec<_>>(), ["time", "position", "key", "type", "value"]);
    assert_eq!(rows.len(), 21);
    for (row, message) in rows[1..].iter().zip(&newest) {
        let cells: Vec<&str> = row.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
        let text = |name: &str| message[name].as_str().unwrap().to_owned();
        let expected = [text("timestamp"), text("position"), text("key"), "LocationReported".to_owned()];
        assert_eq!(cells[..4], expected, "{row}");
        // Into a pipe, nothing is cut and nothing coloured.
        assert_eq!(serde_json::from_str::<Value>(cells[4]).unwrap(), message["value"]);
    }
    let coloured = world.succeeds(&["messages", "-t", "locations", "-n", "1", "--color", "always"]);
    assert!(coloured.contains("\u{1b}[36mlocations:"), "{coloured:?}");
}

fn prints_values_alone(world: &World) {
    let expected: Vec<Value> =
        listed(world, &["-t", "locations", "-n", "20"]).into_iter().map(|message| message["value"].clone()).collect();
    let values = world.succeeds(&["messages", "-t", "locations", "-n", "20", "--output", "value"]);
    let values: Vec<Value> = values.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(values, expected);

    let undecodable = ["messages", "-t", "person-commands", "--undecodable", "--output", "value"];
    let output = world.output(&undecodable);
    assert!(output.status.success());
    let (values, errors) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(values, "");
    assert!(errors.contains("foldstream: person-commands:"), "{errors}");
    assert_eq!(errors.lines().count(), 1, "{errors}");
}

fn reads_many_pages(world: &World) {
    let all = listed(world, &["-t", "locations", "-n", "100000"]);
    assert!(all.len() > 2000, "only {}", all.len());
    let place = |message: &Value| {
        (
            message["timestamp"].as_str().unwrap().to_owned(),
            message["partition"].as_i64().unwrap(),
            message["offset"].as_i64().unwrap(),
        )
    };
    assert!(all.iter().map(place).is_sorted_by(|newer, older| newer > older), "not newest first, or twice");
    let newest = listed(world, &["-t", "locations", "-n", "1500", "--timeout", "1ms"]);
    assert_eq!(newest[..], all[..1500]);
    let mut oldest = listed(world, &["-t", "locations", "-n", "100000", "--order", "oldest"]);
    oldest.reverse();
    assert_eq!(oldest, all);
}

fn says_what_is_not_there(world: &World) {
    let output = world.output(&["messages", "-t", "locations", "--contains", "nobody holds this"]);
    assert!(output.status.success());
    let said = text(&output.stderr);
    assert!(output.stdout.is_empty());
    assert!(said.starts_with("foldstream: looked at ") && said.ends_with(" records, none passed\n"), "{said}");

    let said = world.fails(&["messages", "-t", "locatoins"]);
    assert_eq!(said.trim(), "foldstream: there is no topic locatoins; did you mean locations?");
    let said = world.fails(&["messages", "-t", "locations", "-f", "--partition", "99"]);
    assert_eq!(said.trim(), "foldstream: locations has no partition 99: it has 6, from 0 on");
}

fn shows_one_record(world: &World) {
    let newest = listed(world, &["-t", "locations", "-n", "1"]).remove(0);
    let position = newest["position"].as_str().unwrap();
    assert_eq!(listed(world, &[position]), std::slice::from_ref(&newest));
    let shown = world.succeeds(&["messages", position]);
    for property in [position, "foldstream.locations.LocationReported", "ce_type: ", "\"longitude\": "] {
        assert!(shown.contains(property), "{property}: {shown}");
    }
    let said = world.fails(&["messages", "locations:3:99999999"]);
    assert!(said.contains("there is no record at locations:3:99999999: nothing was appended there yet"), "{said}");
    let said = world.fails(&["messages", "location:3:1"]);
    assert!(said.contains("there is no topic location; did you mean locations?"), "{said}");
}

/// As `| head -1` does it: more is printed than a pipe holds.
fn ends_with_its_reader(world: &World) {
    for output in ["table", "json", "value"] {
        let mut command = world.foldstream(&["messages", "-t", "locations", "-n", "100000", "--output", output]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut first = String::new();
        BufReader::with_capacity(1, child.stdout.take().unwrap()).read_line(&mut first).unwrap();
        assert!(first.ends_with('\n'), "{first}");
        let ended = child.wait_with_output().unwrap();
        assert!(ended.status.success(), "{output}: {}", text(&ended.stderr));
        assert_eq!(text(&ended.stderr), "", "{output}");
    }
}

fn refuses_like_the_api(world: &World) {
    for (flag, value) in [
        ("since", "yesterday"),
        ("partition", "x"),
        ("where", "nothing"),
        ("header", "nothing"),
        ("order", "up"),
        ("isolation", "dirty"),
    ] {
        let problem = world.get(&format!("/messages?topic=locations&{flag}={value}")).unwrap();
        let problem: Value = problem.json().unwrap();
        let rule = problem["errors"][0]["rule"].as_str().unwrap_or_else(|| panic!("{problem}"));
        let output = world.output(&["messages", "-t", "locations", &format!("--{flag}"), value]);
        assert_eq!(output.status.code(), Some(2), "{flag}");
        assert_eq!(text(&output.stderr), format!("foldstream: --{flag} '{value}' is refused: {rule}\n"));
    }
    let output = world.output(&["messages", "-t", "a b", "--limit", "100001"]);
    assert_eq!((output.status.code(), text(&output.stderr).lines().count()), (Some(2), 2));
    for arguments in [&["messages"] as &[_], &["messages", "-t", "locations", "--output", "xml"]] {
        assert_eq!(world.output(arguments).status.code(), Some(2), "{arguments:?}");
    }
}

/// What may be missing is a failure: of the question, of its path, of the registry.
fn says_what_it_cannot_compare(world: &World) {
    let asked = |condition: &str| {
        let output = world.output(&["messages", "-t", "locations", "-n", "5", "--where", condition]);
        (output.status.code(), text(&output.stderr))
    };
    let (code, said) = asked("latitude>=9,5");
    assert_eq!(code, Some(2));
    assert!(said.starts_with("foldstream: --where 'latitude>=9,5' is refused: latitude is a number"), "{said}");
    let (code, said) = asked("latitud>=9.5");
    assert_eq!(code, Some(1));
    assert!(said.contains("no schema on the way has the path latitud"), "{said}");
    assert_eq!(asked("occurred_at>=2000-01-01 00:00"), (Some(0), String::new()));
    // A registry that nobody reaches.
    let mut command = world.foldstream(&["messages", "-t", "locations", "-n", "5", "--where", "latitude>=-90"]);
    let output = command.env("FOLDSTREAM_REGISTRY_URL", "http://127.0.0.1:1").output().unwrap();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said.contains("the filter could not be held against") && said.contains("the first is locations:"),
        "{said}"
    );
    assert_eq!(asked("latitude>=-90"), (Some(0), String::new()));
}

/// Records are posted before, while and after it starts to follow.
fn follows_without_a_hole(world: &World) {
    let known = listed(world, &["-t", "locations", "-n", "1000"]);
    let known: BTreeSet<&str> = known.iter().map(|message| message["key"].as_str().unwrap()).collect();
    let (busy, calm) = (known.first().unwrap(), known.last().unwrap());
    assert_ne!(busy, calm);
    let (of_all, of_calm) = std::thread::scope(|scope| {
        let posting = scope.spawn(|| (0..200).for_each(|_| post(world, busy)));
        let follow = ["messages", "-t", "locations", "--follow", "--output", "json", "-n"];
        let of_all = world.spawn("of-all", &[&follow[..], &["5"]].concat());
        let of_calm = world.spawn("of-calm", &[&follow[..], &["1", "--key", calm, "--contains", calm]].concat());
        until_it_shows(&of_all, 5);
        posting.join().unwrap();
        (of_all, of_calm)
    });
    (0..3).for_each(|_| post(world, calm));
    let positions = |messages: &[Value]| -> BTreeSet<String> {
        messages.iter().map(|message| message["position"].as_str().unwrap().to_owned()).collect()
    };
    let shown = until("the newest records are followed", Duration::from_secs(20), || {
        let shown = shown_by(&of_all);
        assert_eq!(positions(&shown).len(), shown.len(), "something was shown twice");
        let expected = listed(world, &["-t", "locations", "-n", &shown.len().to_string()]);
        let missing: Vec<_> = positions(&expected).difference(&positions(&shown)).cloned().collect();
        if missing.is_empty() { Ok(shown) } else { Err(format!("missing are {missing:?}")) }
    });
    assert!(shown[..5].is_sorted_by_key(|message| message["timestamp"].as_str().unwrap().to_owned()));
    until_it_shows(&of_calm, 4);
    assert!(shown_by(&of_calm).iter().all(|message| message["key"] == *calm));
    of_all.terminate();
    of_calm.terminate();
}

fn post(world: &World, person: &str) {
    let location = json!({"person_id": person, "latitude": 1, "longitude": 2, "creation_time": "2026-01-02T03:04:05Z"});
    let posted = Client::new().post(format!("http://{}/api/locations", world.http)).json(&location).send().unwrap();
    assert_eq!(posted.status().as_u16(), 201);
}

fn until_it_shows(running: &Running, records: usize) {
    until(&format!("{records} records are shown"), Duration::from_secs(20), || {
        let shown = shown_by(running).len();
        if shown >= records { Ok(()) } else { Err(format!("{shown}: {}", running.log_tail())) }
    });
}

/// Whole lines only: the last one may still be written.
fn shown_by(running: &Running) -> Vec<Value> {
    let log = fs::read_to_string(running.log()).unwrap();
    let lines = log.split_inclusive('\n').filter(|line| line.ends_with('\n') && line.starts_with('{'));
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn explains_itself(world: &World) {
    let help = world.succeeds(&["messages", "--help"]);
    for flag in FLAGS {
        assert!(help.lines().any(|line| line.split([' ', ',']).any(|word| word == *flag)), "{flag}: {help}");
    }
    // Its examples do what they say, but for those that go on or are piped into something.
    let examples = help.split("Examples:\n").nth(1).unwrap().lines();
    let examples = examples.filter_map(|line| line.strip_prefix("  foldstream ").filter(|line| !line.starts_with(' ')));
    let mut shown = 0;
    for example in examples.map(|line| line.split(" | ").next().unwrap()).filter(|line| !line.ends_with(" -f")) {
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(format!("exec \"$0\" {example}")).arg(env!("CARGO_BIN_EXE_foldstream"));
        for (name, value) in world.foldstream(&[]).get_envs() {
            match value {
                Some(value) => shell.env(name, value),
                None => shell.env_remove(name),
            };
        }
        let output = shell.stdin(Stdio::null()).output().unwrap();
        // There need not be so many records in a small world.
        let no_record = text(&output.stderr).contains("there is no record at locations:3:1729");
        assert!(output.status.success() || no_record, "{example}: {}", text(&output.stderr));
        shown += 1;
    }
    assert_eq!(shown, 9);
}
