//! The rules that fields obey, as checked constructors. Every door uses these, so all refuse the same input.

use crate::{
    ChangePerson, ErasePerson, LocationReported, PersonChanged, PersonCommandDecided, PersonErased,
    PersonProfileRecorded, PersonRegistered, PersonState, RecordRefused, RegisterPerson, SourceProgressed,
};
use chrono::{DateTime, Datelike, Utc};
use std::fmt;

pub const MAX_ID_CHARS: usize = 128;
pub const MAX_NAME_CHARS: usize = 200;

/// A value that breaks a rule: which field, what value, which rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {value} is refused: {rule}")]
pub struct Violation {
    pub field: String,
    /// The value as given, shortened when long.
    pub value: String,
    pub rule: String,
}

impl Violation {
    pub fn new(field: impl Into<String>, value: impl fmt::Display, rule: impl Into<String>) -> Self {
        Self { field: field.into(), value: shortened(&value.to_string()), rule: rule.into() }
    }
}

/// At most 100 characters of a value, without control characters: enough to recognise it in an error.
fn shortened(value: &str) -> String {
    let mut shown: String = value.chars().take(100).flat_map(char::escape_debug).collect();
    if value.chars().nth(100).is_some() {
        shown.push('…');
    }
    shown
}

/// A finite number of degrees from -90 to 90.
pub type Latitude = f64;
/// A finite number of degrees from -180 to 180.
pub type Longitude = f64;

pub fn checked_latitude(field: &str, value: f64) -> Result<Latitude, Violation> {
    // The range test is false for NaN.
    if (-90.0..=90.0).contains(&value) {
        return Ok(value);
    }
    Err(Violation::new(field, value, "a latitude is a number of degrees from -90 to 90"))
}

pub fn checked_longitude(field: &str, value: f64) -> Result<Longitude, Violation> {
    if (-180.0..=180.0).contains(&value) {
        return Ok(value);
    }
    Err(Violation::new(field, value, "a longitude is a number of degrees from -180 to 180"))
}

/// A radius in metres: finite, 0 or greater.
pub fn checked_accuracy(field: &str, value: f64) -> Result<f64, Violation> {
    if value.is_finite() && value >= 0.0 {
        return Ok(value);
    }
    Err(Violation::new(field, value, "an accuracy is a number of metres, 0 or greater"))
}

/// An opaque id: 1 to 128 printable characters without blanks.
pub fn checked_id<'a>(field: &str, value: &'a str) -> Result<&'a str, Violation> {
    if (1..=MAX_ID_CHARS).contains(&value.chars().take(MAX_ID_CHARS + 1).count())
        && !value.chars().any(|character| character.is_control() || character.is_whitespace())
    {
        return Ok(value);
    }
    Err(Violation::new(
        field,
        value,
        format!("an id has 1 to {MAX_ID_CHARS} characters, none of them a blank or a control character"),
    ))
}

/// A name as people write it: 1 to 200 characters, not only blanks, no control characters.
pub fn checked_name<'a>(field: &str, value: &'a str) -> Result<&'a str, Violation> {
    if (1..=MAX_NAME_CHARS).contains(&value.chars().take(MAX_NAME_CHARS + 1).count())
        && !value.trim().is_empty()
        && !value.chars().any(char::is_control)
    {
        return Ok(value);
    }
    Err(Violation::new(
        field,
        value,
        format!("a name has 1 to {MAX_NAME_CHARS} characters, not only blanks, none of them a control character"),
    ))
}

/// A time that every store and client can hold: years 1 to 9999.
fn checked_time(field: &str, value: DateTime<Utc>) -> Result<DateTime<Utc>, Violation> {
    if (1..=9999).contains(&value.year()) {
        return Ok(value);
    }
    Err(Violation::new(field, value, "a time lies in the years 1 to 9999"))
}

/// An event that knows the rules its fields obey.
pub(crate) trait Checked {
    fn check(&self) -> Result<(), Violation>;
}

impl Checked for LocationReported {
    fn check(&self) -> Result<(), Violation> {
        checked_id("person_id", &self.person_id)?;
        checked_time("occurred_at", self.occurred_at)?;
        checked_latitude("latitude", self.latitude)?;
        checked_longitude("longitude", self.longitude)?;
        self.accuracy_m.map_or(Ok(0.0), |accuracy_m| checked_accuracy("accuracy_m", accuracy_m))?;
        Ok(())
    }
}

