//! Bad input: each a 4xx problem that names field, value and rule; never a 500, and nothing is written.

use crate::harness::World;
use reqwest::{
    Method,
    blocking::{Client, RequestBuilder},
};
use serde_json::{Value, json};

/// What is sent, and the field that must be named; none where the request as a whole is wrong.
struct Case {
    method: Method,
    path: String,
    body: Option<String>,
    status: u16,
    field: Option<&'static str>,
}

fn get(path: impl Into<String>, status: u16, field: impl Into<Option<&'static str>>) -> Case {
    Case { method: Method::GET, path: path.into(), body: None, status, field: field.into() }
}

fn post(path: &str, body: impl ToString, status: u16, field: impl Into<Option<&'static str>>) -> Case {
    Case { method: Method::POST, path: path.to_owned(), body: Some(body.to_string()), status, field: field.into() }
}

fn queries() -> Vec<Case> {
    let connection = |query: &str| format!("/api/persons/0101de/connection?{query}");
    vec![
        get("/api/persons?limit=0", 400, "limit"),
        get("/api/persons?limit=-5", 400, "limit"),
        get("/api/persons?limit=1000000000", 400, "limit"),
        get("/api/locations?limit=abc", 400, "limit"),
        get("/api/locations?cursor=made-up", 400, "cursor"),
        get("/api/locations?after=yesterday", 400, "after"),
        get("/api/locations?after=locations:0:-1", 400, "after"),
        get("/api/locations?after=no-such-topic:0:1", 400, "after"),
        get("/api/locations?wait_ms=-1", 400, "wait_ms"),
        get("/api/locations?wait_ms=60000", 400, "wait_ms"),
        get("/api/persons/nobody", 404, None),
        get("/api/persons/nobody/locations", 404, None),
        get("/api/persons/nobody/connection?start_date=2021-10-07&end_date=2021-10-07&distance=5", 404, None),
        get(connection("start_date=2021-13-01&end_date=2021-10-07&distance=5"), 400, "start_date"),
        get(connection("start_date=2021-10-07&end_date=soon&distance=5"), 400, "end_date"),
        get(connection("start_date=2021-10-08&end_date=2021-10-07&distance=5"), 400, "end_date"),
        get(connection("start_date=2021-10-07&end_date=2021-10-07&distance=-1"), 400, "distance"),
        get(connection("start_date=2021-10-07&end_date=2021-10-07&distance=1e9"), 400, "distance"),
        get(connection("start_date=2021-10-07&end_date=2021-10-07&distance=NaN"), 400, "distance"),
        get(connection("end_date=2021-10-07&distance=5"), 400, "start_date"),
        get("/messages", 400, "topic"),
        get("/messages?topic=locations&limit=0", 400, "limit"),
        get("/messages?topic=a/b", 400, "topic"),
        get("/messages?topic=no-such-topic", 404, None),
        get("/no/such/route", 404, None),
        Case { method: Method::DELETE, path: "/api/locations".to_owned(), body: None, status: 405, field: None },
    ]
}

fn bodies() -> Vec<Case> {
    let location = |change: &[(&str, Value)]| {
        let mut location =
            json!({"person_id": "0101de", "latitude": 1, "longitude": 2, "creation_time": "2026-01-01T00:00:00Z"});
        for (name, value) in change {
            location[*name] = value.clone();
        }
        location
    };
    let person = |first_name: Value| json!({"first_name": first_name, "last_name": "x", "company_name": "y"});
    let many = Value::Array(vec![location(&[]); 10_001]);
    vec![
        post("/api/locations", location(&[("latitude", json!(91))]), 422, "latitude"),
        post("/api/locations", location(&[("latitude", json!(-90.001))]), 422, "latitude"),
        post("/api/locations", location(&[("longitude", json!("abc"))]), 422, "longitude"),
        post("/api/locations", location(&[("longitude", json!("NaN"))]), 422, "longitude"),
        post("/api/locations", location(&[("accuracy_m", json!(-1))]), 422, "accuracy_m"),
        post("/api/locations", location(&[("person_id", json!("nobody"))]), 422, "person_id"),
        post("/api/locations", location(&[("creation_time", json!("2026-02-30T00:00:00Z"))]), 422, "creation_time"),
        post("/api/locations", location(&[("creation_time", json!(null))]), 422, "creation_time"),
        post(
            "/api/locations",
            json!({"person_id": "0101de", "longitude": 2, "creation_time": "2026-01-01T00:00:00Z"}),
            422,
            "latitude",
        ),
        post("/api/locations", json!([location(&[]), location(&[("latitude", json!(91))])]), 422, "[1].latitude"),
        post("/api/locations", "[]", 422, "body"),
        post("/api/locations", many, 422, "body"),
        post("/api/locations", "{not json", 400, None),
        post("/api/locations", "\"text\"", 422, "body"),
        post("/api/locations", "x".repeat(20_000_000), 413, None),
        post("/api/persons", person(json!("a\0b")), 422, "first_name"),
        post("/api/persons", person(json!("x".repeat(100_000))), 422, "first_name"),
        post("/api/persons", person(json!("  ")), 422, "first_name"),
        post("/api/persons", person(json!(7)), 422, "first_name"),
        post("/api/persons", json!({"first_name": "Ada", "last_name": "Lovelace"}), 422, "company_name"),
    ]
}

