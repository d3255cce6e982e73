//! `/health`, `/health/live`, `/health/ready`, `/metrics`: what the process says about itself.
//!
//! Nothing is asked of a dependency here: `dependencies.rs` looks at them all the time and reports. One that is away
//! shows in the body and does not turn the API unready, or one outage would remove every replica.

pub(crate) mod dependencies;

use crate::{
    http::{answer::json, problem::Problem},
    state::{Api, NAME},
};
use axum::{
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use foldstream_telemetry::metrics;
use serde_json::json;
use utoipa_axum::{router::OpenApiRouter, routes};

/// Its routes.
pub(crate) fn router() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(health)).routes(routes!(live)).routes(routes!(ready)).routes(routes!(metrics))
}

/// Whether the API answers
#[utoipa::path(get, path = "/health", tag = "operation",
    responses((status = 200, description = "It does", body = Object)))]
pub(crate) async fn health() -> Result<Response, Problem> {
    plain(StatusCode::OK, &json!({"status": "ok", "service": NAME, "version": env!("CARGO_PKG_VERSION")}))
}

/// Whether the process is alive
#[utoipa::path(get, path = "/health/live", tag = "operation",
    responses((status = 200, description = "It is", body = Object)))]
pub(crate) async fn live() -> Result<Response, Problem> {
    plain(StatusCode::OK, &json!({"live": true}))
}

/// Whether requests may be sent here, and the state of everything this stands on
#[utoipa::path(get, path = "/health/ready", tag = "operation",
    responses((status = 200, description = "They may", body = Object),
        (status = 503, description = "Something of this process itself is not ready", body = Object)))]
pub(crate) async fn ready(State(api): State<Api>) -> Result<Response, Problem> {
    let report = api.parts.health.report();
    plain(if report.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, &json!(report))
}

/// Metrics as Prometheus text
#[utoipa::path(get, path = "/metrics", tag = "operation",
    responses((status = 200, description = "Every metric", body = String, content_type = "text/plain")))]
pub(crate) async fn metrics() -> Response {
    let mut response = metrics::render().into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(metrics::CONTENT_TYPE));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn plain(status: StatusCode, content: &serde_json::Value) -> Result<Response, Problem> {
    let mut response = json(status, content)?;
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
