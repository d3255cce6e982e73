//! The small HTTP listener of every service but the API: `/metrics`, `/health/live`, `/health/ready`, nothing else.
//!
//! It asks no dependency anything: readiness is what the components reported to [`Health`].

use crate::{
    health::Health,
    metrics,
    serving::{self, Patience},
};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue},
    service::service_fn,
};
use serde_json::json;
use std::{convert::Infallible, time::Duration};
use tokio::net::TcpListener;

const PATIENCE: Patience = Patience { head: Duration::from_secs(30), drain: Duration::from_secs(5) };

/// Answers until `shutdown` resolves, then drains.
pub async fn serve(listener: TcpListener, health: Health, shutdown: impl Future<Output = ()>) {
    serve_with(PATIENCE, listener, health, shutdown).await;
}

async fn serve_with(patience: Patience, listener: TcpListener, health: Health, shutdown: impl Future<Output = ()>) {
    let service = |_| {
        let health = health.clone();
        service_fn(move |request| {
            let response = answer(&request, &health);
            async { Ok::<_, Infallible>(response) }
        })
    };
    serving::serve(listener, patience, shutdown, service).await;
}

fn answer(request: &Request<Incoming>, health: &Health) -> Response<Full<Bytes>> {
    let path = request.uri().path();
    if !["/metrics", "/health/live", "/health/ready"].contains(&path) {
        return problem(StatusCode::NOT_FOUND, "here are /metrics, /health/live and /health/ready");
    }
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        let mut response = problem(StatusCode::METHOD_NOT_ALLOWED, "this path is only read: GET or HEAD");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    match path {
        "/metrics" => response(StatusCode::OK, metrics::CONTENT_TYPE, metrics::render()),
        "/health/live" => response(StatusCode::OK, "application/json", json!({ "live": true }).to_string()),
        _ => {
            let report = health.report();
            let status = if report.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
            response(status, "application/json", json!(report).to_string())
        }
    }
}

/// A refusal as RFC 9457 has it.
fn problem(status: StatusCode, detail: &str) -> Response<Full<Bytes>> {
    let title = status.canonical_reason().unwrap_or_default();
    let body = json!({ "type": "about:blank", "title": title, "status": status.as_u16(), "detail": detail });
    response(status, "application/problem+json", body.to_string())
}

fn response(status: StatusCode, content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::Status;
    use std::net::SocketAddr;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
        sync::oneshot,
        task::JoinHandle,
        time::timeout,
    };

    struct Served {
        address: SocketAddr,
        health: Health,
        stop: oneshot::Sender<()>,
        server: JoinHandle<()>,
    }

    async fn start(drain: Duration) -> Served {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let health = Health::new();
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async { drop(stopped.await) };
        let server = tokio::spawn(serve_with(Patience { drain, ..PATIENCE }, listener, health.clone(), shutdown));
        Served { address, health, stop, server }
    }

    async fn ask(served: &Served, method: reqwest::Method, path: &str) -> reqwest::Response {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        client.request(method, format!("http://{}{path}", served.address)).send().await.unwrap()
    }

    #[tokio::test]
    async fn readiness_follows_the_components() {
        let served = start(PATIENCE.drain).await;
        let component = served.health.component("parcels-projection");
        let unready = ask(&served, reqwest::Method::GET, "/health/ready").await;
        assert_eq!(unready.status(), 503);
        let body: serde_json::Value = unready.json().await.unwrap();
        assert_eq!(body["components"][0]["status"], "starting");
        component.set(Status::Ready);
        let ready = ask(&served, reqwest::Method::GET, "/health/ready").await;
        assert_eq!(ready.status(), 200);
        let body: serde_json::Value = ready.json().await.unwrap();
        assert_eq!((&body["ready"], &body["components"][0]["name"]), (&json!(true), &json!("parcels-projection")));
        component.set(Status::Degraded { reason: "halted".to_owned() });
        assert_eq!(ask(&served, reqwest::Method::GET, "/health/ready").await.status(), 503);
        assert_eq!(ask(&served, reqwest::Method::GET, "/health/live").await.status(), 200);
    }

    #[tokio::test]
    async fn other_paths_and_methods_are_refused_as_problems() {
        let served = start(PATIENCE.drain).await;
        let unknown = ask(&served, reqwest::Method::GET, "/nothing").await;
        assert_eq!(unknown.status(), 404);
        assert_eq!(unknown.headers()["content-type"], "application/problem+json");
        let body: serde_json::Value = unknown.json().await.unwrap();
        assert_eq!((&body["status"], &body["title"]), (&json!(404), &json!("Not Found")));
        let posted = ask(&served, reqwest::Method::POST, "/metrics").await;
        assert_eq!(
            (posted.status().as_u16(), &posted.headers()["allow"]),
            (405, &HeaderValue::from_static("GET, HEAD"))
        );
        let metrics = ask(&served, reqwest::Method::GET, "/metrics").await;
        assert_eq!(
            (metrics.status().as_u16(), &metrics.headers()["content-type"]),
            (200, &HeaderValue::from_static(metrics::CONTENT_TYPE))
        );
    }

    #[tokio::test]
    async fn shutdown_closes_idle_connections_and_frees_the_port() {
        let served = start(Duration::from_secs(60)).await;
        let mut idle = TcpStream::connect(served.address).await.unwrap();
        idle.write_all(b"GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let mut answer = [0; 15];
        idle.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200 OK");
        served.stop.send(()).unwrap();
        timeout(Duration::from_secs(10), served.server).await.expect("an idle connection held up the drain").unwrap();
        assert!(TcpStream::connect(served.address).await.is_err(), "still listening");
    }

    #[tokio::test]
    async fn a_stalled_request_is_cut_at_the_deadline() {
        let served = start(Duration::from_millis(50)).await;
        let mut stalled = TcpStream::connect(served.address).await.unwrap();
        stalled.write_all(b"GET /health/live HTTP/1.1\r\nhos").await.unwrap();
        // A second connection that gets its answer proves that the first one is accepted.
        assert_eq!(ask(&served, reqwest::Method::GET, "/health/live").await.status(), 200);
        served.stop.send(()).unwrap();
        timeout(Duration::from_secs(10), served.server).await.expect("a stalled request held up the drain").unwrap();
    }
}
