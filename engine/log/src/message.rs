//! A record as a person reads it: what `/messages` and `foldstream messages` show.
//!
//! Exact: what stands here can be asked for as it stands here, and where there is nothing it is null. A record that cannot
//! be decoded keeps its place, with the reason and its bytes in base64.

use crate::{
    content::{self, Content, Form, Opaque},
    encoding::{Encoding, ReadAs},
    fetched::FetchedRecord,
    framing::{Framing, Part, SchemaId},
    plain::text,
    registry::{AnySchema, Registered},
    schemas::{Known, SchemaOf, Schemas},
    showing::Showing,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::{DateTime, Datelike, SecondsFormat};
use serde::Serialize;
use serde_json::{Value, json};
use std::borrow::Cow;
use uuid::Uuid;

/// A record, decoded as far as it goes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Message {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    /// `topic:partition:offset`
    pub position: String,
    /// When it was appended, or on a topic of producers' times when it was made, UTC. Null where it has no time, and where
    /// the time is of no year with four digits: `timestamp_ms` has that.
    pub timestamp: Option<String>,
    /// The same in milliseconds since 1970.
    pub timestamp_ms: Option<i64>,
    /// As `key_encoding` says; null where there is none.
    pub key: Value,
    pub key_encoding: Option<Encoding>,
    /// Why the key could not be read as it was asked to be; it is shown in base64 then. Or why it is not shown at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_schema: Option<MessageSchema>,
    /// In their order; names may repeat.
    pub headers: Vec<MessageHeader>,
    /// As `value_encoding` says; null for a tombstone and for a record that cannot be decoded.
    pub value: Value,
    /// Null for a tombstone, and where the value was left out.
    pub value_encoding: Option<Encoding>,
    /// What is shown of the value is not all of it, because less was asked for.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub value_cut: bool,
    /// Some of the value is personal and not told: fields are `{"masked": "personal"}`, and what cannot be decoded has no
    /// bytes.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub value_masked: bool,
    pub schema: Option<MessageSchema>,
    /// Bytes of key and value.
    pub size: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<MessageError>,
    /// What became of its transaction, where that is no matter of course: `aborted` or `undecided`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transaction: Option<&'static str>,
}

/// A header: its value is text, or base64 under `{"base64": …}`, or null.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MessageHeader {
    pub name: String,
    pub value: Value,
}

/// The writer schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MessageSchema {
    /// Null where the record names it by its GUID.
    pub id: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guid: Option<Uuid>,
    /// `AVRO`, `JSON` or `PROTOBUF`.
    pub r#type: &'static str,
    /// Of all it is registered under the one of this topic or this record, or the only one.
    pub subject: Option<String>,
    pub version: Option<u32>,
    /// Of an Avro record.
    pub name: Option<String>,
}

/// Why the value could not be decoded, and its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MessageError {
    pub reason: String,
    /// Null where some of it is personal, or where nobody can tell because its schema is away.
    pub value_base64: Option<String>,
}

/// Decodes a record for reading, by schemas that were looked up before, as far as it is to be shown; never fails, the reason
/// goes into the message.
#[must_use]
pub fn describe(record: &FetchedRecord, schemas: &Schemas, showing: &Showing) -> Message {
    described(record, (&|id| schemas.get(id), schemas.masks()), showing)
}

fn described<'s>(record: &FetchedRecord, (schema_of, masks): (&SchemaOf<'s>, bool), showing: &Showing) -> Message {
    let part = |part, bytes: Option<&Vec<u8>>| {
        bytes.map(|bytes| Shown::new((part, bytes.as_slice()), record, (schema_of, masks), showing))
    };
    let key = part(Part::Key, record.key.as_ref());
    let value = part(Part::Value, record.value.as_ref().filter(|_| !showing.is_nothing()));
    // Kafka writes -1 for no time at all.
    let at = Some(record.timestamp_ms).filter(|at| *at >= 0);
    let mut message = Message {
        topic: record.topic.clone(),
        partition: record.partition,
        offset: record.offset,
        position: record.position().to_string(),
        timestamp: at
            .and_then(DateTime::from_timestamp_millis)
            .filter(|at| at.year() <= 9999)
            .map(|at| at.to_rfc3339_opts(SecondsFormat::Millis, true)),
        timestamp_ms: at,
        key: Value::Null,
        key_encoding: None,
        key_error: None,
        key_schema: None,
        headers: record
            .headers
            .iter()
            .map(|(name, value)| MessageHeader { name: name.clone(), value: shown_header(value.as_deref()) })
            .collect(),
        value: Value::Null,
        value_encoding: None,
        value_cut: false,
        value_masked: false,
        schema: None,
        size: record.key.as_ref().map_or(0, Vec::len) + record.value.as_ref().map_or(0, Vec::len),
        error: None,
        transaction: None,
    };
    if let (Some(key), Some(bytes)) = (key, &record.key) {
        // Where nobody said how, bytes are no error.
        let is_told = showing.reading().key != ReadAs::Auto || key.is_masked;
        message.key_error = key.value.as_ref().err().filter(|_| is_told).cloned();
        let in_base64 = || if key.is_masked { Value::Null } else { STANDARD.encode(bytes).into() };
        message.key = key.value.unwrap_or_else(|_| in_base64());
        (message.key_encoding, message.key_schema) = (Some(key.encoding), key.schema);
    }
    if let (Some(value), Some(bytes)) = (value, &record.value) {
        (message.value_encoding, message.schema) = (Some(value.encoding), value.schema);
        message.value_masked = value.is_masked;
        match value.value {
            Ok(value) => (message.value, message.value_cut) = showing.shown(value),
            Err(reason) => {
                let shown = (!value.is_masked).then(|| showing.shown_bytes(STANDARD.encode(bytes)));
                let (value_base64, is_cut) = shown.unzip();
                message.error = Some(MessageError { reason, value_base64 });
                message.value_cut = is_cut.unwrap_or_default();
            }
        }
    } else if let Some(bytes) = &record.value {
        message.value_cut = true;
        // Which schema it names, its frame tells.
        if let Framing::Of { schema, .. } = Framing::of(Part::Value, bytes, record.headers()) {
            let known = schema_of(schema).ok();
            message.schema = known.map(|known| MessageSchema::new(Part::Value, &record.topic, known));
        }
    }
    message
}

