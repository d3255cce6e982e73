//! Decides on wishes about people: who is registered, changed, erased.
//!
//! Reads: `person-commands`. Writes: `people`, `person-profiles`, `person-outcomes`, its state and `dead-letters`.
//! Keyed by: `person_id`. On poison: dead letter on the topic.
//!
//! Every command gets exactly one outcome. Names go to `person-profiles` and to the state only, which are compacted, so
//! that erasing a person erases them; the events on `people` say that something happened, and to whom.

mod decide;
mod person;
mod records;

pub use decide::{Output, People, Rule};
pub use person::Person;
