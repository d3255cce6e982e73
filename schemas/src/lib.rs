//! What crosses a wire: the events and the topics they live on.
//!
//! Pure data and pure functions. The Avro schemas under `avro/<topic>/` and `catalogue.toml` are the source of truth;
//! `generated.rs` is made from them by `make generate`. The gate (`evolution.rs`) is what a schema passes before it is
//! deployed, and `deploying.rs` is how the registry is made to agree.
//!
//! Not here: what topics, events and rules are, bytes, Kafka, the registry (see `foldstream-log`).

mod deploying;
mod evolution;
// As its generator writes it: its test compares the two.
#[rustfmt::skip]
mod generated;

pub use deploying::{check_schemas, register_schemas};
pub use evolution::{SchemaFault, WrittenVersion, evolution_faults, golden_faults, schema_faults};
pub use generated::*;
