//! The router without any service behind it: what is refused must be refused before a dependency is asked, and what
//! needs one must say so in time.

use super::*;
use crate::LookingConfig;
use axum::{
    body::{Body, to_bytes},
    http::{Method, Request, Response},
};
use clap::{Args, Command};
use foldstream_browse::{Brokers, Browse};
use foldstream_events::{LocationsEvent, PeopleEvent, PersonCommandsEvent, PersonOutcomesEvent, PersonProfilesEvent};
use foldstream_log::{Flow, Registry, Republisher, ServiceKind, Writer};
use foldstream_store::{Applied, Database};
use foldstream_telemetry::health::{Health, Status};
use futures::future::join_all;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// A fragment of configuration from these flags alone, whatever the environment says.
fn parsed<C: Args>(flags: &[&str]) -> C {
    let command = C::augment_args(Command::new("test")).mut_args(|argument| argument.env(None::<&'static str>));
    let flags = std::iter::once("test").chain(flags.iter().copied());
    C::from_arg_matches(&command.get_matches_from(flags)).unwrap()
}

/// Parts whose every address is one where nobody listens.
fn parts() -> Parts {
    let wire: foldstream_log::Config = parsed(&["--kafka-brokers=127.0.0.1:1", "--registry-url=http://127.0.0.1:1"]);
    let database = Database::connect(&parsed(&["--database-url=postgres://nobody@127.0.0.1:1/none"])).unwrap();
    let registry = Registry::new(&wire).unwrap();
    Parts {
        applied: Applied::start(&database, CancellationToken::new()),
        database,
        browse: Browse::new(Brokers::new(&wire), foldstream_events::CATALOGUE),
        looking: LookingConfig::default(),
        writer: Writer::connect(&wire, &registry, "api").unwrap(),
        flows: Arc::new([
            Flow::of("people-processor", ServiceKind::Processor)
                .reading::<PersonCommandsEvent>()
                .writing::<PeopleEvent>()
                .writing::<PersonProfilesEvent>()
                .writing::<PersonOutcomesEvent>(),
            Flow::of("people-projection", ServiceKind::Projection)
                .reading::<PersonProfilesEvent>()
                .writing_tables(["person"]),
            Flow::of("locations-projection", ServiceKind::Projection)
                .reading::<LocationsEvent>()
                .reading::<PeopleEvent>()
                .writing_tables(["location_history"]),
        ]),
        provenances: Arc::new([]),
        republisher: None,
        registry,
        health: Health::new(),
        shutdown: CancellationToken::new(),
    }
}

async fn ask(method: Method, uri: &str, body: impl Into<Body>) -> Response<Body> {
    let request = Request::builder().method(method).uri(uri).header("content-type", "application/json");
    router(parts()).oneshot(request.body(body.into()).unwrap()).await.unwrap()
}

async fn problem(response: Response<Body>) -> Value {
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let request_id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
    let status = response.status().as_u16();
    let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    let problem: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(problem["request_id"], request_id);
    assert_eq!(problem["status"], status);
    assert!(problem["type"].as_str().unwrap().starts_with("/docs#"));
    let anchor = format!("id=\"{}\"", &problem["type"].as_str().unwrap()[6..]);
    assert!(include_str!("../docs.html").contains(&anchor), "{anchor} is not explained");
    problem
}

/// Asks and expects a refusal that names these fields.
async fn refused(method: Method, uri: &str, body: &str, status: u16, fields: &[&str]) {
    let response = ask(method, uri, body.to_owned()).await;
    assert_eq!(response.status(), status, "{uri} {body}");
    let problem = problem(response).await;
    let errors = problem["errors"].as_array().cloned().unwrap_or_default();
    let found: Vec<&str> = errors.iter().map(|error| error["field"].as_str().unwrap()).collect();
    assert_eq!(found, fields, "{uri}: {problem}");
    for error in errors {
        assert!(error["value"].is_string() && !error["rule"].as_str().unwrap().is_empty(), "{error}");
    }
}

const ID: &str = "0199f1d2-6f0e-7c2b-9a55-5d0c1f1a7b21";

#[tokio::test]
async fn bad_parameters_are_refused_with_their_names() {
    let connection = |query: &str| format!("/api/persons/p1/connection?{query}");
    let days = "start_date=2026-01-01&end_date=2026-01-31";
    for (uri, fields) in [
        ("/api/persons?limit=0".to_owned(), &["limit"][..]),
        ("/api/persons?limit=-5".to_owned(), &["limit"]),
        ("/api/persons?limit=1000000000".to_owned(), &["limit"]),
        ("/api/persons?limit=abc&cursor=abc".to_owned(), &["limit", "cursor"]),
        ("/api/persons?limti=5".to_owned(), &["limti"]),
        ("/api/persons?after=nonsense".to_owned(), &["after"]),
        ("/api/persons?after=".to_owned(), &["after"]),
        ("/api/persons?after=locations:0:0".to_owned(), &["after"]),
        ("/api/persons?after=person-profiles:6:0".to_owned(), &["after"]),
        ("/api/persons?after=person-profiles:0:-1".to_owned(), &["after"]),
        ("/api/persons?wait_ms=30001".to_owned(), &["wait_ms"]),
        ("/api/persons/a%20b".to_owned(), &["id"]),
        ("/api/persons/%00".to_owned(), &["id"]),
        ("/api/persons/%ff".to_owned(), &["id"]),
        (format!("/api/persons/{}", "x".repeat(129)), &["id"]),
        ("/api/locations?cursor=AAAA".to_owned(), &["cursor"]),
        ("/api/locations/current?as_of=yesterday".to_owned(), &["as_of"]),
        ("/api/locations/current?as_of=2026-02-30T00:00:00Z&limit=0".to_owned(), &["as_of", "limit"]),
        ("/api/locations/17".to_owned(), &["id"]),
        (format!("/api/locations/{ID}?after=orders:0:0"), &["after"]),
        ("/api/persons/p1/locations?start_date=2026-02-30".to_owned(), &["start_date"]),
        ("/api/persons/p1/locations?start_date=2026-02-02&end_date=2026-02-01".to_owned(), &["end_date"]),
        (connection(""), &["start_date", "end_date"]),
        (connection("start_date=2026-01-02&end_date=2026-01-01"), &["end_date"]),
        (connection("start_date=tomorrow&end_date=2026-01-01"), &["start_date"]),
        (connection(&format!("{days}&distance=-1")), &["distance"]),
        (connection(&format!("{days}&distance=1e9")), &["distance"]),
        (connection(&format!("{days}&limit=10001")), &["limit"]),
        ("/api/dead-letters?limit=0&cursor=made-up".to_owned(), &["limit", "cursor"]),
        ("/api/dead-letters?projection=locations&topic=orders".to_owned(), &["projection", "topic"]),
        ("/api/dead-letters?after=locations:0:0".to_owned(), &["after"]),
        ("/topics?limit=5".to_owned(), &["limit"]),
        ("/topics/a%20b".to_owned(), &["topic"]),
        ("/topics/locations?topic=people".to_owned(), &["topic"]),
        ("/messages".to_owned(), &["topic"]),
        ("/messages?topic=a%20b&limit=0".to_owned(), &["topic", "limit"]),
        ("/messages?topic=locations&limit=1001".to_owned(), &["limit"]),
        ("/messages/a%20b/x/-1/effects".to_owned(), &["topic", "partition", "offset"]),
        ("/messages/locations/0/0/effects?limit=1".to_owned(), &["limit"]),
        ("/messages/%ff/0/0/effects".to_owned(), &["topic"]),
    ] {
        refused(Method::GET, &uri, "", 400, fields).await;
    }
}

#[tokio::test]
async fn bad_bodies_are_refused_with_their_fields() {
    for (uri, body, status, fields) in [
        ("/api/persons", "{}", 422, &["first_name", "last_name", "company_name"][..]),
        ("/api/persons", "{", 400, &["body"]),
        ("/api/persons", "", 400, &["body"]),
        ("/api/persons?wait_ms=x", "{}", 400, &["wait_ms"]),
        ("/api/locations", "[]", 422, &["body"]),
        ("/api/locations", "7", 422, &["body"]),
        ("/api/locations?topic=x", "[]", 400, &["topic"]),
        (
            "/api/locations",
            r#"{"person_id": "p", "creation_time": "2026-01-01T00:00:00Z", "latitude": 91, "longitude": "abc"}"#,
            422,
            &["latitude", "longitude"],
        ),
    ] {
        refused(Method::POST, uri, body, status, fields).await;
    }
    for bad in ["a\u{0}", &"x".repeat(100_000)] {
        let body = json!({"first_name": bad, "last_name": "L", "company_name": "C"}).to_string();
        refused(Method::POST, "/api/persons", &body, 422, &["first_name"]).await;
    }
}

#[tokio::test]
async fn nothing_is_republished_unless_that_is_switched_on() {
    for uri in ["/messages/republish?topic=locations", "/messages/locations/0/0/republish"] {
        let problem = problem(ask(Method::POST, uri, "").await).await;
        assert_eq!((&problem["status"], &problem["type"]), (&json!(403), &json!("/docs#switched-off")));
        assert!(problem["detail"].as_str().unwrap().contains("FOLDSTREAM_REPUBLISH=true"), "{problem}");
    }
    let mut parts = parts();
    parts.republisher = Some(Republisher::new(&parsed(&[])));
    for (uri, fields) in [
        ("/messages/republish", vec!["topic"]),
        ("/messages/republish?topic=locations&to=a%20b&anyway=yes&confirm=made-up", vec!["to", "anyway", "confirm"]),
        ("/messages/republish?topic=locations&limit=1001&order=newest", vec!["order", "limit"]),
        ("/messages/locations/0/0/republish?key=x&confirm=", vec!["key", "confirm"]),
    ] {
        let request = Request::post(uri).body(Body::empty()).unwrap();
        let problem = problem(router(parts.clone()).oneshot(request).await.unwrap()).await;
        let found: Vec<_> = problem["errors"].as_array().unwrap().iter().map(|error| error["field"].clone()).collect();
        assert_eq!((&problem["status"], found), (&json!(400), fields.into_iter().map(Value::from).collect()), "{uri}");
    }
}

#[tokio::test]
async fn a_large_body_another_type_and_another_route() {
    let response = ask(Method::POST, "/api/locations", vec![b' '; 20 << 20]).await;
    assert_eq!(problem(response).await["status"], 413);
    let form = Request::post("/api/persons").header("content-type", "application/x-www-form-urlencoded");
    let response = router(parts()).oneshot(form.body(Body::from("a=b")).unwrap()).await.unwrap();
    assert_eq!(problem(response).await["status"], 415);
    refused(Method::GET, "/api/nothing", "", 404, &[]).await;
    refused(Method::GET, "/api/persons/", "", 404, &[]).await;
    let response = ask(Method::DELETE, "/api/locations", "").await;
    assert_eq!(response.headers()["allow"], "GET,HEAD,POST");
    let problem = problem(response).await;
    assert_eq!((&problem["status"], &problem["instance"]), (&json!(405), &json!("/api/locations")));
}

#[tokio::test]
async fn while_everything_is_away_reads_say_so() {
    for uri in ["/api/persons", "/api/persons/p1?after=person-profiles:0:0&wait_ms=0", "/topics", "/topics/locations"] {
        let response = ask(Method::GET, uri, "").await;
        assert_eq!(response.headers()["retry-after"], "1", "{uri}");
        assert_eq!(problem(response).await["status"], 503);
    }
}

#[tokio::test]
async fn health_openapi_docs_and_metrics_need_nothing() {
    for uri in ["/health", "/health/live", "/metrics", "/openapi.json", "/docs"] {
        let response = ask(Method::GET, uri, "").await;
        assert_eq!(response.status(), 200, "{uri}");
        assert_eq!(ask(Method::HEAD, uri, "").await.status(), 200, "{uri}");
    }
    let parts = parts();
    let ready = async || {
        let request = Request::get("/health/ready").body(Body::empty()).unwrap();
        router(parts.clone()).oneshot(request).await.unwrap().status()
    };
    let api = parts.health.component("api");
    assert_eq!(ready().await, 503, "starting");
    api.set(Status::Ready);
    parts.health.dependency("database").set(Status::Degraded { reason: "away".to_owned() });
    assert_eq!(ready().await, 200, "what others share turns nobody unready");
}

#[tokio::test]
async fn large_answers_are_compressed_for_those_who_ask() {
    for encoding in ["gzip", "br"] {
        let request = Request::get("/openapi.json").header("accept-encoding", encoding).body(Body::empty()).unwrap();
        let response = router(parts()).oneshot(request).await.unwrap();
        assert_eq!(response.headers()["content-encoding"], encoding);
    }
}

/// The description is of what is served; it is whole, and of the version that it says.
#[test]
fn every_reference_leads_somewhere() {
    let text = openapi_json();
    let description: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(description["openapi"], "3.1.0");
    for reference in text.split("\"$ref\":\"#").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(description.pointer(reference).is_some(), "{reference}");
    }
    assert!(text.contains("application/problem+json"));
}

/// Each operation that is described is answered by a handler, and not by the fallback.
#[tokio::test]
async fn every_route_is_described_and_nothing_else() {
    let description: Value = serde_json::from_str(&openapi_json()).unwrap();
    let paths = description["paths"].as_object().unwrap();
    assert!(paths.len() > 20, "{paths:?}");
    let methods = paths.iter().flat_map(|(path, item)| {
        let methods = item.as_object().unwrap().keys().filter(|name| *name != "parameters");
        methods.map(move |method| (method, path))
    });
    // All at once: each waits for what is away.
    join_all(methods.map(async |(method, path)| {
        let uri = path.replace("{partition}", "0").replace("{offset}", "0").replace(['{', '}'], "");
        let request = Request::builder().method(method.to_uppercase().as_str()).uri(&uri).body(Body::empty());
        let response = router(parts()).oneshot(request.unwrap()).await.unwrap();
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        assert!(status != 405, "{method} {path}: {status}");
        assert!(!String::from_utf8_lossy(&body).contains("#unknown-route"), "{method} {path}: {status}");
    }))
    .await;
}
