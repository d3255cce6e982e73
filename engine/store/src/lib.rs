//! The machinery under every read model: exactly once into tables, and versions of them. It knows no model.
//!
//! | to do | look in |
//! |---|---|
//! | connect, migrate | [`Database`] |
//! | say what a read model is | [`ReadModel`] |
//! | write what a fold changed, exactly once | `checkpoint.rs` |
//! | put records aside, and queue what waits behind them | `dead_letter.rs`, `parked.rs`; read: [`dead_letters`] |
//! | know how far a projection is, and wait for it | [`Applied`] |
//! | go from a row to its record, and back | `provenance.rs`, [`ReadModel::rows_of`] |
//! | fold again beside the live tables, compare, swap | [`versions`] |
//!
//! The tables, statements and questions of a model are its own: `projections/<model>`.

mod announcing;
mod applied;
mod checkpoint;
mod config;
mod copy;
mod database;
mod dead_letter;
pub mod dead_letters;
mod parked;
mod provenance;
mod read_model;
mod row;
pub mod versions;

pub use applied::{Applied, Late, View};
pub use checkpoint::{Checkpoint, Fenced, checkpoints};
pub use config::Config;
pub use copy::CopyRows;
pub use database::{Database, DatabaseError};
pub use provenance::{Made, Provenance, ProvenanceError};
pub use read_model::{Former, ReadModel, Table, projection_flow};
pub use row::{Fate, RowOf, Source, Sourced};
