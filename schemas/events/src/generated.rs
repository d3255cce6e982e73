//! Made from `avro/` by `tests/generated.rs`. Not to be edited.

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
}

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
