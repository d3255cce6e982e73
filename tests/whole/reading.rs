//! What a client of the API meets: it reads what it wrote, page by page, and looks into topics.

use crate::harness::{REGISTER, Running, World, until};
use reqwest::blocking::{Client, Response};
use serde_json::{Value, json};
use std::{collections::BTreeSet, time::Duration};

#[test]
fn a_client_reads_what_it_wrote() {
    let world = World::start("reading");
    let services = world.run_all();
    reads_its_writes(&world);
    lists_page_by_page(&world);
    counts_by_the_hour(&world);
    looks_into_topics(&world);
    documents_itself(&world);
    leaves_no_consumer_group(&world, services);
}

fn reads_its_writes(world: &World) {
    let client = Client::new();
    let url = |path: &str| format!("http://{}{path}", world.http);
    for number in 0..20 {
        let person = json!({"first_name": "Ada", "last_name": format!("Number {number}"), "company_name": "Engines"});
        let answer = client.post(url(REGISTER)).json(&person).send().unwrap();
        assert_eq!(answer.status().as_u16(), 201);
        let position = header(&answer, "foldstream-position");
        assert!(position.starts_with("person-commands:"), "{position}");
        let created: Value = answer.json().unwrap();
        let id = created["id"].as_str().unwrap();
        if number % 2 == 0 {
            let mut read = world.json(&format!("/api/persons/{id}?after={position}"));
            // Which message made it so is known to the row only.
            assert!(read.as_object_mut().unwrap().remove("event").is_some());
            assert_eq!(read, created);
        }

        let location =
            json!({"person_id": id, "latitude": "48.5", "longitude": -3.25, "creation_time": "2026-01-02T03:04:05Z"});
        let answer = client.post(url("/api/locations")).json(&location).send().unwrap();
        assert_eq!(answer.status().as_u16(), 201);
        let position = header(&answer, "foldstream-position");
        let created: Value = answer.json().unwrap();
        let answer = client.get(url(&format!("/api/persons/{id}/locations?after={position}"))).send().unwrap();
        assert_eq!(answer.status().as_u16(), 200);
        assert!(!header(&answer, "foldstream-applied").is_empty());
        // An upper bound: it falls to nothing when the markers that end a transaction are passed too.
        assert!(header(&answer, "foldstream-lag-ms").parse::<u64>().unwrap() < 5_000);
        let found: Value = answer.json().unwrap();
        assert_eq!(found, json!([created]));
        assert_eq!(found[0]["latitude"], 48.5);
        assert_eq!(world.json(&format!("/api/locations/{}", created["id"].as_str().unwrap())), created);
    }
    // A position that never comes: told so, with how far it is.
    let answer = client.get(url("/api/locations?after=locations:0:999999999&wait_ms=100")).send().unwrap();
    assert_eq!(answer.status().as_u16(), 503);
    assert!(answer.headers().contains_key("retry-after"));
}

fn lists_page_by_page(world: &World) {
    world.succeeds(&["replay", "aircraft", "--limit", "2500"]);
    world.until_caught_up();
    let expected: usize = world.sql("select count(*) from location_history").parse().unwrap();
    let (mut seen, mut next) = (BTreeSet::new(), Some("/api/locations?limit=700".to_owned()));
    let mut pages = 0;
    while let Some(path) = next {
        let answer = world.get(&path).unwrap();
        next = answer.headers().get("link").map(|link| next_page(link.to_str().unwrap()));
        let page: Vec<Value> = answer.json().unwrap();
        for location in page {
            assert!(seen.insert(location["id"].as_str().unwrap().to_owned()), "{location} came twice");
        }
        pages += 1;
    }
    assert_eq!(seen.len(), expected);
    assert_eq!(pages, expected.div_ceil(700));
}

fn counts_by_the_hour(world: &World) {
    let hours = world.json("/api/activity?hours=1000");
    let told =
        hours.as_array().unwrap().iter().map(|hour| format!("{}|{}", hour["hour"].as_str().unwrap(), hour["reports"]));
    let told: Vec<String> = told.collect();
    let counted = world.sql(
        "select to_char(date_trunc('hour', occurred_at, 'UTC') at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'),
                count(*) from location_history group by 1 order by 1 desc",
    );
    assert_eq!(told.join("\n"), counted);
    assert!(told.len() > 1, "{told:?}");
}

fn looks_into_topics(world: &World) {
    let page = world.json("/messages?topic=locations&limit=100");
    assert_eq!(page["complete"], true);
    let messages = page["messages"].as_array().unwrap();
    assert_eq!(messages.len(), 100);
    let order: Vec<_> = messages
        .iter()
        .map(|message| {
            (message["timestamp"].as_str().unwrap(), message["partition"].as_i64(), message["offset"].as_i64())
        })
        .collect();
    assert!(order.is_sorted_by(|newer, older| newer >= older), "{order:?}");
    let printed = world.succeeds(&["messages", "--topic", "locations", "--limit", "100", "--output", "json"]);
    let printed: Vec<Value> = printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(&printed, messages);
}

fn documents_itself(world: &World) {
    let document = world.json("/openapi.json");
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    for path in ["/api/persons", "/api/persons/{id}", "/api/locations", "/api/persons/{id}/connection", "/messages"] {
        assert!(document["paths"].get(path).is_some(), "{path} is not documented");
    }
    assert!(world.get("/docs").unwrap().text().unwrap().contains("<html"));
    assert!(world.get("/metrics").unwrap().text().unwrap().contains("foldstream_projection_records_total"));
    assert_eq!(world.get("/health").unwrap().status().as_u16(), 200);
}

/// Looking into topics joins no group: those of this environment are its services', and each other one has a prefix.
fn leaves_no_consumer_group(world: &World, services: Running) {
    until("the projections' groups are the only ones", Duration::from_secs(10), || {
        let groups = world.oracle("groups.py", &[]);
        let services = ["activity-projection", "locations-projection", "people-processor", "people-projection"];
        let services = services.map(|service| world.log().prefix.group_of(service));
        let prefix = world.log().prefix;
        let found = groups.split_whitespace().filter(|group| !group.contains('.') || prefix.logical(group).is_some());
        if found.eq(&services) { Ok(()) } else { Err(groups) }
    });
    services.terminate();
}

fn header(answer: &Response, name: &str) -> String {
    answer.headers().get(name).unwrap_or_else(|| panic!("no {name}")).to_str().unwrap().to_owned()
}

/// The path in a `Link` header: `<…>; rel="next"`.
fn next_page(link: &str) -> String {
    assert!(link.contains("rel=\"next\""), "{link}");
    let target = link.split(['<', '>']).nth(1).unwrap();
    let path = target.find("/api/").unwrap();
    target[path..].to_owned()
}
