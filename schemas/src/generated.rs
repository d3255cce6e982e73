//! Made from `avro/` and `catalogue.toml` by `make generate`. Not to be edited.

use foldstream_log::{
    Catalogue, Characters, Checked, Cleanup, FieldRule, Limits, Rule, Topic, Violation, Writers, generated as engine,
    topic_events,
};

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

/// What people-processor knows of a person: the fold of what it has written. Its own; nobody else reads it.
#[derive(Debug, PartialEq, Eq, Clone, serde::Deserialize, serde::Serialize)]
pub struct PersonState {
    /// The last event folded into it.
    pub event_id: uuid::Uuid,
    /// Stands for who: a hash of the id; the record key.
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
    /// The commands that are remembered and what was decided, oldest first.
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

/// The rules that fields name.
pub mod rules {
    use super::{Characters, Limits, Rule};

    pub static ACCURACY: Rule = Rule {
        name: "accuracy",
        says: "an accuracy is a number of metres, 0 or greater",
        limits: Limits::Number { minimum: 0.0, maximum: None },
    };

    pub static LATITUDE: Rule = Rule {
        name: "latitude",
        says: "a latitude is a number of degrees from -90 to 90",
        limits: Limits::Number { minimum: -90.0, maximum: Some(90.0) },
    };

    pub static LONGITUDE: Rule = Rule {
        name: "longitude",
        says: "a longitude is a number of degrees from -180 to 180",
        limits: Limits::Number { minimum: -180.0, maximum: Some(180.0) },
    };

    pub static NAME: Rule = Rule {
        name: "name",
        says: "a name has 1 to 200 characters, not only blanks, none of them a control character",
        limits: Limits::Text { min_chars: 1, max_chars: 200, characters: Characters::Printable },
    };

    pub static SEQUENCE: Rule = Rule {
        name: "sequence",
        says: "a sequence number is 0 or greater",
        limits: Limits::Number { minimum: 0.0, maximum: None },
    };
}

impl Checked for LocationReported {
    fn check(&self) -> Result<(), Violation> {
        engine::rules::ID.text("person_id", &self.person_id)?;
        engine::rules::TIME.time("occurred_at", self.occurred_at)?;
        rules::LATITUDE.number("latitude", self.latitude)?;
        rules::LONGITUDE.number("longitude", self.longitude)?;
        if let Some(value) = self.accuracy_m {
            rules::ACCURACY.number("accuracy_m", value)?;
        }
        Ok(())
    }
}

pub const LOCATION_REPORTED_RULES: &[FieldRule] = &[
    FieldRule { field: "person_id", rule: &engine::rules::ID },
    FieldRule { field: "occurred_at", rule: &engine::rules::TIME },
    FieldRule { field: "latitude", rule: &rules::LATITUDE },
    FieldRule { field: "longitude", rule: &rules::LONGITUDE },
    FieldRule { field: "accuracy_m", rule: &rules::ACCURACY },
];

/// The schema of [`LocationReported`] as it is registered: `avro/locations/LocationReported.avsc` without the rules and marks of its fields.
pub const LOCATION_REPORTED_SCHEMA: &str = r##"{
  "type": "record",
  "name": "LocationReported",
  "namespace": "foldstream.locations",
  "doc": "A person was at a place.",
  "fields": [
    {"name": "event_id", "type": {"type": "string", "logicalType": "uuid"}, "doc": "Identifies this event; a resend carries the same one. Time-ordered ids (UUID version 7 or 8) keep the index small."},
    {"name": "person_id", "type": "string", "doc": "Who; the record key."},
    {"name": "occurred_at", "type": {"type": "long", "logicalType": "timestamp-micros"}, "doc": "When the person was there, UTC."},
    {"name": "latitude", "type": "double", "doc": "WGS84 degrees, -90 to 90."},
    {"name": "longitude", "type": "double", "doc": "WGS84 degrees, -180 to 180."},
    {"name": "accuracy_m", "type": ["null", "double"], "default": null, "doc": "Radius of 68 % confidence in metres, where the source knows it."}
  ]
}
"##;

impl Checked for PersonChanged {
    fn check(&self) -> Result<(), Violation> {
        engine::rules::ID.text("person_id", &self.person_id)?;
        engine::rules::TIME.time("occurred_at", self.occurred_at)?;
        Ok(())
    }
}

