//! Made from `avro/` and `catalogue.toml` by `make generate`. Not to be edited.

use crate::{
    events::FieldRule,
    rules::{Characters, Checked, Limits, Rule, Violation},
    topic::{Cleanup, Topic, Writers},
    topic_events,
};

#[derive(Debug, PartialEq, Eq, Clone, serde::Deserialize, serde::Serialize)]
pub struct DeadLetterHeader {
    pub name: String,
    #[serde(with = "serde_bytes")]
    #[serde(default = "default_deadletterheader_value")]
    pub value: Option<Vec<u8>>,
}

#[inline(always)]
fn default_deadletterheader_value() -> Option<Vec<u8>> { None }

/// A record that a processor could not use, as it lay in the log.
#[derive(Debug, PartialEq, Eq, Clone, serde::Deserialize, serde::Serialize)]
pub struct RecordRefused {
    /// Derived from the processor and the record's position.
    pub event_id: uuid::Uuid,
    /// The record's position, topic:partition:offset; the record key.
    pub origin: String,
    /// When the record was appended to the log, UTC.
    #[serde(with = "chrono::serde::ts_microseconds")]
    pub occurred_at: chrono::DateTime<chrono::Utc>,
    /// The processor.
    pub service: String,
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    /// The record's key.
    #[serde(with = "serde_bytes")]
    #[serde(default = "default_recordrefused_key")]
    pub key: Option<Vec<u8>>,
    /// The record's value.
    #[serde(with = "serde_bytes")]
    #[serde(default = "default_recordrefused_value")]
    pub value: Option<Vec<u8>>,
    pub headers: Vec<DeadLetterHeader>,
    pub reason: String,
}

#[inline(always)]
fn default_recordrefused_key() -> Option<Vec<u8>> { None }

#[inline(always)]
fn default_recordrefused_value() -> Option<Vec<u8>> { None }

/// The rules that fields name.
pub mod rules {
    use super::{Characters, Limits, Rule};

    pub static ID: Rule = Rule {
        name: "id",
        says: "an id has 1 to 128 characters, none of them a blank or a control character",
        limits: Limits::Text { min_chars: 1, max_chars: 128, characters: Characters::Visible },
    };

    pub static TIME: Rule = Rule {
        name: "time",
        says: "a time lies in the years 1 to 9999",
        limits: Limits::Time { first_year: 1, last_year: 9999 },
    };
}

impl Checked for RecordRefused {
    fn check(&self) -> Result<(), Violation> {
        rules::ID.text("origin", &self.origin)?;
        Ok(())
    }
}

pub const RECORD_REFUSED_RULES: &[FieldRule] = &[
    FieldRule { field: "origin", rule: &rules::ID },
];

/// The schema of [`RecordRefused`], as text.
pub const RECORD_REFUSED_SCHEMA: &str = include_str!("../avro/dead-letters/RecordRefused.avsc");

pub static DEAD_LETTERS: Topic = Topic {
    name: "dead-letters",
    key: "origin",
    partitions: 6,
    cleanup: Cleanup::Expire { after_ms: 604800000 },
    max_record_bytes: 2097152,
    writers: Writers::EveryProcessor,
};

topic_events! {
    /// What `dead-letters` carries.
    DeadLettersEvent on DEAD_LETTERS {
        RecordRefused keyed by origin: "foldstream.dead_letters.RecordRefused", RECORD_REFUSED_SCHEMA, RECORD_REFUSED_RULES;
    }
}

