//! Who there is.
//!
//! Reads: `person-profiles`. Writes: `person`. Keyed by: `person_id`. On poison: dead letter, and its key waits.

mod apply;

use foldstream_consume_loop::{Service, run_projection};
use foldstream_events::Flow;
use foldstream_read_models::{Database, Fenced};

pub use apply::People;

pub const FLOW: Flow =
    Flow { service: "people-projection", reads: &["person-profiles"], writes: &["person"], keeps_keys: true };

pub async fn run(service: Service, database: &Database) {
    run_projection::<People, _>(service, Fenced::new(database)).await;
}
