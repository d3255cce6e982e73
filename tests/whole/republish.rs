//! Republishing: copies of records, exact, once and where they belong; nothing before it is meant, and nothing of what would do
//! harm. `tests/oracle/republished.py` reads what came of it with a client that is not ours.

use crate::harness::{Running, World, text};
use reqwest::blocking::{Client, Response};
use serde_json::{Value, json};
use std::{thread, time::Duration};

#[test]
fn records_are_republished_as_they_were_and_once() {
    let world = World::start("republish");
    let all: u64 = world.oracle("republished.py", &["fill"]).trim().parse().unwrap();
    let mut api = run_api(&world);
    by_command(&world, all);
    one_by_command(&world);
    what_would_do_harm_is_refused(&world);
    by_api(&world);
    one_by_api(&world);
    whoever_confirms_at_the_same_time_does_it_once(&world);
    api = whoever_is_killed_does_it_all_or_not(&world, api);
    api.terminate();
}

fn run_api(world: &World) -> Running {
    world.run(&["api", "--republish"])
}

/// What is held of copies on a topic; says how many there are.
fn held(world: &World, [from, to, which]: [&str; 3]) -> u64 {
    world.oracle("republished.py", &["held", from, to, which]).trim().parse().unwrap()
}

fn by_command(world: &World, all: u64) {
    let command = ["messages", "republish", "-t", "parcels", "--to", "labels"];
    let said = world.succeeds(&[&command[..], &["--dry-run"]].concat());
    assert!(said.starts_with(&format!("would republish {all} records (")), "{said}");
    let said = world.fails(&command);
    assert!(said.contains("nothing was written, for nobody can be asked here: --yes"), "{said}");
    assert_eq!(held(world, ["parcels", "labels", "none"]), 0);

    let said = world.succeeds(&[&command[..], &["--yes"]].concat());
    assert!(said.starts_with(&format!("republished {all} records (")), "{said}");
    assert!(["labels:0:0-", "labels:1:0-", "labels:2:0-"].iter().all(|range| said.contains(range)), "{said}");
    assert_eq!(held(world, ["parcels", "labels", "all"]), all);

    // Nothing is left of it but the records: no group that lags for ever.
    let readers = world.json("/topics/labels")["readers"].clone();
    assert_eq!(readers, json!([]));

    for (arguments, expected) in [
        (&["--key", "nobody"][..], "none passed: there is nothing to republish"),
        (&["--where", "no.such=1"], "nothing is republished, for it cannot be told what"),
        (&["--to", "lables"], "there is no topic lables; did you mean labels?"),
        (&["--to", "a b"], "--to 'a b' is refused"),
        (&["-n", "0"], "--limit '0' is refused"),
    ] {
        let said = world.fails(&[&["messages", "republish", "-t", "parcels", "--yes"], arguments].concat());
        assert!(said.contains(expected), "{arguments:?}: {said}");
    }
}

fn one_by_command(world: &World) {
    let place = position_of(world, "key=ada&limit=1&order=oldest");
    let said = world.succeeds(&["messages", "republish", &place, "--to", "latest", "--anyway", "--yes"]);
    assert!(said.starts_with("republished 1 record (") && said.contains("latest:0:0"), "{said}");
    assert_eq!(held(world, ["parcels", "latest", &place]), 1);
    let said = world.fails(&["messages", "republish", "parcels:0:99999999", "--yes"]);
    assert!(said.contains("there is no record at parcels:0:99999999: nothing was appended there yet"), "{said}");
}

fn what_would_do_harm_is_refused(world: &World) {
    let said = world.fails(&["messages", "republish", "-t", "parcels", "-n", "1", "--to", "latest", "--yes"]);
    assert!(said.contains("latest' is refused: is compacted") && said.contains("anyway"), "{said}");
    let said = world.fails(&["messages", "republish", "-t", "person-profiles", "--to", "labels", "--yes"]);
    assert!(said.contains("must be where erasures reach what is personal"), "{said}");
    let said = world.fails(&["messages", "republish", "-t", "parcels", "--to", "narrow", "--yes"]);
    assert!(said.contains("a record is larger than narrow takes, whose max.message.bytes is 1000"), "{said}");
    assert_eq!(held(world, ["parcels", "narrow", "none"]), 0);

    let answer = post(world, "/messages/republish?topic=parcels&to=latest&key=grace");
    let problem = refused(answer, 409, "to");
    assert!(problem["detail"].as_str().unwrap().contains("is compacted"), "{problem}");
    refused(post(world, "/messages/republish?topic=person-profiles&to=labels"), 409, "to");
    refused(post(world, "/messages/republish?topic=parcels&to=lables"), 404, "to");
    let confirm = would(world, "topic=parcels&to=narrow");
    let problem = refused(confirmed(world, "topic=parcels&to=narrow", &confirm), 409, "to");
    assert!(problem["detail"].as_str().unwrap().contains("max.message.bytes is 1000"), "{problem}");
    assert_eq!(held(world, ["parcels", "narrow", "none"]), 0);
}

