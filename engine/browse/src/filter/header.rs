//! A condition on a header: `name=value`, `!=`, `>`, `>=`, `<`, `<=`, and `name~text` for "holds this text".
//!
//! A backslash takes what follows it as part of the name. A value is equal when it is shown so: text as it is, no value as
//! `null`, and bytes that are no text as `base64:…` or as the JSON they are shown as. Headers have no types, and so an order is
//! asked for by a number or a time, in every form that `since` takes, and only values that are written as one have it. Where
//! all that were met are written otherwise, the question cannot be meant so and is refused.
//!
//! Names repeat: a condition is met where one of the headers meets it, and `!=` where none is equal.

use super::{
    condition::{Comparison, begins_with_another_operator, operator_at},
    operand::Operand,
    paths::Kinds,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::{DateTime, Utc};
use foldstream_log::{Violation, text};

const FIELD: &str = "header";
const MAX_CHARS: usize = 1_000;
const BASE64: &str = "base64:";

#[derive(Debug, Clone, PartialEq)]
pub(super) struct HeaderCondition {
    /// As it was asked.
    asked: String,
    name: String,
    comparison: Comparison,
    value: String,
    /// The bytes whose base64 the value is, where it is written so.
    bytes: Option<Vec<u8>>,
    operand: Operand,
}

impl HeaderCondition {
    pub(super) fn parse(asked: &str, now: DateTime<Utc>) -> Result<Self, Violation> {
        let refuse = |rule: String| Violation::new(FIELD, asked, rule);
        let Some((name, comparison, value)) = split(asked) else {
            let rule =
                "a header is asked for by its name, one of = != > >= < <= ~ and a value, as in ce_type=order.placed";
            return Err(refuse(rule.to_owned()));
        };
        if comparison != Comparison::Contains && begins_with_another_operator(value) {
            let rule = "a condition has one operator, of = != > >= < <= ~, and its value does not begin with another";
            return Err(refuse(rule.to_owned()));
        }
        if [name.as_str(), value].iter().any(|part| part.chars().nth(MAX_CHARS).is_some()) {
            return Err(refuse(format!("a header's name and value have at most {MAX_CHARS} characters each")));
        }
        let operand = Operand::new(value, now);
        if comparison.is_of_order() && !operand.is_number_or_time() {
            return Err(refuse("headers are ordered by a number or a time; = != and ~ take any text".to_owned()));
        }
        Ok(Self { asked: asked.to_owned(), name, comparison, value: value.to_owned(), bytes: bytes(value), operand })
    }

    /// Whether it means another time when it is asked later.
    pub(super) fn moves(&self) -> bool {
        self.comparison.is_of_order() && self.operand.moves()
    }

    /// Holds fast what it meant at this time.
    pub(super) fn pin(&mut self, now: DateTime<Utc>) {
        self.operand.pin(now);
    }

    /// Whether these headers meet it, each with name and value; it is noted whether their values are of the kind asked about.
    pub(super) fn is_met_by<'a>(
        &self,
        headers: impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)>,
        (at, kinds): (usize, &Kinds),
    ) -> bool {
        let mut named = headers.filter(|(name, _)| String::from_utf8_lossy(name) == self.name).map(|(_, value)| value);
        match self.comparison {
            Comparison::Equal => named.any(|value| self.equals(value)),
            Comparison::NotEqual => !named.any(|value| self.equals(value)),
            Comparison::Contains => named.any(|value| self.is_in(value)),
            _ => named.any(|value| {
                let order = value.and_then(text).map(|text| self.operand.order_of_written(text));
                if let Some(order) = order {
                    kinds.note(at, order.is_some());
                }
                order.flatten().is_some_and(|order| self.comparison.holds(order))
            }),
        }
    }

    pub(super) fn refused(&self) -> Violation {
        let name = &self.name;
        Violation::new(
            FIELD,
            &self.asked,
            format!("{name} is neither a number nor a time where it is, and has no order"),
        )
    }

    fn equals(&self, found: Option<&[u8]>) -> bool {
        match found.map(|bytes| text(bytes).ok_or(bytes)) {
            None => self.value == "null",
            Some(Ok(text)) => text == self.value,
            Some(Err(bytes)) => self.bytes.as_deref() == Some(bytes),
        }
    }

    fn is_in(&self, found: Option<&[u8]>) -> bool {
        found.is_some_and(|bytes| match text(bytes) {
            Some(text) => text.contains(&self.value),
            None => format!("{BASE64}{}", STANDARD.encode(bytes)).contains(&self.value),
        })
    }
}

