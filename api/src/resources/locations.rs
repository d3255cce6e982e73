//! Locations read: `/api/locations`, `/api/locations/current`, `/api/locations/{id}`, `/api/persons/{id}/locations`.
//!
//! Everybody's newest first, a person's own oldest first; pages by (time, id). Where everybody is, or was at a time: one
//! location each, pages by person. How they are written: `reporting.rs`.

mod reporting;

use crate::{
    freshness::{Freshness, FreshnessParameters},
    http::{
        answer::tagged,
        names::{AFTER, WAIT_MS},
        paging::{CURSOR, LIMIT, PageParameters, PageRequest},
        parameters::{Parameters, PathId},
        problem::Problem,
    },
    resource::{Resource, ServedAt},
    resources::{
        persons::known,
        read_models::{READS_BOTH, READS_HISTORY},
        shapes::LocationResource,
    },
    state::Api,
};
use axum::{
    extract::State,
    http::{HeaderMap, Uri},
    response::Response,
};
use chrono::{Days, NaiveDate, NaiveTime};
use foldstream_events::LocationsEvent;
use foldstream_locations_projection::{
    Locations,
    read::{self as locations, PageEnd, Paging, Window},
};
use foldstream_log::Violation;
use foldstream_people_projection::People;
use foldstream_store::ReadModel;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

const AS_OF: &str = "as_of";

pub(crate) static RESOURCE: Resource = Resource {
    router: || {
        OpenApiRouter::new()
            .routes(routes!(list, reporting::create))
            .routes(routes!(list_current))
            .routes(routes!(find))
            .routes(routes!(list_of_person))
    },
    bodies: &[reporting::BODY],
    rows: &[
        ("location_history", ServedAt::Key("/api/locations")),
        ("current_location", ServedAt::List("/api/locations/current")),
    ],
    edges: |flow| {
        let tables = Locations::table_names().into_iter().chain(People::table_names());
        flow.reading_tables(tables).writing::<LocationsEvent>()
    },
    aggregate: None,
};

/// Locations of everybody, newest first
#[utoipa::path(get, path = "/api/locations", tag = "locations", params(PageParameters, FreshnessParameters),
    responses((status = 200, description = "A page of locations", body = Vec<LocationResource>)))]
pub(crate) async fn list(State(api): State<Api>, uri: Uri) -> Result<Response, Problem> {
    let mut parameters = Parameters::read(&uri, &[LIMIT, CURSOR, AFTER, WAIT_MS]);
    let page: PageRequest<PageEnd> = PageRequest::read(&mut parameters, 1..=1000, 100);
    let freshness = Freshness::read(&mut parameters, &api, READS_HISTORY);
    parameters.finish()?;
    let standing = freshness.reached(&api).await?;
    let found = locations::list(&standing.database, Paging { after: page.after, limit: page.limit }).await?;
    Ok(standing.tell(&api, page.answer_up_to::<_, LocationResource>(found.items, found.end)?).await)
}

/// Where each person is, or was at a time
///
/// One location a person, in the order of the persons' ids: the latest reported, or, with `as_of`, the latest of those
/// that are not later than that. Whoever had none by then is left out. It is the time of the report that counts, not of
/// its arrival, so a late report changes what an earlier time answers.
#[utoipa::path(get, path = "/api/locations/current", tag = "locations",
    params(
        ("as_of" = Option<String>, Query, description = "A time, ISO 8601; now when not given",
            example = "2026-01-01T12:00:00Z"),
        PageParameters, FreshnessParameters),
    responses((status = 200, description = "A page of locations", body = Vec<LocationResource>)))]
pub(crate) async fn list_current(State(api): State<Api>, uri: Uri) -> Result<Response, Problem> {
    let mut parameters = Parameters::read(&uri, &[AS_OF, LIMIT, CURSOR, AFTER, WAIT_MS]);
    let as_of = parameters.time(AS_OF);
    let page: PageRequest<String> = PageRequest::read(&mut parameters, 1..=1000, 100);
    let freshness = Freshness::read(&mut parameters, &api, READS_HISTORY);
    parameters.finish()?;
    let standing = freshness.reached(&api).await?;
    let after = page.after.as_deref();
    let found = locations::list_current(&standing.database, as_of, after, page.rows()).await?;
    let response = page.answer::<_, LocationResource>(found, |location| location.row.person_id.clone())?;
    Ok(standing.tell(&api, response).await)
}

