//! The read model `person`: who there is.

mod made;
mod read;
mod write;

pub use read::*;
pub use write::{PeopleChanges, PersonRow};
