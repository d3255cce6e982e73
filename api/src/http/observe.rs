//! What every request leaves behind: a request id, a span, two metrics, one line in the log; and the two things no
//! handler can do for itself: a panic becomes a problem, and every problem carries the request's id and path.
//!
//! The id is the client's (`x-request-id`) when it is a sensible one, else our own. Routes are named by pattern, never
//! by path: metrics stay few, and ids of people stay out of logs and traces, where nobody could erase them.

use crate::http::problem::Problem;
use axum::{
    extract::{MatchedPath, Request},
    http::{HeaderMap, HeaderValue, Method, StatusCode},
    middleware::Next,
    response::{IntoResponse, Response},
};
use foldstream_log::new_event_id;
use foldstream_telemetry::{names, trace_context};
use futures::FutureExt;
use std::{any::Any, error::Error, panic::AssertUnwindSafe, sync::Arc, time::Instant};
use tracing::{Instrument, Span, field};

const REQUEST_ID: &str = "x-request-id";

/// A handler panicked; what it said.
#[derive(Debug, thiserror::Error)]
#[error("the handler panicked: {said}")]
struct Panicked {
    said: String,
}

/// What is known of a request before it is answered.
struct Observed {
    started: Instant,
    method: &'static str,
    route: String,
    path: String,
    request_id: String,
}

/// Wraps every route.
pub(crate) async fn observe(request: Request, next: Next) -> Response {
    let observed = Observed {
        started: Instant::now(),
        method: method_label(request.method()),
        route: request.extensions().get::<MatchedPath>().map_or("unmatched", MatchedPath::as_str).to_owned(),
        path: request.uri().path().chars().take(300).collect(),
        request_id: request_id(request.headers()),
    };
    let span = observed.span(request.headers());
    async {
        let answered = AssertUnwindSafe(next.run(request)).catch_unwind().await;
        let response = answered.unwrap_or_else(|panic| {
            Problem::Internal { cause: Arc::new(Panicked { said: said(panic.as_ref()) }) }.into_response()
        });
        observed.finish(response)
    }
    .instrument(span)
    .await
}

impl Observed {
    fn span(&self, headers: &HeaderMap) -> Span {
        let span = foldstream_telemetry::info_span!(
            "request",
            otel.name = format!("{} {}", self.method, self.route),
            otel.kind = "server",
            otel.status_code = field::Empty,
            http.request.method = self.method,
            http.route = self.route,
            http.request.id = self.request_id,
            http.response.status_code = field::Empty,
        );
        if let Some(parent) = headers.get(trace_context::TRACEPARENT).and_then(|parent| parent.to_str().ok()) {
            trace_context::set_parent(&span, parent);
        }
        span
    }

    fn finish(&self, mut response: Response) -> Response {
        let problem = response.extensions_mut().remove::<Arc<Problem>>();
        if let Some(problem) = &problem {
            let mut document = problem.document();
            document.instance = Some(self.path.clone());
            document.request_id = Some(self.request_id.clone());
            let mut full = problem.response(&document);
            // What was added on the way out, as the Allow header, stays.
            for (name, value) in response.headers() {
                if name != axum::http::header::CONTENT_LENGTH {
                    full.headers_mut().insert(name, value.clone());
                }
            }
            response = full;
        }
        if let Ok(request_id) = HeaderValue::from_str(&self.request_id) {
            response.headers_mut().insert(REQUEST_ID, request_id);
        }
        self.record(response.status(), problem.as_deref());
        response
    }

    fn record(&self, status: StatusCode, problem: Option<&Problem>) {
        let elapsed = self.started.elapsed();
        let (method, route) = (self.method, self.route.clone());
        metrics::counter!(names::HTTP_REQUESTS_TOTAL, "method" => method, "route" => route.clone(),
            "status" => status.as_str().to_owned())
        .increment(1);
        metrics::histogram!(names::HTTP_REQUEST_SECONDS, "method" => method, "route" => route).record(elapsed);
        let code = status.as_u16();
        let duration = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
        let span = Span::current();
        span.record(names::field::http::response::status_code, code);
        if status.is_server_error() {
            span.record(names::field::otel::status_code, "ERROR");
        }
        // The span's fields stand on the line as well.
        match problem.and_then(Problem::cause) {
            Some(cause) => {
                let error: &(dyn Error + 'static) = cause.as_ref();
                foldstream_telemetry::error!(
                    http.response.status_code = code,
                    event.duration = duration,
                    error,
                    "request failed"
                );
            }
            None if self.route.starts_with("/health") || self.route == "/metrics" => {
                foldstream_telemetry::debug!(http.response.status_code = code, event.duration = duration, "request");
            }
            None => foldstream_telemetry::info!(http.response.status_code = code, event.duration = duration, "request"),
        }
    }
}

/// Any word may stand as the method of a request, so only those we know become labels.
fn method_label(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

fn request_id(headers: &HeaderMap) -> String {
    let given = headers.get(REQUEST_ID).and_then(|given| given.to_str().ok());
    let sensible = |given: &&str| (1..=128).contains(&given.len()) && given.bytes().all(|byte| byte.is_ascii_graphic());
    given.filter(sensible).map_or_else(|| new_event_id().to_string(), str::to_owned)
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no words".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::{Router, body::Body, http::header, middleware::from_fn, routing::get};
    use tower::ServiceExt;

    async fn ask(request: Request) -> Response {
        async fn panics() -> &'static str {
            panic!("on purpose")
        }
        Router::new().route("/panics", get(panics)).layer(from_fn(observe)).oneshot(request).await.unwrap()
    }

    #[tokio::test]
    async fn a_panic_becomes_a_problem_that_tells_nothing_of_the_inside() {
        let request = Request::get("/panics").header(REQUEST_ID, "mine").body(Body::empty()).unwrap();
        let response = ask(request).await;
        assert_eq!(response.status(), 500);
        assert_eq!(response.headers()[REQUEST_ID], "mine");
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
        let body = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((&body["instance"], &body["request_id"]), (&"/panics".into(), &"mine".into()));
        assert!(!body.to_string().contains("on purpose"), "{body}");
    }

    #[test]
    fn only_sensible_request_ids_are_kept() {
        let id_of = |given: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(REQUEST_ID, HeaderValue::from_str(given).unwrap());
            request_id(&headers)
        };
        assert_eq!(id_of("abc-1"), "abc-1");
        for bad in ["", "a b", &"x".repeat(129)] {
            assert_eq!(id_of(bad).len(), 36, "{bad}");
        }
    }
}
