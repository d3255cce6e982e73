//! The rules that fields obey. A field of an `.avsc` names its rule, the catalogue says what the rule is, and every door
//! (HTTP, replay, a foreign producer's record) asks the same rule, so all refuse the same input in the same words.
//!
//! A rule is named and not spelled out in each schema: an id is the same thing wherever it stands. Characters are told by
//! class and not by a regular expression: this is asked of every field of every record, and [`Rule::pattern`] gives the
//! expression to those who want one.

use chrono::{DateTime, Datelike, Utc};
use std::fmt;

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

/// What values of a field must be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rule {
    pub name: &'static str,
    /// For people, as it stands in errors.
    pub says: &'static str,
    pub limits: Limits,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Limits {
    Text {
        min_chars: usize,
        max_chars: usize,
        characters: Characters,
    },
    /// Finite, and within these.
    Number {
        minimum: f64,
        maximum: Option<f64>,
    },
    Time {
        first_year: i32,
        last_year: i32,
    },
}

/// Which characters a text may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Characters {
    /// No blank and no control character.
    Visible,
    /// No control character, and not only blanks.
    Printable,
}

/// An event that knows the rules its fields obey.
pub trait Checked {
    fn check(&self) -> Result<(), Violation>;
}

impl Rule {
    pub fn text<'a>(&self, field: &str, value: &'a str) -> Result<&'a str, Violation> {
        let Limits::Text { min_chars, max_chars, characters } = self.limits else { return Ok(value) };
        let holds = match characters {
            Characters::Visible => !value.chars().any(|one| one.is_control() || one.is_whitespace()),
            Characters::Printable => !value.trim().is_empty() && !value.chars().any(char::is_control),
        };
        let chars = value.chars().take(max_chars + 1).count();
        if holds && (min_chars..=max_chars).contains(&chars) { Ok(value) } else { Err(self.broken_by(field, value)) }
    }

    pub fn number(&self, field: &str, value: f64) -> Result<f64, Violation> {
        let Limits::Number { minimum, maximum } = self.limits else { return Ok(value) };
        // Comparisons are false for NaN.
        let holds = value >= minimum && value.is_finite() && maximum.is_none_or(|maximum| value <= maximum);
        if holds { Ok(value) } else { Err(self.broken_by(field, value)) }
    }

    pub fn whole(&self, field: &str, value: impl Into<i64>) -> Result<i64, Violation> {
        let value = value.into();
        let Limits::Number { minimum, maximum } = self.limits else { return Ok(value) };
        #[expect(clippy::cast_precision_loss, reason = "limits of whole numbers are small")]
        let near = value as f64;
        let holds = near >= minimum && maximum.is_none_or(|maximum| near <= maximum);
        if holds { Ok(value) } else { Err(self.broken_by(field, value)) }
    }

    pub fn time(&self, field: &str, value: DateTime<Utc>) -> Result<DateTime<Utc>, Violation> {
        let Limits::Time { first_year, last_year } = self.limits else { return Ok(value) };
        if (first_year..=last_year).contains(&value.year()) { Ok(value) } else { Err(self.broken_by(field, value)) }
    }

    /// The regular expression (ECMA 262) of the texts that hold, but for their length; of a time those of its writings that
    /// RFC 3339 has. In the first and the last year no offset is told, which could lead out of them.
    #[must_use]
    pub fn pattern(&self) -> Option<String> {
        const CONTROL: &str = r"\u0000-\u001f\u007f-\u009f";
        match self.limits {
            Limits::Text { characters: Characters::Visible, .. } => Some(format!(r"^[^\s{CONTROL}]*$")),
            Limits::Text { characters: Characters::Printable, .. } => {
                Some(format!("^[^{CONTROL}]*[^\\s{CONTROL}][^{CONTROL}]*$"))
            }
            Limits::Time { first_year, last_year } => {
                let within = years(&format!("{:04}", first_year + 1), &format!("{:04}", last_year - 1));
                Some(format!("^(?:{within}-.*|(?:{first_year:04}|{last_year:04})-..-..T[^+-]*)$"))
            }
            Limits::Number { .. } => None,
        }
    }

    fn broken_by(&self, field: &str, value: impl fmt::Display) -> Violation {
        Violation::new(field, value, self.says)
    }
}

