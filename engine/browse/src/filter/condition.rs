//! A condition on one field of a value: `path=value`, `!=`, `>`, `>=`, `<`, `<=`, and `path~text` for "holds this
//! text". The path is a [`FieldPath`].
//!
//! What is compared:
//! - Numbers, decimals among them, compare as numbers with a value that is one: `12.50` equals `12.5`, and `9` is less
//!   than `10`. So do points in time with a time or a day in ISO 8601, whatever its offset.
//! - Everything else, or with any other value, compares as the text that its JSON has, without quotes: a field of text
//!   that holds digits is text. Times in such a field order right if all are written alike.
//! - `null` equals the value `null` and has no order.
//! - An object or an array equals the same JSON; it has no order; `~` looks into its JSON.
//! - A path that is not there meets only `!=`. One that leads to several values (`items[*].sku`) meets a condition where
//!   one of them does, and `!=` where none is equal.

use super::{instant::written, number::Number};
use chrono::NaiveDateTime;
use foldstream_log::Violation;
use foldstream_log::{FieldPath, Scalar, Selected, WriterSchema};
use std::{
    cmp::Ordering,
    fmt::{self, Write},
};

const FIELD: &str = "where";
const MAX_VALUE_CHARS: usize = 1_000;

#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    path: FieldPath,
    comparison: Comparison,
    operand: Operand,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    Contains,
}

/// What is compared with, in each of the forms it can have.
#[derive(Debug, Clone, PartialEq)]
struct Operand {
    text: String,
    number: Option<Numeral>,
    time: Option<NaiveDateTime>,
    /// Only of an object or an array.
    composite: Option<serde_json::Value>,
}

#[derive(Debug, Clone, PartialEq)]
struct Numeral {
    exact: Number,
    /// Where it is a whole one.
    whole: Option<i64>,
    float: f64,
}

impl Condition {
    pub fn parse(text: &str) -> Result<Self, Violation> {
        let refuse = |rule: String| Violation::new(FIELD, text, rule);
        let Some((path, comparison, value)) = split(text) else {
            let rule = "a condition is a path, one of = != > >= < <= ~ and a value, as in name=value";
            return Err(refuse(rule.to_owned()));
        };
        let path = path.parse().map_err(|error| refuse(format!("{error}")))?;
        if comparison != Comparison::Contains && begins_with_another_operator(value) {
            let rule = "a condition has one operator, of = != > >= < <= ~, and its value does not begin with another";
            return Err(refuse(rule.to_owned()));
        }
        if value.chars().nth(MAX_VALUE_CHARS).is_some() {
            return Err(refuse(format!("a condition's value has at most {MAX_VALUE_CHARS} characters")));
        }
        Ok(Self { path, comparison, operand: Operand::new(value) })
    }

    pub(super) fn path(&self) -> &FieldPath {
        &self.path
    }

    /// Whether a datum of this schema meets it; an error says why the datum is none.
    pub(super) fn is_met_in(&self, datum: &[u8], schema: &WriterSchema) -> Result<bool, String> {
        let any = schema.any_at(datum, &self.path, |found| self.passes(found))?;
        Ok(any != self.is_negated())
    }

    pub(super) fn is_met_in_json(&self, value: &serde_json::Value) -> bool {
        self.path.any_in(value, |found| self.passes(found)) != self.is_negated()
    }

    /// `!=` is met where nothing is equal.
    fn is_negated(&self) -> bool {
        self.comparison == Comparison::NotEqual
    }

    /// What stands at the path, or its opposite where it is negated.
    fn passes(&self, found: &Selected<'_>) -> bool {
        match self.comparison {
            Comparison::Equal | Comparison::NotEqual => self.operand.equals(found),
            Comparison::Greater => self.operand.order(found).is_some_and(Ordering::is_gt),
            Comparison::GreaterOrEqual => self.operand.order(found).is_some_and(Ordering::is_ge),
            Comparison::Less => self.operand.order(found).is_some_and(Ordering::is_lt),
            Comparison::LessOrEqual => self.operand.order(found).is_some_and(Ordering::is_le),
            Comparison::Contains => self.operand.is_in(found),
        }
    }
}

/// The operator is the first one there is; of two that begin there the longer one.
fn split(text: &str) -> Option<(&str, Comparison, &str)> {
    const OPERATORS: [(&str, Comparison); 7] = [
        ("!=", Comparison::NotEqual),
        (">=", Comparison::GreaterOrEqual),
        ("<=", Comparison::LessOrEqual),
        ("=", Comparison::Equal),
        (">", Comparison::Greater),
        ("<", Comparison::Less),
        ("~", Comparison::Contains),
    ];
    text.char_indices().find_map(|(at, _)| {
        let (path, rest) = text.split_at(at);
        OPERATORS.iter().find_map(|(sign, comparison)| Some((path, *comparison, rest.strip_prefix(sign)?)))
    })
}

