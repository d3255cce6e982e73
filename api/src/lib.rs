//! The HTTP API: tables -> people.
//!
//! Reads: the tables of the read models (`person`, `activity`, `location_history`, `current_location`,
//! `erased_person`); `person-outcomes`, for those who wait for a
//! decision; any topic, for `GET /messages` and `GET /topics`.
//! Writes: `person-commands`, `locations`. Keyed by: the person's id.
//! On poison: a request that breaks a rule is refused with a problem that names field, value and rule, before any
//! dependency is asked; nothing of it is written.
//!
//! `routes.rs` is the whole list of what is served. No SQL and no Kafka here: see `foldstream-store`,
//! `foldstream-log` and `foldstream-browse`.

mod activity;
mod arrival;
mod body;
mod clients;
mod coalesced;
mod commands;
mod config;
mod connection;
mod cursor;
mod dead_letters;
mod dependencies;
mod docs;
mod effects;
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
mod place;
mod problem;
mod reports;
mod resources;
mod routes;
mod serve;
mod topics;

pub use config::{Config, LookingConfig};
pub use openapi::openapi_json;
pub use outcomes::Outcomes;
pub use routes::router;
pub use serve::{ApiError, run};
pub use topics::{Declaration, KeptIn, ReaderPosition, TopicDetail, TopicReader, TopicSources, TopicSummary};

use foldstream_activity_projection::Activity;
use foldstream_browse::Browse;
use foldstream_events::{LocationsEvent, PersonCommandsEvent, PersonOutcomesEvent};
use foldstream_locations_projection::Locations;
use foldstream_log::{Browser, Registry, Writer};
use foldstream_log::{Flow, ServiceKind};
use foldstream_people_projection::People;
use foldstream_store::{Applied, Database, Provenance, ReadModel};
use foldstream_telemetry::health::Health;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// The source its records name.
pub const NAME: &str = "api";

/// What it reads and writes. `GET /messages` looks at any topic without depending on one.
#[must_use]
pub fn flow() -> Flow {
    Flow::of(NAME, ServiceKind::Api)
        .reading_tables(People::table_names())
        .reading_tables(Activity::table_names())
        .reading_tables(Locations::table_names())
        .reading::<PersonOutcomesEvent>()
        .writing::<PersonCommandsEvent>()
        .writing::<LocationsEvent>()
}

/// What the API stands on. Every part connects by itself, and the API answers while they are away.
#[derive(Debug, Clone)]
pub struct Parts {
    pub database: Database,
    pub applied: Applied,
    pub browser: Browser,
    pub browse: Browse,
    pub looking: LookingConfig,
    pub registry: Registry,
    /// Made for the source `api`.
    pub writer: Writer,
    pub outcomes: Outcomes,
    /// The edges of everything that reads or writes topics: services, this one too, and commands.
    pub flows: Arc<[Flow]>,
    /// The projections, which tell what they made of a record.
    pub provenances: Arc<[Provenance]>,
    pub health: Health,
    /// Live tails end with it.
    pub shutdown: CancellationToken,
}
