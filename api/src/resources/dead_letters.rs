//! Dead letters read: `/api/dead-letters`, newest first.
//!
//! Those of the projections; what is to be done with them is said by `foldstream dead-letters`. Their bytes are not shown
//! here: `/messages` shows the record where it lies.

use crate::{
    http::{
        paging::{CURSOR, LIMIT, PageParameters, PageRequest},
        parameters::Parameters,
        problem::Problem,
    },
    resource::Resource,
    state::Api,
};
use axum::{extract::State, http::Uri, response::Response};
use chrono::{DateTime, SecondsFormat, Utc};
use foldstream_events::CATALOGUE;
use foldstream_log::{Encoding, Violation, keys_shown_as, shown_key};
use foldstream_store::dead_letters::{self, DeadLetterSummary, Filter};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

const PROJECTION: &str = "projection";
const TOPIC: &str = "topic";
const KEY: &str = "key";

/// A record that a projection could not use.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeadLetter)]
pub(crate) struct DeadLetterResource {
    #[schema(example = 17)]
    id: i64,
    #[schema(example = "locations-projection")]
    projection: String,
    #[schema(example = "locations:3:1729")]
    position: String,
    /// Text, or base64 where it is none (`key_encoding` says so: `text` or `base64`); absent where the record has none
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    key_encoding: Option<Encoding>,
    reason: String,
    /// How many later records of its key wait behind it
    parked: i64,
    /// When it was appended to the log, UTC
    #[schema(format = DateTime)]
    appended_at: String,
    /// When it was put aside, UTC
    #[schema(format = DateTime)]
    failed_at: String,
    /// What is asked to be done with it: `redrive` or `discard`
    #[serde(skip_serializing_if = "Option::is_none")]
    asked: Option<String>,
    /// Why that failed
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
}

impl From<DeadLetterSummary> for DeadLetterResource {
    fn from(letter: DeadLetterSummary) -> Self {
        let (key, key_encoding) = letter.key.as_deref().map(shown_key).unzip();
        Self {
            id: letter.id,
            position: letter.position().to_string(),
            projection: letter.projection,
            key,
            key_encoding,
            reason: letter.reason,
            parked: letter.parked,
            appended_at: time(letter.appended_at),
            failed_at: time(letter.failed_at),
            asked: letter.action,
            failure: letter.failure,
        }
    }
}

pub(crate) static RESOURCE: Resource = Resource {
    router: || OpenApiRouter::new().routes(routes!(list)),
    bodies: &[],
    rows: &[],
    edges: |flow| flow,
    aggregate: None,
};

/// Records that projections could not use, newest first
#[utoipa::path(get, path = "/api/dead-letters", tag = "operation",
    params(("projection" = Option<String>, Query, description = "Those of this projection"),
        ("topic" = Option<String>, Query, description = "Those from this topic"),
        ("key" = Option<String>, Query, description = "Those of this key, as it is shown"),
        PageParameters),
    responses((status = 200, description = "A page of dead letters", body = Vec<DeadLetterResource>)))]
pub(crate) async fn list(State(api): State<Api>, uri: Uri) -> Result<Response, Problem> {
    let mut parameters = Parameters::read(&uri, &[PROJECTION, TOPIC, KEY, LIMIT, CURSOR]);
    let page: PageRequest<i64> = PageRequest::read(&mut parameters, 1..=1000, 100);
    let filter = filter(&mut parameters, &api);
    parameters.finish()?;
    let found = dead_letters::list(&api.parts.database, &filter, page.after, page.rows()).await?;
    page.answer::<_, DeadLetterResource>(found, |letter| letter.id)
}

/// Names that are none are refused: a mistyped one would answer that all is well.
fn filter(parameters: &mut Parameters, api: &Api) -> Filter {
    let given = |parameters: &Parameters, name| parameters.text(name).map(str::to_owned);
    let (projection, topic) = (given(parameters, PROJECTION), given(parameters, TOPIC));
    if let Some(name) = &projection
        && !api.parts.flows.iter().any(|flow| flow.kind.folds() && flow.service == name)
    {
        parameters.refuse(Violation::new(PROJECTION, name, "must be the name of a service that exists"));
    }
    if let Some(name) = &topic
        && CATALOGUE.topic(name).is_none()
    {
        parameters.refuse(Violation::new(TOPIC, name, "must be the name of a topic that exists"));
    }
    Filter { projection, topic, keys: parameters.text(KEY).map(keys_shown_as), reason_contains: None }
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}
