//! The read models `location_history` and `current_location`: who was where, and who is.

mod made;
mod read;
mod write;

pub use read::*;
pub use write::{LocationChanges, LocationRow};
