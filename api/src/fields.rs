//! The fields of a JSON body, read one by one, each judged by the rules that the events declare.
//!
//! Every violation is collected (up to a hundred), so that a client learns of all of them at once. Fields nobody asked
//! for are ignored: clients send whole records back.

use crate::{parameters::MISSING, problem::Problem};
use chrono::{DateTime, Datelike, NaiveDateTime, Utc};
use foldstream_log::{Rule, Violation};
use serde_json::{Map, Value};

const MAX_VIOLATIONS: usize = 100;

pub(crate) const TIME_RULE: &str =
    "a time is ISO 8601, as in 2026-01-01T12:00:00Z, in the years 1 to 9999; without an offset it is UTC";

/// Everything that is wrong with a body.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    violations: Vec<Violation>,
}

impl Findings {
    /// The value, or what was found against it.
    pub(crate) fn check<T>(&mut self, checked: Result<T, Violation>) -> Option<T> {
        checked
            .map_err(|violation| {
                if self.violations.len() < MAX_VIOLATIONS {
                    self.violations.push(violation);
                }
            })
            .ok()
    }

    pub(crate) fn none(self) -> Result<(), Problem> {
        match self.violations.is_empty() {
            true => Ok(()),
            false => Err(Problem::InvalidContent(self.violations)),
        }
    }
}

/// The fields of one object of a body.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    /// Where the object stands: empty, or `[3].`.
    place: String,
    object: &'a Map<String, Value>,
}

impl<'a> Fields<'a> {
    /// The object at this place: empty for the body itself, else `[3]`.
    pub(crate) fn of(place: &str, value: &'a Value) -> Result<Self, Violation> {
        let object = value.as_object().ok_or_else(|| {
            Violation::new(if place.is_empty() { "body" } else { place }, value, "here stands a JSON object")
        })?;
        Ok(Self { place: if place.is_empty() { String::new() } else { format!("{place}.") }, object })
    }

    /// Whether a field is given, and not as null.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.object.get(name).is_some_and(|value| !value.is_null())
    }

    /// A field that must be there.
    fn field(&self, name: &str, what: &str) -> Result<(String, &'a Value), Violation> {
        let field = format!("{}{name}", self.place);
        match self.object.get(name) {
            Some(value) if !value.is_null() => Ok((field, value)),
            Some(_) => Err(Violation::new(field, "null", format!("this field must be given: {what}"))),
            None => Err(Violation::new(field, MISSING, format!("this field must be given: {what}"))),
        }
    }

    /// A text that obeys a rule.
    pub(crate) fn text(&self, name: &str, rule: &Rule) -> Result<String, Violation> {
        let (field, value) = self.field(name, "a text")?;
        let text = value.as_str().ok_or_else(|| Violation::new(&field, value, "here stands a text"))?;
        rule.text(&field, text).map(str::to_owned)
    }

    /// An id: a text, or a whole number, which is read as one.
    pub(crate) fn id(&self, name: &str, rule: &Rule) -> Result<String, Violation> {
        let (field, value) = self.field(name, "an id")?;
        let id = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) if number.is_u64() => number.to_string(),
            other => return Err(Violation::new(&field, other, "an id is a text")),
        };
        rule.text(&field, &id)?;
        Ok(id)
    }

    /// A number, or a text that is one.
    pub(crate) fn number(&self, name: &str, rule: &Rule) -> Result<f64, Violation> {
        let (field, value) = self.field(name, "a number")?;
        let number = match value {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        match number {
            Some(number) => rule.number(&field, number),
            None => Err(Violation::new(field, text_of(value), rule.says)),
        }
    }

    /// A time, to the microsecond.
    pub(crate) fn time(&self, name: &str) -> Result<DateTime<Utc>, Violation> {
        let (field, value) = self.field(name, "a time")?;
        value.as_str().and_then(time).ok_or_else(|| Violation::new(field, text_of(value), TIME_RULE))
    }
}

fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A time, to the microsecond; [`TIME_RULE`] says which texts are one.
pub(crate) fn time(text: &str) -> Option<DateTime<Utc>> {
    let with_offset = DateTime::parse_from_rfc3339(text).ok().map(|time| time.with_timezone(&Utc));
    let without = || {
        ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"]
            .iter()
            .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok().map(|time| time.and_utc()))
    };
    let time = with_offset.or_else(without)?;
    // What events and tables hold: microseconds, no leap second.
    DateTime::from_timestamp_micros(time.timestamp_micros()).filter(|time| (1..=9999).contains(&time.year()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use foldstream_events::rules;
    use proptest::prelude::*;
    use serde_json::json;

    fn latitude(value: Value) -> Result<f64, Violation> {
        let body = json!({"latitude": value});
        Fields::of("[3]", &body)?.number("latitude", &rules::LATITUDE)
    }

    #[test]
    fn numbers_and_texts_that_are_numbers() {
        assert_eq!(latitude(json!(48.5)), Ok(48.5));
        assert_eq!(latitude(json!("-48.5")), Ok(-48.5));
        for bad in [json!("abc"), json!(91), json!("NaN"), json!("inf"), json!(""), json!([1]), json!(true)] {
            let violation = latitude(bad.clone()).unwrap_err();
            assert_eq!(violation.field, "[3].latitude", "{bad}");
            assert!(violation.rule.contains("-90 to 90"), "{violation}");
        }
        assert_eq!(latitude(json!("abc")).unwrap_err().value, "abc");
        assert_eq!(latitude(Value::Null).unwrap_err().value, "null");
    }

    #[test]
    fn what_is_missing_or_no_object_is_named() {
        let violation = Fields::of("", &json!({})).unwrap().text("first_name", &rules::NAME).unwrap_err();
        assert_eq!((violation.field.as_str(), violation.value.as_str()), ("first_name", MISSING));
        assert_eq!(Fields::of("", &json!([1])).unwrap_err().field, "body");
        assert_eq!(Fields::of("[7]", &json!(1)).unwrap_err().field, "[7]");
        let nul = json!({"first_name": "a\u{0}b"});
        assert!(Fields::of("", &nul).unwrap().text("first_name", &rules::NAME).is_err());
    }

    #[test]
    fn times_with_and_without_offset() {
        let noon = "2026-01-01T12:00:00Z".parse::<DateTime<Utc>>().unwrap();
        for text in ["2026-01-01T12:00:00Z", "2026-01-01T13:00:00+01:00", "2026-01-01T12:00:00", "2026-01-01 12:00:00"]
        {
            assert_eq!(time(text), Some(noon), "{text}");
        }
        assert_eq!(time("2026-01-01T12:00:00.123456789Z").unwrap().timestamp_subsec_nanos(), 123_456_000);
        for text in ["2026-02-30T00:00:00Z", "2026-01-01", "noon", "", "0000-01-01T00:00:00Z", "+12026-01-01T00:00:00Z"]
        {
            assert_eq!(time(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,40}") {
            let _ = time(&text);
            let _ = latitude(json!(text));
        }
    }
}
