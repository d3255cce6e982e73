//! Who there is.
//!
//! Reads: `person-profiles`. Writes: `person`. Keyed by: `person_id`. On poison: dead letter, and its key waits.

mod apply;
pub mod read;
mod rows;
mod write;

use foldstream_events::Flow;
use foldstream_fold::Service;
use foldstream_store::{Database, ReadModel, versions::fold_versions};

pub use apply::{PeopleChanges, PersonRow};

/// The projection, and its read model.
#[derive(Debug)]
pub struct People;

pub const FLOW: Flow =
    Flow { service: "people-projection", reads: &["person-profiles"], writes: People::TABLE_NAMES, keeps_keys: true };

pub async fn run(service: Service, database: &Database) {
    fold_versions::<People>(service, database).await;
}
