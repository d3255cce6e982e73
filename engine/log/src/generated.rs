//! Made from `avro/` and `catalogue.toml` by `make generate`. Not to be edited.

use crate::{
    events::FieldRule,
    rules::{Characters, Checked, Limits, Rule, Violation},
    topic::{Cleanup, Topic, Writers},
    topic_events,
};

/// The answer to one command: there is exactly one for each.
#[derive(Debug, PartialEq, Eq, Clone, serde::Deserialize, serde::Serialize)]
pub struct CommandDecided {
    /// Derived from the position of the command.
    pub event_id: uuid::Uuid,
    /// What the command is about; the record key.
    pub aggregate_id: String,
    /// When the command was appended to the log, UTC.
    #[serde(with = "chrono::serde::ts_microseconds")]
    pub occurred_at: chrono::DateTime<chrono::Utc>,
    /// The command's event_id.
    pub command_id: uuid::Uuid,
    /// Full name of the command's record type.
    pub command: String,
    /// Of what the command asks for: the same id with another content is refused.
    pub content_hash: uuid::Uuid,
    /// accepted, unchanged (it was so already), rejected, or duplicate (decided before).
    pub decision: String,
    /// Rejected: which rule, for programs.
    #[serde(default = "default_commanddecided_rule")]
    pub rule: Option<String>,
    /// Rejected: why, for people.
    #[serde(default = "default_commanddecided_reason")]
    pub reason: Option<String>,
    /// Duplicate: what was decided the first time.
    #[serde(default = "default_commanddecided_first_decision")]
    pub first_decision: Option<String>,
}

#[inline(always)]
fn default_commanddecided_rule() -> Option<String> { None }

#[inline(always)]
fn default_commanddecided_reason() -> Option<String> { None }

#[inline(always)]
fn default_commanddecided_first_decision() -> Option<String> { None }

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

#[derive(Debug, PartialEq, Eq, Clone, serde::Deserialize, serde::Serialize)]
pub struct AnsweredCommand {
    pub command_id: uuid::Uuid,
    pub content_hash: uuid::Uuid,
    pub decision: String,
    #[serde(default = "default_answeredcommand_rule")]
    pub rule: Option<String>,
    #[serde(default = "default_answeredcommand_reason")]
    pub reason: Option<String>,
    #[serde(with = "chrono::serde::ts_microseconds_option")]
    #[serde(default = "default_answeredcommand_appended_at")]
    pub appended_at: Option<chrono::DateTime<chrono::Utc>>,
}

#[inline(always)]
fn default_answeredcommand_rule() -> Option<String> { None }

#[inline(always)]
fn default_answeredcommand_reason() -> Option<String> { None }

#[inline(always)]
fn default_answeredcommand_appended_at() -> Option<chrono::DateTime<chrono::Utc>> { None }

/// What a processor keeps for one key, or for one cell of it. Its own; nobody else builds on it. A record without a value ends it.
#[derive(Debug, PartialEq, Eq, Clone, serde::Deserialize, serde::Serialize)]
pub struct StateKept {
    /// The last event folded into it.
    pub event_id: uuid::Uuid,
    /// The record key: whose state it is; where that is kept in several cells, then a blank and the cell. It lies in the partition of whose it is.
    pub state_key: String,
    /// When it became so, UTC.
    #[serde(with = "chrono::serde::ts_microseconds")]
    pub occurred_at: chrono::DateTime<chrono::Utc>,
    /// The commands that are remembered and what was decided, oldest first; none where no commands are answered.
    pub answered: Vec<AnsweredCommand>,
    /// The state in the processor's own form, which the fold_version among the headers tells.
    #[serde(with = "serde_bytes")]
    pub state: Vec<u8>,
}

/// The rules that fields name.
pub mod rules {
    use super::{Characters, Limits, Rule};

    pub static ID: Rule = Rule {
        name: "id",
        says: "an id has 1 to 128 characters, none of them a blank or a control character",
        limits: Limits::Text { min_chars: 1, max_chars: 128, characters: Characters::Visible },
    };

    pub static STATE_KEY: Rule = Rule {
        name: "state_key",
        says: "a key of state is an id, or an id, a blank and the name of a cell, at most 257 characters",
        limits: Limits::Text { min_chars: 1, max_chars: 257, characters: Characters::Printable },
    };

    pub static TIME: Rule = Rule {
        name: "time",
        says: "a time lies in the years 1 to 9999",
        limits: Limits::Time { first_year: 1, last_year: 9999 },
    };
}

impl Checked for CommandDecided {
    fn check(&self) -> Result<(), Violation> {
        rules::ID.text("aggregate_id", &self.aggregate_id)?;
        rules::TIME.time("occurred_at", self.occurred_at)?;
        Ok(())
    }
}

pub const COMMAND_DECIDED_RULES: &[FieldRule] = &[
    FieldRule { field: "aggregate_id", rule: &rules::ID },
    FieldRule { field: "occurred_at", rule: &rules::TIME },
];

