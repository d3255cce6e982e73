//! Logical types that do not hold are none, as the specification has it: the type below them is what counts.
//!
//! They are taken out of the schema's text before it is parsed, because the parser refuses some and believes others. What
//! holds is left as it is, but that a decimal's scale may be left out and is 0 then, which the parser does not know.

use serde_json::{Map, Value, json};

/// The schema without them; none when it is no JSON.
pub(super) fn without_invalid(schema: &str) -> Option<String> {
    let mut schema = serde_json::from_str(schema).ok()?;
    clean(&mut schema);
    Some(schema.to_string())
}

fn clean(node: &mut Value) {
    match node {
        Value::Object(fields) => {
            if !holds(fields) {
                fields.remove("logicalType");
            }
            if fields.get("logicalType").is_some_and(|name| name == "decimal") {
                fields.entry("scale").or_insert(json!(0));
            } else {
                // Of something else, or of nothing: the parser would want numbers.
                fields.remove("precision");
                fields.remove("scale");
            }
            // Values, not types.
            fields.iter_mut().filter(|(name, _)| *name != "default").for_each(|(_, part)| clean(part));
        }
        Value::Array(nodes) => nodes.iter_mut().for_each(clean),
        _ => {}
    }
}

fn holds(fields: &Map<String, Value>) -> bool {
    let text = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
    let number = |name: &str| fields.get(name).and_then(Value::as_u64);
    let (below, size) = (text("type"), number("size"));
    match text("logicalType") {
        "decimal" => {
            let Some(precision) = number("precision").filter(|precision| *precision > 0) else { return false };
            let has_scale = match fields.get("scale") {
                Some(scale) => scale.as_u64().is_some_and(|scale| scale <= precision),
                None => true,
            };
            let has_room = match below {
                "bytes" => true,
                "fixed" => size.is_some_and(|size| precision <= most_digits(size)),
                _ => false,
            };
            has_scale && has_room
        }
        "big-decimal" => below == "bytes",
        "uuid" => below == "string" || (below, size) == ("fixed", Some(16)),
        "duration" => (below, size) == ("fixed", Some(12)),
        "date" | "time-millis" => below == "int",
        "time-micros"
        | "timestamp-millis"
        | "timestamp-micros"
        | "timestamp-nanos"
        | "local-timestamp-millis"
        | "local-timestamp-micros"
        | "local-timestamp-nanos" => below == "long",
        // One that is not known counts for nothing, and one that is no name is none.
        _ => fields.get("logicalType").is_none_or(Value::is_string),
    }
}

/// How many digits a whole number of so many bytes in two's complement always has room for.
fn most_digits(bytes: u64) -> u64 {
    let bits = bytes.saturating_mul(8).saturating_sub(1);
    // log10(2) to twelve places: a power of two is never one of ten, so there is nothing to round.
    u64::try_from(u128::from(bits) * 301_029_995_664 / 1_000_000_000_000).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use crate::registry::WriterSchema;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn shown(schema: &Value, datum: &[u8]) -> Value {
        WriterSchema::parse(1, schema.to_string()).unwrap().to_json(datum).unwrap().0
    }

    #[test]
    fn a_logical_type_that_does_not_hold_is_the_type_below_it() {
        let bytes = |precision, scale| json!({"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale});
        for schema in [
            bytes(json!(9), json!(-2)),
            bytes(json!("10"), json!(2)),
            bytes(json!(9), json!("2")),
            bytes(json!(0), json!(0)),
            bytes(json!(2), json!(3)),
            bytes(json!(9.5), json!(2)),
            bytes(json!(null), json!(2)),
            json!({"type": "bytes", "logicalType": "decimal"}),
            json!({"type": "bytes", "logicalType": 7}),
            json!({"type": "bytes", "logicalType": "uuid"}),
            json!({"type": "bytes", "logicalType": "duration"}),
            json!({"type": "bytes", "logicalType": "of-my-own", "precision": "x", "scale": -1}),
            json!({"type": "bytes", "precision": -1}),
        ] {
            assert_eq!(shown(&schema, &[4, 0xff, 0x85]), json!("/4U="), "{schema}");
        }
        let fixed = |precision| json!({"type": "fixed", "name": "F", "size": 2, "logicalType": "decimal", "precision": precision});
        assert_eq!(shown(&fixed(4), &[0xff, 0x85]), json!("-123"));
        assert_eq!(shown(&fixed(5), &[0xff, 0x85]), json!("/4U="), "32,767 is not all there is of five digits");
        assert_eq!(shown(&json!({"type": "string", "logicalType": "decimal", "precision": 9}), b"\x04ab"), json!("ab"));
        assert_eq!(shown(&json!({"type": "long", "logicalType": "date"}), &[2]), json!(1));
        assert_eq!(shown(&json!({"type": "int", "logicalType": "timestamp-millis"}), &[2]), json!(1));
        // Deep in a schema, and beside one that holds.
        let record = json!({"type": "record", "name": "a.R", "fields": [
            {"name": "bad", "type": ["null", bytes(json!(9), json!(-2))], "default": null},
            {"name": "good", "type": {"type": "array", "items": bytes(json!(9), json!(2))}}]});
        let datum = [2, 4, 0xff, 0x85, 2, 4, 0xff, 0x85, 0];
        assert_eq!(shown(&record, &datum), json!({"bad": "/4U=", "good": ["-1.23"]}));
    }

    proptest! {
        /// Whatever stands there, the schema can be used, and a decimal is shown where it holds and only there.
        #[test]
        fn no_decimal_makes_a_schema_unusable(
            precision in prop_oneof![Just(json!(null)), Just(json!("10")), (-2i64..12).prop_map(Value::from), any::<f64>().prop_map(Value::from)],
            scale in prop_oneof![Just(json!(null)), Just(json!("1")), (-2i64..12).prop_map(Value::from)],
        ) {
            let schema = json!({"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale});
            let (whole, behind) = (precision.as_u64(), scale.as_u64());
            let holds = whole.zip(behind).is_some_and(|(whole, behind)| whole > 0 && behind <= whole);
            let expected = match behind {
                Some(behind) if holds => json!(bigdecimal::BigDecimal::new((-123).into(), behind.cast_signed()).to_plain_string()),
                _ => json!("/4U="),
            };
            prop_assert_eq!(shown(&schema, &[4, 0xff, 0x85]), expected);
        }
    }
}
