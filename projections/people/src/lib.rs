//! Who there is.
//!
//! Reads: `person-profiles`. Writes: `person`. Keyed by: `person_id`. On poison: dead letter, and its key waits.

mod apply;

use foldstream_events::Flow;
use foldstream_fold::Service;
use foldstream_store::{Database, versions::fold_versions};

pub use apply::People;

pub const FLOW: Flow =
    Flow { service: "people-projection", reads: &["person-profiles"], writes: &["person"], keeps_keys: true };

pub async fn run(service: Service, database: &Database) {
    fold_versions::<People>(service, database).await;
}
