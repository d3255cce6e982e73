//! Made from `avro/` by `tests/generated.rs`. Not to be edited.

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

/// A person was at a place.
#[derive(Debug, PartialEq, Clone, serde::Deserialize, serde::Serialize)]
pub struct LocationReported {
    /// Identifies this event; a resend carries the same one. Time-ordered ids (UUID version 7 or 8) keep the index small.
    pub event_id: uuid::Uuid,
    /// Who; the record key.
    pub person_id: String,
    /// When the person was there, UTC.
    #[serde(with = "chrono::serde::ts_microseconds")]
    pub occurred_at: chrono::DateTime<chrono::Utc>,
    /// WGS84 degrees, -90 to 90.
    pub latitude: f64,
    /// WGS84 degrees, -180 to 180.
    pub longitude: f64,
    /// Radius of 68 % confidence in metres, where the source knows it.
    #[serde(default = "default_locationreported_accuracy_m")]
    pub accuracy_m: Option<f64>,
}

#[inline(always)]
fn default_locationreported_accuracy_m() -> Option<f64> { None }

/// A person's profile changed. The profile stands on person-profiles.
#[derive(Debug, PartialEq, Eq, Clone, serde::Deserialize, serde::Serialize)]
pub struct PersonChanged {
    /// Identifies this event.
    pub event_id: uuid::Uuid,
    /// Who; the record key.
    pub person_id: String,
    /// When it became so, UTC.
    #[serde(with = "chrono::serde::ts_microseconds")]
    pub occurred_at: chrono::DateTime<chrono::Utc>,
    /// Names of the fields that changed.
    pub changed: Vec<String>,
}

/// A person was erased: whoever keeps rows of this person removes them. The id is never used again.
#[derive(Debug, PartialEq, Eq, Clone, serde::Deserialize, serde::Serialize)]
pub struct PersonErased {
    /// Identifies this event.
    pub event_id: uuid::Uuid,
    /// Who; the record key.
    pub person_id: String,
    /// When it became so, UTC.
    #[serde(with = "chrono::serde::ts_microseconds")]
    pub occurred_at: chrono::DateTime<chrono::Utc>,
}

/// A person became known. The profile stands on person-profiles.
#[derive(Debug, PartialEq, Eq, Clone, serde::Deserialize, serde::Serialize)]
pub struct PersonRegistered {
    /// Identifies this event.
    pub event_id: uuid::Uuid,
    /// Who; the record key.
    pub person_id: String,
    /// When it became so, UTC.
    #[serde(with = "chrono::serde::ts_microseconds")]
    pub occurred_at: chrono::DateTime<chrono::Utc>,
}

#[derive(Debug, PartialEq, Eq, Clone, serde::Deserialize, serde::Serialize)]
pub struct AnsweredCommand {
    pub command_id: uuid::Uuid,
    pub content_hash: uuid::Uuid,
    pub decision: String,
    #[serde(default = "default_answeredcommand_rule")]
    pub rule: Option<String>,
    #[serde(default = "default_answeredcommand_reason")]
    pub reason: Option<String>,
}

#[inline(always)]
fn default_answeredcommand_rule() -> Option<String> { None }

#[inline(always)]
fn default_answeredcommand_reason() -> Option<String> { None }

/// What people-processor knows of a person: the fold of what it has written. Its own; nobody else reads it.
#[derive(Debug, PartialEq, Eq, Clone, serde::Deserialize, serde::Serialize)]
pub struct PersonState {
    /// The last event folded into it.
    pub event_id: uuid::Uuid,
    /// Who; the record key.
    pub person_id: String,
    /// When it became so, UTC.
    #[serde(with = "chrono::serde::ts_microseconds")]
    pub occurred_at: chrono::DateTime<chrono::Utc>,
    /// unknown, registered or erased.
    pub status: String,
    /// Empty unless registered.
    pub first_name: String,
    pub last_name: String,
    pub company_name: String,
    /// The last commands and what was decided, oldest first.
    pub answered: Vec<AnsweredCommand>,
}

