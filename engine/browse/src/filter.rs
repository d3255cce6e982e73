//! Which records somebody wants to see.
//!
//! All that is asked for must hold. What is cheap is asked first: the time, the key (`filter/key.rs`), headers
//! (`filter/header.rs`), then the type,
//! which the schema id tells, then conditions on single fields (`filter/condition.rs`), and only then whole values.
//!
//! Of what cannot be decoded to its last byte nothing is said that it would have to tell: neither that it is wanted nor that
//! it is not ([`Verdict::Uncompared`]). Nor is that of values of another kind than is asked about: JSON has no type, text has
//! neither type nor fields. A record without a value has nothing, and that is certain.
//!
//! Text is found as it is written, upper and lower case apart: in the key, in the values of headers and in the JSON of
//! the value, names of fields included.

mod condition;
mod header;
mod instant;
mod key;
mod number;
mod operand;
mod paths;

pub use condition::Condition;
pub use instant::instant;
pub use paths::PathsSeen;

use crate::{
    batches::RecordView,
    place::Times,
    uncompared::{Reason, Verdict},
    words::{MAX_CONDITIONS, MAX_CONTAINED_CHARS, MAX_TYPE_CHARS},
};
use chrono::{DateTime, Utc};
use foldstream_log::{
    Content, Encoding, Form, Opaque, Part, ReadAs, Reading, SchemaOf, Violation, WriterSchema, as_text,
};
use header::HeaderCondition;
use key::WantedKey;
use std::borrow::Cow;