/// `==`, `=>`, `=~`, `<>` and such: habits from elsewhere, which would be taken for texts that nothing equals. A text
/// may well begin with `<`, a number does not.
fn begins_with_another_operator(value: &str) -> bool {
    value.starts_with(['=', '>', '~']) || value.strip_prefix('<').is_some_and(|rest| Number::parse(rest).is_some())
}

impl Operand {
    fn new(text: &str) -> Self {
        let number = Number::parse(text).map(|exact| Numeral {
            exact,
            whole: text.parse().ok(),
            float: text.parse().unwrap_or(f64::NAN),
        });
        let composite = text.starts_with(['{', '[']).then(|| serde_json::from_str(text).ok()).flatten();
        Self { text: text.to_owned(), number, time: written(text), composite }
    }

    fn equals(&self, found: &Selected<'_>) -> bool {
        match found {
            Selected::Scalar(Scalar::Null) => self.text == "null",
            Selected::Scalar(Scalar::Text(text)) => self.text == *text,
            Selected::Scalar(scalar) => self.order_of(scalar).is_eq(),
            Selected::Composite(value) => self.composite.as_ref() == Some(value),
        }
    }

    /// How what was found stands to the operand.
    fn order(&self, found: &Selected<'_>) -> Option<Ordering> {
        match found {
            Selected::Scalar(Scalar::Null) | Selected::Composite(_) => None,
            Selected::Scalar(scalar) => Some(self.order_of(scalar)),
        }
    }

    fn order_of(&self, scalar: &Scalar<'_>) -> Ordering {
        let as_number = self.number.as_ref().and_then(|number| number.order_of(scalar));
        let as_time = || match (scalar, self.time) {
            (Scalar::Timestamp(at), Some(time)) => Some(at.naive_utc().cmp(&time)),
            (Scalar::LocalTimestamp(at), Some(time)) => Some(at.cmp(&time)),
            _ => None,
        };
        as_number.or_else(as_time).unwrap_or_else(|| order_of_text(scalar, &self.text))
    }

    fn is_in(&self, found: &Selected<'_>) -> bool {
        match found {
            Selected::Scalar(Scalar::Null) => false,
            Selected::Scalar(Scalar::Text(text)) => text.contains(&self.text),
            Selected::Scalar(scalar) => scalar.to_string().contains(&self.text),
            Selected::Composite(value) => value.to_string().contains(&self.text),
        }
    }
}

