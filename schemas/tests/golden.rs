//! Every golden record: read, written again to the same bytes, refused at every truncation and with trailing bytes, and
//! equal to what the reference implementation's resolved value says.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking and says what it saw")]

#[path = "golden/any_event.rs"]
mod any_event;
mod carried;

use any_event::AnyEvent;
use apache_avro::{Schema, reader::datum::GenericDatumReader};
use carried::record_types;
use foldstream_events::{LocationReported, LocationsEvent, PersonProfilesEvent, rules};
use foldstream_log::{DecodeError, RecordType, TopicEvent, WriterSchema, decode, encode, unframe};
use proptest::prelude::*;
use std::{fs, path::PathBuf};

/// A record of an older or the current version: its writer schema, its bytes, its value.
struct Golden {
    name: String,
    record: &'static RecordType,
    schema: WriterSchema,
    text: String,
    datum: Vec<u8>,
    value: serde_json::Value,
}

impl Golden {
    /// Its value as the newest version has it: what it was written without has its default.
    fn value_now(&self) -> serde_json::Value {
        self.now(&serde_json::from_str(self.record.schema).unwrap(), &self.value)
    }

    fn now(&self, kind: &serde_json::Value, value: &serde_json::Value) -> serde_json::Value {
        if let Some(fields) = kind["fields"].as_array() {
            let now = |field: &serde_json::Value| {
                let name = field["name"].as_str().unwrap();
                let written = value.get(name).map(|value| self.now(&field["type"], value));
                let value = written.or_else(|| field.get("default").cloned());
                (name.to_owned(), value.unwrap_or_else(|| panic!("{} has no {name}", self.name)))
            };
            return fields.iter().map(now).collect();
        }
        match (kind.get("items"), value.as_array()) {
            (Some(items), Some(values)) => values.iter().map(|value| self.now(items, value)).collect(),
            _ => value.clone(),
        }
    }

    fn key(&self) -> &str {
        self.value[self.record.key].as_str().unwrap()
    }
}

fn goldens() -> Vec<Golden> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden");
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
                text: golden["schema"].to_string(),
                datum: (0..hex.len() / 2).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap()).collect(),
                value: golden["value"].clone(),
            });
        }
    }
    all
}

fn framed(datum: &[u8]) -> Vec<u8> {
    [&[0, 0, 0, 0, 1], datum].concat()
}

/// Reads a datum as an event of whichever topic carries it; gives its value as JSON and its bytes written anew.
fn read(
    record: &RecordType,
    key: &str,
    datum: &[u8],
    schema: &WriterSchema,
) -> Result<(serde_json::Value, Vec<u8>), DecodeError> {
    let event: AnyEvent = decode(record.topic, key, &framed(datum), schema)?;
    let current = WriterSchema::parse(1, event.record_type().schema.to_owned()).unwrap();
    let written = encode(&event, &current).unwrap();
    let written = unframe(&written).unwrap().1.to_vec();
    Ok((TopicEvent::serialize(&event, serde_json::value::Serializer).unwrap(), written))
}

#[test]
fn golden_records_read_as_the_reference_resolves_them() {
    for golden in goldens() {
        let (value, written) = read(golden.record, golden.key(), &golden.datum, &golden.schema).unwrap();
        assert_eq!(value, golden.value_now(), "{}", golden.name);
        let writer = Schema::parse_str(&golden.text).unwrap();
        let reader = Schema::parse_str(golden.record.schema).unwrap();
        let resolving = GenericDatumReader::builder(&writer).reader_schema(&reader).build().unwrap();
        let resolved = resolving.read_value(&mut golden.datum.as_slice()).unwrap();
        let plain = GenericDatumReader::builder(&reader).build().unwrap();
        let rewritten = plain.read_value(&mut written.as_slice()).unwrap();
        assert_eq!(rewritten, resolved, "{}", golden.name);
    }
}