#[test]
fn bad_input_is_a_problem_that_names_field_value_and_rule() {
    let world = World::start("bad-input");
    let services = world.run_all();
    world.succeeds(&["replay", "aircraft", "--limit", "2000"]);
    world.until_caught_up();
    let before = ends(&world);

    let client = Client::new();
    let mut wrong = Vec::new();
    for case in queries().into_iter().chain(bodies()) {
        let url = format!("http://{}{}", world.http, case.path);
        let request = client.request(case.method.clone(), url);
        if let Err(fault) = check(&case, request) {
            wrong.push(format!("{} {}: {fault}", case.method, case.path));
        }
    }
    wrong.extend(altered_cursor(&world).err());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(ends(&world), before, "something was written");
    services.terminate();
}

fn check(case: &Case, request: RequestBuilder) -> Result<(), String> {
    let request = match &case.body {
        Some(body) => request.header("content-type", "application/json").body(body.clone()),
        None => request,
    };
    // A body that is too large may be refused before all of it is sent.
    let answer = match request.send() {
        Ok(answer) => answer,
        Err(error) if case.status == 413 && error.is_request() => return Ok(()),
        Err(error) => return Err(format!("{error:?}")),
    };
    let status = answer.status().as_u16();
    let kind = answer.headers().get("content-type").map(|kind| kind.to_str().unwrap().to_owned()).unwrap_or_default();
    let text = answer.text().map_err(|error| error.to_string())?;
    if status != case.status {
        return Err(format!("{status} in place of {}: {text}", case.status));
    }
    if !kind.starts_with("application/problem+json") {
        return Err(format!("it is {kind}"));
    }
    let problem: Value = serde_json::from_str(&text).map_err(|error| format!("{error}: {text}"))?;
    if problem["status"] != status || problem["title"].as_str().is_none_or(str::is_empty) {
        return Err(text);
    }
    let Some(field) = case.field else { return Ok(()) };
    let error = &problem["errors"][0];
    let complete = error["field"] == field
        && error["rule"].as_str().is_some_and(|rule| !rule.is_empty())
        && error.get("value").is_some();
    if complete && text.len() < 2000 { Ok(()) } else { Err(format!("it does not name {field}: {text}")) }
}

/// A cursor that came from us, with one character changed, and one of another route.
fn altered_cursor(world: &World) -> Result<(), String> {
    let answer = world.get("/api/locations?limit=10").map_err(|error| error.to_string())?;
    let link = answer.headers().get("link").ok_or("no next page")?.to_str().unwrap().to_owned();
    let cursor = link.split("cursor=").nth(1).unwrap().split(['&', '>']).next().unwrap().to_owned();
    let middle = cursor.len() / 2;
    let changed = if &cursor[middle..=middle] == "A" { "B" } else { "A" };
    let altered = format!("{}{changed}{}", &cursor[..middle], &cursor[middle + 1..]);
    for path in [format!("/api/locations?limit=10&cursor={altered}"), format!("/api/persons?cursor={cursor}")] {
        let case = get(path.clone(), 400, "cursor");
        check(&case, Client::new().get(format!("http://{}{path}", world.http)))
            .map_err(|fault| format!("{path}: {fault}"))?;
    }
    Ok(())
}

/// The end of every partition: moves when anything is written.
fn ends(world: &World) -> String {
    let status: Value = serde_json::from_str(&world.succeeds(&["projections", "status", "--output", "json"])).unwrap();
    let ends: Vec<_> = status.as_array().unwrap().iter().map(|partition| partition["end_offset"].clone()).collect();
    format!("{ends:?}")
}
