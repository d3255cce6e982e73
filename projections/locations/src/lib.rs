//! Who was where, and who is.
//!
//! Reads: `locations`, and `people` for those who are erased. Writes: `location_history`, `current_location`.
//! Keyed by: `person_id`. On poison: dead letter, and its key waits.

mod apply;

use foldstream_events::Flow;
use foldstream_fold::Service;
use foldstream_store::{Database, versions::fold_versions};

pub use apply::Locations;

pub const FLOW: Flow = Flow {
    service: "locations-projection",
    reads: &["locations", "people"],
    writes: &["location_history", "current_location"],
    keeps_keys: true,
};

pub async fn run(service: Service, database: &Database) {
    fold_versions::<Locations>(service, database).await;
}