pub const PERSON_CHANGED_RULES: &[FieldRule] = &[
    FieldRule { field: "person_id", rule: &engine::rules::ID },
    FieldRule { field: "occurred_at", rule: &engine::rules::TIME },
];

/// The schema of [`PersonChanged`] as it is registered: `avro/people/PersonChanged.avsc` without the rules and marks of its fields.
pub const PERSON_CHANGED_SCHEMA: &str = r##"{
  "type": "record",
  "name": "PersonChanged",
  "namespace": "foldstream.people",
  "doc": "A person's profile changed. The profile stands on person-profiles.",
  "fields": [
    {"name": "event_id", "type": {"type": "string", "logicalType": "uuid"}, "doc": "Identifies this event."},
    {"name": "person_id", "type": "string", "doc": "Who; the record key."},
    {"name": "occurred_at", "type": {"type": "long", "logicalType": "timestamp-micros"}, "doc": "When it became so, UTC."},
    {"name": "changed", "type": {"type": "array", "items": "string"}, "doc": "Names of the fields that changed."}
  ]
}
"##;

impl Checked for PersonErased {
    fn check(&self) -> Result<(), Violation> {
        engine::rules::ID.text("person_id", &self.person_id)?;
        engine::rules::TIME.time("occurred_at", self.occurred_at)?;
        Ok(())
    }
}

pub const PERSON_ERASED_RULES: &[FieldRule] = &[
    FieldRule { field: "person_id", rule: &engine::rules::ID },
    FieldRule { field: "occurred_at", rule: &engine::rules::TIME },
];

/// The schema of [`PersonErased`] as it is registered: `avro/people/PersonErased.avsc` without the rules and marks of its fields.
pub const PERSON_ERASED_SCHEMA: &str = r##"{
  "type": "record",
  "name": "PersonErased",
  "namespace": "foldstream.people",
  "doc": "A person was erased: whoever keeps rows of this person removes them. The id is never used again.",
  "fields": [
    {"name": "event_id", "type": {"type": "string", "logicalType": "uuid"}, "doc": "Identifies this event."},
    {"name": "person_id", "type": "string", "doc": "Who; the record key."},
    {"name": "occurred_at", "type": {"type": "long", "logicalType": "timestamp-micros"}, "doc": "When it became so, UTC."}
  ]
}
"##;

impl Checked for PersonRegistered {
    fn check(&self) -> Result<(), Violation> {
        engine::rules::ID.text("person_id", &self.person_id)?;
        engine::rules::TIME.time("occurred_at", self.occurred_at)?;
        Ok(())
    }
}

pub const PERSON_REGISTERED_RULES: &[FieldRule] = &[
    FieldRule { field: "person_id", rule: &engine::rules::ID },
    FieldRule { field: "occurred_at", rule: &engine::rules::TIME },
];

/// The schema of [`PersonRegistered`] as it is registered: `avro/people/PersonRegistered.avsc` without the rules and marks of its fields.
pub const PERSON_REGISTERED_SCHEMA: &str = r##"{
  "type": "record",
  "name": "PersonRegistered",
  "namespace": "foldstream.people",
  "doc": "A person became known. The profile stands on person-profiles.",
  "fields": [
    {"name": "event_id", "type": {"type": "string", "logicalType": "uuid"}, "doc": "Identifies this event."},
    {"name": "person_id", "type": "string", "doc": "Who; the record key."},
    {"name": "occurred_at", "type": {"type": "long", "logicalType": "timestamp-micros"}, "doc": "When it became so, UTC."}
  ]
}
"##;

impl Checked for PersonState {
    fn check(&self) -> Result<(), Violation> {
        engine::rules::ID.text("person_id", &self.person_id)?;
        engine::rules::TIME.time("occurred_at", self.occurred_at)?;
        Ok(())
    }
}

pub const PERSON_STATE_RULES: &[FieldRule] = &[
    FieldRule { field: "person_id", rule: &engine::rules::ID },
    FieldRule { field: "occurred_at", rule: &engine::rules::TIME },
];