/// The regular expression of the digits from these up to those, of the same length.
fn years(first: &str, last: &str) -> String {
    let (Some(from), Some(to)) = (first.bytes().next(), last.bytes().next()) else { return String::new() };
    let (rest_of_first, rest_of_last) = (&first[1..], &last[1..]);
    let (from, to) = (char::from(from), char::from(to));
    if from == to {
        return format!("{from}{}", years(rest_of_first, rest_of_last));
    }
    let (zeros, nines) = ("0".repeat(rest_of_first.len()), "9".repeat(rest_of_first.len()));
    let mut choices = vec![format!("{from}{}", years(rest_of_first, &nines))];
    let between = (u32::from(from) + 1..u32::from(to)).filter_map(char::from_u32);
    choices.extend(between.map(|digit| format!("{digit}{}", years(&zeros, &nines))));
    choices.push(format!("{to}{}", years(&zeros, rest_of_last)));
    let any = (first.starts_with('0') && rest_of_first == zeros && last.starts_with('9') && rest_of_last == nines)
        .then(|| "[0-9]".repeat(first.len()));
    any.unwrap_or_else(|| format!("(?:{})", choices.join("|")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generated::rules::ID;

    const DEGREES: Rule = Rule {
        name: "degrees",
        says: "a number of degrees from -90 to 90",
        limits: Limits::Number { minimum: -90.0, maximum: Some(90.0) },
    };
    const TITLE: Rule = Rule {
        name: "title",
        says: "a title has 1 to 200 characters",
        limits: Limits::Text { min_chars: 1, max_chars: 200, characters: Characters::Printable },
    };

    #[test]
    fn numbers_out_of_range_and_not_a_number_are_refused() {
        for bad in [90.000_001, -91.0, f64::NAN, f64::INFINITY] {
            assert!(DEGREES.number("latitude", bad).is_err(), "{bad}");
        }
        assert_eq!(DEGREES.number("latitude", -90.0), Ok(-90.0));
        let no_end = Rule { limits: Limits::Number { minimum: 0.0, maximum: None }, ..DEGREES };
        for bad in [-0.1, f64::NAN, f64::INFINITY] {
            assert!(no_end.number("radius", bad).is_err(), "{bad}");
        }
        assert!(no_end.whole("sequence", -1).is_err());
        assert_eq!(no_end.whole("sequence", i64::MAX), Ok(i64::MAX));
    }

    #[test]
    fn a_violation_names_field_value_and_rule_and_stays_short() {
        let violation = TITLE.text("title", &"x".repeat(100_000)).unwrap_err();
        assert_eq!(violation.field, "title");
        assert!(violation.to_string().len() < 400, "{violation}");
        let violation = TITLE.text("title", "a\0b").unwrap_err();
        assert!(!violation.to_string().contains('\0'), "{violation}");
    }

    #[test]
    fn years_are_told_digit_by_digit() {
        assert_eq!(years("1970", "1972"), "197(?:0|1|2)");
        assert_eq!(years("0000", "9999"), "[0-9][0-9][0-9][0-9]");
        assert_eq!(years("08", "31"), "(?:0(?:8|9)|1[0-9]|2[0-9]|3(?:0|1))");
        assert_eq!(years("2026", "2026"), "2026");
    }

    #[test]
    fn ids_and_names() {
        assert!(ID.text("key", "").is_err());
        assert!(ID.text("key", "a b").is_err());
        assert!(ID.text("key", "0101de").is_ok());
        assert!(TITLE.text("title", "   ").is_err());
        assert!(TITLE.text("title", "Ångström").is_ok());
    }
}
