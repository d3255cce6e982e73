//! Any Avro datum as JSON, the way a person would write it: for looking in, not for folding.
//!
//! Timestamps, dates and times are ISO 8601, uuids and enums are text, bytes are base64, decimals are exact text
//! (`avro_scalar.rs`), a union is the value of its branch. As strict as the typed decoder (`avro_cursor.rs`). Written
//! here because the generic decoder at hand reads six of eight truncated records as nulls.

use crate::{
    avro_cursor::{Block, Content, Cursor, Opened, in_field},
    avro_scalar::Scalar,
    personal::mask,
};
use serde_avro_fast::schema::SchemaMut;
use serde_json::{Map, Value};

/// Reads the whole datum, and tells whether some of it is masked; the error says what was expected at which byte.
pub(crate) fn to_json(datum: &[u8], schema: &SchemaMut, most_depth: u32) -> Result<(Value, bool), String> {
    let mut cursor = Cursor::new(datum, schema, most_depth);
    let root = cursor.root()?;
    let value = rest_to_json(&mut cursor, &root)?;
    cursor.finish()?;
    Ok((value, cursor.masked() > 0))
}

/// Whether [`to_json`] would give a value, without making it.
pub(crate) fn check(datum: &[u8], schema: &SchemaMut, most_depth: u32) -> Result<(), String> {
    let mut cursor = Cursor::new(datum, schema, most_depth);
    let root = cursor.root()?;
    cursor.skip_rest(&root)?;
    cursor.finish()
}

