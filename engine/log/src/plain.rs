//! Bytes that are text, and text that is JSON: what can be shown without a schema, exactly.
//!
//! JSON is an object or an array whose decoded form says all that its text says: one with a name twice, or with a number
//! that would not come out as it went in, is shown as the text it is. A lone `42` or `true` is text as well, because
//! whoever wrote `007` or `1.10` beside it meant text.

use bigdecimal::{BigDecimal, num_bigint::BigInt};
use serde_json::Value;

/// Digits that a number of 64 bits always holds.
const SURE_DIGITS: usize = 15;
/// Numbers longer than this are not compared digit by digit.
const MOST_DIGITS: usize = 400;

/// The text that bytes are: UTF-8 without control characters but those that shape text.
#[must_use]
pub fn text(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?;
    let shapes = |character| matches!(character, '\t' | '\n' | '\r');
    text.chars().all(|character| !character.is_control() || shapes(character)).then_some(text)
}

/// The object or array that a text is, where nothing of it is lost.
pub(crate) fn json(text: &str) -> Option<Value> {
    if !text.trim_start_matches([' ', '\t', '\n', '\r']).starts_with(['{', '[']) {
        return None;
    }
    let value: Value = serde_json::from_str(text).ok()?;
    says_all(text, &value).then_some(value)
}

/// Any JSON, a lone number among it, where nothing of it is lost.
pub(crate) fn only_json(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok().filter(|value| says_all(text, value))
}

/// Whether the value has every member and every number that the text has, which is known to be JSON.
fn says_all(text: &str, value: &Value) -> bool {
    let (bytes, mut at, mut members) = (text.as_bytes(), 0, 0);
    while let Some(byte) = bytes.get(at) {
        let start = at;
        at += 1;
        match byte {
            b'"' => {
                while bytes.get(at).is_some_and(|byte| *byte != b'"') {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
                at += 1;
            }
            b':' => members += 1,
            b'-' | b'0'..=b'9' => {
                while bytes.get(at).is_some_and(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-')) {
                    at += 1;
                }
                if !text.get(start..at).is_some_and(is_held) {
                    return false;
                }
            }
            _ => {}
        }
    }
    members == members_of(value)
}

fn members_of(value: &Value) -> usize {
    match value {
        Value::Object(members) => members.len() + members.values().map(members_of).sum::<usize>(),
        Value::Array(items) => items.iter().map(members_of).sum(),
        _ => 0,
    }
}

/// Whether a number comes out as it went in.
fn is_held(number: &str) -> bool {
    if number.len() <= SURE_DIGITS && !number.contains(['e', 'E']) || number.parse::<i64>().is_ok() {
        return true;
    }
    let held = number.parse::<serde_json::Number>().ok().map(|held| held.to_string());
    held.as_deref().and_then(digits).is_some_and(|held| digits(number).as_ref() == Some(&held))
}

/// The digits that count, and where the point is among them.
fn digits(number: &str) -> Option<(BigInt, i64)> {
    let number: BigDecimal = (number.len() <= MOST_DIGITS).then(|| number.parse().ok()).flatten()?;
    Some(number.normalized().into_bigint_and_exponent())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn text_has_no_control_characters_but_those_that_shape_it() {
        for (bytes, is_text) in [
            (&b""[..], true),
            ("Zürich, 東京".as_bytes(), true),
            (b"a\tb\r\nc", true),
            (b"\0\0\0\0\0\0\0\x2a", false),
            (b"a\x7f", false),
            (b"\xc2\x85", false),
            (b"\xff\xfe", false),
        ] {
            assert_eq!(text(bytes).is_some(), is_text, "{bytes:?}");
        }
    }

    #[test]
    fn json_is_what_loses_nothing() {
        for (text, expected) in [
            (
                r#" {"a": [1, -2.5e3, 0.1, 1e2], "b": {"c": "x:\"1e999\\"}} "#,
                json!({"a": [1, -2500.0, 0.1, 100.0], "b": {"c": "x:\"1e999\\"}}),
            ),
            (r#"["Z\u00fcrich"]"#, json!(["Zürich"])),
            (
                r#"{"id": 18446744073709551615, "least": -9223372036854775808}"#,
                json!({"id": u64::MAX, "least": i64::MIN}),
            ),
            ("{}", json!({})),
            ("[12345.678901]", json!([12345.678901])),
        ] {
            assert_eq!(json(text), Some(expected), "{text}");
        }
        for text in [
            "",
            "x",
            "42",
            "true",
            "null",
            r#""text""#,
            "{",
            "[1] 2",
            "[NaN]",
            r#"["\ud800"]"#,
            // What a reader would lose.
            r#"{"a": 1, "a": 2}"#,
            r#"{"a": {"b": 1, "b": 1}}"#,
            "[18446744073709551616]",
            "[0.1234567890123456789]",
            "[1e400]",
            "[1e-400]",
            "[9007199254740993.0]",
        ] {
            assert_eq!(json(text), None, "{text}");
        }
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            (-1_000_000i32..1_000_000, 0i32..6)
                .prop_map(|(number, places)| { Value::from(f64::from(number) / 10f64.powi(places)) }),
            ".{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(".{0,4}", inner, 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_as_json_is_read_back(value in values()) {
            let whole = json!({ "of": value });
            prop_assert_eq!(json(&whole.to_string()), Some(whole.clone()));
            let pretty = serde_json::to_string_pretty(&whole).unwrap();
            prop_assert_eq!(json(&pretty), Some(whole));
        }

        #[test]
        fn numbers_are_as_they_were_written(whole in "-?(0|[1-9][0-9]{0,22})", rest in "(\\.[0-9]{1,22})?(e[+-]?[0-9]{1,3})?") {
            let text = format!("{whole}{rest}");
            if let Some(Value::Array(read)) = json(&format!("[{text}]")) {
                let (read, written): (BigDecimal, BigDecimal) = (read[0].to_string().parse().unwrap(), text.parse().unwrap());
                prop_assert_eq!(read, written);
            }
        }

        #[test]
        fn no_text_panics(text in ".{0,40}", shaped in r#"[\[\]{}",:\\0-9eE.+-]{0,30}"#) {
            let _ = (json(&text), json(&shaped), says_all(&shaped, &Value::Null));
        }
    }
}
