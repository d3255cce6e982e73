//! `/openapi.json` and `/docs`: the reference, for programs and for people.
//!
//! The page is one file that reads `/openapi.json` and needs nothing from anywhere else, and it shows numbers of 64 bits
//! as they were sent. No ready one does both: utoipa's Scalar, Redoc and RapiDoc load their script from a CDN, which is
//! not there behind a firewall, and Swagger UI, which can be vendored, shows what `JSON.parse` makes of an answer
//! (5.35.0 still: 9007199254740993 as 9007199254740992).

use crate::state::Api;
use axum::{
    extract::State,
    http::{HeaderValue, header},
    response::{Html, IntoResponse, Response},
};
use utoipa_axum::{router::OpenApiRouter, routes};

/// Only what stands in the page itself may run, and it may only talk to us.
const CONTENT_SECURITY_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; img-src data:",
);

/// Its routes.
pub(crate) fn router() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(openapi)).routes(routes!(page))
}

/// This API, described as OpenAPI 3.1
#[utoipa::path(get, path = "/openapi.json", tag = "operation",
    responses((status = 200, description = "The description", body = Object)))]
pub(crate) async fn openapi(State(api): State<Api>) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], api.openapi.to_string()).into_response()
}

/// This API, described for people
#[utoipa::path(get, path = "/docs", tag = "operation",
    responses((status = 200, description = "A page", body = String, content_type = "text/html")))]
pub(crate) async fn page() -> Response {
    let mut response = Html(include_str!("docs.html")).into_response();
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY);
    response
}
