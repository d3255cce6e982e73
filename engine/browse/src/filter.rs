//! Which records somebody wants to see.
//!
//! All that is asked for must hold. What is cheap is asked first: the key, the time, then the type, which the schema
//! id tells, then conditions on single fields (`filter/condition.rs`), and only then whole values. Of a record that
//! cannot be decoded to its last byte nothing is said that its value would have to tell: neither that it is wanted nor that
//! it is not ([`Verdict::Uncompared`]). A record without a value has no type and meets no condition.
//!
//! Text is found as it is written, upper and lower case apart: in the key, in the values of headers and in the JSON of
//! the value, names of fields included.

mod condition;
mod instant;
mod number;
mod paths;

pub use condition::Condition;
pub use instant::instant;
pub use paths::PathsSeen;

use crate::{
    batches::RecordView,
    uncompared::{Reason, Verdict},
};
use chrono::{DateTime, Utc};
use foldstream_log::{LookedUp, Violation, WriterSchema, unframe};
use std::sync::Arc;

const MAX_KEY_CHARS: usize = 1_000;
const MAX_TYPE_CHARS: usize = 500;
const MAX_CONTAINED_CHARS: usize = 200;
const MAX_CONDITIONS: usize = 20;

/// Begins as one that lets everything through.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    key: Option<Vec<u8>>,
    since_ms: Option<i64>,
    until_ms: Option<i64>,
    record_type: Option<String>,
    contained: Option<Needle>,
    conditions: Vec<Condition>,
    undecodable: bool,
}

/// Gives the schema of an id, or why it is not to be had, and then its records cannot be decoded.
pub type SchemaOf<'a> = dyn Fn(u32) -> LookedUp + 'a;

impl Filter {
    /// Only records of this key.
    pub fn set_key(&mut self, text: &str) -> Result<(), Violation> {
        within("key", text, MAX_KEY_CHARS)?;
        self.key = Some(text.as_bytes().to_vec());
        Ok(())
    }

    /// Only records as old as this or younger; [`instant()`] says how it is written.
    pub fn set_since(&mut self, text: &str, now: DateTime<Utc>) -> Result<(), Violation> {
        let since_ms = instant("since", text, now)?;
        if self.until_ms.is_some_and(|until_ms| since_ms >= until_ms) {
            return Err(Violation::new("since", text, "since lies before until"));
        }
        self.since_ms = Some(since_ms);
        Ok(())
    }

    /// Only records older than this.
    pub fn set_until(&mut self, text: &str, now: DateTime<Utc>) -> Result<(), Violation> {
        let until_ms = instant("until", text, now)?;
        if self.since_ms.is_some_and(|since_ms| since_ms >= until_ms) {
            return Err(Violation::new("until", text, "until lies behind since"));
        }
        self.until_ms = Some(until_ms);
        Ok(())
    }

    /// Only records of this type: its full name, or the last part of it.
    pub fn set_type(&mut self, text: &str) -> Result<(), Violation> {
        let is_name = |name: &str| {
            !name.starts_with(|first: char| first.is_ascii_digit())
                && !name.is_empty()
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        if text.len() > MAX_TYPE_CHARS || !text.split('.').all(is_name) {
            let rule = "a type is the name of a record, or its full name with dots";
            return Err(Violation::new("type", text, rule));
        }
        self.record_type = Some(text.to_owned());
        Ok(())
    }

    /// Only records that hold this text.
    pub fn set_contains(&mut self, text: &str) -> Result<(), Violation> {
        within("contains", text, MAX_CONTAINED_CHARS)?;
        self.contained = Some(Needle::new(text));
        Ok(())
    }

    /// Only records that meet this condition, too.
    pub fn add_condition(&mut self, text: &str) -> Result<(), Violation> {
        if self.conditions.len() >= MAX_CONDITIONS {
            return Err(Violation::new("where", text, format!("there are at most {MAX_CONDITIONS} conditions")));
        }
        self.conditions.push(Condition::parse(text)?);
        Ok(())
    }

    /// Only records whose value cannot be decoded, or all again. A record without a value is none of them.
    pub fn set_undecodable(&mut self, undecodable: bool) {
        self.undecodable = undecodable;
    }

    #[must_use]
    pub fn key(&self) -> Option<&[u8]> {
        self.key.as_deref()
    }

    /// Milliseconds since 1970, inclusive.
    #[must_use]
    pub fn since_ms(&self) -> Option<i64> {
        self.since_ms
    }

    /// Milliseconds since 1970, exclusive.
    #[must_use]
    pub fn until_ms(&self) -> Option<i64> {
        self.until_ms
    }

    /// Holds the times fast as they were first understood.
    pub(crate) fn pin(&mut self, since_ms: Option<i64>, until_ms: Option<i64>) {
        (self.since_ms, self.until_ms) = (since_ms, until_ms);
    }

    /// Whether it lets everything through.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }

    /// Whether the record is wanted; it is noted which paths its schema has.
    #[must_use]
    pub fn compare(&self, record: &RecordView<'_>, schema_of: &SchemaOf<'_>, paths: &PathsSeen) -> Verdict {
        if self.key.as_deref().is_some_and(|key| record.key != Some(key))
            || self.since_ms.is_some_and(|since_ms| record.timestamp_ms < since_ms)
            || self.until_ms.is_some_and(|until_ms| record.timestamp_ms >= until_ms)
        {
            return Verdict::Other;
        }
        if self.record_type.is_none() && self.conditions.is_empty() && self.contained.is_none() && !self.undecodable {
            return Verdict::Wanted;
        }
        let value = Value::new(record.value, schema_of);
        if let Value::Framed { schema, .. } = &value
            && self.record_type.as_ref().is_none_or(|wanted| is_named(schema, wanted))
        {
            self.conditions.iter().enumerate().for_each(|(at, condition)| paths.note(at, schema, condition));
        }
        let of_type = self.record_type.iter().map(|wanted| self.is_of_type(wanted, &value));
        let undecodable = self.undecodable.then_some(()).into_iter().map(|()| value.is_undecodable());
        let conditions = self.conditions.iter().map(|condition| value.meets(condition));
        let contained = self.contained.iter().map(|needle| needle.is_in(record, &value));
        Verdict::of_all(of_type.chain(undecodable).chain(conditions).chain(contained))
    }

    fn is_of_type(&self, wanted: &str, value: &Value<'_>) -> Result<bool, Reason> {
        match value {
            Value::Nothing => Ok(false),
            Value::Opaque { reason, .. } => Err(*reason),
            Value::Framed { schema, .. } if !is_named(schema, wanted) => Ok(false),
            // These tell it, too.
            Value::Framed { .. } if !self.conditions.is_empty() => Ok(true),
            Value::Framed { datum, schema, .. } => {
                schema.check(datum).map_or(Err(Reason::Undecodable(schema.id)), |()| Ok(true))
            }
        }
    }

    /// Paths of conditions that no schema on the way had, though values were held against them.
    #[must_use]
    pub fn unknown_paths(&self, paths: &PathsSeen) -> Vec<String> {
        let unknown = self.conditions.iter().enumerate().filter(|(at, _)| paths.is_unknown(*at));
        unknown.map(|(_, condition)| condition.path().to_string()).collect()
    }
}

/// The value of a record, as far as its frame goes.
enum Value<'a> {
    /// A tombstone.
    Nothing,
    /// Bytes that are no datum of a schema at hand.
    Opaque { bytes: &'a [u8], reason: Reason },
    Framed { bytes: &'a [u8], datum: &'a [u8], schema: Arc<WriterSchema> },
}

impl<'a> Value<'a> {
    fn new(bytes: Option<&'a [u8]>, schema_of: &SchemaOf<'_>) -> Self {
        let Some(bytes) = bytes else { return Self::Nothing };
        let Ok((id, datum)) = unframe(bytes) else { return Self::Opaque { bytes, reason: Reason::Unframed } };
        match schema_of(id) {
            Ok(known) => Self::Framed { bytes, datum, schema: known.writer },
            Err(error) if error.is_retriable() => Self::Opaque { bytes, reason: Reason::SchemaAway(id) },
            Err(_) => Self::Opaque { bytes, reason: Reason::NoSchema(id) },
        }
    }

