//! Wishes: a command is appended, and its outcome is the answer.
//!
//! `POST`, `PATCH` and `DELETE` wait for the outcome (`wait_ms`); with `Prefer: respond-async`, or when it takes longer,
//! the answer is 202 with a link to it. Nothing here knows what is wished for: a resource brings its aggregate
//! (`aggregate.rs`), and all aggregates are asked, followed and answered alike.

pub(crate) mod aggregate;
pub(crate) mod answer;
pub(crate) mod ask;
pub(crate) mod outcome;
pub(crate) mod outcomes;
pub(crate) mod preferences;