/// The schema of [`CommandDecided`] as it is registered: `avro/command-outcomes/CommandDecided.avsc` without the rules and marks of its fields.
pub const COMMAND_DECIDED_SCHEMA: &str = r##"{
  "type": "record",
  "name": "CommandDecided",
  "namespace": "foldstream.engine",
  "doc": "The answer to one command: there is exactly one for each.",
  "fields": [
    {"name": "event_id", "type": {"type": "string", "logicalType": "uuid"}, "doc": "Derived from the position of the command."},
    {"name": "aggregate_id", "type": "string", "doc": "What the command is about; the record key."},
    {"name": "occurred_at", "type": {"type": "long", "logicalType": "timestamp-micros"}, "doc": "When the command was appended to the log, UTC."},
    {"name": "command_id", "type": {"type": "string", "logicalType": "uuid"}, "doc": "The command's event_id."},
    {"name": "command", "type": "string", "doc": "Full name of the command's record type."},
    {"name": "content_hash", "type": {"type": "string", "logicalType": "uuid"}, "doc": "Of what the command asks for: the same id with another content is refused."},
    {"name": "decision", "type": "string", "doc": "accepted, unchanged (it was so already), rejected, or duplicate (decided before)."},
    {"name": "rule", "type": ["null", "string"], "default": null, "doc": "Rejected: which rule, for programs."},
    {"name": "reason", "type": ["null", "string"], "default": null, "doc": "Rejected: why, for people."},
    {"name": "first_decision", "type": ["null", "string"], "default": null, "doc": "Duplicate: what was decided the first time."}
  ]
}
"##;

impl Checked for RecordRefused {
    fn check(&self) -> Result<(), Violation> {
        rules::ID.text("origin", &self.origin)?;
        Ok(())
    }
}

pub const RECORD_REFUSED_RULES: &[FieldRule] = &[
    FieldRule { field: "origin", rule: &rules::ID },
];

/// The schema of [`RecordRefused`] as it is registered: `avro/dead-letters/RecordRefused.avsc` without the rules and marks of its fields.
pub const RECORD_REFUSED_SCHEMA: &str = r##"{
  "type": "record",
  "name": "RecordRefused",
  "namespace": "foldstream.dead_letters",
  "doc": "A record that a processor could not use, as it lay in the log.",
  "fields": [
    {"name": "event_id", "type": {"type": "string", "logicalType": "uuid"}, "doc": "Derived from the processor and the record's position."},
    {"name": "origin", "type": "string", "doc": "The record's position, topic:partition:offset; the record key."},
    {"name": "occurred_at", "type": {"type": "long", "logicalType": "timestamp-micros"}, "doc": "When the record was appended to the log, UTC."},
    {"name": "service", "type": "string", "doc": "The processor."},
    {"name": "topic", "type": "string"},
    {"name": "partition", "type": "int"},
    {"name": "offset", "type": "long"},
    {"name": "key", "type": ["null", "bytes"], "default": null, "doc": "The record's key."},
    {"name": "value", "type": ["null", "bytes"], "default": null, "doc": "The record's value."},
    {"name": "headers", "type": {"type": "array", "items": {"type": "record", "name": "DeadLetterHeader", "fields": [{"name": "name", "type": "string"}, {"name": "value", "type": ["null", "bytes"], "default": null}]}}},
    {"name": "reason", "type": "string"}
  ]
}
"##;

impl Checked for StateKept {
    fn check(&self) -> Result<(), Violation> {
        rules::STATE_KEY.text("state_key", &self.state_key)?;
        rules::TIME.time("occurred_at", self.occurred_at)?;
        Ok(())
    }
}

pub const STATE_KEPT_RULES: &[FieldRule] = &[
    FieldRule { field: "state_key", rule: &rules::STATE_KEY },
    FieldRule { field: "occurred_at", rule: &rules::TIME },
];

/// The schema of [`StateKept`] as it is registered: `avro/state/StateKept.avsc` without the rules and marks of its fields.
pub const STATE_KEPT_SCHEMA: &str = r##"{
  "type": "record",
  "name": "StateKept",
  "namespace": "foldstream.engine",
  "doc": "What a processor keeps for one key, or for one cell of it. Its own; nobody else builds on it. A record without a value ends it.",
  "fields": [
    {"name": "event_id", "type": {"type": "string", "logicalType": "uuid"}, "doc": "The last event folded into it."},
    {"name": "state_key", "type": "string", "doc": "The record key: whose state it is; where that is kept in several cells, then a blank and the cell. It lies in the partition of whose it is."},
    {"name": "occurred_at", "type": {"type": "long", "logicalType": "timestamp-micros"}, "doc": "When it became so, UTC."},
    {"name": "answered", "type": {"type": "array", "items": {"type": "record", "name": "AnsweredCommand", "fields": [{"name": "command_id", "type": {"type": "string", "logicalType": "uuid"}}, {"name": "content_hash", "type": {"type": "string", "logicalType": "uuid"}}, {"name": "decision", "type": "string"}, {"name": "rule", "type": ["null", "string"], "default": null}, {"name": "reason", "type": ["null", "string"], "default": null}, {"name": "appended_at", "type": ["null", {"type": "long", "logicalType": "timestamp-micros"}], "default": null}]}}, "doc": "The commands that are remembered and what was decided, oldest first; none where no commands are answered."},
    {"name": "state", "type": "bytes", "doc": "The state in the processor's own form, which the fold_version among the headers tells."}
  ]
}
"##;

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

