//! People: `/api/persons`, `/api/persons/{id}`.
//!
//! A new person is a fact appended to `person-profiles`; the answer waits until the read model shows it, and says so
//! (202) when that takes longer than asked. What is recorded is never answered as an error.

use crate::{
    body::read_json,
    fields::{Fields, Findings},
    freshness::{
        AFTER, DEFAULT_WAIT_MS, Freshness, FreshnessParameters, MAX_WAIT_MS, PEOPLE, POSITION, READS_PEOPLE, WAIT_MS,
    },
    paging::{CURSOR, LIMIT, PageParameters, PageRequest},
    parameters::{Parameters, PathId},
    problem::Problem,
    resources::{PersonResource, json, tagged},
    routes::Api,
};
use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::Response,
};
use chrono::Utc;
use foldstream_events::{PersonProfileRecorded, PersonProfilesEvent, Positions, Violation, checked_name, new_event_id};
use foldstream_read_models::{Database, people};
use foldstream_wire::WriteError;
use serde::Serialize;
use serde_json::Value;
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;
use utoipa::ToSchema;

/// A person to be recorded.
#[derive(ToSchema)]
#[expect(dead_code, reason = "for the documentation only; fields are read one by one")]
pub(crate) struct NewPerson {
    #[schema(min_length = 1, max_length = 200, example = "Ada")]
    first_name: String,
    #[schema(min_length = 1, max_length = 200, example = "Lovelace")]
    last_name: String,
    #[schema(min_length = 1, max_length = 200, example = "Analytical Engines")]
    company_name: String,
}

/// Recorded, but not yet to be read.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Recorded {
    id: String,
    /// Where the resource will be: with `?after=` and the position, the answer waits for it
    #[schema(example = "/api/persons/0199f1d2-6f0e-7c2b-9a55-5d0c1f1a7b21?after=person-profiles:3:17")]
    href: String,
    /// `topic:partition:offset`
    position: String,
}

/// People, in the order of their ids
#[utoipa::path(get, path = "/api/persons", tag = "people", params(PageParameters, FreshnessParameters),
    responses((status = 200, description = "A page of people", body = Vec<PersonResource>)))]
pub(crate) async fn list(State(api): State<Api>, uri: Uri) -> Result<Response, Problem> {
    let mut parameters = Parameters::read(&uri, &[LIMIT, CURSOR, AFTER, WAIT_MS]);
    let page: PageRequest<String> = PageRequest::read(&mut parameters, 1..=1000, 100);
    let freshness = Freshness::read(&mut parameters, READS_PEOPLE);
    parameters.finish()?;
    let standing = freshness.reached(&api).await?;
    let mut found = people::list(&api.parts.database, page.after.as_deref(), page.limit + 1).await?;
    // The one row more only tells that there is another page.
    let more = found.len() > page.limit as usize;
    found.truncate(page.limit as usize);
    let end = found.last().filter(|_| more).map(|person| person.person_id.clone());
    let content: Vec<PersonResource> = found.into_iter().map(PersonResource::from).collect();
    let mut response = json(StatusCode::OK, &content)?;
    if let Some(link) = end.and_then(|end| page.link(&end)) {
        response.headers_mut().insert(header::LINK, link);
    }
    Ok(standing.tell(&api, response).await)
}

/// One person
#[utoipa::path(get, path = "/api/persons/{id}", tag = "people",
    params(("id" = String, Path, description = "The person's id"), FreshnessParameters),
    responses((status = 200, description = "The person", body = PersonResource)))]
pub(crate) async fn find(
    State(api): State<Api>,
    PathId(id): PathId,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let mut parameters = Parameters::read(&uri, &[AFTER, WAIT_MS]);
    parameters.id(&id);
    let freshness = Freshness::read(&mut parameters, READS_PEOPLE);
    parameters.finish()?;
    let standing = freshness.reached(&api).await?;
    let person = known(&api.parts.database, &id).await?;
    let event_id = person.event_id;
    Ok(standing.tell(&api, tagged(&headers, event_id, &PersonResource::from(person))?).await)
}

