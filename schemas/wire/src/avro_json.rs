//! Any Avro datum as JSON, the way a person would write it: for looking in, not for folding.
//!
//! Timestamps, dates and times are ISO 8601, uuids and enums are text, bytes are base64, decimals are exact text, a
//! union is the value of its branch. As strict as the typed decoder: a datum that ends early, runs on, or claims
//! more elements than it has bytes is an error. Written here because the generic decoder at hand reads six of eight
//! truncated records as nulls.

use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::{DateTime, Days, NaiveDate, NaiveTime};
use serde_avro_fast::schema::{LogicalType, RegularType, SchemaKey, SchemaMut, SchemaNode};
use serde_json::{Map, Number, Value};

/// Deeper nesting than this is refused rather than risk the stack.
const MAX_DEPTH: u32 = 64;
/// Elements of a zero-size type cost no bytes, so their number needs a bound of its own.
const MAX_ELEMENTS: usize = 100_000;

/// Reads the whole datum; the error says what was expected at which byte.
pub(crate) fn to_json(datum: &[u8], schema: &SchemaMut) -> Result<Value, String> {
    let mut cursor = Cursor { datum, at: 0, schema, elements: 0 };
    let value = cursor.node(schema.root(), 0)?;
    match datum.len() - cursor.at {
        0 => Ok(value),
        rest => Err(format!("{rest} bytes follow the end of the value")),
    }
}

struct Cursor<'a> {
    datum: &'a [u8],
    at: usize,
    schema: &'a SchemaMut,
    elements: usize,
}

impl<'a> Cursor<'a> {
    fn key(&mut self, key: SchemaKey, depth: u32) -> Result<Value, String> {
        let schema = self.schema;
        self.node(&schema[key], depth)
    }

    fn node(&mut self, node: &'a SchemaNode, depth: u32) -> Result<Value, String> {
        if depth > MAX_DEPTH {
            return Err(format!("nested deeper than {MAX_DEPTH}"));
        }
        Ok(match &node.type_ {
            RegularType::Null => Value::Null,
            RegularType::Boolean => match self.take(1, "a boolean")? {
                [0] => Value::Bool(false),
                [1] => Value::Bool(true),
                other => return Err(format!("a boolean is byte 0 or 1, found {other:?} at byte {}", self.at - 1)),
            },
            RegularType::Int => {
                let number = self.varint("an int")?;
                let number = i32::try_from(number).map_err(|_| format!("{number} does not fit an int"))?;
                integer(i64::from(number), node.logical_type.as_ref())
            }
            RegularType::Long => integer(self.varint("a long")?, node.logical_type.as_ref()),
            RegularType::Float => {
                let bytes = self.array::<4>("a float")?;
                // By way of text: 0.1f32 is shown as 0.1, not as 0.10000000149011612.
                let float = f32::from_le_bytes(bytes);
                float
                    .to_string()
                    .parse::<f64>()
                    .ok()
                    .and_then(Number::from_f64)
                    .map_or(Value::String(float.to_string()), Value::Number)
            }
            RegularType::Double => {
                let double = f64::from_le_bytes(self.array::<8>("a double")?);
                Number::from_f64(double).map_or(Value::String(double.to_string()), Value::Number)
            }
            RegularType::Bytes => {
                let bytes = self.sized("bytes")?;
                binary(bytes, node.logical_type.as_ref())
            }
            RegularType::Fixed(fixed) => {
                let bytes = self.take(fixed.size, "a fixed")?;
                binary(bytes, node.logical_type.as_ref())
            }
            RegularType::String => {
                let bytes = self.sized("a string")?;
                let text =
                    std::str::from_utf8(bytes).map_err(|_| format!("a string before byte {} is not UTF-8", self.at))?;
                Value::String(text.to_owned())
            }
            RegularType::Enum(symbols) => {
                let index = self.varint("an enum")?;
                let symbol = usize::try_from(index).ok().and_then(|index| symbols.symbols.get(index));
                Value::String(
                    symbol
                        .ok_or_else(|| format!("{} has no symbol {index}", symbols.name.fully_qualified_name()))?
                        .clone(),
                )
            }
            RegularType::Union(union) => {
                let index = self.varint("a union branch")?;
                let branch = usize::try_from(index).ok().and_then(|index| union.variants.get(index));
                self.key(*branch.ok_or_else(|| format!("a union has no branch {index}"))?, depth + 1)?
            }
            RegularType::Array(array) => {
                let mut items = Vec::new();
                self.blocks(|cursor| {
                    items.push(cursor.key(array.items, depth + 1)?);
                    Ok(())
                })?;
                Value::Array(items)
            }
            RegularType::Map(map) => {
                let mut entries = Map::new();
                self.blocks(|cursor| {
                    let key = cursor.sized("a map key")?;
                    let key = String::from_utf8(key.to_vec()).map_err(|_| "a map key is not UTF-8".to_owned())?;
                    let value = cursor.key(map.values, depth + 1)?;
                    entries.insert(key, value);
                    Ok(())
                })?;
                Value::Object(entries)
            }
            RegularType::Record(record) => {
                let mut fields = Map::new();
                for field in &record.fields {
                    let value = self.key(field.type_, depth + 1).map_err(|error| format!("{}: {error}", field.name))?;
                    fields.insert(field.name.clone(), value);
                }
                Value::Object(fields)
            }
        })
    }

