//! Telemetry of a whole process. What `init` installs is there once per process, so each case runs this test binary
//! again as a child (the ignored test `child`), reads what it wrote to standard error, and plays the collector.

#![expect(clippy::unwrap_used, reason = "clippy does not take the helpers of an integration test for tests")]

use foldstream_telemetry::{config::Config, init, metrics, names, trace_context};
use serde_json::Value;
use std::{
    env,
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    process::{Command, Output},
    thread::{self, JoinHandle},
};
use tracing::level_filters::LevelFilter;

/// Which end the child takes.
const ENDING: &str = "FOLDSTREAM_TEST_ENDING";

#[test]
fn shutdown_sends_the_last_spans_and_every_log_line_is_ecs() {
    let (endpoint, collector) = collector();
    let (lines, output) = run_child("shutdown", Some(&endpoint));
    assert!(output.status.success(), "{output:?}");
    let body = collector.join().unwrap();
    assert!(body.contains("init-test") && body.contains("last_work"), "{body:?}");

    let working = lines.iter().find(|line| line["message"] == "working").unwrap();
    assert_eq!(working["service.name"], "init-test");
    assert_eq!(working["event.id"], "e1");
    assert!(working["foldstream.traceparent"].as_str().unwrap().contains(working["trace.id"].as_str().unwrap()));
    let facade = lines.iter().find(|line| line["message"] == "through the log facade").unwrap();
    assert_eq!((&facade["log.logger"], &facade["log.level"]), (&"librdkafka".into(), &"warn".into()));
    let panic = lines.iter().find(|line| line["error.message"] == "on purpose").unwrap();
    assert!(panic["message"].as_str().unwrap().contains("init.rs"), "{panic}");
}

#[test]
fn a_dropped_guard_sends_them_too_even_on_an_async_worker() {
    let (endpoint, collector) = collector();
    let (_, output) = run_child("drop", Some(&endpoint));
    assert!(output.status.success(), "{output:?}");
    assert!(collector.join().unwrap().contains("last_work"));
}

#[test]
fn a_missing_collector_is_a_log_line_not_a_hang() {
    let (lines, output) = run_child("shutdown", Some("http://127.0.0.1:1"));
    assert!(output.status.success(), "{output:?}");
    assert!(lines.iter().any(|line| line["message"] == "BatchSpanProcessor.ExportError"), "{lines:?}");
}

#[test]
fn without_a_collector_ids_still_flow() {
    let (lines, output) = run_child("shutdown", None);
    assert!(output.status.success(), "{output:?}");
    let working = lines.iter().find(|line| line["message"] == "working").unwrap();
    assert_eq!(working["trace.id"].as_str().unwrap().len(), 32);
}

/// Not a test of its own: the process the others start.
#[test]
#[ignore = "started by the other tests"]
fn child() {
    let Ok(ending) = env::var(ENDING) else { return };
    let config = Config {
        otlp_endpoint: env::var("FOLDSTREAM_OTLP_ENDPOINT").ok().map(|endpoint| endpoint.parse().unwrap()),
        ..Config::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let guard = init(&config, "init-test").unwrap();
        assert!(init(&config, "init-test").is_err(), "a second init is refused");
        assert_eq!(LevelFilter::current(), LevelFilter::INFO, "what nobody asked for costs nothing");

        let span = foldstream_telemetry::info_span!("last_work", event.id = "e1");
        span.in_scope(|| foldstream_telemetry::info!(traceparent = trace_context::current_traceparent(), "working"));
        drop(span);
        log::warn!(target: "librdkafka", "through the log facade");
        assert!(thread::spawn(|| panic!("on purpose")).join().is_err());

        ::metrics::counter!(names::PRODUCER_RECORDS_TOTAL, "topic" => "parcels").increment(2);
        let text = metrics::render();
        assert!(text.contains("foldstream_producer_records_total{topic=\"parcels\"} 2"), "{text}");
        assert!(text.contains("# HELP foldstream_producer_records_total "), "{text}");
        assert!(text.contains("process_resident_memory_bytes "), "{text}");

        match ending.as_str() {
            "shutdown" => guard.shutdown().await.unwrap(),
            _ => drop(guard),
        }
    });
}

/// Runs the child to its end: its log lines, each parsed, and all of its output.
fn run_child(ending: &str, endpoint: Option<&str>) -> (Vec<Value>, Output) {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "child", "--ignored", "--nocapture"]).env(ENDING, ending).env("NO_PROXY", "127.0.0.1");
    command.env_remove("FOLDSTREAM_OTLP_ENDPOINT");
    if let Some(endpoint) = endpoint {
        command.env("FOLDSTREAM_OTLP_ENDPOINT", endpoint);
    }
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    let lines = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|failure| panic!("{failure}: {line:?} in {text}")))
        .collect();
    (lines, output)
}

/// A collector that takes one request and gives back its body, as text where it is text.
fn collector() -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let collector = thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(&stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(reader.read_line(&mut head).unwrap(), 0, "the exporter hung up after {head:?}");
        }
        let length = head
            .to_ascii_lowercase()
            .lines()
            .find_map(|line| line.strip_prefix("content-length:").and_then(|value| value.trim().parse::<usize>().ok()));
        let mut body = vec![0; length.unwrap()];
        reader.read_exact(&mut body).unwrap();
        (&stream).write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
        String::from_utf8_lossy(&body).into_owned()
    });
    (endpoint, collector)
}