/// Reads what was opened to its end.
pub(crate) fn rest_to_json<'a>(cursor: &mut Cursor<'a>, opened: &Opened<'a>) -> Result<Value, String> {
    let mut block = Block::default();
    Ok(match opened.content {
        Content::Leaf(leaf) => Scalar::new(leaf).to_json(),
        Content::Masked => mask(),
        Content::Array(items) => {
            let mut values = Vec::new();
            while cursor.next_element(&mut block)? {
                let item = cursor.part(items, opened)?;
                values.push(rest_to_json(cursor, &item)?);
            }
            Value::Array(values)
        }
        Content::Map(values) => {
            let mut entries = Map::new();
            while cursor.next_element(&mut block)? {
                let key = cursor.map_key()?;
                let value = cursor.part(values, opened)?;
                entries.insert(key.to_owned(), rest_to_json(cursor, &value)?);
            }
            Value::Object(entries)
        }
        Content::Record(record) => {
            let mut fields = Map::new();
            for field in &record.fields {
                let value = cursor.part(field.type_, opened).and_then(|value| rest_to_json(cursor, &value));
                fields.insert(field.name.clone(), value.map_err(|error| in_field(&field.name, &error))?);
            }
            Value::Object(fields)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::avro_cursor::{DEPTH, MOST_DEPTH};
    use proptest::prelude::*;
    use serde_json::json;

    fn to_json(datum: &[u8], schema: &SchemaMut) -> Result<Value, String> {
        super::to_json(datum, schema, DEPTH).map(|(value, _)| value)
    }

    const EVERYTHING: &str = r#"{"type": "record", "name": "Everything", "fields": [
        {"name": "flag", "type": "boolean"},
        {"name": "count", "type": "int"},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "day", "type": {"type": "int", "logicalType": "date"}},
        {"name": "hour", "type": {"type": "int", "logicalType": "time-millis"}},
        {"name": "ratio", "type": "float"},
        {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
        {"name": "raw", "type": "bytes"},
        {"name": "hash", "type": {"type": "fixed", "name": "Hash", "size": 2}},
        {"name": "colour", "type": {"type": "enum", "name": "Colour", "symbols": ["RED", "GREEN"]}},
        {"name": "note", "type": ["null", "string"]},
        {"name": "tags", "type": {"type": "array", "items": "string"}},
        {"name": "counts", "type": {"type": "map", "values": "long"}}
    ]}"#;

    fn everything() -> Vec<u8> {
        let mut datum = vec![1, 2];
        datum.extend([0x80, 0x89, 0x7a]); // 1,000,000 microseconds, zigzag
        datum.extend([2, 2]); // one day; one millisecond
        datum.extend(0.1f32.to_le_bytes());
        datum.extend([4, 0xff, 0x85]); // -123 with two decimals
        datum.extend([2, 7]);
        datum.extend([1, 2]);
        datum.push(2);
        datum.extend([2, 2, b'x']);
        datum.extend([1, 4, 2, b'a', 0]); // a block of one with its size in bytes
        datum.extend([2, 2, b'k', 3, 0]);
        datum
    }

    #[test]
    fn values_look_as_a_person_writes_them() {
        let schema: SchemaMut = EVERYTHING.parse().unwrap();
        let mut datum = everything();
        // the varint of 1,000,000: 2,000,000 after zigzag
        datum.splice(2..5, [0x80, 0x89, 0x7a]);
        assert_eq!(
            to_json(&datum, &schema).unwrap(),
            json!({
                "flag": true, "count": 1, "at": "1970-01-01T00:00:01Z", "day": "1970-01-02", "hour": "00:00:00.001",
                "ratio": 0.1, "price": "-1.23", "raw": "Bw==", "hash": "AQI=", "colour": "GREEN", "note": "x",
                "tags": ["a"], "counts": {"k": -2}
            })
        );
    }

    #[test]
    fn logical_types_look_as_a_person_writes_them() {
        let duration = [1, 0, 0, 0, 2, 0, 0, 0, 0xbc, 0x0b, 0, 0];
        let uuid = [0x11; 16];
        let long = |name: &str| json!({"type": "long", "logicalType": name});
        let fixed = |name: &str, size: usize| json!({"type": "fixed", "name": "F", "size": size, "logicalType": name});
        // 1.5 seconds in each unit, zigzag.
        let (millis, micros, nanos) = ([0xb8, 0x17], [0xc0, 0x8d, 0xb7, 0x01], [0x80, 0xbc, 0xc1, 0x96, 0x0b]);
        for (schema, datum, expected) in [
            (long("timestamp-millis"), &millis[..], json!("1970-01-01T00:00:01.500Z")),
            (long("timestamp-micros"), &micros, json!("1970-01-01T00:00:01.500Z")),
            (long("timestamp-nanos"), &nanos, json!("1970-01-01T00:00:01.500Z")),
            (long("local-timestamp-millis"), &millis, json!("1970-01-01T00:00:01.500")),
            (long("local-timestamp-micros"), &micros, json!("1970-01-01T00:00:01.500")),
            (long("local-timestamp-nanos"), &nanos, json!("1970-01-01T00:00:01.500")),
            (long("timestamp-millis"), &[3], json!("1969-12-31T23:59:59.998Z")),
            (long("time-micros"), &micros, json!("00:00:01.500")),
            (long("time-micros"), &[1], json!(-1)),
            // Not what these are for.
            (long("date"), &[2], json!(1)),
            (json!({"type": "int", "logicalType": "timestamp-millis"}), &[2], json!(1)),
            (json!({"type": "int", "logicalType": "date"}), &[1], json!("1969-12-31")),
            (long("timestamp-millis"), &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], json!(i64::MAX)),
            (fixed("duration", 12), &duration, json!("P1M2DT3.004S")),
            (fixed("duration", 12), &[0; 12], json!("PT0S")),
            (fixed("uuid", 16), &uuid, json!("11111111-1111-1111-1111-111111111111")),
            (json!({"type": "string", "logicalType": "uuid"}), b"\x04ab", json!("ab")),
            (json!({"type": "bytes", "logicalType": "big-decimal"}), &[8, 4, 0xff, 0x85, 4], json!("-1.23")),
            (json!("double"), &f64::INFINITY.to_le_bytes(), json!("Infinity")),
            (json!("float"), &f32::NAN.to_le_bytes(), json!("NaN")),
            (json!("double"), &1e300f64.to_le_bytes(), json!(1e300)),
            (json!(["null", "int"]), &[0], json!(null)),
        ] {
            assert_eq!(to_json(datum, &schema.to_string().parse().unwrap()), Ok(expected), "{schema}");
        }
        // A scale beyond all measure is no reason to write so many zeros.
        let scale = r#"{"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 4000000000}"#;
        assert_eq!(to_json(&[2, 7], &scale.parse().unwrap()), Ok(json!("Bw==")));
    }

    #[test]
    fn every_truncation_and_a_trailing_byte_are_refused() {
        let schema: SchemaMut = EVERYTHING.parse().unwrap();
        let datum = everything();
        for length in 0..datum.len() {
            assert!(to_json(&datum[..length], &schema).is_err(), "cut at {length}");
        }
        let longer = [datum, vec![0]].concat();
        assert_eq!(to_json(&longer, &schema).unwrap_err(), "1 bytes follow the end of the value");
    }

    #[test]
    fn long_and_deep_records_are_honest() {
        let list: SchemaMut = r#"{"type": "record", "name": "Node", "fields": [{"name": "next", "type": ["null", "Node"]}]}"#
            .parse()
            .unwrap();
        let nodes = |count: u32| {
            let mut datum = vec![2; count as usize - 1];
            datum.push(0);
            datum
        };
        assert!(to_json(&nodes(33), &list).is_ok());
        assert!(to_json(&nodes(DEPTH), &list).is_ok());
        assert_eq!(to_json(&nodes(DEPTH + 2), &list).unwrap_err().matches("next: ").count(), DEPTH as usize + 1);
        // The deepest that may be set is read, written and dropped on half the stack that threads have here.
        let deepest = move || {
            let value = super::to_json(&nodes(MOST_DEPTH), &list, MOST_DEPTH).unwrap();
            (value.0.to_string().len(), super::check(&nodes(MOST_DEPTH), &list, MOST_DEPTH))
        };
        let deepest = std::thread::Builder::new().stack_size(1024 * 1024).spawn(deepest).unwrap();
        assert!(deepest.join().unwrap().1.is_ok());

        let ints: SchemaMut = r#"{"type": "array", "items": ["null", "int"]}"#.parse().unwrap();
        let mut datum = vec![0x80, 0x89, 0x7a]; // A block of 1,000,000.
        datum.extend([2, 2].repeat(1_000_000));
        datum.push(0);
        assert_eq!(to_json(&datum, &ints).unwrap().as_array().map(Vec::len), Some(1_000_000));
    }

    #[test]
    fn huge_claims_cost_nothing() {
        let schema: SchemaMut = r#"{"type": "array", "items": "null"}"#.parse().unwrap();
        let claim = [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        assert!(to_json(&claim, &schema).is_err());
        let schema: SchemaMut = r#""string""#.parse().unwrap();
        assert!(to_json(&claim, &schema).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_panic(datum in prop::collection::vec(any::<u8>(), 0..100)) {
            let schema: SchemaMut = EVERYTHING.parse().unwrap();
            let _ = to_json(&datum, &schema);
        }
    }
}
