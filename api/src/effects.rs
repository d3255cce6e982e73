//! `GET /messages/{topic}/{partition}/{offset}/effects`: what a message led to, and the rows it made.
//!
//! Two things follow from a record: records that processors wrote because of it (`following.rs`), each with its own
//! effects, and rows of read models (`rows.rs`). Which services are asked is told by their edges. Nothing is kept for
//! this: it is read from the headers, the processors' and the projections' positions, the dead letters and the tables.

mod following;
mod rows;

use crate::{
    effects::following::{Budget, Effects, effects_of},
    http::{answer::json, limits::Client, parameters::Parameters, place::PathPlace, problem::Problem},
    messages::single::record_at,
    state::Api,
};
use axum::{
    extract::State,
    http::{StatusCode, Uri},
    response::Response,
};
use foldstream_browse::Isolation;
use utoipa_axum::{router::OpenApiRouter, routes};

/// Its routes.
pub(crate) fn router() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(of_message))
}

/// What a message led to
///
/// The records that follow from it, and the rows of read models that it made, with what became of them since. Where there is
/// more than one answer holds, `cut` says which bound was met.
#[utoipa::path(get, path = "/messages/{topic}/{partition}/{offset}/effects", tag = "log",
    params(("topic" = String, Path, description = "The topic's name", example = "locations"),
        ("partition" = i32, Path, description = "The partition", minimum = 0),
        ("offset" = i64, Path, description = "The offset", minimum = 0)),
    responses((status = 200, description = "What followed so far", body = Effects)))]
pub(crate) async fn of_message(
    State(api): State<Api>,
    client: Client,
    place: PathPlace,
    uri: Uri,
) -> Result<Response, Problem> {
    let mut parameters = Parameters::read(&uri, &[]);
    let position = place.read(&mut parameters);
    parameters.finish()?;
    let look = api.clients.budget(&client)?;
    let record = record_at(&api, &look, &position, Isolation::Committed).await?;
    let budget = Budget::new(&api.parts.looking, look);
    json(StatusCode::OK, &effects_of(&api, record.fetched, (&budget, 0)).await?)
}
