//! Everything that is served: the routes of every room, joined, and what lies around them.
//!
//! A route is declared where its handler is documented, and is in the description because it is served.

use crate::{
    commands, docs, effects, health,
    http::{observe::observe, problem::Problem},
    messages,
    openapi::{Common, Description, bounds},
    resources,
    state::{Api, Parts},
    topics,
};
use axum::{Router, middleware::from_fn};
use std::sync::Arc;
use tower_http::compression::CompressionLayer;
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;

/// The API as a service: `run` puts it behind a socket, tests call it.
pub fn router(parts: Parts) -> Router {
    let (routes, description) = described();
    routes
        .fallback(async || Problem::UnknownRoute)
        .method_not_allowed_fallback(async || Problem::MethodNotAllowed)
        .layer(from_fn(observe))
        .layer(CompressionLayer::new())
        .with_state(Api::new(parts, resources::aggregates(), description))
}

/// The description of everything that is served, as JSON.
#[must_use]
pub fn openapi_json() -> Arc<str> {
    described().1
}

fn described() -> (Router<Api>, Arc<str>) {
    let (routes, mut description) = OpenApiRouter::with_openapi(Description::openapi())
        .merge(resources::router())
        .merge(commands::outcome::router())
        .merge(messages::router())
        .merge(effects::router())
        .merge(topics::router())
        .merge(health::router())
        .merge(docs::router())
        .split_for_parts();
    Common.modify(&mut description);
    // What is described by types of ours always serialises.
    let mut description = serde_json::to_value(description).unwrap_or_default();
    bounds::tell(&mut description);
    (routes, description.to_string().into())
}

#[cfg(test)]
mod tests;
