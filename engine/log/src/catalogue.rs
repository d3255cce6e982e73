//! The topics and record types there are, and what of them is personal, as they are handed in: the engine has none of its own but dead letters.

use crate::{events::RecordType, topic::Topic};

/// Every topic there is, and every record type they carry.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Catalogue {
    pub topics: &'static [&'static Topic],
    pub records: &'static [&'static [RecordType]],
    /// Full name of a record and name of a field: what is personal, in every version of it.
    pub personal: &'static [(&'static str, &'static str)],
}

impl Catalogue {
    /// The declared topic of this name.
    #[must_use]
    pub fn topic(&self, name: &str) -> Option<&'static Topic> {
        self.topics.iter().find(|topic| topic.name == name).copied()
    }

    /// Whether a declared topic of this name carries what is personal.
    #[must_use]
    pub fn is_personal(&self, topic: &str) -> bool {
        let is_marked = |record: &RecordType| self.personal.iter().any(|(name, _)| *name == record.full_name);
        self.record_types().any(|record| record.topic == topic && is_marked(record))
    }

    /// Every record type of every topic.
    pub fn record_types(&self) -> impl Iterator<Item = &'static RecordType> + use<> {
        self.records.iter().flat_map(|records| records.iter())
    }
}
