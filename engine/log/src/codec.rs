//! Events <-> bytes in Confluent framing: a zero byte, the schema id as four bytes, the Avro datum.
//!
//! A record is read with the schema it was written with, straight into the struct of its type; what schema
//! resolution would have to do is kept from being needed by the rules of `schemas check`. Strict: every byte must be
//! consumed and every field obey its rule. A generic decoder is not used for events: it is several times slower, and
//! the one at hand accepts truncated records.

use crate::registry::WriterSchema;
use crate::{MAX_RECORD_BYTES, Position, TopicEvent, Violation};
use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};
use serde_avro_fast::{
    de::{DeserializerConfig, DeserializerState, read::SliceRead},
    ser::SerializerConfig,
};
use std::io::BufRead;

const MAGIC: u8 = 0;
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
    match value {
        [MAGIC, a, b, c, d, datum @ ..] => Ok((u32::from_be_bytes([*a, *b, *c, *d]), datum)),
        [MAGIC, ..] => Err(DecodeError::Unframed { found: format!("it ends after {} bytes", value.len()) }),
        [] => Err(DecodeError::Unframed { found: "the value is empty".to_owned() }),
        [first, ..] => Err(DecodeError::Unframed { found: format!("it starts with byte {first}, not with 0") }),
    }
}

