//! `/openapi.json` and `/docs`: the reference, for programs and for people.
//!
//! The page is one file that reads `/openapi.json` and needs nothing from anywhere else: the usual ones load their
//! script from a CDN, which is not there behind a firewall.

use crate::openapi::openapi_json;
use axum::{
    http::{HeaderValue, header},
    response::{Html, IntoResponse, Response},
};

/// Only what stands in the page itself may run, and it may only talk to us.
const CONTENT_SECURITY_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; img-src data:",
);

/// This API, described as OpenAPI 3.1
#[utoipa::path(get, path = "/openapi.json", tag = "operation",
    responses((status = 200, description = "The description", body = Object)))]
pub(crate) async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], openapi_json()).into_response()
}

/// This API, described for people
#[utoipa::path(get, path = "/docs", tag = "operation",
    responses((status = 200, description = "A page", body = String, content_type = "text/html")))]
pub(crate) async fn page() -> Response {
    let mut response = Html(include_str!("docs.html")).into_response();
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY);
    response
}
