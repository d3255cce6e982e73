//! Everything that is served: the whole list, and what lies around it.
//!
//! A route that is not documented, or documented and not here, fails a test (`openapi.rs`).

use crate::{
    Parts, activity, arrival::Arrival, clients::Clients, coalesced::Coalesced, commands, connection, dead_letters,
    docs, effects, health, lag::LogEnds, locations, lookups::Lookups, messages, observe::observe, persons,
    problem::Problem, reports, topics,
};
use axum::{Router, middleware::from_fn, routing::get};
use std::sync::Arc;
use tower_http::compression::CompressionLayer;

/// What handlers stand on; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    pub(crate) parts: Parts,
    pub(crate) log_ends: LogEnds,
    pub(crate) arrival: Arrival,
    pub(crate) clients: Arc<Clients>,
    /// Looks at all topics, and at each.
    pub(crate) topics: Coalesced<Vec<topics::TopicSummary>>,
    pub(crate) topic: Coalesced<topics::TopicDetail>,
}

/// The API as a service: `run` puts it behind a socket, tests call it.
pub fn router(parts: Parts) -> Router {
    let log_ends = LogEnds::new(parts.browse.brokers());
    let arrival = Arrival {
        flows: parts.flows.iter().filter(|flow| flow.kind.folds()).cloned().collect(),
        lookups: Lookups::new(parts.browse.brokers()),
        applied: parts.applied.clone(),
        database: parts.database.clone(),
    };
    let clients = Arc::new(Clients::new(parts.looking.clone()));
    Router::new()
        .route("/api/persons", get(persons::list).post(persons::create))
        .route("/api/persons/{id}", get(persons::find).patch(persons::change).delete(persons::erase))
        .route("/api/outcomes/{id}", get(commands::outcome))
        .route("/api/persons/{id}/locations", get(locations::list_of_person))
        .route("/api/persons/{id}/connection", get(connection::list))
        .route("/api/locations", get(locations::list).post(reports::create))
        .route("/api/locations/current", get(locations::list_current))
        .route("/api/locations/{id}", get(locations::find))
        .route("/api/activity", get(activity::list))
        .route("/api/dead-letters", get(dead_letters::list))
        .route("/messages", get(messages::page::page))
        .route("/messages/stream", get(messages::stream::stream))
        .route("/messages/export", get(messages::export::export))
        .route("/messages/{topic}/{partition}/{offset}", get(messages::single::find))
        .route("/messages/{topic}/{partition}/{offset}/effects", get(effects::of_message))
        .route("/topics", get(topics::list))
        .route("/topics/{name}", get(topics::find))
        .route("/health", get(health::health))
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
        .route("/metrics", get(health::metrics))
        .route("/openapi.json", get(docs::openapi))
        .route("/docs", get(docs::page))
        .fallback(async || Problem::UnknownRoute)
        .method_not_allowed_fallback(async || Problem::MethodNotAllowed)
        .layer(from_fn(observe))
        .layer(CompressionLayer::new())
        .with_state(Api {
            parts,
            log_ends,
            arrival,
            clients,
            topics: Coalesced::default(),
            topic: Coalesced::default(),
        })
}

#[cfg(test)]
mod tests;
