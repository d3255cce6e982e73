//! The local stack: three Kafka brokers, a schema registry and PostgreSQL with PostGIS, real and without containers.
//!
//! Tests use it as a library ([`Options::temporary`]: free ports, gone with the test, breakable part by part);
//! people use the binary of the same name. Everything listens on 127.0.0.1 only. Nothing here is asynchronous:
//! it can be called from any test. It creates no topics, schemas or tables.

mod command;
mod error;
pub mod http;
mod java;
mod kafka;
mod layout;
mod metadata;
mod options;
mod part;
pub mod ports;
mod postgres;
mod postgres_data;
pub mod process;
mod registry;
mod removal;
mod stack;
pub mod wait;
mod watchdog;

pub use error::StackError;
pub use layout::cache;
pub use options::{BROKERS, Lifetime, Options, Parts, Ports, workspace_root};
pub use stack::{PartStatus, Stack};