/// Locations of a person, oldest first
#[utoipa::path(get, path = "/api/persons/{id}/locations", tag = "locations",
    params(("id" = String, Path, description = "The person's id"),
        ("start_date" = Option<String>, Query, description = "First day (UTC), YYYY-MM-DD"),
        ("end_date" = Option<String>, Query, description = "Last day (UTC), included in full, YYYY-MM-DD"),
        PageParameters, FreshnessParameters),
    responses((status = 200, description = "A page of locations", body = Vec<LocationResource>)))]
pub(crate) async fn list_of_person(State(api): State<Api>, PathId(id): PathId, uri: Uri) -> Result<Response, Problem> {
    let mut parameters = Parameters::read(&uri, &["start_date", "end_date", LIMIT, CURSOR, AFTER, WAIT_MS]);
    parameters.id(&id);
    let window = window(&mut parameters);
    let page: PageRequest<PageEnd> = PageRequest::read(&mut parameters, 1..=1000, 100);
    let freshness = Freshness::read(&mut parameters, &api, READS_BOTH);
    parameters.finish()?;
    let standing = freshness.reached(&api).await?;
    let database = &standing.database;
    known(database, &id).await?;
    let paging = Paging { after: page.after, limit: page.limit };
    let found = locations::list_of_person(database, &id, window, paging).await?;
    Ok(standing.tell(&api, page.answer_up_to::<_, LocationResource>(found.items, found.end)?).await)
}

/// One location
#[utoipa::path(get, path = "/api/locations/{id}", tag = "locations",
    params(("id" = Uuid, Path, description = "The location's id"), FreshnessParameters),
    responses((status = 200, description = "The location", body = LocationResource)))]
pub(crate) async fn find(
    State(api): State<Api>,
    PathId(id): PathId,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let mut parameters = Parameters::read(&uri, &[AFTER, WAIT_MS]);
    let checked = Uuid::try_parse(&id).map_err(|_| Violation::new("id", &id, "the id of a location is a UUID"));
    let event_id = parameters.check(checked).unwrap_or_default();
    let freshness = Freshness::read(&mut parameters, &api, READS_HISTORY);
    parameters.finish()?;
    let standing = freshness.reached(&api).await?;
    let found = locations::find(&standing.database, event_id).await?;
    let location = found
        .ok_or_else(|| Problem::NotFound(Violation::new("id", &id, "must be the id of a location that is known")))?;
    Ok(standing.tell(&api, tagged(&headers, event_id, &LocationResource::from(location))?).await)
}

/// The window of `start_date` and `end_date`: both days in full, UTC.
pub(crate) fn window(parameters: &mut Parameters) -> Window {
    let start = parameters.day("start_date");
    let end = parameters.day("end_date");
    if let (Some(start), Some(end)) = (start, end)
        && end < start
    {
        parameters.refuse(Violation::new("end_date", end, format!("end_date is not before start_date, {start}")));
    }
    let midnight = |day: NaiveDate| day.and_time(NaiveTime::MIN).and_utc();
    Window { start: start.map(midnight), end: end.and_then(|day| day.checked_add_days(Days::new(1))).map(midnight) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_days_are_in_the_window_in_full() {
        let uri: Uri = "/?start_date=2026-01-01&end_date=2026-01-01".parse().unwrap();
        let mut parameters = Parameters::read(&uri, &["start_date", "end_date"]);
        let window = window(&mut parameters);
        assert!(parameters.finish().is_ok());
        assert_eq!(window.start.unwrap().to_rfc3339(), "2026-01-01T00:00:00+00:00");
        assert_eq!(window.end.unwrap().to_rfc3339(), "2026-01-02T00:00:00+00:00");
    }
}
