//! Which records somebody wants to see.
//!
//! All that is asked for must hold. What is cheap is asked first: the key (`filter/key.rs`), the time, then the type,
//! which the schema id tells, then conditions on single fields (`filter/condition.rs`), and only then whole values. A
//! record that cannot be decoded to its last byte has no type and meets no condition; its text is that of its bytes. JSON
//! has no type and may meet conditions, text has neither.
//!
//! Text is found as it is written, upper and lower case apart: in the key, in the values of headers and in the JSON of
//! the value, names of fields included.

mod condition;
mod instant;
mod key;
mod number;

pub use condition::Condition;
pub use instant::instant;

use crate::batches::RecordView;
use chrono::{DateTime, Utc};
use foldstream_log::{Content, Encoding, Form, LookedUp, Part, SchemaId, Violation};
use key::WantedKey;

const MAX_TYPE_CHARS: usize = 500;
const MAX_CONTAINED_CHARS: usize = 200;
const MAX_CONDITIONS: usize = 20;

/// Begins as one that lets everything through.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    key: Option<WantedKey>,
    since_ms: Option<i64>,
    until_ms: Option<i64>,
    record_type: Option<String>,
    contained: Option<Needle>,
    conditions: Vec<Condition>,
    undecodable: bool,
}

/// Gives the schema of an id, or why it is not to be had, and then its records cannot be decoded.
pub type SchemaOf<'a> = dyn Fn(SchemaId) -> LookedUp + 'a;

impl Filter {
    /// Only records of this key as it is shown; where its encoding is not given, of all that are shown so.
    pub fn set_key(&mut self, text: &str, encoding: Option<Encoding>) -> Result<(), Violation> {
        self.key = Some(WantedKey::parse(text, encoding)?);
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

    /// The bytes that the key may have where keys are written without a schema; none when none was asked for.
    #[must_use]
    pub fn key_bytes(&self) -> Option<Vec<&[u8]>> {
        self.key.as_ref().map(|key| key.bytes().collect())
    }

    /// The keys of the topic are bytes and name no schema.
    pub(crate) fn set_plain_keys(&mut self) {
        if let Some(key) = &mut self.key {
            key.set_plain();
        }
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

    /// Whether the record is wanted.
    #[must_use]
    pub fn matches(&self, record: &RecordView<'_>, schema_of: &SchemaOf<'_>) -> bool {
        if self.since_ms.is_some_and(|since_ms| record.timestamp_ms < since_ms)
            || self.until_ms.is_some_and(|until_ms| record.timestamp_ms >= until_ms)
            || self.key.as_ref().is_some_and(|key| !key.is_of(record, schema_of))
        {
            return false;
        }
        if self.record_type.is_none() && self.conditions.is_empty() && self.contained.is_none() && !self.undecodable {
            return true;
        }
        let content =
            record.value.map(|bytes| (bytes, Content::of(Part::Value, bytes, record.headers(), schema_of).form));
        let value = content.as_ref().map(|(bytes, form)| Value { bytes, form });
        self.matches_type(value)
            && self.conditions.iter().all(|condition| value.is_some_and(|value| value.meets(condition)))
            && self.contained.as_ref().is_none_or(|needle| needle.is_in(record, value))
            && self.matches_decoding(value)
    }

    fn matches_type(&self, value: Option<Value<'_>>) -> bool {
        let Some(wanted) = &self.record_type else { return true };
        let Some(Value { form: Form::Avro { writer, .. }, .. }) = value else { return false };
        let full_name = &writer.full_name;
        full_name == wanted || full_name.rsplit_once('.').is_some_and(|(_, name)| name == wanted)
    }

    /// What was asked of the value so far may not have looked at all of it.
    fn matches_decoding(&self, value: Option<Value<'_>>) -> bool {
        let needs_decodable = self.record_type.is_some() || !self.conditions.is_empty();
        if !needs_decodable && !self.undecodable {
            return true;
        }
        let Some(value) = value else { return false };
        let is_decodable = match value.form {
            Form::Avro { datum, writer } => writer.check(datum).is_ok(),
            Form::Json(_) | Form::Text(_) => true,
            Form::Opaque(_) => false,
        };
        if is_decodable { !self.undecodable } else { self.undecodable && !needs_decodable }
    }
}

/// The value of a record, and what it is.
#[derive(Clone, Copy)]
struct Value<'a> {
    bytes: &'a [u8],
    form: &'a Form<'a>,
}

impl Value<'_> {
    fn meets(self, condition: &Condition) -> bool {
        match self.form {
            Form::Avro { datum, writer } => {
                writer.find(datum, condition.path()).is_ok_and(|found| condition.is_met_by(found.as_ref()))
            }
            Form::Json(value) => condition.is_met_by(condition.path().find_in(value).as_ref()),
            Form::Text(_) | Form::Opaque(_) => false,
        }
    }
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

    fn is_in(&self, record: &RecordView<'_>, value: Option<Value<'_>>) -> bool {
        let in_bytes = |bytes: &[u8]| String::from_utf8_lossy(bytes).contains(&self.text);
        if record.key.is_some_and(in_bytes) || record.headers().any(|(_, value)| value.is_some_and(in_bytes)) {
            return true;
        }
        let in_json = |json: &serde_json::Value| {
            let json = json.to_string();
            json.contains(&self.text) || json.contains(&self.in_json)
        };
        let Some(Value { bytes, form }) = value else { return false };
        match form {
            Form::Avro { datum, writer } => match writer.to_json(datum) {
                Ok(decoded) => in_json(&decoded),
                Err(_) => in_bytes(bytes),
            },
            // However it was escaped and spaced, and as it was written.
            Form::Json(value) => in_json(value) || in_bytes(bytes),
            Form::Text(_) | Form::Opaque(_) => in_bytes(bytes),
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
