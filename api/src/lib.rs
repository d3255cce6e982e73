//! The HTTP API: tables -> people.
//!
//! Reads: the tables of its nouns; the outcomes of their aggregates, for those who wait for a decision; any topic, for
//! `GET /messages` and `GET /topics`. Writes: the commands of their aggregates, and `locations`. Keyed by: the id of what it
//! is about.
//! On poison: a request that breaks a rule is refused with a problem that names field, value and rule, before any
//! dependency is asked; nothing of it is written.
//!
//! Rooms, each importing only those before it: `http/` (no noun of ours), `freshness/` (how far an answer is), `state.rs`,
//! `commands/` (wishes and their outcomes, of any aggregate), `resources/` (a noun a file, which exports one `RESOURCE`),
//! `messages/`, `topics/`, `effects/`; each exports its routes, and `routes.rs` joins them. No SQL and no Kafka here: see
//! the projections, `foldstream-log` and `foldstream-browse`.

mod commands;
mod config;
mod docs;
mod effects;
mod freshness;
mod health;
mod http;
mod messages;
mod openapi;
mod resource;
mod resources;
mod routes;
mod serve;
mod state;
mod topics;

pub use config::{Config, LookingConfig};
pub use routes::{openapi_json, router};
pub use serve::{ApiError, run};
pub use state::{NAME, Parts};
pub use topics::{
    describing::{Declaration, TopicDetail, TopicSources, TopicSummary},
    readers::{KeptIn, ReaderPosition, TopicReader},
};

use foldstream_log::{Flow, ServiceKind};

/// What it reads and writes. `GET /messages` looks at any topic without depending on one.
#[must_use]
pub fn flow() -> Flow {
    resources::edges(Flow::of(NAME, ServiceKind::Api))
}
