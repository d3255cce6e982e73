//! A value without parts, as its logical type says it is meant.
//!
//! A logical type on a type it does not belong to is ignored, as Avro has it, and so is one that cannot hold for the
//! value at hand: a day that no calendar has is shown as the number it is.

use crate::{
    avro_cursor::{Bare, Leaf},
    decimal::Decimal,
};
use base64::{display::Base64Display, engine::general_purpose::STANDARD};
use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use serde_avro_fast::schema::LogicalType;
use serde_json::{Number, Value};
use std::fmt;
use uuid::Uuid;

/// Its `Display` is its text: what its JSON has, without quotes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scalar<'a> {
    Null,
    Boolean(bool),
    Integer(i64),
    /// Only of JSON, where it is greater than any of the others.
    Unsigned(u64),
    Single(f32),
    Double(f64),
    Text(&'a str),
    Timestamp(DateTime<Utc>),
    /// Date and time wherever the reader is.
    LocalTimestamp(NaiveDateTime),
    Date(NaiveDate),
    Time(NaiveTime),
    Span(Span),
    Uuid(Uuid),
    Decimal(Decimal<'a>),
    Bytes(&'a [u8]),
}

/// Avro's duration: three numbers that cannot be added up, since months differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub months: u32,
    pub days: u32,
    pub milliseconds: u32,
}

impl<'a> Scalar<'a> {
    pub(crate) fn new(leaf: Leaf<'a>) -> Self {
        match leaf.bare {
            Bare::Null => Self::Null,
            Bare::Boolean(boolean) => Self::Boolean(boolean),
            Bare::Int(number) => of_int(number, leaf.logical_type).unwrap_or(Self::Integer(i64::from(number))),
            Bare::Long(number) => of_long(number, leaf.logical_type).unwrap_or(Self::Integer(number)),
            Bare::Float(number) => Self::Single(number),
            Bare::Double(number) => Self::Double(number),
            Bare::Text(text) => Self::Text(text),
            Bare::Bytes(bytes) => of_bytes(bytes, leaf.logical_type).unwrap_or(Self::Bytes(bytes)),
        }
    }

    /// None for an object or an array.
    pub(crate) fn of_json(value: &'a Value) -> Option<Self> {
        Some(match value {
            Value::Null => Self::Null,
            Value::Bool(boolean) => Self::Boolean(*boolean),
            Value::Number(number) => match (number.as_i64(), number.as_u64()) {
                (Some(number), _) => Self::Integer(number),
                (None, Some(number)) => Self::Unsigned(number),
                (None, None) => Self::Double(number.as_f64()?),
            },
            Value::String(text) => Self::Text(text),
            Value::Array(_) | Value::Object(_) => return None,
        })
    }

    #[must_use]
    pub fn to_json(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Boolean(boolean) => Value::Bool(*boolean),
            Self::Integer(number) => Value::Number((*number).into()),
            Self::Unsigned(number) => Value::Number((*number).into()),
            Self::Text(text) => Value::String((*text).to_owned()),
            other => match other.as_f64().and_then(Number::from_f64) {
                Some(number) => Value::Number(number),
                None => Value::String(other.to_string()),
            },
        }
    }

    /// The number of a float. By way of text: 0.1f32 is 0.1, not 0.10000000149011612.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Single(number) => number.to_string().parse().ok(),
            Self::Double(number) => Some(*number),
            _ => None,
        }
    }
}