    fn is_undecodable(&self) -> Result<bool, Reason> {
        match self {
            Self::Nothing => Ok(false),
            Self::Opaque { reason, .. } if reason.is_retriable() => Err(*reason),
            Self::Opaque { .. } => Ok(true),
            Self::Framed { datum, schema, .. } => Ok(schema.check(datum).is_err()),
        }
    }

    fn meets(&self, condition: &Condition) -> Result<bool, Reason> {
        match self {
            Self::Nothing => Ok(false),
            Self::Opaque { reason, .. } => Err(*reason),
            Self::Framed { datum, schema, .. } => {
                condition.is_met_in(datum, schema).map_err(|_| Reason::Undecodable(schema.id))
            }
        }
    }
}

/// By its full name, or the last part of it.
fn is_named(schema: &WriterSchema, wanted: &str) -> bool {
    let full_name = &schema.full_name;
    full_name == wanted || full_name.rsplit_once('.').is_some_and(|(_, name)| name == wanted)
}

/// A text that is looked for.
#[derive(Debug, Clone, PartialEq)]
struct Needle {
    text: String,
    /// As it stands within JSON, where quotes and line breaks are escaped.
    in_json: String,
}

impl Needle {
    fn new(text: &str) -> Self {
        let quoted = serde_json::Value::from(text).to_string();
        Self { text: text.to_owned(), in_json: quoted[1..quoted.len() - 1].to_owned() }
    }

    /// What has no schema is text as its bytes are. Of what its schema does not tell, or not yet, the bytes are only a part
    /// of what its JSON would be.
    fn is_in(&self, record: &RecordView<'_>, value: &Value<'_>) -> Result<bool, Reason> {
        let in_bytes = |bytes: &[u8]| String::from_utf8_lossy(bytes).contains(&self.text);
        if record.key.is_some_and(in_bytes) || record.headers().any(|(_, value)| value.is_some_and(in_bytes)) {
            return Ok(true);
        }
        match value {
            Value::Nothing => Ok(false),
            Value::Opaque { bytes, reason: Reason::Unframed } => Ok(in_bytes(bytes)),
            Value::Opaque { bytes, reason } if !reason.is_retriable() && in_bytes(bytes) => Ok(true),
            Value::Opaque { reason, .. } => Err(*reason),
            Value::Framed { bytes, datum, schema } => match schema.to_json(datum) {
                Ok(decoded) => {
                    let json = decoded.to_string();
                    Ok(json.contains(&self.text) || json.contains(&self.in_json))
                }
                Err(_) if in_bytes(bytes) => Ok(true),
                Err(_) => Err(Reason::Undecodable(schema.id)),
            },
        }
    }
}

fn within(field: &str, text: &str, most: usize) -> Result<(), Violation> {
    if text.is_empty() || text.chars().nth(most).is_some() {
        return Err(Violation::new(field, text, format!("{field} has 1 to {most} characters")));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
