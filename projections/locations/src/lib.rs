//! Who was where, and who is.
//!
//! Reads: `locations`. Writes: `location_history`, `current_location`. Keyed by: `person_id`. On poison: dead letter.

mod apply;

use foldstream_consume_loop::{Service, run as run_loop};
use foldstream_events::Flow;
use foldstream_read_models::{Database, Fenced};

pub use apply::Locations;

pub const FLOW: Flow =
    Flow { service: "locations-projection", reads: &["locations"], writes: &["location_history", "current_location"] };

pub async fn run(service: Service, database: &Database) {
    run_loop::<Locations, _>(service, Fenced::new(database)).await;
}