/// The schema of [`PersonState`] as it is registered: `avro/people-processor-state/PersonState.avsc` without the rules and marks of its fields.
pub const PERSON_STATE_SCHEMA: &str = r##"{
  "type": "record",
  "name": "PersonState",
  "namespace": "foldstream.people",
  "doc": "What people-processor knows of a person: the fold of what it has written. Its own; nobody else reads it.",
  "fields": [
    {"name": "event_id", "type": {"type": "string", "logicalType": "uuid"}, "doc": "The last event folded into it."},
    {"name": "person_id", "type": "string", "doc": "Stands for who: a hash of the id; the record key."},
    {"name": "occurred_at", "type": {"type": "long", "logicalType": "timestamp-micros"}, "doc": "When it became so, UTC."},
    {"name": "status", "type": "string", "doc": "unknown, registered or erased."},
    {"name": "first_name", "type": "string", "doc": "Empty unless registered."},
    {"name": "last_name", "type": "string"},
    {"name": "company_name", "type": "string"},
    {"name": "answered", "type": {"type": "array", "items": {"type": "record", "name": "AnsweredCommand", "fields": [{"name": "command_id", "type": {"type": "string", "logicalType": "uuid"}}, {"name": "content_hash", "type": {"type": "string", "logicalType": "uuid"}}, {"name": "decision", "type": "string"}, {"name": "rule", "type": ["null", "string"], "default": null}, {"name": "reason", "type": ["null", "string"], "default": null}, {"name": "appended_at", "type": ["null", {"type": "long", "logicalType": "timestamp-micros"}], "default": null}]}}, "doc": "The commands that are remembered and what was decided, oldest first."}
  ]
}
"##;

impl Checked for ChangePerson {
    fn check(&self) -> Result<(), Violation> {
        engine::rules::ID.text("person_id", &self.person_id)?;
        engine::rules::TIME.time("occurred_at", self.occurred_at)?;
        if let Some(value) = &self.first_name {
            rules::NAME.text("first_name", value)?;
        }
        if let Some(value) = &self.last_name {
            rules::NAME.text("last_name", value)?;
        }
        if let Some(value) = &self.company_name {
            rules::NAME.text("company_name", value)?;
        }
        Ok(())
    }
}

pub const CHANGE_PERSON_RULES: &[FieldRule] = &[
    FieldRule { field: "person_id", rule: &engine::rules::ID },
    FieldRule { field: "occurred_at", rule: &engine::rules::TIME },
    FieldRule { field: "first_name", rule: &rules::NAME },
    FieldRule { field: "last_name", rule: &rules::NAME },
    FieldRule { field: "company_name", rule: &rules::NAME },
];

/// The schema of [`ChangePerson`] as it is registered: `avro/person-commands/ChangePerson.avsc` without the rules and marks of its fields.
pub const CHANGE_PERSON_SCHEMA: &str = r##"{
  "type": "record",
  "name": "ChangePerson",
  "namespace": "foldstream.people",
  "doc": "A wish: what is given replaces what was known; what is null stays.",
  "fields": [
    {"name": "event_id", "type": {"type": "string", "logicalType": "uuid"}, "doc": "The command's id. A retry carries the same one."},
    {"name": "person_id", "type": "string", "doc": "Who; the record key."},
    {"name": "occurred_at", "type": {"type": "long", "logicalType": "timestamp-micros"}, "doc": "When it was asked for, UTC."},
    {"name": "first_name", "type": ["null", "string"], "default": null},
    {"name": "last_name", "type": ["null", "string"], "default": null},
    {"name": "company_name", "type": ["null", "string"], "default": null}
  ]
}
"##;

impl Checked for ErasePerson {
    fn check(&self) -> Result<(), Violation> {
        engine::rules::ID.text("person_id", &self.person_id)?;
        engine::rules::TIME.time("occurred_at", self.occurred_at)?;
        Ok(())
    }
}

pub const ERASE_PERSON_RULES: &[FieldRule] = &[
    FieldRule { field: "person_id", rule: &engine::rules::ID },
    FieldRule { field: "occurred_at", rule: &engine::rules::TIME },
];

/// The schema of [`ErasePerson`] as it is registered: `avro/person-commands/ErasePerson.avsc` without the rules and marks of its fields.
pub const ERASE_PERSON_SCHEMA: &str = r##"{
  "type": "record",
  "name": "ErasePerson",
  "namespace": "foldstream.people",
  "doc": "A wish: nothing is to be known of this person any more.",
  "fields": [
    {"name": "event_id", "type": {"type": "string", "logicalType": "uuid"}, "doc": "The command's id. A retry carries the same one."},
    {"name": "person_id", "type": "string", "doc": "Who; the record key."},
    {"name": "occurred_at", "type": {"type": "long", "logicalType": "timestamp-micros"}, "doc": "When it was asked for, UTC."}
  ]
}
"##;

