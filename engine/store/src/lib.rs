//! The tables: the only crate with SQL.
//!
//! | to do | look in |
//! |---|---|
//! | connect, migrate | [`Database`] |
//! | write what a fold changed, exactly once | `checkpoint.rs`, and each model's `write.rs` |
//! | put records aside, and queue what waits behind them | `dead_letter.rs`, `parked.rs`; read: [`dead_letters`] |
//! | answer questions | each model's `read.rs`, statements in `queries/<model>/<verb>.sql` |
//! | know how far a projection is, and wait for it | [`Applied`] |
//! | go from a row to its record, and back | `provenance.rs`, [`versions::ReadModel::rows_of`] |
//! | fold again beside the live tables, compare, swap | [`versions`] |
//!
//! Tables are made by `migrations/`, which are never edited once released.

pub mod activity;
mod applied;
mod checkpoint;
mod config;
mod copy;
mod database;
mod dead_letter;
pub mod dead_letters;
pub mod locations;
mod parked;
pub mod people;
mod provenance;
pub mod versions;

pub use applied::{Applied, Late, View};
pub use checkpoint::{Checkpoint, Fenced, Write, checkpoints};
pub use config::Config;
pub use database::{Database, DatabaseError};
pub use provenance::{Fate, Made, Provenance, ProvenanceError, RowOf, Source, Sourced};
