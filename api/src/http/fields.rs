//! The fields of a JSON body, read one by one, each judged by the rules that the events declare.
//!
//! Every violation is collected (up to a hundred), so that a client learns of all of them at once. Fields nobody asked
//! for are ignored: clients send whole records back.

use crate::http::{
    names::MISSING,
    problem::Problem,
    times::{TIME_RULE, time},
};
use chrono::{DateTime, Utc};
use foldstream_log::{Rule, Violation};
use serde_json::{Map, Value};

const MAX_VIOLATIONS: usize = 100;

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
    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,40}") {
            let _ = time(&text);
            let _ = latitude(json!(text));
        }
    }
}
