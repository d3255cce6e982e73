//! `GET /messages/{topic}/{partition}/{offset}`: one record, by its position.

use super::question;
use crate::{
    http::{answer::json, limits::Client, place::PathPlace, problem::Problem},
    state::Api,
};
use axum::{
    extract::State,
    http::{StatusCode, Uri},
    response::Response,
};
use foldstream_browse::{
    Budget, Found, Isolation, Record, asking, at_length, look_up,
    words::{Door, ISOLATION},
};
use foldstream_log::{Message, Position, Schemas, Violation};
use serde::Serialize;

/// The record, and the fields that were asked for and that it does not have.
#[derive(Serialize)]
struct Single {
    #[serde(flatten)]
    message: Message,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unknown_paths: Vec<String>,
}

/// One record
///
/// Where there is none, the answer says what became of it: removed by retention or by compaction, the mark of a
/// transaction, aborted, not yet appended.
#[utoipa::path(get, path = "/messages/{topic}/{partition}/{offset}", tag = "log",
    params(("topic" = String, Path, example = "locations"), ("partition" = i32, Path, example = 3),
        ("offset" = i64, Path, example = 1729)),
    responses((status = 200, description = "The record, as a message of a page; with `unknown_paths` where it has not all of `fields`", body = Object)))]
pub(crate) async fn find(
    State(api): State<Api>,
    client: Client,
    place: PathPlace,
    uri: Uri,
) -> Result<Response, Problem> {
    let mut parameters = question::parameters(&uri, Door::Single);
    let position = place.read(&mut parameters);
    let isolation = parameters.text(ISOLATION).map_or(Ok(Isolation::default()), asking::isolation);
    let isolation = parameters.check(isolation).unwrap_or_default();
    let showing = question::showing(&mut parameters);
    parameters.finish()?;
    let budget = api.clients.budget(&client)?;
    let record = record_at(&api, &budget, &position, isolation).await?;
    let schemas = Schemas::new(api.parts.registry.clone());
    look_up(std::iter::once(&record), &schemas).await;
    at_length(record.bytes() as u64, || {
        let message = record.describe(&schemas, &showing);
        json(StatusCode::OK, &Single { message, unknown_paths: showing.unknown_fields() })
    })
}

/// The record at a position, which must be there; the client is charged what it takes.
pub(crate) async fn record_at(
    api: &Api,
    budget: &Budget,
    position: &Position,
    isolation: Isolation,
) -> Result<Record, Problem> {
    let Position { topic, partition, offset } = position;
    let found = api.parts.browse.brokers().single(topic, *partition, *offset).await?;
    if let Found::Record(record) = &found {
        // Whether that was too much is told to the next question.
        let _ = (budget.client)(record.bytes() as u64);
    }
    found.visible(isolation).cloned().ok_or_else(|| {
        let rule = format!("must be the offset of a record: {}", found.reason());
        Problem::NotFound(Violation::new("offset", offset, rule))
    })
}