/// Records a person
///
/// Answers when the person can be read, or 202 when `wait_ms` is over before that.
#[utoipa::path(post, path = "/api/persons", tag = "people", request_body = NewPerson,
    params(("wait_ms" = Option<u32>, Query, description = "How long to wait until the person can be read, in milliseconds",
        minimum = 0, maximum = 30000)),
    responses(
        (status = 201, description = "Recorded and readable", body = PersonResource,
            headers(("location" = String), ("foldstream-position" = String))),
        (status = 202, description = "Recorded, not yet readable", body = Recorded,
            headers(("location" = String), ("foldstream-position" = String)))))]
pub(crate) async fn create(State(api): State<Api>, uri: Uri, request: Request) -> Result<Response, Problem> {
    let mut parameters = Parameters::read(&uri, &[WAIT_MS]);
    let wait = Duration::from_millis(parameters.number(WAIT_MS, 0..=MAX_WAIT_MS, DEFAULT_WAIT_MS));
    parameters.finish()?;
    let event = profile(&read_json(request).await?)?;
    let recorded = PersonProfilesEvent::from(event.clone());
    let position = api.parts.writer.append(&recorded).await.map_err(|error| not_written(error, 1))?;
    let positions = Positions::from_iter([position]);
    let deadline = Instant::now() + wait;
    let path = format!("/api/persons/{}", event.person_id);
    let visible = api.parts.applied.wait_for(PEOPLE.projection, &positions, deadline).await.is_ok();
    let mut response = match visible {
        true => json(StatusCode::CREATED, &PersonResource::from(event))?,
        false => {
            let href = format!("{path}?after={positions}");
            json(StatusCode::ACCEPTED, &Recorded { id: event.person_id, href, position: positions.to_string() })?
        }
    };
    for (name, value) in [(header::LOCATION.as_str(), path), (POSITION, positions.to_string())] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
    Ok(response)
}

/// The person, who must be known.
pub(crate) async fn known(database: &Database, id: &str) -> Result<people::Person, Problem> {
    people::find(database, id)
        .await?
        .ok_or_else(|| Problem::NotFound(Violation::new("id", id, "must be the id of a person who is known")))
}

/// What went wrong when nothing of `total` events was acknowledged.
pub(crate) fn not_written(error: WriteError, total: usize) -> Problem {
    match error {
        WriteError::Schema(cause) if cause.is_retriable() => {
            Problem::Unavailable { what: "the schema registry", cause: Arc::new(cause) }
        }
        cause @ WriteError::NotAcknowledged { .. } => Problem::NotAcknowledged {
            total,
            not_acknowledged: (0..total).collect(),
            positions: String::new(),
            cause: Arc::new(cause),
        },
        cause => Problem::Internal { cause: Arc::new(cause) },
    }
}

fn profile(body: &Value) -> Result<PersonProfileRecorded, Problem> {
    let mut findings = Findings::default();
    let person = findings.check(Fields::of("", body)).and_then(|fields| {
        let first_name = findings.check(fields.text("first_name", checked_name));
        let last_name = findings.check(fields.text("last_name", checked_name));
        let company_name = findings.check(fields.text("company_name", checked_name));
        let event_id = new_event_id();
        let occurred_at = Utc::now();
        let person_id = new_event_id().to_string();
        Some(PersonProfileRecorded {
            event_id,
            person_id,
            occurred_at,
            first_name: first_name?,
            last_name: last_name?,
            company_name: company_name?,
        })
    });
    findings.none()?;
    person.ok_or_else(|| Problem::InvalidContent(Vec::new()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refused(body: Value) -> Vec<String> {
        match profile(&body) {
            Err(Problem::InvalidContent(violations)) => violations.into_iter().map(|found| found.field).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_field_is_named_at_once() {
        assert_eq!(refused(json!({})), ["first_name", "last_name", "company_name"]);
        let long = "x".repeat(100_000);
        assert_eq!(
            refused(json!({"first_name": "a\u{0}", "last_name": long, "company_name": 7})),
            ["first_name", "last_name", "company_name"]
        );
        assert_eq!(refused(json!([])), ["body"]);
        assert_eq!(refused(json!("x")), ["body"]);
    }

    #[test]
    fn other_fields_are_ignored_and_ids_are_our_own() {
        let body = json!({"id": 7, "first_name": "Ada", "last_name": "Lovelace", "company_name": "Engines"});
        let event = profile(&body).unwrap();
        assert_eq!(event.first_name, "Ada");
        assert_eq!(event.person_id.len(), 36);
    }
}
