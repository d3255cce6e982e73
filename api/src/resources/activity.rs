//! What was going on when: `/api/activity`.

use crate::freshness::Freshness;
use crate::freshness::FreshnessParameters;
use crate::http::answer::json;
use crate::http::names::AFTER;
use crate::http::names::WAIT_MS;
use crate::http::parameters::Parameters;
use crate::http::problem::Problem;
use crate::http::times;
use crate::resources::read_models::READS_ACTIVITY;
use crate::state::Api;
use axum::{
    extract::State,
    http::{StatusCode, Uri},
    response::Response,
};
use foldstream_activity_projection::read as activity;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

const HOURS: &str = "hours";

/// An hour in which something was reported.
///
/// It has no `event`, being made of many. Nor can the log be asked for exactly those: `/messages` knows when a record was
/// appended, and an hour counts by when somebody was there. A message tells in which hour it counts
/// (`/messages/{topic}/{partition}/{offset}/effects`).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Activity)]
pub(crate) struct ActivityResource {
    /// When it began, UTC
    #[schema(format = DateTime, example = "2026-01-01T12:00:00Z")]
    hour: String,
    /// How many locations were reported for it
    reports: i64,
}

/// Its routes.
pub(crate) fn router() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list))
}

/// How many locations were reported for each hour, newest first
#[utoipa::path(get, path = "/api/activity", tag = "locations",
    params(("hours" = Option<u32>, Query, description = "How many hours at most", minimum = 1, maximum = 1000),
        FreshnessParameters),
    responses((status = 200, description = "Hours in which something was reported", body = Vec<ActivityResource>)))]
pub(crate) async fn list(State(api): State<Api>, uri: Uri) -> Result<Response, Problem> {
    let mut parameters = Parameters::read(&uri, &[HOURS, AFTER, WAIT_MS]);
    let hours = parameters.number(HOURS, 1..=1000, 24);
    let freshness = Freshness::read(&mut parameters, &api, READS_ACTIVITY);
    parameters.finish()?;
    let standing = freshness.reached(&api).await?;
    let found = activity::list(&standing.database, hours).await?;
    let resource = |(hour, reports)| ActivityResource { hour: times::shown(hour), reports };
    let content: Vec<ActivityResource> = found.into_iter().map(resource).collect();
    Ok(standing.tell(&api, json(StatusCode::OK, &content)?).await)
}