impl Checked for RegisterPerson {
    fn check(&self) -> Result<(), Violation> {
        engine::rules::ID.text("person_id", &self.person_id)?;
        engine::rules::TIME.time("occurred_at", self.occurred_at)?;
        rules::NAME.text("first_name", &self.first_name)?;
        rules::NAME.text("last_name", &self.last_name)?;
        rules::NAME.text("company_name", &self.company_name)?;
        Ok(())
    }
}

pub const REGISTER_PERSON_RULES: &[FieldRule] = &[
    FieldRule { field: "person_id", rule: &engine::rules::ID },
    FieldRule { field: "occurred_at", rule: &engine::rules::TIME },
    FieldRule { field: "first_name", rule: &rules::NAME },
    FieldRule { field: "last_name", rule: &rules::NAME },
    FieldRule { field: "company_name", rule: &rules::NAME },
];

/// The schema of [`RegisterPerson`] as it is registered: `avro/person-commands/RegisterPerson.avsc` without the rules and marks of its fields.
pub const REGISTER_PERSON_SCHEMA: &str = r##"{
  "type": "record",
  "name": "RegisterPerson",
  "namespace": "foldstream.people",
  "doc": "A wish: this person is to be known from now on.",
  "fields": [
    {"name": "event_id", "type": {"type": "string", "logicalType": "uuid"}, "doc": "The command's id. A retry carries the same one."},
    {"name": "person_id", "type": "string", "doc": "Who; the record key."},
    {"name": "occurred_at", "type": {"type": "long", "logicalType": "timestamp-micros"}, "doc": "When it was asked for, UTC."},
    {"name": "first_name", "type": "string"},
    {"name": "last_name", "type": "string"},
    {"name": "company_name", "type": "string"}
  ]
}
"##;

impl Checked for PersonCommandDecided {
    fn check(&self) -> Result<(), Violation> {
        engine::rules::ID.text("person_id", &self.person_id)?;
        engine::rules::TIME.time("occurred_at", self.occurred_at)?;
        Ok(())
    }
}

pub const PERSON_COMMAND_DECIDED_RULES: &[FieldRule] = &[
    FieldRule { field: "person_id", rule: &engine::rules::ID },
    FieldRule { field: "occurred_at", rule: &engine::rules::TIME },
];

/// The schema of [`PersonCommandDecided`] as it is registered: `avro/person-outcomes/PersonCommandDecided.avsc` without the rules and marks of its fields.
pub const PERSON_COMMAND_DECIDED_SCHEMA: &str = r##"{
  "type": "record",
  "name": "PersonCommandDecided",
  "namespace": "foldstream.people",
  "doc": "The answer to one record of person-commands: there is exactly one for each.",
  "fields": [
    {"name": "event_id", "type": {"type": "string", "logicalType": "uuid"}, "doc": "Derived from the position of the command."},
    {"name": "person_id", "type": "string", "doc": "Who; the record key."},
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

impl Checked for PersonProfileRecorded {
    fn check(&self) -> Result<(), Violation> {
        engine::rules::ID.text("person_id", &self.person_id)?;
        engine::rules::TIME.time("occurred_at", self.occurred_at)?;
        rules::NAME.text("first_name", &self.first_name)?;
        rules::NAME.text("last_name", &self.last_name)?;
        rules::NAME.text("company_name", &self.company_name)?;
        Ok(())
    }
}

pub const PERSON_PROFILE_RECORDED_RULES: &[FieldRule] = &[
    FieldRule { field: "person_id", rule: &engine::rules::ID },
    FieldRule { field: "occurred_at", rule: &engine::rules::TIME },
    FieldRule { field: "first_name", rule: &rules::NAME },
    FieldRule { field: "last_name", rule: &rules::NAME },
    FieldRule { field: "company_name", rule: &rules::NAME },
];

/// The schema of [`PersonProfileRecorded`] as it is registered: `avro/person-profiles/PersonProfileRecorded.avsc` without the rules and marks of its fields.
pub const PERSON_PROFILE_RECORDED_SCHEMA: &str = r##"{
  "type": "record",
  "name": "PersonProfileRecorded",
  "namespace": "foldstream.people",
  "doc": "What is known of a person, whole. The newest one of a key counts; a record without a value erases the person.",
  "fields": [
    {"name": "event_id", "type": {"type": "string", "logicalType": "uuid"}, "doc": "Identifies this event."},
    {"name": "person_id", "type": "string", "doc": "Who; the record key."},
    {"name": "occurred_at", "type": {"type": "long", "logicalType": "timestamp-micros"}, "doc": "When it became so, UTC."},
    {"name": "first_name", "type": "string"},
    {"name": "last_name", "type": "string"},
    {"name": "company_name", "type": "string"}
  ]
}
"##;

