//! What a condition compares with, in each of the forms it can have, and how a value stands to it.
//!
//! - Numbers, decimals among them, compare as numbers with a value that is one: `12.50` equals `12.5`, and `9` is less
//!   than `10`. A float that is no number has no order, and equals `NaN`.
//! - Points in time compare as such with every form that `since` takes (`filter/instant.rs`), whatever its offset; a day is
//!   its midnight, UTC. A time of day compares with one. A boolean compares with `true` and `false`.
//! - Everything else compares as the text that its JSON has, without quotes: a field of text that holds digits is text.
//!   Times in such a field order right if all are written alike.
//! - `null` equals the value `null` and has no order.
//! - An object or an array equals the same JSON; it has no order; `~` looks into its JSON.
//!
//! A value that is none of the kind that the field has is no small value of it: it is a misfit, and a question that can only
//! meet misfits is refused.

use super::{
    instant::{FORMS, Moment, time_of_day},
    number::Number,
};
use chrono::{DateTime, NaiveDateTime, NaiveTime, Utc};
use foldstream_log::{Scalar, Selected};
use std::{
    cmp::Ordering,
    fmt::{self, Write},
};

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Operand {
    text: String,
    number: Option<Numeral>,
    /// Also what floats have beside numbers, as it is shown.
    float: Option<f64>,
    moment: Option<Moment>,
    /// When that is.
    time: Option<NaiveDateTime>,
    time_of_day: Option<NaiveTime>,
    boolean: Option<bool>,
    /// Only of an object or an array.
    composite: Option<serde_json::Value>,
}

#[derive(Debug, Clone, PartialEq)]
struct Numeral {
    exact: Number,
    /// Where it is a whole one.
    whole: Option<i64>,
}

impl Operand {
    pub(super) fn new(text: &str, now: DateTime<Utc>) -> Self {
        let number = Number::parse(text).map(|exact| Numeral { exact, whole: text.parse().ok() });
        let is_float = number.is_some() || ["NaN", "Infinity", "-Infinity"].contains(&text);
        let composite = text.starts_with(['{', '[']).then(|| serde_json::from_str(text).ok()).flatten();
        let moment = Moment::parse(text);
        Self {
            text: text.to_owned(),
            number,
            float: is_float.then(|| text.parse().ok()).flatten(),
            moment,
            time: moment.and_then(|moment| moment.at(now)),
            time_of_day: time_of_day(text),
            boolean: text.parse().ok(),
            composite,
        }
    }

    #[cfg(test)]
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Whether it means another time when it is asked later.
    pub(super) fn moves(&self) -> bool {
        matches!(self.moment, Some(Moment::Age(_)))
    }

    /// Holds fast what it meant at this time.
    pub(super) fn pin(&mut self, now: DateTime<Utc>) {
        self.time = self.moment.and_then(|moment| moment.at(now));
    }

    pub(super) fn is_number_or_time(&self) -> bool {
        self.number.is_some() || self.time.is_some()
    }

    /// How a text that is written as a number or a time stands to it; none where it is neither, or not what this is.
    pub(super) fn order_of_written(&self, text: &str) -> Option<Ordering> {
        if let (Some(written), Some(number)) = (Number::parse(text), &self.number) {
            return Some(written.cmp(&number.exact));
        }
        match Moment::parse(text)? {
            Moment::At(at) => Some(at.cmp(&self.time?)),
            Moment::Age(_) => None,
        }
    }

    pub(super) fn misfit_as_equal(&self, found: Option<&Scalar<'_>>) -> Option<String> {
        let fits_composite = found.is_none() && self.composite.is_some();
        let misfit = || self.misfit(found).filter(|_| !fits_composite);
        if self.text == "null" { None } else { misfit() }
    }

    pub(super) fn misfit_in_order(&self, found: Option<&Scalar<'_>>) -> Option<String> {
        let has_order = !matches!(found, Some(Scalar::Single(_) | Scalar::Double(_))) || self.text != "NaN";
        self.misfit(found).or_else(|| (!has_order).then(|| "is compared with a number, and NaN is none".to_owned()))
    }