fn by_api(world: &World) {
    let question = "topic=parcels&key=ada&since=2h";
    let confirm = would(world, question);
    assert_eq!(held(world, ["parcels", "parcels", "none"]), 0);
    // What was given for one question is none for another, nor for another target.
    for other in
        ["topic=parcels&key=grace&since=2h", "topic=parcels&key=ada", "topic=parcels&key=ada&since=2h&to=labels"]
    {
        refused(confirmed(world, other, &confirm), 400, "confirm");
    }
    assert_eq!(held(world, ["parcels", "parcels", "none"]), 0);

    let done = written(confirmed(world, question, &confirm));
    assert_eq!(done["before"], false);
    assert_eq!(held(world, ["parcels", "parcels", "key=ada"]), done["count"].as_u64().unwrap());
    let again = written(confirmed(world, question, &confirm));
    assert_eq!((&again["before"], &again["positions"]), (&json!(true), &done["positions"]));
    assert_eq!(held(world, ["parcels", "parcels", "key=ada"]), done["count"].as_u64().unwrap());

    // Page by page: each is confirmed by itself.
    let first = answered(post(world, "/messages/republish?topic=parcels&to=labels&limit=3"));
    assert_eq!((&first["would"]["count"], &first["would"]["complete"]), (&json!(3), &json!(true)));
    let next = first["would"]["next"].as_str().unwrap();
    let second = answered(post(world, &format!("/messages/republish?topic=parcels&to=labels&limit=3&cursor={next}")));
    assert_ne!(second["would"]["first"], first["would"]["first"]);
    // What cannot be told whole is not republished.
    let part = answered(post(world, "/messages/republish?topic=parcels&where=no.such=1"));
    assert_eq!((&part["would"]["confirm"], &part["would"]["complete"]), (&Value::Null, &json!(false)));
}

fn one_by_api(world: &World) {
    let place = position_of(world, "key=grace&limit=1&order=oldest");
    let path = format!("/messages/{}/republish", place.replace(':', "/"));
    let asked = answered(post(world, &path));
    assert_eq!((&asked["would"]["first"], &asked["would"]["count"]), (&json!(place), &json!(1)));
    let confirm = asked["would"]["confirm"].as_str().unwrap();
    let done = written(post(world, &format!("{path}?confirm={confirm}")));
    assert_eq!((&done["to"], &done["count"]), (&json!("parcels"), &json!(1)));
    refused(post(world, &format!("{path}?to=labels&confirm={confirm}")), 400, "confirm");
    refused(post(world, "/messages/parcels/0/99999999/republish"), 404, "offset");
}

fn whoever_confirms_at_the_same_time_does_it_once(world: &World) {
    // Small ones, which the target takes.
    let question = "topic=parcels&to=narrow&contains=text";
    let confirm = would(world, question);
    let answers: Vec<_> = thread::scope(|scope| {
        let asked: Vec<_> = (0..4).map(|_| scope.spawn(|| confirmed(world, question, &confirm))).collect();
        asked.into_iter().map(|asked| asked.join().unwrap()).collect()
    });
    let (done, undetermined): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status().is_success());
    assert!(undetermined.iter().all(|answer| answer.status().as_u16() == 503), "{undetermined:?}");
    let again = written(confirmed(world, question, &confirm));
    assert_eq!(again["before"], true);
    for done in done {
        assert_eq!(written(done)["positions"], again["positions"]);
    }
    let copies = world.json("/messages?topic=narrow&limit=1000")["messages"].as_array().unwrap().len();
    assert_eq!(json!(copies), again["count"]);
}

/// At a moment nobody chose, somewhere in it; another process then takes the same confirmation.
fn whoever_is_killed_does_it_all_or_not(world: &World, mut api: Running) -> Running {
    let question = "topic=parcels&to=latest&anyway=true&key=k%C3%A4the";
    let count = |world: &World| world.json("/messages?topic=latest&limit=1000")["messages"].as_array().unwrap().len();
    let before = count(world);
    let asked = answered(post(world, &format!("/messages/republish?{question}")));
    let confirm = asked["would"]["confirm"].as_str().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| client().post(url(world, &with(question, confirm))).send().map(drop));
        thread::sleep(Duration::from_millis(60));
        api.kill_9();
    });
    let api = run_api(world);
    let done = written(confirmed(world, question, confirm));
    assert_eq!(done["count"], asked["would"]["count"]);
    assert_eq!(json!(count(world) - before), done["count"]);
    api
}

fn client() -> Client {
    Client::builder().timeout(Duration::from_secs(60)).build().unwrap()
}

fn url(world: &World, path: &str) -> String {
    format!("http://{}{path}", world.http)
}

fn with(question: &str, confirm: &str) -> String {
    format!("/messages/republish?{question}&confirm={confirm}")
}

fn post(world: &World, path: &str) -> Response {
    client().post(url(world, path)).send().unwrap()
}

/// The confirmation that is given for a question.
fn would(world: &World, question: &str) -> String {
    let asked = answered(post(world, &format!("/messages/republish?{question}")));
    assert!(asked["would"]["count"].as_u64().unwrap() > 0 && asked["written"].is_null(), "{asked}");
    asked["would"]["confirm"].as_str().unwrap_or_else(|| panic!("{asked}")).to_owned()
}

fn confirmed(world: &World, question: &str, confirm: &str) -> Response {
    post(world, &with(question, confirm))
}

fn written(answer: Response) -> Value {
    answered(answer)["written"].clone()
}

fn answered(answer: Response) -> Value {
    let (status, body) = (answer.status(), answer.bytes().unwrap());
    assert!(status.is_success(), "{status}: {}", text(&body));
    serde_json::from_slice(&body).unwrap()
}

fn refused(answer: Response, status: u16, field: &str) -> Value {
    let (found, problem) = (answer.status().as_u16(), answer.json::<Value>().unwrap());
    assert_eq!((found, problem["errors"][0]["field"].as_str()), (status, Some(field)), "{problem}");
    problem
}

fn position_of(world: &World, query: &str) -> String {
    let page = world.json(&format!("/messages?topic=parcels&{query}"));
    page["messages"][0]["position"].as_str().unwrap().to_owned()
}
