//! Who there is.
//!
//! Reads: `person-profiles`. Writes: `person`. Keyed by: `person_id`. On poison: dead letter, and its key waits.

mod apply;
pub mod read;
mod rows;
mod write;

pub use apply::{People, PeopleChanges, PersonRow};