/// A wish: what is given replaces what was known; what is null stays.
#[derive(Debug, PartialEq, Eq, Clone, serde::Deserialize, serde::Serialize)]
pub struct ChangePerson {
    /// The command's id. A retry carries the same one.
    pub event_id: uuid::Uuid,
    /// Who; the record key.
    pub person_id: String,
    /// When it was asked for, UTC.
    #[serde(with = "chrono::serde::ts_microseconds")]
    pub occurred_at: chrono::DateTime<chrono::Utc>,
    #[serde(default = "default_changeperson_first_name")]
    pub first_name: Option<String>,
    #[serde(default = "default_changeperson_last_name")]
    pub last_name: Option<String>,
    #[serde(default = "default_changeperson_company_name")]
    pub company_name: Option<String>,
}

#[inline(always)]
fn default_changeperson_first_name() -> Option<String> { None }

#[inline(always)]
fn default_changeperson_last_name() -> Option<String> { None }

#[inline(always)]
fn default_changeperson_company_name() -> Option<String> { None }

/// A wish: nothing is to be known of this person any more.
#[derive(Debug, PartialEq, Eq, Clone, serde::Deserialize, serde::Serialize)]
pub struct ErasePerson {
    /// The command's id. A retry carries the same one.
    pub event_id: uuid::Uuid,
    /// Who; the record key.
    pub person_id: String,
    /// When it was asked for, UTC.
    #[serde(with = "chrono::serde::ts_microseconds")]
    pub occurred_at: chrono::DateTime<chrono::Utc>,
}

/// A wish: this person is to be known from now on.
#[derive(Debug, PartialEq, Eq, Clone, serde::Deserialize, serde::Serialize)]
pub struct RegisterPerson {
    /// The command's id. A retry carries the same one.
    pub event_id: uuid::Uuid,
    /// Who; the record key.
    pub person_id: String,
    /// When it was asked for, UTC.
    #[serde(with = "chrono::serde::ts_microseconds")]
    pub occurred_at: chrono::DateTime<chrono::Utc>,
    pub first_name: String,
    pub last_name: String,
    pub company_name: String,
}

/// The answer to one record of person-commands: there is exactly one for each.
#[derive(Debug, PartialEq, Eq, Clone, serde::Deserialize, serde::Serialize)]
pub struct PersonCommandDecided {
    /// Derived from the position of the command.
    pub event_id: uuid::Uuid,
    /// Who; the record key.
    pub person_id: String,
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
    #[serde(default = "default_personcommanddecided_rule")]
    pub rule: Option<String>,
    /// Rejected: why, for people.
    #[serde(default = "default_personcommanddecided_reason")]
    pub reason: Option<String>,
    /// Duplicate: what was decided the first time.
    #[serde(default = "default_personcommanddecided_first_decision")]
    pub first_decision: Option<String>,
}

#[inline(always)]
fn default_personcommanddecided_rule() -> Option<String> { None }

#[inline(always)]
fn default_personcommanddecided_reason() -> Option<String> { None }

#[inline(always)]
fn default_personcommanddecided_first_decision() -> Option<String> { None }

/// What is known of a person, whole. The newest one of a key counts; a record without a value erases the person.
#[derive(Debug, PartialEq, Eq, Clone, serde::Deserialize, serde::Serialize)]
pub struct PersonProfileRecorded {
    /// Identifies this event.
    pub event_id: uuid::Uuid,
    /// Who; the record key.
    pub person_id: String,
    /// When it became so, UTC.
    #[serde(with = "chrono::serde::ts_microseconds")]
    pub occurred_at: chrono::DateTime<chrono::Utc>,
    pub first_name: String,
    pub last_name: String,
    pub company_name: String,
}

/// How far a source of events has come. Written in the same Kafka transaction as the events it speaks of.
#[derive(Debug, PartialEq, Eq, Clone, serde::Deserialize, serde::Serialize)]
pub struct SourceProgressed {
    /// Identifies this event.
    pub event_id: uuid::Uuid,
    /// Which source; the record key.
    pub source_id: String,
    /// When the source came this far, UTC.
    #[serde(with = "chrono::serde::ts_microseconds")]
    pub occurred_at: chrono::DateTime<chrono::Utc>,
    /// Everything before this sequence number is on its topic; here the source resumes.
    pub next_sequence: i64,
    /// Microseconds added to the source's own times; 0 for original times.
    pub time_shift_us: i64,
}
