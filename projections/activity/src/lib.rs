//! When something was going on: how many locations were reported for each hour.
//!
//! Reads: `locations`, `people`. Writes: `activity`. Keyed by: the hour. On poison: dead letter, and its key waits.
//!
//! An hour is fed by every partition, but by additions only, so the row is the same whatever comes first. It is the
//! smallest read model there is, and the example of the README.

mod apply;
pub mod read;
mod write;

pub use apply::{Activity, ActivityChanges};
