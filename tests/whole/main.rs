//! The whole, as its users meet it: the real executable on real brokers, a real registry and a real database.
//!
//! One binary, so that the Kafka client is linked once. Every test has a stack of its own and stops it. Nothing waits
//! by sleeping: `harness::until` waits on a condition with a deadline.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking and says what it saw")]

mod bad_input;
mod command_line;
mod connection;
mod exactly_once;
mod harness;
mod poison;
mod reading;
mod rebuild;
