//! A condition on one field of a value: `path=value`, `!=`, `>`, `>=`, `<`, `<=`, and `path~text` for "holds this
//! text". The path is a [`FieldPath`]; what is compared is said in `filter/operand.rs`.
//!
//! A path that is not there meets only `!=`. One that leads to several values (`items[*].sku`) meets a condition where one of
//! them does, and `!=` where none is equal.

use super::{number::Number, operand::Operand};
use crate::uncompared::Reason;
use chrono::{DateTime, Utc};
use foldstream_log::Violation;
use foldstream_log::{FieldPath, Scalar, Selected, WriterSchema};
use std::{cmp::Ordering, fmt};

const FIELD: &str = "where";
const MAX_VALUE_CHARS: usize = 1_000;

#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// As it was asked.
    text: String,
    path: FieldPath,
    comparison: Comparison,
    operand: Operand,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    Contains,
}

impl Comparison {
    /// Whether it asks for an order, and not for the same.
    pub(super) fn is_of_order(self) -> bool {
        !matches!(self, Self::Equal | Self::NotEqual | Self::Contains)
    }

    /// Whether what stands so to the value meets it.
    pub(super) fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::NotEqual => order.is_ne(),
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Contains => false,
        }
    }
}

impl Condition {
    pub fn parse(text: &str, now: DateTime<Utc>) -> Result<Self, Violation> {
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
        Ok(Self { text: text.to_owned(), path, comparison, operand: Operand::new(value, now) })
    }

    pub(super) fn path(&self) -> &FieldPath {
        &self.path
    }

    /// Whether it means another time when it is asked later.
    pub(super) fn moves(&self) -> bool {
        self.operand.moves()
    }

    /// Holds fast what it meant at this time.
    pub(super) fn pin(&mut self, now: DateTime<Utc>) {
        self.operand.pin(now);
    }

    /// Why this, a scalar or else an object or an array, cannot be compared as it is asked: it is of another kind.
    pub(super) fn misfit(&self, found: Option<&Scalar<'_>>) -> Option<String> {
        match self.comparison {
            Comparison::Contains => None,
            Comparison::Equal | Comparison::NotEqual => self.operand.misfit_as_equal(found),
            _ => self.operand.misfit_in_order(found),
        }
    }

    pub(super) fn refused(&self, misfit: &str) -> Violation {
        Violation::new(FIELD, &self.text, format!("{} {misfit}", self.path))
    }

    /// Whether it asks for an order, and not for the same.
    pub(super) fn is_of_order(&self) -> bool {
        self.comparison.is_of_order()
    }

    /// Whether a datum of this schema meets it; an error says why that cannot be told.
    pub(super) fn is_met_in(&self, datum: &[u8], schema: &WriterSchema) -> Result<bool, Reason> {
        let mut is_masked = false;
        let any = schema.any_at(datum, &self.path, |found| {
            is_masked |= *found == Selected::Masked;
            self.passes(found)
        });
        match any.map_err(|_| Reason::Undecodable)? {
            // Of several values one may be behind the mask that passes.
            false if is_masked => Err(Reason::Masked),
            any => Ok(any != self.is_negated()),
        }
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
            Comparison::Contains => self.operand.is_in(found),
            order => self.operand.order(found).is_some_and(|found| order.holds(found)),
        }
    }
}