    /// A scalar, or else an object or an array.
    fn misfit(&self, found: Option<&Scalar<'_>>) -> Option<String> {
        let Some(scalar) = found else {
            let rule = "is an object or an array, which has no order and equals JSON such as [1]; a field of it is asked for by \
                        its path";
            return Some(rule.to_owned());
        };
        let number = "is a number, and a number is written 12.5, -3 or 1e6, without anything between its digits";
        let (fits, rule) = match scalar {
            Scalar::Null => (false, "is null".to_owned()),
            Scalar::Integer(_) | Scalar::Unsigned(_) | Scalar::Decimal(_) => (self.number.is_some(), number.to_owned()),
            Scalar::Single(_) | Scalar::Double(_) => (self.float.is_some(), number.to_owned()),
            Scalar::Timestamp(_) | Scalar::LocalTimestamp(_) | Scalar::Date(_) => {
                (self.time.is_some(), format!("is a time, and {FORMS}"))
            }
            Scalar::Time(_) => {
                (self.time_of_day.is_some(), "is a time of day, which is written 10:00 or 10:00:00.5".to_owned())
            }
            Scalar::Boolean(_) => (self.boolean.is_some(), "is true or false".to_owned()),
            Scalar::Text(_) | Scalar::Span(_) | Scalar::Uuid(_) | Scalar::Bytes(_) => (true, String::new()),
        };
        (!fits).then_some(rule)
    }

    pub(super) fn equals(&self, found: &Selected<'_>) -> bool {
        match found {
            Selected::Scalar(Scalar::Null) => self.text == "null",
            Selected::Scalar(Scalar::Text(text)) => self.text == *text,
            Selected::Scalar(scalar) => {
                let is_no_number = |float: f64| float.is_nan();
                self.order_of(scalar).is_some_and(Ordering::is_eq)
                    || scalar.as_f64().is_some_and(is_no_number) && self.float.is_some_and(is_no_number)
            }
            Selected::Composite(value) => self.composite.as_ref() == Some(value),
            Selected::Masked => false,
        }
    }

    /// How what was found stands to the operand; none where they have no order.
    pub(super) fn order(&self, found: &Selected<'_>) -> Option<Ordering> {
        match found {
            Selected::Scalar(scalar) => self.order_of(scalar),
            Selected::Composite(_) | Selected::Masked => None,
        }
    }

    fn order_of(&self, scalar: &Scalar<'_>) -> Option<Ordering> {
        match scalar {
            Scalar::Null => None,
            Scalar::Integer(_) | Scalar::Unsigned(_) | Scalar::Decimal(_) => self.number.as_ref()?.order_of(scalar),
            // A float is the nearest to what was meant, and so is this.
            Scalar::Single(_) | Scalar::Double(_) => scalar.as_f64()?.partial_cmp(&self.float?),
            Scalar::Timestamp(at) => Some(at.naive_utc().cmp(&self.time?)),
            Scalar::LocalTimestamp(at) => Some(at.cmp(&self.time?)),
            Scalar::Date(date) => Some(date.and_time(NaiveTime::MIN).cmp(&self.time?)),
            Scalar::Time(time) => Some(time.cmp(&self.time_of_day?)),
            Scalar::Boolean(boolean) => Some(boolean.cmp(&self.boolean?)),
            Scalar::Text(_) | Scalar::Span(_) | Scalar::Uuid(_) | Scalar::Bytes(_) => {
                Some(order_of_text(scalar, &self.text))
            }
        }
    }

    pub(super) fn is_in(&self, found: &Selected<'_>) -> bool {
        match found {
            Selected::Scalar(Scalar::Null) => false,
            Selected::Scalar(Scalar::Text(text)) => text.contains(&self.text),
            Selected::Scalar(scalar) => scalar.to_string().contains(&self.text),
            Selected::Composite(value) => value.to_string().contains(&self.text),
            Selected::Masked => false,
        }
    }
}

impl Numeral {
    /// How a whole number or a decimal stands to it; none when that is neither.
    fn order_of(&self, scalar: &Scalar<'_>) -> Option<Ordering> {
        match (scalar, self.whole) {
            (Scalar::Integer(number), Some(whole)) => Some(number.cmp(&whole)),
            (Scalar::Integer(_) | Scalar::Unsigned(_) | Scalar::Decimal(_), _) => {
                Number::parse(&scalar.to_string()).map(|number| number.cmp(&self.exact))
            }
            _ => None,
        }
    }
}

/// Compares the text of a scalar, piece by piece as it is written: no text is built.
fn order_of_text(scalar: &Scalar<'_>, text: &str) -> Ordering {
    struct Comparing<'a> {
        rest: &'a [u8],
        order: Ordering,
    }
    impl Write for Comparing<'_> {
        fn write_str(&mut self, piece: &str) -> fmt::Result {
            let piece = piece.as_bytes();
            let (start, rest) = self.rest.split_at(piece.len().min(self.rest.len()));
            self.order = piece.cmp(start);
            self.rest = rest;
            // An error ends the writing: what follows changes nothing.
            if self.order.is_eq() { Ok(()) } else { Err(fmt::Error) }
        }
    }
    let mut comparing = Comparing { rest: text.as_bytes(), order: Ordering::Equal };
    let written = write!(comparing, "{scalar}");
    match written {
        Ok(()) if !comparing.rest.is_empty() => Ordering::Less,
        _ => comparing.order,
    }
}
