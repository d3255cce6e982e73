//! When something was going on: how many locations were reported for each hour.
//!
//! Reads: `locations`. Writes: `activity`. Keyed by: the hour. On poison: dead letter, and its key waits.
//!
//! An hour is fed by every partition, but by additions only, so the row is the same whatever comes first. It is the
//! smallest read model there is, and the example of the README.

mod apply;
pub mod read;
mod write;

use foldstream_events::Flow;
use foldstream_fold::Service;
use foldstream_store::{Database, ReadModel, versions::fold_versions};

pub use apply::ActivityChanges;

/// The projection, and its read model.
#[derive(Debug)]
pub struct Activity;

pub const FLOW: Flow =
    Flow { service: "activity-projection", reads: &["locations"], writes: Activity::TABLE_NAMES, keeps_keys: false };

pub async fn run(service: Service, database: &Database) {
    fold_versions::<Activity>(service, database).await;
}