impl fmt::Display for Condition {
    /// As it was asked.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The operator is the first one there is.
fn split(text: &str) -> Option<(&str, Comparison, &str)> {
    text.char_indices().find_map(|(at, _)| {
        let (path, rest) = text.split_at(at);
        operator_at(rest).map(|(comparison, value)| (path, comparison, value))
    })
}

/// The operator that a text begins with, and what follows it; of two that begin alike the longer one.
pub(super) fn operator_at(text: &str) -> Option<(Comparison, &str)> {
    const OPERATORS: [(&str, Comparison); 7] = [
        ("!=", Comparison::NotEqual),
        (">=", Comparison::GreaterOrEqual),
        ("<=", Comparison::LessOrEqual),
        ("=", Comparison::Equal),
        (">", Comparison::Greater),
        ("<", Comparison::Less),
        ("~", Comparison::Contains),
    ];
    OPERATORS.iter().find_map(|(sign, comparison)| Some((*comparison, text.strip_prefix(sign)?)))
}

/// `==`, `=>`, `=~`, `<>` and such: habits from elsewhere, which would be taken for texts that nothing equals. A text
/// may well begin with `<`, a number does not.
pub(super) fn begins_with_another_operator(value: &str) -> bool {
    value.starts_with(['=', '>', '~']) || value.strip_prefix('<').is_some_and(|rest| Number::parse(rest).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn now() -> DateTime<Utc> {
        "2026-11-21T10:00:00Z".parse().unwrap()
    }

    fn is_met_by(condition: &str, found: Option<&Selected<'_>>) -> bool {
        let condition = Condition::parse(condition, now()).unwrap();
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
            let condition = Condition::parse(text, now()).unwrap();
            assert_eq!((condition.comparison, condition.operand.text()), (comparison, value), "{text}");
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
            let violation = Condition::parse(bad, now()).unwrap_err();
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
    fn no_number_has_no_order() {
        for condition in ["a>=100", "a<=100", "a>100", "a<100", "a=100"] {
            assert!(!meets(Scalar::Double(f64::NAN), condition), "{condition}");
            assert!(!meets(Scalar::Single(f32::NAN), condition), "{condition}");
        }
        assert!(meets(Scalar::Double(f64::NAN), "a!=100"));
        assert!(meets(Scalar::Double(f64::INFINITY), "a=Infinity"));
        assert!(meets(Scalar::Double(f64::NEG_INFINITY), "a<-1e300"));
        assert!(meets(Scalar::Double(5.0), "a<Infinity"));
        for condition in ["a>=9,5", "a<9,5", "a=9,5"] {
            assert!(!meets(Scalar::Double(9.5), condition), "{condition}");
            assert!(!meets(Scalar::Integer(9), condition), "{condition}");
        }
    }

    #[test]
    fn what_is_of_another_kind_cannot_be_compared() {
        let at = Scalar::Timestamp("2026-11-21T10:00:00Z".parse().unwrap());
        let day = Scalar::Date("2026-11-21".parse().unwrap());
        let time = Scalar::Time("10:00:00".parse().unwrap());
        let misfit = |found: Option<Scalar<'_>>, condition: &str| {
            Condition::parse(condition, now()).unwrap().misfit(found.as_ref())
        };
        for (found, value, expected) in [
            (Scalar::Double(0.0), "9,5", "is a number"),
            (Scalar::Integer(0), "9_000", "is a number"),
            (Scalar::Integer(0), "0x10", "is a number"),
            (Scalar::Integer(0), "NaN", "is a number"),
            (Scalar::Integer(0), "2026-11-21", "is a number"),
            (at, "tomorrow", "is a time"),
            (at, "1795255200", "is a time"),
            (at, "T15:02Z", "is a time"),
            (at, "12.5", "is a time"),
            (day, "15:02", "is a time"),
            (time, "2026-11-21", "is a time of day"),
            (time, "25:00", "is a time of day"),
            (Scalar::Boolean(true), "yes", "is true or false"),
        ] {
            for sign in ["=", "!=", ">", ">=", "<", "<="] {
                let condition = format!("a{sign}{value}");
                let misfit = misfit(Some(found), &condition).unwrap_or_else(|| panic!("{condition} {found}"));
                assert!(misfit.starts_with(expected), "{condition}: {misfit}");
            }
            assert_eq!(misfit(Some(found), &format!("a~{value}")), None);
        }
        for (found, value) in [
            (Scalar::Double(0.0), "9.5"),
            (Scalar::Double(0.0), "Infinity"),
            (at, "1900000000000"),
            (at, "2h"),
            (at, "20261125"),
            (at, "2026-11-25 23:59:59"),
            (at, "2026-11-25T15:02Z"),
            (at, "2026-11-25T15:02:00 05:00"),
            (day, "2026-11-25"),
            (time, "15:02"),
            (Scalar::Boolean(true), "false"),
            (Scalar::Text("x"), "9,5"),
            (Scalar::Bytes(b"x"), "eA=="),
        ] {
            for sign in ["=", "!=", ">", ">=", "<", "<="] {
                assert_eq!(misfit(Some(found), &format!("a{sign}{value}")), None, "{value}");
            }
        }
        // What is not there may be asked for, and an object by its JSON.
        for condition in ["a=null", "a!=null"] {
            assert_eq!(misfit(Some(at), condition), None, "{condition}");
            assert_eq!(misfit(None, condition), None, "{condition}");
        }
        assert_eq!(misfit(Some(Scalar::Double(0.0)), "a=NaN"), None);
        assert!(misfit(Some(Scalar::Double(0.0)), "a>NaN").is_some());
        assert_eq!(misfit(None, r#"a=["x"]"#), None);
        for condition in ["a>5", r#"a>["x"]"#, "a=x"] {
            assert!(misfit(None, condition).unwrap().starts_with("is an object or an array"), "{condition}");
        }
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
        assert!(meets(at, "a>=1795255200000"));
        assert!(meets(at, "a<1795255200501"));
        assert!(meets(at, "a=1795255200500"));
        assert!(meets(at, "a>=2h"));
        assert!(!meets(at, "a<0s"));
        assert!(meets(at, "a>=20261121"));
        assert!(meets(at, "a<2026-11-21 23:59:59"));
        assert!(meets(at, "a>=2026-11-21T10:00Z"));
        assert!(meets(at, "a>=2026-11-21T15:00:00 05:00"));
        assert!(meets(Scalar::Date("2026-11-21".parse().unwrap()), "a>2026-11-20T23:00"));
        assert!(meets(Scalar::Time("10:00:00".parse().unwrap()), "a<10:00:00.5"));
        assert!(meets(Scalar::Time("10:00:00".parse().unwrap()), "a=10:00"));
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
        /// However the time is written, what stands before it is less, and what stands behind it is greater.
        #[test]
        fn times_order_as_instants_do(found in 0..4_102_444_800_000i64, asked in 1_000_000_000_000..4_102_444_800_000i64) {
            let scalar = Scalar::Timestamp(DateTime::from_timestamp_millis(found).unwrap());
            let at = DateTime::from_timestamp_millis(asked).unwrap();
            for written in [asked.to_string(), at.to_rfc3339(), format!("{:?}", at.naive_utc()), at.to_string()] {
                let written = written.trim_end_matches(" UTC");
                let holds = |sign| meets(scalar, &format!("a{sign}{written}"));
                let order = found.cmp(&asked);
                prop_assert_eq!([holds("<"), holds("="), holds(">")], [order.is_lt(), order.is_eq(), order.is_gt()], "{}", written);
            }
        }

        #[test]
        fn no_text_panics(text in ".{0,60}", shaped in r"[a.\\=!<>~1-]{0,20}") {
            let _ = (Condition::parse(&text, now()), Condition::parse(&shaped, now()));
        }

        #[test]
        fn text_orders_as_text_does(found in "[ab]{0,4}", value in "[ab]{0,4}") {
            let scalar = Scalar::Text(&found);
            let holds = |sign| meets(scalar, &format!("a{sign}{value}"));
            let order = found.as_str().cmp(value.as_str());
            prop_assert_eq!([holds("<"), holds("="), holds(">")], [order.is_lt(), order.is_eq(), order.is_gt()]);
        }

        #[test]
        fn exactly_one_order_holds(found: i64, value in -100.0..100.0f64) {
            let holds = |sign| meets(Scalar::Integer(found), &format!("a{sign}{value}"));
            prop_assert_eq!(["<", "=", ">"].iter().filter(|sign| holds(**sign)).count(), 1);
            prop_assert_eq!(holds("<="), !holds(">"));
        }
    }
}
