//! Personal data in what is shown of a topic: fields that are marked are masked.
//!
//! A field is marked by `"personal": true` in its schema, by the tag `PII` among its `confluent:tags`, or by the catalogue,
//! which holds for every version of its record. The mark is put on the node that the field's values are read by, so that
//! whoever walks over a datum (`avro_cursor.rs`) meets the mask and never what is behind it: neither shown nor compared. Typed reads are
//! by another copy of the schema, and know of no masks.

use crate::catalogue::Catalogue;
use serde_avro_fast::schema::{LogicalType, RegularType, SchemaKey, SchemaMut, SchemaNode, UnknownLogicalType};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// What those who look into a topic see of personal fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Personal {
    #[default]
    Masked,
    Shown,
}

/// The fields that the catalogue marks: full name of the record, name of the field.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Marks(pub(crate) &'static [(&'static str, &'static str)]);

/// As no schema can say it: a logical type that is not known is taken out before a schema is used.
const MASK: &str = "masked";

impl Marks {
    pub(crate) fn of(catalogue: &Catalogue) -> Self {
        Self(catalogue.personal)
    }

    /// Puts masks on the nodes of a schema; false when none of its fields is marked. `text` is what they were parsed from.
    pub(crate) fn put_on(self, nodes: &mut SchemaMut, text: &str) -> bool {
        let mut marked = BTreeSet::new();
        if let Ok(schema) = serde_json::from_str(text) {
            note_marked(&schema, "", &mut marked);
        }
        let is_marked = |record: &str, field: &str| {
            marked.contains(&(record.to_owned(), field.to_owned())) || self.0.contains(&(record, field))
        };
        let mut masked = Vec::new();
        for (at, node) in nodes.nodes().iter().enumerate() {
            let RegularType::Record(record) = &node.type_ else { continue };
            let name = record.name.fully_qualified_name();
            let fields = record.fields.iter().enumerate().filter(|(_, field)| is_marked(name, &field.name));
            masked.extend(fields.map(|(field, of)| (at, field, of.type_)));
        }
        let nodes = nodes.nodes_mut();
        for (record, field, of) in &masked {
            // A node of its own: others may be of the same type.
            let mut node = nodes[of.idx()].clone();
            node.logical_type = Some(LogicalType::Unknown(UnknownLogicalType::new(MASK)));
            let key = SchemaKey::from_idx(nodes.len());
            nodes.push(node);
            if let RegularType::Record(record) = &mut nodes[*record].type_ {
                record.fields[*field].type_ = key;
            }
        }
        !masked.is_empty()
    }
}

/// Whether values of this node are masked.
pub(crate) fn is_masked(node: &SchemaNode) -> bool {
    matches!(&node.logical_type, Some(LogicalType::Unknown(name)) if name.as_str() == MASK)
}

/// What is shown instead.
pub(crate) fn mask() -> Value {
    json!({"masked": "personal"})
}

fn note_marked(node: &Value, namespace: &str, marked: &mut BTreeSet<(String, String)>) {
    match node {
        Value::Array(branches) => branches.iter().for_each(|branch| note_marked(branch, namespace, marked)),
        Value::Object(parts) => {
            let text = |part: &str| parts.get(part).and_then(Value::as_str);
            let name = text("name").unwrap_or_default();
            // Names within are of the same namespace, unless they say otherwise.
            let namespace = name.rsplit_once('.').map(|(space, _)| space).or(text("namespace")).unwrap_or(namespace);
            let full_name = match name.contains('.') || namespace.is_empty() {
                true => name.to_owned(),
                false => format!("{namespace}.{name}"),
            };
            for field in parts.get("fields").and_then(Value::as_array).into_iter().flatten() {
                if let Some(name) = field["name"].as_str().filter(|_| is_marked(field)) {
                    marked.insert((full_name.clone(), name.to_owned()));
                }
                note_marked(&field["type"], namespace, marked);
            }
            for part in ["type", "items", "values"] {
                parts.get(part).into_iter().for_each(|part| note_marked(part, namespace, marked));
            }
        }
        _ => {}
    }
}