    /// Arrays and maps: blocks of a count and that many elements, ended by a count of zero. A negative count is
    /// followed by the block's size in bytes.
    fn blocks(&mut self, mut element: impl FnMut(&mut Self) -> Result<(), String>) -> Result<(), String> {
        loop {
            let count = self.varint("a block's count")?;
            if count == 0 {
                return Ok(());
            }
            if count < 0 {
                self.varint("a block's size")?;
            }
            let count = usize::try_from(count.unsigned_abs()).map_err(|_| "a block too long".to_owned())?;
            self.elements = self.elements.saturating_add(count);
            if self.elements > MAX_ELEMENTS {
                return Err(format!("more than {MAX_ELEMENTS} elements"));
            }
            for _ in 0..count {
                element(self)?;
            }
        }
    }

    fn take(&mut self, count: usize, what: &str) -> Result<&'a [u8], String> {
        let end = self.at.checked_add(count).filter(|end| *end <= self.datum.len());
        let end = end.ok_or_else(|| format!("the value ends at byte {} within {what}", self.datum.len()))?;
        let bytes = &self.datum[self.at..end];
        self.at = end;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N], String> {
        self.take(N, what)?.try_into().map_err(|_| format!("{what} is cut"))
    }

    fn sized(&mut self, what: &str) -> Result<&'a [u8], String> {
        let size = self.varint(what)?;
        let size = usize::try_from(size).map_err(|_| format!("{what} of {size} bytes before byte {}", self.at))?;
        self.take(size, what)
    }

    /// Zigzag-coded, seven bits a byte, at most ten bytes.
    fn varint(&mut self, what: &str) -> Result<i64, String> {
        let mut value = 0u64;
        for shift in (0..70).step_by(7) {
            let [byte] = self.array::<1>(what)?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                #[expect(clippy::cast_possible_wrap, reason = "zigzag maps the unsigned onto the signed")]
                return Ok((value >> 1) as i64 ^ -((value & 1) as i64));
            }
        }
        Err(format!("{what} is longer than ten bytes before byte {}", self.at))
    }
}

fn integer(number: i64, logical_type: Option<&LogicalType>) -> Value {
    let text = match logical_type {
        Some(LogicalType::TimestampMillis) => DateTime::from_timestamp_millis(number).map(iso),
        Some(LogicalType::TimestampMicros) => DateTime::from_timestamp_micros(number).map(iso),
        Some(LogicalType::Date) => date(number).map(|date| date.to_string()),
        Some(LogicalType::TimeMillis) => time(number, 1_000).map(|time| time.to_string()),
        Some(LogicalType::TimeMicros) => time(number, 1_000_000).map(|time| time.to_string()),
        _ => None,
    };
    // A time that no calendar holds is shown as the number it is.
    text.map_or(Value::Number(number.into()), Value::String)
}

fn iso(at: DateTime<chrono::Utc>) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)
}

fn date(days: i64) -> Option<NaiveDate> {
    let epoch = DateTime::UNIX_EPOCH.date_naive();
    let distance = Days::new(days.unsigned_abs());
    if days < 0 { epoch.checked_sub_days(distance) } else { epoch.checked_add_days(distance) }
}

fn time(since_midnight: i64, per_second: i64) -> Option<NaiveTime> {
    let seconds = u32::try_from(since_midnight.div_euclid(per_second)).ok()?;
    let nanos = u32::try_from(since_midnight.rem_euclid(per_second) * (1_000_000_000 / per_second)).ok()?;
    NaiveTime::from_num_seconds_from_midnight_opt(seconds, nanos)
}

fn binary(bytes: &[u8], logical_type: Option<&LogicalType>) -> Value {
    let text = match logical_type {
        Some(LogicalType::Decimal(decimal)) => exact_decimal(bytes, decimal.scale as usize),
        Some(LogicalType::Uuid) => uuid::Uuid::from_slice(bytes).ok().map(|uuid| uuid.to_string()),
        _ => None,
    };
    Value::String(text.unwrap_or_else(|| STANDARD.encode(bytes)))
}

/// Two's complement, big endian, with the point `scale` digits from the right. None above 128 bits.
fn exact_decimal(bytes: &[u8], scale: usize) -> Option<String> {
    if bytes.is_empty() || bytes.len() > 16 {
        return None;
    }
    let sign = if bytes[0] & 0x80 == 0 { 0 } else { 0xff };
    let mut wide = [sign; 16];
    wide[16 - bytes.len()..].copy_from_slice(bytes);
    let unscaled = i128::from_be_bytes(wide);
    let digits = format!("{:0>width$}", unscaled.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let sign = if unscaled < 0 { "-" } else { "" };
    Some(if scale == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

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