impl Numeral {
    /// How a scalar stands to it; none when that is no number.
    fn order_of(&self, scalar: &Scalar<'_>) -> Option<Ordering> {
        match (scalar, self.whole) {
            (Scalar::Integer(number), Some(whole)) => Some(number.cmp(&whole)),
            (Scalar::Integer(_) | Scalar::Unsigned(_) | Scalar::Decimal(_), _) => {
                Number::parse(&scalar.to_string()).map(|number| number.cmp(&self.exact))
            }
            // A float is the nearest to what was meant, and so is this.
            (Scalar::Single(_) | Scalar::Double(_), _) => scalar.as_f64()?.partial_cmp(&self.float),
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn is_met_by(condition: &str, found: Option<&Selected<'_>>) -> bool {
        let condition = Condition::parse(condition).unwrap();
        found.is_some_and(|found| condition.passes(found)) != condition.is_negated()
    }

    fn meets(scalar: Scalar<'_>, condition: &str) -> bool {
        is_met_by(condition, Some(&Selected::Scalar(scalar)))
    }

    #[test]
    fn operators_and_values() {
        for (text, comparison, value) in [
            ("a=1", Comparison::Equal, "1"),
            ("a!=1", Comparison::NotEqual, "1"),
            ("a>=1", Comparison::GreaterOrEqual, "1"),
            ("a<=1", Comparison::LessOrEqual, "1"),
            ("a>1", Comparison::Greater, "1"),
            ("a<1", Comparison::Less, "1"),
            ("a~1", Comparison::Contains, "1"),
            ("a=", Comparison::Equal, ""),
            ("a=b>=c", Comparison::Equal, "b>=c"),
            ("a=<b>", Comparison::Equal, "<b>"),
            ("a~=b", Comparison::Contains, "=b"),
        ] {
            let condition = Condition::parse(text).unwrap();
            assert_eq!((condition.comparison, condition.operand.text.as_str()), (comparison, value), "{text}");
        }
    }

    #[test]
    fn what_is_no_condition_is_refused_with_the_reason() {
        let long = format!("{}=1", "a".repeat(201));
        let endless = format!("a={}", "1".repeat(1_001));
        for (bad, reason) in [
            ("", "a condition is a path"),
            ("abc", "a condition is a path"),
            ("=1", "a path has 1 to 200 characters"),
            ("a.=1", "a path has 1 to 200 characters"),
            ("a = 1", "without space around them"),
            (&long, "a path has 1 to 200 characters"),
            (&endless, "at most 1000 characters"),
            ("a==b", "does not begin with another"),
            ("a=>1", "does not begin with another"),
            ("a=<1", "does not begin with another"),
            ("a=~b", "does not begin with another"),
            ("a<>b", "does not begin with another"),
            ("a>>1", "does not begin with another"),
            ("a<<1", "does not begin with another"),
        ] {
            let violation = Condition::parse(bad).unwrap_err();
            assert_eq!(violation.field, "where");
            assert!(violation.rule.contains(reason), "{bad}: {violation}");
        }
    }

    #[test]
    fn numbers_compare_as_numbers() {
        assert!(meets(Scalar::Integer(12), "a=12.0"));
        assert!(meets(Scalar::Integer(9), "a<10"));
        assert!(meets(Scalar::Integer(13), "a>12.5"));
        assert!(meets(Scalar::Double(12.5), "a=12.50"));
        assert!(meets(Scalar::Single(0.1), "a=0.1"));
        assert!(meets(Scalar::Double(1e300), "a=1e300"));
        assert!(meets(Scalar::Integer(9_007_199_254_740_993), "a!=9007199254740992"));
        assert!(meets(Scalar::Double(-0.0), "a=0"));
        assert!(meets(Scalar::Double(f64::NAN), "a=NaN"));
        assert!(!meets(Scalar::Integer(12), "a=twelve"));
        assert!(meets(Scalar::Integer(12), "a~2"));
    }

    #[test]
    fn text_compares_as_text() {
        assert!(meets(Scalar::Text("Lyon"), "a=Lyon"));
        assert!(!meets(Scalar::Text("Lyon"), "a=lyon"));
        assert!(!meets(Scalar::Text("12.50"), "a=12.5"));
        assert!(meets(Scalar::Text("Lyon"), "a>Lyo"));
        assert!(meets(Scalar::Text("Lyon"), "a<Lyons"));
        assert!(meets(Scalar::Text("Lyon"), "a<=Lyon"));
        assert!(meets(Scalar::Text("9"), "a>10"));
        assert!(meets(Scalar::Text("Lyon"), "a~yo"));
        assert!(meets(Scalar::Boolean(true), "a=true"));
        assert!(meets(Scalar::Text("2026-11-21T10:00:00Z"), "a>=2026-11-21"));
    }

    #[test]
    fn points_in_time_compare_as_such() {
        let at = Scalar::Timestamp("2026-11-21T10:00:00.500Z".parse().unwrap());
        assert!(meets(at, "a>2026-11-21T10:00:00Z"));
        assert!(meets(at, "a=2026-11-21T12:00:00.5+02:00"));
        assert!(meets(at, "a<2026-11-22"));
        assert!(meets(at, "a>2026-11"));
        assert!(meets(at, "a~T10:00"));
        assert!(meets(Scalar::Date("2026-11-21".parse().unwrap()), "a=2026-11-21"));
    }

    #[test]
    fn null_and_what_is_not_there() {
        assert!(meets(Scalar::Null, "a=null"));
        assert!(meets(Scalar::Null, "a!=x"));
        assert!(!meets(Scalar::Null, "a!=null"));
        for condition in ["a>=null", "a<=null", "a>0", "a<x", "a~n"] {
            assert!(!meets(Scalar::Null, condition), "{condition}");
        }
        for (condition, met) in [("a=null", false), ("a!=null", true), ("a!=x", true), ("a<x", false), ("a~", false)] {
            assert_eq!(is_met_by(condition, None), met, "{condition}");
        }
    }

    #[test]
    fn objects_and_arrays_compare_as_json() {
        let found = Selected::Composite(json!({"b": 1, "a": ["x"]}));
        let meets = |condition| is_met_by(condition, Some(&found));
        assert!(meets(r#"v={"a":["x"],"b":1}"#));
        assert!(meets(r#"v={ "b": 1, "a": ["x"] }"#));
        assert!(meets(r#"v!={"b":1}"#));
        assert!(meets(r#"v~"x""#));
        assert!(!meets("v>0"));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,60}", shaped in r"[a.\\=!<>~1-]{0,20}") {
            let _ = (Condition::parse(&text), Condition::parse(&shaped));
        }

        #[test]
        fn text_orders_as_text_does(found in "[ab]{0,4}", value in "[ab]{0,4}") {
            let scalar = Scalar::Text(&found);
            prop_assert_eq!(order_of_text(&scalar, &value), found.as_str().cmp(value.as_str()));
        }

        #[test]
        fn exactly_one_order_holds(found: i64, value in -100.0..100.0f64) {
            let holds = |sign| meets(Scalar::Integer(found), &format!("a{sign}{value}"));
            prop_assert_eq!(["<", "=", ">"].iter().filter(|sign| holds(**sign)).count(), 1);
            prop_assert_eq!(holds("<="), !holds(">"));
        }
    }
}
