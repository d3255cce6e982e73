//! The nouns of the API, a file each: reading and writing it, and its routes.

mod activity;
mod connection;
mod dead_letters;
mod locations;
mod persons;
mod read_models;
pub(crate) mod shapes;

use crate::state::Api;
use utoipa_axum::router::OpenApiRouter;

/// The routes of every noun.
pub(crate) fn router() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .merge(persons::router())
        .merge(locations::router())
        .merge(connection::router())
        .merge(activity::router())
        .merge(dead_letters::router())
}