/// Begins as one that lets everything through.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    key: Option<WantedKey>,
    since_ms: Option<i64>,
    until_ms: Option<i64>,
    record_type: Option<String>,
    contained: Option<Needle>,
    conditions: Vec<Condition>,
    headers: Vec<HeaderCondition>,
    /// When it was asked, where a condition speaks of an age.
    asked_at_ms: Option<i64>,
    undecodable: bool,
    /// How keys and values are read that are held against it.
    reading: Reading,
}

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
                // Not all who write schemas keep to ASCII.
                && name.chars().all(|character| match character {
                    '_' | '0'..='9' | 'a'..='z' | 'A'..='Z' => true,
                    other => other > '\u{a0}' && !other.is_whitespace(),
                })
        };
        if text.chars().nth(MAX_TYPE_CHARS).is_some() || !text.split('.').all(is_name) {
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
    pub fn add_condition(&mut self, text: &str, now: DateTime<Utc>) -> Result<(), Violation> {
        if self.conditions.len() >= MAX_CONDITIONS {
            return Err(Violation::new("where", text, format!("there are at most {MAX_CONDITIONS} conditions")));
        }
        let condition = Condition::parse(text, now)?;
        if condition.moves() {
            self.asked_at_ms = Some(now.timestamp_millis());
        }
        self.conditions.push(condition);
        Ok(())
    }

    /// Only records whose headers meet this condition, too.
    pub fn add_header(&mut self, text: &str, now: DateTime<Utc>) -> Result<(), Violation> {
        if self.headers.len() >= MAX_CONDITIONS {
            return Err(Violation::new("header", text, format!("there are at most {MAX_CONDITIONS} conditions")));
        }
        let condition = HeaderCondition::parse(text, now)?;
        if condition.moves() {
            self.asked_at_ms = Some(now.timestamp_millis());
        }
        self.headers.push(condition);
        Ok(())
    }

    /// Only records whose value cannot be decoded, or all again. A record without a value is none of them.
    pub fn set_undecodable(&mut self, undecodable: bool) {
        self.undecodable = undecodable;
    }

    /// Holds keys and values against it as they are when they are read so. An error is of what cannot be asked of those.
    pub fn set_reading(&mut self, reading: Reading) -> Result<(), Violation> {
        self.reading = reading;
        let refuse = |field, asked: String, what| Err(Violation::new(field, asked, format!("{what}: see value_as")));
        match (self.conditions.first(), &self.record_type) {
            (Some(condition), _) if !reading.value.has_fields() => refuse(
                "where",
                condition.to_string(),
                "values have no fields when they are read as text, a number or bytes",
            ),
            (_, Some(wanted)) if !reading.value.has_type() => {
                refuse("type", wanted.clone(), "values have no type when they are read as anything but Avro")
            }
            _ => Ok(()),
        }
    }

    /// The bytes that the key may have where keys are written without a schema; none when none was asked for, or where the
    /// same can be written in many ways.
    #[must_use]
    pub fn key_bytes(&self) -> Option<Vec<Cow<'_, [u8]>>> {
        self.key.as_ref().and_then(|key| key.bytes(self.reading.key))
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
    pub(crate) fn pin(&mut self, times: Times) {
        (self.since_ms, self.until_ms) = (times.since_ms, times.until_ms);
        if let Some(asked_at) = times.asked_at_ms.and_then(DateTime::from_timestamp_millis) {
            self.asked_at_ms = times.asked_at_ms;
            self.conditions.iter_mut().for_each(|condition| condition.pin(asked_at));
            self.headers.iter_mut().for_each(|condition| condition.pin(asked_at));
        }
    }

    /// What the times came to that were asked for.
    #[must_use]
    pub fn times(&self) -> Times {
        Times { since_ms: self.since_ms, until_ms: self.until_ms, asked_at_ms: self.asked_at_ms }
    }

    /// Whether it lets everything through.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }

    /// Whether the record is wanted; it is noted which paths its schema has.
    #[must_use]
    pub fn compare(&self, record: &RecordView<'_>, schema_of: &SchemaOf<'_>, paths: &PathsSeen) -> Verdict {
        if self.since_ms.is_some_and(|since_ms| record.timestamp_ms < since_ms)
            || self.until_ms.is_some_and(|until_ms| record.timestamp_ms >= until_ms)
        {
            return Verdict::Other;
        }
        let of_key = self.key.as_ref().map(|key| key.is_of(record, self.reading.key, schema_of));
        let asks_of_value = self.record_type.is_some() || !self.conditions.is_empty();
        if of_key == Some(Ok(false)) || !self.headers_hold(record, paths) {
            return Verdict::Other;
        }
        if !asks_of_value && self.contained.is_none() && !self.undecodable {
            return Verdict::of_all(of_key.into_iter());
        }
        let read = |bytes| Content::read(self.reading.value, (Part::Value, bytes), record.headers(), schema_of).form;
        let content = record.value.map(|bytes| (bytes, read(bytes)));
        let value = content.as_ref().map(|(bytes, form)| Value { bytes, form });
        self.note_paths(value, paths);
        let of_value = |holds: &dyn Fn(Value<'_>) -> Result<bool, Reason>| value.map_or(Ok(false), holds);
        let of_type = self.record_type.iter().map(|wanted| of_value(&|value| self.is_of_type(wanted, value)));
        let undecodable =
            self.undecodable.then_some(()).into_iter().map(|()| of_value(&|value| value.is_undecodable()));
        let conditions = self.conditions.iter().map(|condition| of_value(&|value| value.meets(condition)));
        let contained = self.contained.iter().map(|needle| self.is_contained(needle, (record, value), schema_of));
        Verdict::of_all(of_key.into_iter().chain(of_type).chain(undecodable).chain(conditions).chain(contained))
    }

    /// Each is held against them, though one failed: it is to be known of each whether it can be meant so.
    fn headers_hold(&self, record: &RecordView<'_>, paths: &PathsSeen) -> bool {
        let mut all = true;
        for (at, condition) in self.headers.iter().enumerate() {
            all &= condition.is_met_by(record.headers(), (at, &paths.headers));
        }
        all
    }

    /// A key that somebody wants to be read so is looked into as it is shown, and not as bytes.
    fn is_contained(
        &self,
        needle: &Needle,
        (record, value): (&RecordView<'_>, Option<Value<'_>>),
        schema_of: &SchemaOf<'_>,
    ) -> Result<bool, Reason> {
        let (ReadAs::Only(_), Some(key)) = (self.reading.key, record.key) else {
            return needle.is_in((record.key, record), value);
        };
        let shown = Content::read(self.reading.key, (Part::Key, key), record.headers(), schema_of).form.shown(key);
        match shown.value.is_ok_and(|shown| as_text(&shown).contains(&needle.text)) {
            true => Ok(true),
            false => needle.is_in((None, record), value),
        }
    }

    fn note_paths(&self, value: Option<Value<'_>>, paths: &PathsSeen) {
        match (value.map(|value| value.form), &self.record_type) {
            (Some(Form::Avro { writer, .. }), Some(wanted)) if !is_named(writer, wanted) => {}
            (Some(Form::Avro { writer, .. }), _) => paths.note(writer, &self.conditions),
            (Some(Form::Json(value)), None) => paths.note_json(value, &self.conditions),
            _ => {}
        }
    }

    fn is_of_type(&self, wanted: &str, value: Value<'_>) -> Result<bool, Reason> {
        match value.form {
            Form::Avro { writer, .. } if !is_named(writer, wanted) => Ok(false),
            // These tell whether it is what its schema says, too.
            Form::Avro { .. } if !self.conditions.is_empty() => Ok(true),
            Form::Avro { datum, writer } => writer.check(datum).map(|()| true).map_err(|_| Reason::Undecodable),
            Form::Json(_) => Err(Reason::Json),
            Form::Text(_) | Form::Long(_) | Form::Bytes(_) => Err(Reason::Text),
            Form::Opaque(opaque) => Err(opaque.into()),
        }
    }

    /// Paths of conditions that no schema on the way had, though values were held against them.
    #[must_use]
    pub fn unknown_paths(&self, paths: &PathsSeen) -> Vec<String> {
        let unknown = self.conditions.iter().enumerate().filter(|(at, _)| paths.is_unknown(*at));
        unknown.map(|(_, condition)| condition.path().to_string()).collect()
    }

    /// A condition that cannot be meant so: whatever was met at its path is of another kind than it asks about.
    #[must_use]
    pub fn refused(&self, paths: &PathsSeen) -> Option<Violation> {
        let header = self.headers.iter().enumerate().find(|(at, _)| paths.headers.is_misfit(*at));
        header.map(|(_, condition)| condition.refused()).or_else(|| paths.refused(&self.conditions))
    }
}

/// By its full name, or the last part of it.
fn is_named(schema: &WriterSchema, wanted: &str) -> bool {
    let full_name = &schema.full_name;
    full_name == wanted || full_name.rsplit_once('.').is_some_and(|(_, name)| name == wanted)
}

impl From<&Opaque> for Reason {
    fn from(opaque: &Opaque) -> Self {
        match opaque {
            Opaque::NoSchema(reason) if reason.is_retriable() => Self::SchemaAway,
            Opaque::NoSchema(_) => Self::NoSchema,
            Opaque::OtherKind { .. } => Self::OtherKind,
            Opaque::NotJson { .. } => Self::Undecodable,
            Opaque::Foreign(_) | Opaque::Unframed => Self::Unframed,
            Opaque::NotAs(_) => Self::NotAs,
            Opaque::Masked { .. } => Self::Masked,
        }
    }
}

/// The value of a record, and what it is.
#[derive(Clone, Copy)]
struct Value<'a> {
    bytes: &'a [u8],
    form: &'a Form<'a>,
}

