//! The HTTP API: tables -> people.
//!
//! Reads: the tables of the read models (`person`, `activity`, `location_history`, `current_location`); `person-outcomes`, for those who wait for a
//! decision; any topic, for `GET /messages`.
//! Writes: `person-commands`, `locations`. Keyed by: the person's id.
//! On poison: a request that breaks a rule is refused with a problem that names field, value and rule, before any
//! dependency is asked; nothing of it is written.
//!
//! `routes.rs` is the whole list of what is served. No SQL and no Kafka here: see `foldstream-read-models` and
//! `foldstream-wire`.

mod activity;
mod arrival;
mod body;
mod commands;
mod config;
mod connection;
mod cursor;
mod dead_letters;
mod dependencies;
mod docs;
mod fields;
mod freshness;
mod health;
mod lag;
mod locations;
mod lookups;
mod messages;
mod observe;
mod openapi;
mod outcomes;
mod paging;
mod parameters;
mod persons;
mod problem;
mod reports;
mod resources;
mod routes;
mod serve;

pub use config::Config;
pub use openapi::openapi_json;
pub use outcomes::Outcomes;
pub use routes::router;
pub use serve::{ApiError, run};

use foldstream_events::Flow;
use foldstream_read_models::{Applied, Database};
use foldstream_telemetry::health::Health;
use foldstream_wire::{Browser, Registry, Writer};
use std::sync::Arc;

/// The edges of this service. `GET /messages` looks at any topic without depending on one.
pub const FLOW: Flow = Flow {
    service: "api",
    reads: &["person", "activity", "location_history", "current_location", "person-outcomes"],
    writes: &["person-commands", "locations"],
    keeps_keys: false,
};

/// What the API stands on. Every part connects by itself, and the API answers while they are away.
#[derive(Debug, Clone)]
pub struct Parts {
    pub database: Database,
    pub applied: Applied,
    pub browser: Browser,
    pub registry: Registry,
    /// Made for the source `api`.
    pub writer: Writer,
    pub outcomes: Outcomes,
    /// The edges of every service, by which positions are followed.
    pub flows: Arc<[Flow]>,
    pub health: Health,
}