impl Checked for SourceProgressed {
    fn check(&self) -> Result<(), Violation> {
        engine::rules::ID.text("source_id", &self.source_id)?;
        rules::SEQUENCE.whole("next_sequence", self.next_sequence)?;
        Ok(())
    }
}

pub const SOURCE_PROGRESSED_RULES: &[FieldRule] = &[
    FieldRule { field: "source_id", rule: &engine::rules::ID },
    FieldRule { field: "next_sequence", rule: &rules::SEQUENCE },
];

/// The schema of [`SourceProgressed`] as it is registered: `avro/source-progress/SourceProgressed.avsc` without the rules and marks of its fields.
pub const SOURCE_PROGRESSED_SCHEMA: &str = r##"{
  "type": "record",
  "name": "SourceProgressed",
  "namespace": "foldstream.sources",
  "doc": "How far a source of events has come. Written in the same Kafka transaction as the events it speaks of.",
  "fields": [
    {"name": "event_id", "type": {"type": "string", "logicalType": "uuid"}, "doc": "Identifies this event."},
    {"name": "source_id", "type": "string", "doc": "Which source; the record key."},
    {"name": "occurred_at", "type": {"type": "long", "logicalType": "timestamp-micros"}, "doc": "When the source came this far, UTC."},
    {"name": "next_sequence", "type": "long", "doc": "Everything before this sequence number is on its topic; here the source resumes."},
    {"name": "time_shift_us", "type": "long", "doc": "Microseconds added to the source's own times; 0 for original times."}
  ]
}
"##;

pub static PERSON_COMMANDS: Topic = Topic {
    name: "person-commands",
    key: "person_id",
    partitions: 6,
    cleanup: Cleanup::Expire { after_ms: 604800000 },
    max_record_bytes: 1048576,
    writers: Writers::Services(&["api", "replay"]),
};

topic_events! {
    /// What `person-commands` carries.
    PersonCommandsEvent on PERSON_COMMANDS {
        ChangePerson keyed by person_id: "foldstream.people.ChangePerson", CHANGE_PERSON_SCHEMA, CHANGE_PERSON_RULES;
        ErasePerson keyed by person_id: "foldstream.people.ErasePerson", ERASE_PERSON_SCHEMA, ERASE_PERSON_RULES;
        RegisterPerson keyed by person_id: "foldstream.people.RegisterPerson", REGISTER_PERSON_SCHEMA, REGISTER_PERSON_RULES;
    }
}

pub static PERSON_OUTCOMES: Topic = Topic {
    name: "person-outcomes",
    key: "person_id",
    partitions: 6,
    cleanup: Cleanup::Expire { after_ms: 604800000 },
    max_record_bytes: 1048576,
    writers: Writers::Services(&["people-processor"]),
};

topic_events! {
    /// What `person-outcomes` carries.
    PersonOutcomesEvent on PERSON_OUTCOMES {
        PersonCommandDecided keyed by person_id: "foldstream.people.PersonCommandDecided", PERSON_COMMAND_DECIDED_SCHEMA, PERSON_COMMAND_DECIDED_RULES;
    }
}

pub static PEOPLE: Topic = Topic {
    name: "people",
    key: "person_id",
    partitions: 6,
    cleanup: Cleanup::KeepAll,
    max_record_bytes: 1048576,
    writers: Writers::Services(&["people-processor"]),
};

topic_events! {
    /// What `people` carries.
    PeopleEvent on PEOPLE {
        PersonChanged keyed by person_id: "foldstream.people.PersonChanged", PERSON_CHANGED_SCHEMA, PERSON_CHANGED_RULES;
        PersonErased keyed by person_id: "foldstream.people.PersonErased", PERSON_ERASED_SCHEMA, PERSON_ERASED_RULES;
        PersonRegistered keyed by person_id: "foldstream.people.PersonRegistered", PERSON_REGISTERED_SCHEMA, PERSON_REGISTERED_RULES;
    }
}

