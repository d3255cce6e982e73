//! Decides on wishes about people: who is registered, changed, erased.
//!
//! Reads: `person-commands`. Writes: `people`, `person-profiles`, `person-outcomes`, its state and `dead-letters`.
//! Keyed by: `person_id`. On poison: dead letter on the topic.
//!
//! Every command gets exactly one outcome. Names go to `person-profiles` and to the state only, which are compacted, so
//! that erasing a person erases them; the events on `people` say that something happened, and to whom.

mod decide;

use foldstream_events::Flow;
use foldstream_fold::{Service, run_decider};

pub use decide::{Decided, Output, People, REMEMBERED, Rule};

pub const FLOW: Flow = Flow {
    service: "people-processor",
    reads: &["person-commands"],
    writes: &["people", "person-profiles", "person-outcomes", "people-processor-state", "dead-letters"],
    keeps_keys: true,
};

pub async fn run(service: Service) {
    run_decider::<People>(service).await;
}
