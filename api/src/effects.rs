//! `GET /messages/{topic}/{partition}/{offset}/effects`: what a message led to, and the rows it made.
//!
//! Two things follow from a record: records that processors wrote because of it (`following.rs`), each with its own
//! effects, and rows of read models (`rows.rs`). Which services are asked is told by their edges. Nothing is kept for
//! this: it is read from the headers, the processors' and the projections' positions, the dead letters and the tables.

mod following;
mod rows;

use crate::{
    messages::single::record_at,
    parameters::Parameters,
    place::{PathPlace, message_link},
    problem::Problem,
    resources::json,
    routes::Api,
};
use axum::{
    extract::State,
    http::{StatusCode, Uri},
    response::Response,
};
use foldstream_browse::Isolation;
use foldstream_log::Position;
use foldstream_log::{CAUSE, FetchedRecord};
use following::{Budget, Processor, effects_of};
use rows::RowResource;
use serde::Serialize;
use utoipa::ToSchema;

/// A message, what it led to, and the rows it made.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Effects {
    #[schema(example = "person-commands:3:17")]
    position: String,
    topic: String,
    /// The full name of the event; absent where the record carries none
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "foldstream.people.RegisterPerson")]
    r#type: Option<String>,
    /// Where the message itself is served
    #[schema(example = "/messages/person-commands/3/17")]
    message: String,
    /// The message that led to this one
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<String>,
    /// The services that write records because of it, and whether they have come that far
    processors: Vec<Processor>,
    /// The records they wrote because of it. The states of processors are of many records and not among them; nor is
    /// what compaction or retention removed
    #[schema(no_recursion)]
    led_to: Vec<Effects>,
    /// What each projection that reads the topic made of it
    rows: Vec<RowResource>,
    /// False only when `led_to` may lack something: time was up, or there was too much
    complete: bool,
}

/// What a message led to
///
/// The records that follow from it, and the rows of read models that it made, with what became of them since.
#[utoipa::path(get, path = "/messages/{topic}/{partition}/{offset}/effects", tag = "log",
    params(("topic" = String, Path, description = "The topic's name", example = "locations"),
        ("partition" = i32, Path, description = "The partition", minimum = 0),
        ("offset" = i64, Path, description = "The offset", minimum = 0)),
    responses((status = 200, description = "What followed so far", body = Effects)))]
pub(crate) async fn of_message(State(api): State<Api>, place: PathPlace, uri: Uri) -> Result<Response, Problem> {
    let mut parameters = Parameters::read(&uri, &[]);
    let position = place.read(&mut parameters);
    parameters.finish()?;
    let record = record_at(&api, &position, Isolation::Committed).await?;
    json(StatusCode::OK, &effects_of(&api, record.fetched, &Budget::new()).await?)
}

impl Effects {
    fn new(record: &FetchedRecord) -> Self {
        let position = position_of(record);
        let cause: Option<Position> = record.text_header(CAUSE).and_then(|cause| cause.parse().ok());
        Self {
            message: message_link(&position),
            position: position.to_string(),
            topic: position.topic,
            r#type: record.text_header("ce_type").map(str::to_owned),
            cause: cause.as_ref().map(message_link),
            processors: Vec::new(),
            led_to: Vec::new(),
            rows: Vec::new(),
            complete: true,
        }
    }
}

fn position_of(record: &FetchedRecord) -> Position {
    Position { topic: record.topic.clone(), partition: record.partition, offset: record.offset }
}