fn is_marked(field: &Value) -> bool {
    let mut tags = field["confluent:tags"].as_array().into_iter().flatten();
    field["personal"] == true || tags.any(|tag| tag == "PII")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{avro_cursor::DEPTH, framing::SchemaId, registry::WriterSchema};
    use proptest::{collection::vec, prelude::*};

    fn schema(text: &Value, marks: Marks) -> WriterSchema {
        WriterSchema::named(SchemaId::Number(1), text.to_string(), DEPTH, Some(marks)).unwrap()
    }

    /// A record of two texts and what it holds.
    fn record(mark: &Value) -> Value {
        json!({"type": "record", "name": "Sent", "namespace": "depot", "fields": [
            {"name": "to", "type": {"type": "record", "name": "Person", "fields": [
                {"name": "name", "type": ["null", "string"], "doc": "Who."},
                {"name": "city", "type": "string"}]}},
            {"name": "same", "type": "Person"},
            {"name": "notes", "type": {"type": "array", "items": "string"}, "confluent:tags": mark}]})
    }

    #[test]
    fn what_is_marked_is_masked_and_nothing_else() {
        let datum = b"\x02\x06Ada\x06Ulm\x00\x06Bonn".to_vec();
        let datum = [&datum[..9], b"\x00\x06Rom", b"\x02\x02x\x00"].concat();
        let person = |name: Value, city: &str| json!({"name": name, "city": city});
        let plain = schema(&record(&json!(["OPEN"])), Marks::default());
        let whole = json!({"to": person(json!("Ada"), "Ulm"), "same": person(Value::Null, "Rom"), "notes": ["x"]});
        assert_eq!(plain.to_json(&datum).unwrap(), (whole, false));
        assert!(!plain.has_masks());
        let tagged = schema(&record(&json!(["PII"])), Marks::default());
        let shown = json!({"to": person(json!("Ada"), "Ulm"), "same": person(Value::Null, "Rom"), "notes": mask()});
        assert_eq!(tagged.to_json(&datum).unwrap(), (shown, true));
        let known = schema(&record(&Value::Null), Marks(&[("depot.Person", "name"), ("depot.Sent", "city")]));
        // What is not there is masked, too: that it is not is told to nobody.
        let shown = json!({"to": person(mask(), "Ulm"), "same": person(mask(), "Rom"), "notes": ["x"]});
        assert_eq!(known.to_json(&datum).unwrap(), (shown, true));
        for schema in [&plain, &tagged, &known] {
            assert!(schema.check(&datum).is_ok() && schema.check(&datum[..datum.len() - 1]).is_err());
        }
    }

    fn types() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![Just(json!("string")), Just(json!("long")), Just(json!(["null", "string"]))];
        leaf.prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                inner.clone().prop_map(|items| json!({"type": "array", "items": items})),
                inner.prop_map(|values| json!({"type": "map", "values": values})),
            ]
        })
    }

    proptest! {
        /// Whatever the fields are, those that are marked are masked and the others are as they were; a datum is refused with
        /// masks where it is refused without.
        #[test]
        fn masks_change_nothing_else(
            fields in vec((types(), any::<bool>()), 1..6),
            datum in vec(prop_oneof![4 => Just(0u8), 4 => Just(2), 1 => any::<u8>()], 0..24),
        ) {
            let of = |is_marked: &dyn Fn(bool) -> bool| {
                let fields: Vec<_> = fields.iter().enumerate().map(|(at, (of, marked))| {
                    json!({"name": format!("f{at}"), "type": of, "personal": is_marked(*marked)})
                }).collect();
                schema(&json!({"type": "record", "name": "R", "fields": fields}), Marks::default())
            };
            let (plain, masked) = (of(&|_| false), of(&|marked| marked));
            let expected = plain.to_json(&datum).map(|(mut value, _)| {
                for (at, _) in fields.iter().enumerate().filter(|(_, (_, marked))| *marked) {
                    value[format!("f{at}")] = mask();
                }
                (value, fields.iter().any(|(_, marked)| *marked))
            });
            prop_assert_eq!(masked.to_json(&datum), expected);
        }
    }
}