/// A writer whose schema has another order.
#[test]
fn fields_are_found_by_name() {
    let newest = goldens().into_iter().rfind(|golden| golden.name.ends_with("LocationReported/v2.json")).unwrap();
    let mut reordered: serde_json::Value = serde_json::from_str(&newest.text).unwrap();
    reordered["fields"].as_array_mut().unwrap().reverse();
    let reordered = WriterSchema::parse(2, reordered.to_string()).unwrap();
    let event: LocationsEvent = decode("locations", newest.key(), &framed(&newest.datum), &newest.schema).unwrap();
    let written = encode(&event, &reordered).unwrap();
    assert_ne!(unframe(&written).unwrap().1, newest.datum);
    assert_eq!(decode::<LocationsEvent>("locations", newest.key(), &written, &reordered).unwrap(), event);
    let LocationsEvent::LocationReported(report) = event;
    assert_eq!((report.person_id.as_str(), report.latitude, report.longitude), ("0101de", 48.8584, 2.2945));
}

#[test]
fn every_truncation_and_every_trailing_byte_is_refused() {
    for golden in goldens() {
        for length in 0..golden.datum.len() {
            let read = read(golden.record, golden.key(), &golden.datum[..length], &golden.schema);
            assert!(read.is_err(), "{} cut at {length} was read as {read:?}", golden.name);
        }
        let mut longer = golden.datum.clone();
        longer.push(0);
        let read = read(golden.record, golden.key(), &longer, &golden.schema);
        assert!(matches!(read, Err(DecodeError::TrailingBytes { count: 1 })), "{}: {read:?}", golden.name);
    }
}

#[test]
fn rules_and_the_key_are_checked() {
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
    assert!(matches!(decode::<LocationsEvent>("locations", "bob", &value, &schema), Err(DecodeError::WrongKey { .. })));
    assert_eq!(decode::<LocationsEvent>("locations", "ada", &value, &schema).unwrap(), event(9.0));
    let error = decode::<PersonProfilesEvent>("person-profiles", "ada", &value, &schema).unwrap_err();
    assert!(!error.is_poison(), "{error}");
}

/// Milliseconds fit a count of microseconds, so the bytes tell nothing: the schema does.
#[test]
fn a_time_of_another_unit_is_refused_by_name() {
    let newest = goldens().into_iter().rfind(|golden| golden.name.ends_with("LocationReported/v2.json")).unwrap();
    let other = newest.text.replace("timestamp-micros", "timestamp-millis");
    let other = WriterSchema::parse(7, other).unwrap();
    let error = decode::<LocationsEvent>("locations", newest.key(), &framed(&newest.datum), &other).unwrap_err();
    assert!(error.is_poison());
    assert_eq!(
        error.to_string(),
        "schema 7 (foldstream.locations.LocationReported) is not what this reader reads: field occurred_at is long \
         (timestamp-millis) in it, and is read as long (timestamp-micros)"
    );
}

/// What the catalogue says of fields is what their events check.
#[test]
fn the_fields_of_a_record_obey_the_rules_their_schema_names() {
    let of_location = LocationsEvent::RECORD_TYPES[0].rules;
    let named: Vec<_> = of_location.iter().map(|rule| (rule.field, rule.rule.name)).collect();
    let expected = [
        ("person_id", "id"),
        ("occurred_at", "time"),
        ("latitude", "latitude"),
        ("longitude", "longitude"),
        ("accuracy_m", "accuracy"),
    ];
    assert_eq!(named, expected);
    assert_eq!(rules::LATITUDE.number("latitude", 91.0).unwrap_err().rule, rules::LATITUDE.says);
}

proptest! {
    #[test]
    fn no_bytes_panic(datum in prop::collection::vec(any::<u8>(), 0..200)) {
        for record in record_types() {
            let schema = WriterSchema::parse(1, record.schema.to_owned()).unwrap();
            let _ = read(record, "ada", &datum, &schema);
        }
    }
}
