//! What is known of a person.

use chrono::{DateTime, Utc};
use uuid::Uuid;

/// A person, as far as wishes about one are decided by it. The id stands in no state.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Person {
    pub(crate) status: Status,
    /// Empty unless registered.
    pub(crate) profile: Profile,
    /// The last event.
    pub(crate) event_id: Uuid,
    pub(crate) occurred_at: DateTime<Utc>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Status {
    #[default]
    Unknown,
    Registered,
    Erased,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Profile {
    pub(crate) first_name: String,
    pub(crate) last_name: String,
    pub(crate) company_name: String,
}
