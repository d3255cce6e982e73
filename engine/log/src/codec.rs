//! Events <-> bytes in Confluent framing: a zero byte, the schema id as four bytes, the Avro datum.
//!
//! A record is read with the schema it was written with, straight into the struct of its type. What schema resolution
//! would have to do is kept from being needed by the rules of `schemas check`; a record whose schema did not pass them
//! is refused, because its bytes may well fit and mean another thing. Strict: every byte must be consumed and every field
//! obey its rule. A generic decoder is not used for events: it is several times slower, and
//! the one at hand accepts truncated records.

use crate::{
    events::TopicEvent,
    framing::{self, MAGIC},
    position::Position,
    registry::WriterSchema,
    rules::Violation,
    topic::MAX_RECORD_BYTES,
};
use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};
use serde_avro_fast::{
    de::{DeserializerConfig, DeserializerState, read::SliceRead},
    ser::SerializerConfig,
};
use std::io::BufRead;

const FRAME_BYTES: usize = 5;

/// An event and where it was recorded. `event` is none for a tombstone: the key was erased.
#[derive(Debug, Clone)]
pub struct Recorded<E> {
    pub topic: &'static str,
    pub partition: i32,
    pub offset: i64,
    /// Append time, milliseconds since 1970.
    pub appended_at_ms: i64,
    pub key: String,
    pub event: Option<E>,
}

impl<E> Recorded<E> {
    #[must_use]
    pub fn position(&self) -> Position {
        Position { topic: self.topic.to_owned(), partition: self.partition, offset: self.offset }
    }

    /// When it was appended to the log.
    #[must_use]
    pub fn appended_at(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(self.appended_at_ms).unwrap_or_default()
    }
}

/// Why bytes are no event.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    #[error("the record has no schema id: {found}")]
    Unframed { found: String },
    #[error("{full_name} is no event of topic {topic}: a newer writer is ahead of this reader")]
    UnknownRecord { topic: String, full_name: String },
    #[error("schema {schema_id} ({full_name}) is not what this reader reads: {difference}")]
    OtherSchema { schema_id: u32, full_name: String, difference: String },
    #[error("the value is not what schema {schema_id} ({full_name}) says: {reason}")]
    Malformed { schema_id: u32, full_name: String, reason: String },
    #[error("{count} bytes follow the end of the value")]
    TrailingBytes { count: usize },
    #[error("the value has {size} bytes, more than the {MAX_RECORD_BYTES} a record may have")]
    TooLarge { size: usize },
    #[error(transparent)]
    Rule(#[from] Violation),
    #[error("the record key {key:?} is not the event's {expected:?}")]
    WrongKey { key: String, expected: String },
    #[error("the record has no key")]
    MissingKey,
    #[error("the record key is not UTF-8")]
    KeyNotText,
}

impl DecodeError {
    /// Whether no later version of this reader could use the record either.
    #[must_use]
    pub fn is_poison(&self) -> bool {
        !matches!(self, Self::UnknownRecord { .. })
    }
}

/// An event that its own schema cannot hold: a fault of ours, never of input.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {full_name}: {reason}")]
pub struct EncodeError {
    pub full_name: &'static str,
    pub reason: String,
}

/// The schema id and the datum of a framed value.
pub fn unframe(value: &[u8]) -> Result<(u32, &[u8]), DecodeError> {
    framing::unframe(value).ok_or_else(|| match value {
        [MAGIC, ..] => DecodeError::Unframed { found: format!("it ends after {} bytes", value.len()) },
        [] => DecodeError::Unframed { found: "the value is empty".to_owned() },
        [first, ..] => DecodeError::Unframed { found: format!("it starts with byte {first}, not with 0") },
    })
}

/// Reads a value as the event its writer schema names, and checks it against the rules and against the record key.
pub fn decode<E: TopicEvent>(topic: &str, key: &str, value: &[u8], schema: &WriterSchema) -> Result<E, DecodeError> {
    if value.len() > MAX_RECORD_BYTES {
        return Err(DecodeError::TooLarge { size: value.len() });
    }
    let (_, datum) = unframe(value)?;
    let event: E = decode_datum(topic, datum, schema)?;
    event.check()?;
    if event.key() != key {
        return Err(DecodeError::WrongKey {
            key: key.chars().take(200).collect(),
            expected: event.key().chars().take(200).collect(),
        });
    }
    Ok(event)
}

/// The record key as text.
pub fn decode_key(key: Option<&[u8]>) -> Result<&str, DecodeError> {
    std::str::from_utf8(key.ok_or(DecodeError::MissingKey)?).map_err(|_| DecodeError::KeyNotText)
}

fn decode_datum<E: TopicEvent>(topic: &str, datum: &[u8], schema: &WriterSchema) -> Result<E, DecodeError> {
    let mut config = DeserializerConfig::new(&schema.schema);
    config.max_seq_size = MAX_RECORD_BYTES;
    let mut state = DeserializerState::with_config(SliceRead::new(datum), config);
    let malformed =
        |reason: String| DecodeError::Malformed { schema_id: schema.id, full_name: schema.full_name.clone(), reason };
    let event = E::deserialize(topic, &schema.full_name, state.deserializer())
        .ok_or_else(|| DecodeError::UnknownRecord { topic: topic.to_owned(), full_name: schema.full_name.clone() })?;
    let record = match &event {
        Ok(event) => Some(event.record_type()),
        Err(_) => E::record_types().into_iter().find(|one| one.topic == topic && one.full_name == schema.full_name),
    };
    if let Some(difference) = record.and_then(|record| schema.difference(record.schema)) {
        return Err(DecodeError::OtherSchema { schema_id: schema.id, full_name: schema.full_name.clone(), difference });
    }
    let event = event.map_err(|error| malformed(error.to_string()))?;
    match state.into_reader().fill_buf() {
        Ok([]) => Ok(event),
        Ok(rest) => Err(DecodeError::TrailingBytes { count: rest.len() }),
        Err(error) => Err(malformed(error.to_string())),
    }
}

/// Writes an event in frame, with the id under which its schema is registered.
pub fn encode<E: TopicEvent>(event: &E, schema: &WriterSchema) -> Result<Vec<u8>, EncodeError> {
    struct Inside<'a, E>(&'a E);
    impl<E: TopicEvent> Serialize for Inside<'_, E> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            self.0.serialize(serializer)
        }
    }
    let mut framed = Vec::with_capacity(FRAME_BYTES + 96);
    framed.push(MAGIC);
    framed.extend_from_slice(&schema.id.to_be_bytes());
    serde_avro_fast::to_datum(&Inside(event), framed, &mut SerializerConfig::new(&schema.schema))
        .map_err(|error| EncodeError { full_name: event.record_type().full_name, reason: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_out_of_frame_is_refused() {
        for (value, reason) in [
            (&b""[..], "the record has no schema id: the value is empty"),
            (b"{\"a\":1}", "the record has no schema id: it starts with byte 123, not with 0"),
            (b"\0\0\0", "the record has no schema id: it ends after 3 bytes"),
        ] {
            assert_eq!(unframe(value).unwrap_err().to_string(), reason);
        }
    }

    #[test]
    fn a_schema_id_stands_in_the_frame() {
        assert_eq!(unframe(&[0, 0, 0, 1, 2, 7]).unwrap(), (258, &[7][..]));
    }
}