/// The schema id of a framed value.
#[must_use]
pub fn schema_id(value: &[u8]) -> Option<u32> {
    unframe(value).ok().map(|(id, _)| id)
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
        .ok_or_else(|| DecodeError::UnknownRecord { topic: topic.to_owned(), full_name: schema.full_name.clone() })?
        .map_err(|error| malformed(error.to_string()))?;
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
    //! Every golden record: read, written again to the same bytes, refused at every truncation and with trailing
    //! bytes, and equal to what the reference implementation's resolved value says.

    use super::*;
    use crate::RecordType;
    use apache_avro::{Schema, reader::datum::GenericDatumReader};
    use foldstream_events::{LocationsEvent, PersonProfilesEvent, record_types};
    use proptest::prelude::*;
    use std::{fs, path::PathBuf};

    crate::events_of! {
        /// Every event there is.
        enum AnyEvent {
            PersonCommands(foldstream_events::PersonCommandsEvent),
            PersonOutcomes(foldstream_events::PersonOutcomesEvent),
            People(foldstream_events::PeopleEvent),
            PersonProfiles(PersonProfilesEvent),
            PeopleProcessorState(foldstream_events::PeopleProcessorStateEvent),
            Locations(LocationsEvent),
            SourceProgress(foldstream_events::SourceProgressEvent),
            DeadLetters(crate::DeadLettersEvent),
        }
    }

    /// A record of an older or the current version: its writer schema, its bytes, its value.
    struct Golden {
        name: String,
        record: &'static RecordType,
        schema: WriterSchema,
        datum: Vec<u8>,
        value: serde_json::Value,
    }

    impl Golden {
        /// Its value as the newest version has it: what it was written without has its default.
        fn value_now(&self) -> serde_json::Value {
            let newest: serde_json::Value = serde_json::from_str(self.record.schema).unwrap();
            let now = |field: &serde_json::Value| {
                let name = field["name"].as_str().unwrap();
                let value = self.value.get(name).or_else(|| field.get("default"));
                (name.to_owned(), value.unwrap_or_else(|| panic!("{} has no {name}", self.name)).clone())
            };
            newest["fields"].as_array().unwrap().iter().map(now).collect()
        }
    }

    fn goldens() -> Vec<Golden> {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../schemas/golden");
        let mut all = Vec::new();
        for record in record_types() {
            let versions: Vec<_> = fs::read_dir(folder.join(record.full_name))
                .unwrap_or_else(|error| panic!("no golden records of {}: {error}", record.full_name))
                .map(|file| file.unwrap().path())
                .collect();
            assert!(!versions.is_empty(), "no golden records of {}", record.full_name);
            for file in versions {
                let golden: serde_json::Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
                let hex = golden["datum_hex"].as_str().unwrap();
                all.push(Golden {
                    name: file.display().to_string(),
                    record,
                    schema: WriterSchema::parse(1, golden["schema"].to_string()).unwrap(),
                    datum: (0..hex.len() / 2)
                        .map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap())
                        .collect(),
                    value: golden["value"].clone(),
                });
            }
        }
        all
    }

    /// Reads a datum as an event of whichever topic carries it; gives its value as JSON and its bytes written anew.
    fn read(
        record: &RecordType,
        datum: &[u8],
        schema: &WriterSchema,
    ) -> Result<(serde_json::Value, Vec<u8>), DecodeError> {
        let event: AnyEvent = decode_datum(record.topic, datum, schema)?;
        let current = WriterSchema::parse(1, event.record_type().schema.to_owned()).unwrap();
        let written = encode(&event, &current).unwrap()[FRAME_BYTES..].to_vec();
        Ok((TopicEvent::serialize(&event, serde_json::value::Serializer).unwrap(), written))
    }

    #[test]
    fn golden_records_read_as_the_reference_resolves_them() {
        for golden in goldens() {
            let (value, written) = read(golden.record, &golden.datum, &golden.schema).unwrap();
            assert_eq!(value, golden.value_now(), "{}", golden.name);
            let writer = Schema::parse_str(&golden.schema.text).unwrap();
            let reader = Schema::parse_str(golden.record.schema).unwrap();
            let resolving = GenericDatumReader::builder(&writer).reader_schema(&reader).build().unwrap();
            let resolved = resolving.read_value(&mut golden.datum.as_slice()).unwrap();
            let plain = GenericDatumReader::builder(&reader).build().unwrap();
            let rewritten = plain.read_value(&mut written.as_slice()).unwrap();
            assert_eq!(rewritten, resolved, "{}", golden.name);
        }
    }

    /// A reader that is older than the writer, and a writer whose schema has another order.
    #[test]
    fn fields_are_found_by_name() {
        #[derive(Debug, PartialEq, serde::Deserialize)]
        struct FirstLocationReported {
            person_id: String,
            latitude: f64,
            longitude: f64,
        }
        let newest = goldens().into_iter().rfind(|golden| golden.name.ends_with("LocationReported/v2.json")).unwrap();
        let mut reordered: serde_json::Value = serde_json::from_str(&newest.schema.text).unwrap();
        reordered["fields"].as_array_mut().unwrap().reverse();
        let reordered = WriterSchema::parse(2, reordered.to_string()).unwrap();
        let event: LocationsEvent = decode_datum("locations", &newest.datum, &newest.schema).unwrap();
        let written = encode(&event, &reordered).unwrap()[FRAME_BYTES..].to_vec();
        assert_ne!(written, newest.datum);
        assert_eq!(decode_datum::<LocationsEvent>("locations", &written, &reordered).unwrap(), event);
        for (datum, schema) in [(&newest.datum, &newest.schema), (&written, &reordered)] {
            let older: FirstLocationReported = serde_avro_fast::from_datum_slice(datum, &schema.schema).unwrap();
            let expected = FirstLocationReported { person_id: "0101de".into(), latitude: 48.8584, longitude: 2.2945 };
            assert_eq!(older, expected);
        }
    }

    #[test]
    fn every_truncation_and_every_trailing_byte_is_refused() {
        for golden in goldens() {
            for length in 0..golden.datum.len() {
                let read = read(golden.record, &golden.datum[..length], &golden.schema);
                assert!(read.is_err(), "{} cut at {length} was read as {read:?}", golden.name);
            }
            let mut longer = golden.datum.clone();
            longer.push(0);
            let read = read(golden.record, &longer, &golden.schema);
            assert!(matches!(read, Err(DecodeError::TrailingBytes { count: 1 })), "{}: {read:?}", golden.name);
        }
    }

    #[test]
    fn a_value_out_of_frame_is_refused() {
        for (value, reason) in [
            (&b""[..], "the record has no schema id: the value is empty"),
            (b"{\"a\":1}", "the record has no schema id: it starts with byte 123, not with 0"),
            (b"\0\0\0", "the record has no schema id: it ends after 3 bytes"),
        ] {
            assert_eq!(unframe(value).unwrap_err().to_string(), reason);
        }
        assert_eq!(unframe(&[0, 0, 0, 1, 2, 7]).unwrap(), (258, &[7][..]));
    }

    #[test]
    fn rules_and_the_key_are_checked() {
        use foldstream_events::LocationReported;
        let schema = WriterSchema::parse(3, LocationsEvent::RECORD_TYPES[0].schema.to_owned()).unwrap();
        let event = |latitude| {
            LocationsEvent::from(LocationReported {
                event_id: uuid::Uuid::nil(),
                person_id: "ada".to_owned(),
                occurred_at: chrono::DateTime::UNIX_EPOCH,
                latitude,
                longitude: 0.0,
                accuracy_m: None,
            })
        };
        let value = encode(&event(91.0), &schema).unwrap();
        assert!(matches!(decode::<LocationsEvent>("locations", "ada", &value, &schema), Err(DecodeError::Rule(_))));
        let value = encode(&event(9.0), &schema).unwrap();
        assert!(matches!(
            decode::<LocationsEvent>("locations", "bob", &value, &schema),
            Err(DecodeError::WrongKey { .. })
        ));
        assert_eq!(decode::<LocationsEvent>("locations", "ada", &value, &schema).unwrap(), event(9.0));
        let error = decode::<PersonProfilesEvent>("person-profiles", "ada", &value, &schema).unwrap_err();
        assert!(!error.is_poison(), "{error}");
    }

    proptest! {
        #[test]
        fn no_bytes_panic(datum in prop::collection::vec(any::<u8>(), 0..200)) {
            for record in record_types() {
                let schema = WriterSchema::parse(1, record.schema.to_owned()).unwrap();
                let _ = read(record, &datum, &schema);
            }
        }
    }
}