/// Up to the first operator that no backslash stands before: name, operator, value.
fn split(text: &str) -> Option<(String, Comparison, &str)> {
    let (mut name, mut rest) = (String::new(), text);
    loop {
        if let Some((comparison, value)) = operator_at(rest) {
            return Some((name, comparison, value));
        }
        let mut characters = rest.chars();
        match characters.next()? {
            '\\' => name.push(characters.next()?),
            plain => name.push(plain),
        }
        rest = characters.as_str();
    }
}

fn bytes(value: &str) -> Option<Vec<u8>> {
    let shown = || Some(serde_json::from_str::<serde_json::Value>(value).ok()?.get("base64")?.as_str()?.to_owned());
    let base64 = value.strip_prefix(BASE64).map(str::to_owned).or_else(shown)?;
    STANDARD.decode(base64).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Header = (String, Option<Vec<u8>>);

    fn now() -> DateTime<Utc> {
        "2026-11-21T10:00:00Z".parse().unwrap()
    }

    fn meet(headers: &[Header], condition: &str) -> bool {
        let headers = headers.iter().map(|(name, value)| (name.as_bytes(), value.as_deref()));
        HeaderCondition::parse(condition, now()).unwrap().is_met_by(headers, (0, &Kinds::default()))
    }

    fn text_header(name: &str, value: &str) -> Header {
        (name.to_owned(), Some(value.as_bytes().to_vec()))
    }

    #[test]
    fn any_of_a_name_meets() {
        let headers = [text_header("to", "ada"), text_header("to", "bob"), text_header("type", "order.placed")];
        for (condition, expected) in [
            ("to=ada", true),
            ("to=bob", true),
            ("to=", false),
            ("to!=ada", false),
            ("to!=eve", true),
            ("type~placed", true),
            ("type=order.placed", true),
            ("Type=order.placed", false),
            ("from=ada", false),
            ("from!=ada", true),
        ] {
            assert_eq!(meet(&headers, condition), expected, "{condition}");
        }
    }

    #[test]
    fn values_are_asked_for_as_they_are_shown() {
        let headers = [("raw".to_owned(), Some(vec![0, 255])), ("none".to_owned(), None), text_header("a=b\\", "<x>")];
        for condition in ["raw=base64:AP8=", r#"raw={"base64":"AP8="}"#, "raw~base64:AP8", "none=null", r"a\=b\\=<x>"] {
            assert!(meet(&headers, condition), "{condition}");
        }
        for condition in ["raw=AP8=", "raw=base64:AP8", "none=", "none~n", "raw=null"] {
            assert!(!meet(&headers, condition), "{condition}");
        }
        assert!(meet(&[text_header("", "x")], "=x"));
    }

    #[test]
    fn numbers_and_times_have_an_order() {
        let headers = [text_header("attempt", "9"), text_header("at", "2026-11-21T11:30:00+02:00")];
        for (condition, expected) in [
            ("attempt<10", true),
            ("attempt>=9.0", true),
            ("attempt>9", false),
            ("at>=1h", true),
            ("at<1h", false),
            ("at<2026-11-21T09:30:01Z", true),
            ("at>2026-11-21 09:30", false),
            ("at>=1795253400000", true),
        ] {
            assert_eq!(meet(&headers, condition), expected, "{condition}");
        }
        for condition in ["at>=9,5", "at<tomorrow", "at>", "attempt>=abc", "a<b>"] {
            assert_eq!(HeaderCondition::parse(condition, now()).unwrap_err().field, "header", "{condition}");
        }
    }

    #[test]
    fn what_is_never_of_the_kind_is_told_from_what_sometimes_is() {
        let condition = HeaderCondition::parse("attempt>=3", now()).unwrap();
        let kinds = Kinds::default();
        let note = |value: &str| {
            let header = text_header("attempt", value);
            condition.is_met_by([(header.0.as_bytes(), header.1.as_deref())].into_iter(), (0, &kinds))
        };
        assert!(!kinds.is_misfit(0));
        assert!(!note("many"));
        assert!(kinds.is_misfit(0));
        assert!(note("4"));
        assert!(!kinds.is_misfit(0));
    }

    #[test]
    fn what_is_no_condition_is_refused() {
        for bad in ["", "ce_type", "a==b", "a=>1", "a<>b", "a\\=", &format!("{}=1", "a".repeat(1_001))] {
            assert_eq!(HeaderCondition::parse(bad, now()).unwrap_err().field, "header", "{bad}");
        }
    }

    fn value() -> impl Strategy<Value = Option<Vec<u8>>> {
        prop_oneof![
            Just(None),
            prop::sample::select(vec!["", "x", "xy", "null", "7", "12", "12.50", "base64:/w=="])
                .prop_map(|text| Some(text.as_bytes().to_vec())),
            prop::collection::vec(prop::sample::select(vec![0u8, 255, b'x']), 0..3).prop_map(Some),
        ]
    }

    /// As it is asked for.
    fn shown(value: Option<&[u8]>) -> String {
        match value {
            None => "null".to_owned(),
            Some(bytes) => text(bytes).map_or_else(|| format!("base64:{}", STANDARD.encode(bytes)), str::to_owned),
        }
    }

    proptest! {
        /// By brute force over what is shown.
        #[test]
        fn random_headers_meet_what_is_shown_of_them(
            headers in prop::collection::vec((prop::sample::select(vec!["a", "b"]).prop_map(str::to_owned), value()), 0..5),
            asked in value(),
            sign in prop::sample::select(vec!["=", "!=", "~", ">", ">=", "<", "<="]),
        ) {
            let wanted = shown(asked.as_deref());
            let named: Vec<_> = headers.iter().filter(|(name, _)| name == "a").map(|(_, value)| value.as_deref()).collect();
            let number = wanted.parse::<f64>().ok();
            let ordered = |holds: &dyn Fn(f64, f64) -> bool| {
                let found = named.iter().filter_map(|value| std::str::from_utf8((*value)?).ok()?.parse().ok());
                number.map(|wanted| found.into_iter().any(|found| holds(found, wanted)))
            };
            // A text may look like bytes, and is meant as well.
            let equal = named.iter().any(|value| shown(*value) == wanted);
            let expected = match sign {
                "=" => Some(equal),
                "!=" => Some(!equal),
                "~" => Some(named.iter().any(|value| value.is_some() && shown(*value).contains(&wanted))),
                ">" => ordered(&|found, wanted| found > wanted),
                ">=" => ordered(&|found, wanted| found >= wanted),
                "<" => ordered(&|found, wanted| found < wanted),
                _ => ordered(&|found, wanted| found <= wanted),
            };
            let condition = format!("a{sign}{wanted}");
            match expected {
                Some(expected) => prop_assert_eq!(meet(&headers, &condition), expected, "{} {:?}", condition, headers),
                None => prop_assert!(HeaderCondition::parse(&condition, now()).is_err(), "{}", condition),
            }
        }

        #[test]
        fn no_text_panics(text in ".{0,60}", shaped in r"[a\\=!<>~1-]{0,20}") {
            let _ = (HeaderCondition::parse(&text, now()), HeaderCondition::parse(&shaped, now()));
        }
    }
}
