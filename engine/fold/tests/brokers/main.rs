//! The loops on real brokers, with events of the tests' own.
//!
//! One stack for all of these tests, each with keys of its own; what is killed and frozen is this very executable, which
//! starts itself again in a role (`world.rs`).

#![expect(clippy::unwrap_used, reason = "a test fails by panicking and says what it saw")]

mod aggregate;
mod courier;
mod effect;
mod events;
mod keyed;
mod lockers;
mod outside;
mod process_manager;
mod rekey;
mod stops;
mod tickets;
mod trips;
mod visits;
mod world;
