//! A record as a person reads it: what `/messages` and `foldstream messages` show.
//!
//! A record that cannot be decoded keeps its place, with the reason and its bytes in base64.

use crate::{
    codec::unframe,
    fetched::FetchedRecord,
    position::Position,
    schemas::{Known, Schemas},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::{DateTime, SecondsFormat};
use serde::Serialize;
use serde_json::{Map, Value};

/// A record, decoded as far as it goes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Message {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    /// `topic:partition:offset`
    pub position: String,
    /// When the broker appended it, UTC.
    pub timestamp: String,
    /// The key: text, or base64 where it is not UTF-8 (`key_encoding` says so), or null.
    pub key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_encoding: Option<&'static str>,
    pub headers: Map<String, Value>,
    /// The decoded event; null for a tombstone and for a record that cannot be decoded.
    pub value: Value,
    pub schema: Option<MessageSchema>,
    /// Bytes of key and value.
    pub size: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<MessageError>,
    /// What became of its transaction, where that is no matter of course: `aborted` or `undecided`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transaction: Option<&'static str>,
}

/// The writer schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MessageSchema {
    pub id: u32,
    pub subject: Option<String>,
    pub version: Option<u32>,
    pub name: String,
}

/// Why the value could not be decoded, and its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MessageError {
    pub reason: String,
    pub value_base64: String,
}

/// Decodes a record for reading, by a schema that was looked up before; never fails, the reason goes into the message.
#[must_use]
pub fn describe(record: &FetchedRecord, schemas: &Schemas) -> Message {
    let (key, key_encoding) = match record.key.as_deref() {
        Some(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => (Some(text.to_owned()), None),
            Err(_) => (Some(STANDARD.encode(bytes)), Some("base64")),
        },
        None => (None, None),
    };
    let mut message = Message {
        topic: record.topic.clone(),
        partition: record.partition,
        offset: record.offset,
        position: Position { topic: record.topic.clone(), partition: record.partition, offset: record.offset }
            .to_string(),
        timestamp: DateTime::from_timestamp_millis(record.timestamp_ms)
            .map(|at| at.to_rfc3339_opts(SecondsFormat::Millis, true))
            .unwrap_or_default(),
        key,
        key_encoding,
        headers: record.headers_as_json(),
        value: Value::Null,
        schema: None,
        size: record.key.as_ref().map_or(0, Vec::len) + record.value.as_ref().map_or(0, Vec::len),
        error: None,
        transaction: None,
    };
    if let Some(bytes) = &record.value {
        match value_of(&record.topic, bytes, schemas) {
            Ok((value, schema)) => {
                message.value = value;
                message.schema = Some(schema);
            }
            Err((reason, schema)) => {
                message.schema = schema;
                message.error = Some(MessageError { reason, value_base64: STANDARD.encode(bytes) });
            }
        }
    }
    message
}

fn value_of(
    topic: &str,
    bytes: &[u8],
    schemas: &Schemas,
) -> Result<(Value, MessageSchema), (String, Option<MessageSchema>)> {
    let (id, datum) = unframe(bytes).map_err(|error| (error.to_string(), None))?;
    let known = schemas.get(id).map_err(|reason| (reason.to_string(), None))?;
    let schema = MessageSchema::new(topic, &known);
    match known.writer.to_json(datum) {
        Ok(value) => Ok((value, schema)),
        Err(reason) => Err((format!("the value is not what schema {id} says: {reason}"), Some(schema))),
    }
}

impl MessageSchema {
    /// Of all subjects an id may be registered under, the one of this topic.
    fn new(topic: &str, known: &Known) -> Self {
        let (writer, registered) = (&known.writer, &known.registered);
        let ours = format!("{topic}-{}", writer.full_name);
        let place = registered.iter().find(|place| place.subject == ours).or_else(|| registered.first());
        let (subject, version) = place.map(|place| (place.subject.clone(), place.version)).unzip();
        Self { id: writer.id, subject, version, name: writer.full_name.clone() }
    }
}
