//! Who was where, and who is.
//!
//! Reads: `locations`, and `people` for those who are erased. Writes: `location_history`, `current_location`, and
//! `erased_person`, hashes by which a report that comes after an erasure is known, and not kept. Keyed by: `person_id`.
//! On poison: dead letter, and its key waits.

mod apply;
pub mod read;
mod rows;
mod write;

pub use apply::{LocationChanges, LocationRow, Locations};
