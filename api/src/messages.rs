//! `/messages`: any topic, looked into; and, where that is switched on, its records republished (`republish.rs`).
//!
//! Looks at the log itself and not at a read model. No consumer group is joined and no topic is created; a record that
//! cannot be decoded keeps its place, with the reason and its bytes. What is asked is read by `question.rs`, in words
//! that the command line shares; what it may cost is kept by `http/limits.rs`.

pub(crate) mod export;
pub(crate) mod page;
pub(crate) mod problem;
mod question;
mod render;
pub(crate) mod republish;
pub(crate) mod single;
pub(crate) mod stream;

use crate::state::Api;
use foldstream_browse::words::Door;
use utoipa_axum::{router::OpenApiRouter, routes};

/// Which words a route takes, of those that questions are asked in.
pub(crate) fn door_of(path: &str) -> Option<Door> {
    match path {
        "/messages" => Some(Door::Page),
        "/messages/export" => Some(Door::Export),
        "/messages/stream" => Some(Door::Tail),
        "/messages/{topic}/{partition}/{offset}" => Some(Door::Single),
        "/messages/republish" => Some(Door::Republish),
        _ => None,
    }
}

/// Its routes.
pub(crate) fn router() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(page::page))
        .routes(routes!(stream::stream))
        .routes(routes!(export::export))
        .routes(routes!(single::find))
        .routes(routes!(republish::republish))
        .routes(routes!(republish::republish_one))
}