impl Value<'_> {
    fn is_undecodable(self) -> Result<bool, Reason> {
        match self.form {
            Form::Avro { datum, writer } => Ok(writer.check(datum).is_err()),
            Form::Json(_) | Form::Text(_) | Form::Long(_) | Form::Bytes(_) => Ok(false),
            Form::Opaque(opaque) => match Reason::from(opaque) {
                reason if reason.is_retriable() => Err(reason),
                _ => Ok(true),
            },
        }
    }

    fn meets(self, condition: &Condition) -> Result<bool, Reason> {
        match self.form {
            Form::Avro { datum, writer } => condition.is_met_in(datum, writer),
            Form::Json(value) => Ok(condition.is_met_in_json(value)),
            Form::Text(_) | Form::Long(_) | Form::Bytes(_) => Err(Reason::Text),
            Form::Opaque(opaque) => Err(opaque.into()),
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

    /// What has no schema is text as its bytes are. Where a schema would have its say, they are only a part of what it would
    /// come to.
    fn is_in(&self, (key, record): (Option<&[u8]>, &RecordView<'_>), value: Option<Value<'_>>) -> Result<bool, Reason> {
        let in_bytes = |bytes: &[u8]| String::from_utf8_lossy(bytes).contains(&self.text);
        if key.is_some_and(in_bytes) || record.headers().any(|(_, value)| value.is_some_and(in_bytes)) {
            return Ok(true);
        }
        let in_json = |json: &serde_json::Value| {
            let json = json.to_string();
            json.contains(&self.text) || json.contains(&self.in_json)
        };
        let Some(Value { bytes, form }) = value else { return Ok(false) };
        let reason = match form {
            Form::Avro { datum, writer } => match writer.to_json(datum) {
                Ok((decoded, _)) if in_json(&decoded) => return Ok(true),
                Ok((_, true)) => return Err(Reason::Masked),
                Ok(_) => return Ok(false),
                Err(_) if writer.has_masks() => return Err(Reason::Masked),
                Err(_) => Reason::Undecodable,
            },
            // However it was escaped and spaced, and as it was written.
            Form::Json(value) => return Ok(in_json(value) || in_bytes(bytes)),
            Form::Text(_) => return Ok(in_bytes(bytes)),
            Form::Long(_) | Form::Bytes(_) => {
                return Ok(form.shown(bytes).value.is_ok_and(|shown| as_text(&shown).contains(&self.text)));
            }
            Form::Opaque(opaque) => match Reason::from(opaque) {
                Reason::Unframed => return Ok(in_bytes(bytes)),
                // What somebody wants to see otherwise is not looked into as bytes, and what nobody is to see is not at all.
                reason @ (Reason::NotAs | Reason::Masked) => return Err(reason),
                reason => reason,
            },
        };
        if !reason.is_retriable() && in_bytes(bytes) { Ok(true) } else { Err(reason) }
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