impl Checked for PersonProfileRecorded {
    fn check(&self) -> Result<(), Violation> {
        checked_id("person_id", &self.person_id)?;
        checked_time("occurred_at", self.occurred_at)?;
        checked_name("first_name", &self.first_name)?;
        checked_name("last_name", &self.last_name)?;
        checked_name("company_name", &self.company_name)?;
        Ok(())
    }
}

impl Checked for RegisterPerson {
    fn check(&self) -> Result<(), Violation> {
        checked_id("person_id", &self.person_id)?;
        checked_time("occurred_at", self.occurred_at)?;
        checked_name("first_name", &self.first_name)?;
        checked_name("last_name", &self.last_name)?;
        checked_name("company_name", &self.company_name)?;
        Ok(())
    }
}

impl Checked for ChangePerson {
    fn check(&self) -> Result<(), Violation> {
        checked_id("person_id", &self.person_id)?;
        checked_time("occurred_at", self.occurred_at)?;
        let names =
            [("first_name", &self.first_name), ("last_name", &self.last_name), ("company_name", &self.company_name)];
        for (field, name) in names {
            name.as_deref().map_or(Ok(""), |name| checked_name(field, name))?;
        }
        Ok(())
    }
}

/// Events whose only fields with a rule are the envelope's.
macro_rules! checked_envelope {
    ($($event:ident by $key:ident),+) => {
        $(impl Checked for $event {
            fn check(&self) -> Result<(), Violation> {
                checked_id(stringify!($key), &self.$key)?;
                checked_time("occurred_at", self.occurred_at)?;
                Ok(())
            }
        })+
    };
}

checked_envelope! {
    ErasePerson by person_id,
    PersonCommandDecided by person_id,
    PersonRegistered by person_id,
    PersonChanged by person_id,
    PersonErased by person_id,
    PersonState by person_id
}

impl Checked for RecordRefused {
    fn check(&self) -> Result<(), Violation> {
        // The record lies in a log, wherever that is: its names and its time are as they are.
        checked_id("origin", &self.origin).map(drop)
    }
}

impl Checked for SourceProgressed {
    fn check(&self) -> Result<(), Violation> {
        checked_id("source_id", &self.source_id)?;
        if self.next_sequence < 0 {
            return Err(Violation::new("next_sequence", self.next_sequence, "a sequence number is 0 or greater"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coordinates_out_of_range_and_not_a_number_are_refused() {
        for bad in [90.000_001, -91.0, f64::NAN, f64::INFINITY] {
            assert!(checked_latitude("latitude", bad).is_err(), "{bad}");
        }
        assert!(checked_longitude("longitude", 180.000_001).is_err());
        assert_eq!(checked_longitude("longitude", -180.0), Ok(-180.0));
    }

    #[test]
    fn an_accuracy_is_a_radius() {
        for bad in [-0.1, f64::NAN, f64::INFINITY] {
            assert!(checked_accuracy("accuracy_m", bad).is_err(), "{bad}");
        }
        assert_eq!(checked_accuracy("accuracy_m", 0.0), Ok(0.0));
        let mut report = LocationReported {
            event_id: uuid::Uuid::nil(),
            person_id: "ada".to_owned(),
            occurred_at: DateTime::UNIX_EPOCH,
            latitude: 1.0,
            longitude: 2.0,
            accuracy_m: None,
        };
        assert_eq!(report.check(), Ok(()));
        report.accuracy_m = Some(-1.0);
        assert_eq!(report.check().unwrap_err().field, "accuracy_m");
    }

    #[test]
    fn a_violation_names_field_value_and_rule_and_stays_short() {
        let violation = checked_name("first_name", &"x".repeat(100_000)).unwrap_err();
        assert_eq!(violation.field, "first_name");
        assert!(violation.to_string().len() < 400, "{violation}");
        let violation = checked_name("first_name", "a\0b").unwrap_err();
        assert!(!violation.to_string().contains('\0'), "{violation}");
    }

    #[test]
    fn ids_and_names() {
        assert!(checked_id("person_id", "").is_err());
        assert!(checked_id("person_id", "a b").is_err());
        assert!(checked_id("person_id", "0101de").is_ok());
        assert!(checked_name("last_name", "   ").is_err());
        assert!(checked_name("last_name", "Ångström").is_ok());
    }
}