pub static PERSON_PROFILES: Topic = Topic {
    name: "person-profiles",
    key: "person_id",
    partitions: 6,
    cleanup: Cleanup::Compact { max_lag_ms: 86400000 },
    max_record_bytes: 1048576,
    writers: Writers::Services(&["people-processor"]),
};

topic_events! {
    /// What `person-profiles` carries.
    PersonProfilesEvent on PERSON_PROFILES {
        PersonProfileRecorded keyed by person_id: "foldstream.people.PersonProfileRecorded", PERSON_PROFILE_RECORDED_SCHEMA, PERSON_PROFILE_RECORDED_RULES;
    }
}

pub static PEOPLE_PROCESSOR_STATE: Topic = Topic {
    name: "people-processor-state",
    key: "person_id",
    partitions: 6,
    cleanup: Cleanup::Compact { max_lag_ms: 86400000 },
    max_record_bytes: 1048576,
    writers: Writers::Services(&["people-processor"]),
};

topic_events! {
    /// What `people-processor-state` carries.
    PeopleProcessorStateEvent on PEOPLE_PROCESSOR_STATE {
        PersonState keyed by person_id: "foldstream.people.PersonState", PERSON_STATE_SCHEMA, PERSON_STATE_RULES;
    }
}

pub static LOCATIONS: Topic = Topic {
    name: "locations",
    key: "person_id",
    partitions: 6,
    cleanup: Cleanup::KeepAll,
    max_record_bytes: 1048576,
    writers: Writers::Services(&["api", "replay"]),
};

topic_events! {
    /// What `locations` carries.
    LocationsEvent on LOCATIONS {
        LocationReported keyed by person_id: "foldstream.locations.LocationReported", LOCATION_REPORTED_SCHEMA, LOCATION_REPORTED_RULES;
    }
}

pub static SOURCE_PROGRESS: Topic = Topic {
    name: "source-progress",
    key: "source_id",
    partitions: 6,
    cleanup: Cleanup::Compact { max_lag_ms: 86400000 },
    max_record_bytes: 1048576,
    writers: Writers::Services(&["replay"]),
};

topic_events! {
    /// What `source-progress` carries.
    SourceProgressEvent on SOURCE_PROGRESS {
        SourceProgressed keyed by source_id: "foldstream.sources.SourceProgressed", SOURCE_PROGRESSED_SCHEMA, SOURCE_PROGRESSED_RULES;
    }
}

/// Every topic there is, and every record type they carry.
pub const CATALOGUE: Catalogue = Catalogue {
    topics: &[
        &PERSON_COMMANDS,
        &PERSON_OUTCOMES,
        &PEOPLE,
        &PERSON_PROFILES,
        &PEOPLE_PROCESSOR_STATE,
        &LOCATIONS,
        &SOURCE_PROGRESS,
        &engine::DEAD_LETTERS,
    ],
    records: &[
        PersonCommandsEvent::RECORD_TYPES,
        PersonOutcomesEvent::RECORD_TYPES,
        PeopleEvent::RECORD_TYPES,
        PersonProfilesEvent::RECORD_TYPES,
        PeopleProcessorStateEvent::RECORD_TYPES,
        LocationsEvent::RECORD_TYPES,
        SourceProgressEvent::RECORD_TYPES,
        engine::DeadLettersEvent::RECORD_TYPES,
    ],
    personal: &[
        ("foldstream.people.PersonState", "first_name"),
        ("foldstream.people.PersonState", "last_name"),
        ("foldstream.people.PersonState", "company_name"),
        ("foldstream.people.ChangePerson", "first_name"),
        ("foldstream.people.ChangePerson", "last_name"),
        ("foldstream.people.ChangePerson", "company_name"),
        ("foldstream.people.RegisterPerson", "first_name"),
        ("foldstream.people.RegisterPerson", "last_name"),
        ("foldstream.people.RegisterPerson", "company_name"),
        ("foldstream.people.PersonProfileRecorded", "first_name"),
        ("foldstream.people.PersonProfileRecorded", "last_name"),
        ("foldstream.people.PersonProfileRecorded", "company_name"),
        ("foldstream.dead_letters.RecordRefused", "value"),
        ("foldstream.engine.StateKept", "state"),
    ],
};