/// A key that names no schema as it is shown.
#[must_use]
pub fn shown_key(key: &[u8]) -> (String, Encoding) {
    match text(key) {
        Some(text) => (text.to_owned(), Encoding::Text),
        None => (STANDARD.encode(key), Encoding::Base64),
    }
}

/// The keys that are shown so.
#[must_use]
pub fn keys_shown_as(shown: &str) -> Vec<Vec<u8>> {
    let of_base64 = STANDARD.decode(shown).ok();
    [Some(shown.as_bytes().to_vec()), of_base64].into_iter().flatten().filter(|key| shown_key(key).0 == shown).collect()
}

/// A header's value as it is shown.
fn shown_header(value: Option<&[u8]>) -> Value {
    match value.map(|bytes| text(bytes).ok_or(bytes)) {
        None => Value::Null,
        Some(Ok(text)) => text.into(),
        Some(Err(bytes)) => json!({"base64": STANDARD.encode(bytes)}),
    }
}

/// Text as it is, anything else as JSON: what a shown key is asked for by.
#[must_use]
pub fn as_text(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(text) => Cow::Borrowed(text),
        other => Cow::Owned(other.to_string()),
    }
}

/// A key or a value as it is shown.
struct Shown {
    encoding: Encoding,
    schema: Option<MessageSchema>,
    /// An error is the reason why there is none.
    value: Result<Value, String>,
    is_masked: bool,
}

impl Shown {
    fn new<'s>(
        (part, bytes): (Part, &[u8]),
        record: &FetchedRecord,
        (schema_of, masks): (&SchemaOf<'s>, bool),
        showing: &Showing,
    ) -> Self {
        let read_as = showing.reading().of(part);
        let content = Content::read(read_as, (part, bytes), record.headers(), schema_of);
        if part == Part::Value {
            showing.note(&content.form);
        }
        let schema = content.known.map(|known| MessageSchema::new(part, &record.topic, known));
        // Of bytes whose schema is away nobody can tell what they are.
        let is_away = matches!(&content.form, Form::Opaque(Opaque::NoSchema(reason)) if reason.is_retriable());
        let content::Shown { encoding, value, is_masked } = content.form.shown(bytes);
        let not_as_said = |reason| match content.known {
            Some(known) if encoding == Encoding::Avro => {
                format!("the value is not what schema {} says: {reason}", known.id)
            }
            _ => reason,
        };
        let value = value.map_err(not_as_said);
        Self {
            encoding: if value.is_ok() { encoding } else { Encoding::Base64 },
            schema,
            value,
            is_masked: is_masked || masks && is_away,
        }
    }
}

impl MessageSchema {
    fn new(part: Part, topic: &str, known: &Known) -> Self {
        let name = match &known.schema {
            AnySchema::Avro(writer) => Some(writer.full_name.clone()).filter(|name| !name.is_empty()),
            AnySchema::Json | AnySchema::Protobuf => None,
        };
        let place = place(part, topic, name.as_deref(), &known.registered);
        let (subject, version) = place.map(|place| (place.subject.clone(), place.version)).unzip();
        let (id, guid) = match known.id {
            SchemaId::Number(id) => (Some(id), None),
            SchemaId::Guid(guid) => (None, Some(guid)),
        };
        Self { id, guid, r#type: known.schema.kind(), subject, version, name }
    }
}

/// Of all places a schema is registered at the one by which a writer to this topic finds it, in any of the three ways to
/// name subjects; or the only one. Of several others nobody can tell which was meant.
fn place<'a>(part: Part, topic: &str, name: Option<&str>, registered: &'a [Registered]) -> Option<&'a Registered> {
    let suffix = match part {
        Part::Key => "key",
        Part::Value => "value",
    };
    let by_record = name.into_iter().flat_map(|name| [format!("{topic}-{name}"), name.to_owned()]);
    let mut ways: Vec<String> = by_record.collect();
    ways.insert(ways.len().min(1), format!("{topic}-{suffix}"));
    let found = ways.iter().find_map(|subject| registered.iter().rfind(|place| place.subject == *subject));
    found.or_else(|| registered.first().filter(|_| registered.len() == 1))
}

#[cfg(test)]
mod tests;
