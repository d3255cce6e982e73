//! What was going on when: `/api/activity`.

use crate::{
    freshness::{Freshness, FreshnessParameters, ReadModel, Reads},
    http::{
        answer::json,
        names::{AFTER, WAIT_MS},
        parameters::Parameters,
        problem::Problem,
        times,
    },
    resource::{Resource, ServedAt},
    state::Api,
};
use axum::{
    extract::State,
    http::{StatusCode, Uri},
    response::Response,
};
use foldstream_activity_projection::{Activity, read as activity};
use foldstream_events::LOCATIONS;
use foldstream_fold::Projection;
use foldstream_store::ReadModel as _;
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

static READS: Reads = &[&ReadModel { projection: Activity::NAME, topic: &LOCATIONS }];

pub(crate) static RESOURCE: Resource = Resource {
    router: || OpenApiRouter::new().routes(routes!(list)),
    bodies: &[],
    rows: &[("activity", ServedAt::List("/api/activity"))],
    edges: |flow| flow.reading_tables(Activity::table_names()),
    aggregate: None,
};

/// How many locations were reported for each hour, newest first
#[utoipa::path(get, path = "/api/activity", tag = "locations",
    params(("hours" = Option<u32>, Query, description = "How many hours at most", minimum = 1, maximum = 1000),
        FreshnessParameters),
    responses((status = 200, description = "Hours in which something was reported", body = Vec<ActivityResource>)))]
pub(crate) async fn list(State(api): State<Api>, uri: Uri) -> Result<Response, Problem> {
    let mut parameters = Parameters::read(&uri, &[HOURS, AFTER, WAIT_MS]);
    let hours = parameters.number(HOURS, 1..=1000, 24);
    let freshness = Freshness::read(&mut parameters, &api, READS);
    parameters.finish()?;
    let standing = freshness.reached(&api).await?;
    let found = activity::list(&standing.database, hours).await?;
    let resource = |(hour, reports)| ActivityResource { hour: times::shown(hour), reports };
    let content: Vec<ActivityResource> = found.into_iter().map(resource).collect();
    Ok(standing.tell(&api, json(StatusCode::OK, &content)?).await)
}