impl fmt::Display for Scalar<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Boolean(boolean) => boolean.fmt(f),
            Self::Integer(number) => number.fmt(f),
            Self::Unsigned(number) => number.fmt(f),
            Self::Single(_) | Self::Double(_) => {
                let number = self.as_f64().unwrap_or(f64::NAN);
                match Number::from_f64(number) {
                    Some(number) => number.fmt(f),
                    None if number.is_nan() => f.write_str("NaN"),
                    None if number > 0.0 => f.write_str("Infinity"),
                    None => f.write_str("-Infinity"),
                }
            }
            Self::Text(text) => f.write_str(text),
            // The debug forms are ISO 8601.
            Self::Timestamp(at) => write!(f, "{:?}Z", at.naive_utc()),
            Self::LocalTimestamp(at) => write!(f, "{at:?}"),
            Self::Date(date) => write!(f, "{date:?}"),
            Self::Time(time) => write!(f, "{time:?}"),
            Self::Span(span) => span.fmt(f),
            Self::Uuid(uuid) => uuid.fmt(f),
            Self::Decimal(decimal) => decimal.fmt(f),
            Self::Bytes(bytes) => Base64Display::new(bytes, &STANDARD).fmt(f),
        }
    }
}

/// ISO 8601: `P1M2DT3.004S`.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("P")?;
        if self.months > 0 {
            write!(f, "{}M", self.months)?;
        }
        if self.days > 0 {
            write!(f, "{}D", self.days)?;
        }
        let (seconds, milliseconds) = (self.milliseconds / 1_000, self.milliseconds % 1_000);
        match milliseconds {
            0 if seconds == 0 && (self.months, self.days) != (0, 0) => Ok(()),
            0 => write!(f, "T{seconds}S"),
            _ => write!(f, "T{seconds}.{milliseconds:03}S"),
        }
    }
}

fn of_int<'a>(number: i32, logical_type: Option<&LogicalType>) -> Option<Scalar<'a>> {
    match logical_type?.as_str() {
        "date" => date(number).map(Scalar::Date),
        "time-millis" => time(i64::from(number), 1_000).map(Scalar::Time),
        _ => None,
    }
}

fn of_long<'a>(number: i64, logical_type: Option<&LogicalType>) -> Option<Scalar<'a>> {
    let name = logical_type?.as_str();
    if name == "time-micros" {
        return time(number, 1_000_000).map(Scalar::Time);
    }
    let (local, unit) = match name.strip_prefix("local-") {
        Some(unit) => (true, unit),
        None => (false, name),
    };
    let at = match unit {
        "timestamp-millis" => DateTime::from_timestamp_millis(number)?,
        "timestamp-micros" => DateTime::from_timestamp_micros(number)?,
        "timestamp-nanos" => DateTime::from_timestamp_nanos(number),
        _ => return None,
    };
    Some(if local { Scalar::LocalTimestamp(at.naive_utc()) } else { Scalar::Timestamp(at) })
}

fn of_bytes<'a>(bytes: &'a [u8], logical_type: Option<&LogicalType>) -> Option<Scalar<'a>> {
    match logical_type? {
        LogicalType::Decimal(decimal) => Decimal::new(bytes, i64::from(decimal.scale)).map(Scalar::Decimal),
        LogicalType::BigDecimal => Decimal::with_its_scale(bytes).map(Scalar::Decimal),
        LogicalType::Uuid => Uuid::from_slice(bytes).ok().map(Scalar::Uuid),
        LogicalType::Duration => span(bytes).map(Scalar::Span),
        _ => None,
    }
}

fn date(days: i32) -> Option<NaiveDate> {
    let epoch = DateTime::UNIX_EPOCH.date_naive();
    let distance = Days::new(u64::from(days.unsigned_abs()));
    if days < 0 { epoch.checked_sub_days(distance) } else { epoch.checked_add_days(distance) }
}

fn time(since_midnight: i64, per_second: i64) -> Option<NaiveTime> {
    let seconds = u32::try_from(since_midnight.div_euclid(per_second)).ok()?;
    let nanos = u32::try_from(since_midnight.rem_euclid(per_second) * (1_000_000_000 / per_second)).ok()?;
    NaiveTime::from_num_seconds_from_midnight_opt(seconds, nanos)
}

/// Three numbers, little endian.
fn span(bytes: &[u8]) -> Option<Span> {
    let [a, b, c, d, e, f, g, h, i, j, k, l] = *bytes else { return None };
    let number = u32::from_le_bytes;
    Some(Span { months: number([a, b, c, d]), days: number([e, f, g, h]), milliseconds: number([i, j, k, l]) })
}
