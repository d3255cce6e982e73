//! Who was where, and who is.
//!
//! Reads: `locations`, and `people` for those who are erased. Writes: `location_history`,
//! `current_location`, `erased_person`.
//! Keyed by: `person_id`. On poison: dead letter, and its key waits.

mod apply;

pub use apply::Locations;
