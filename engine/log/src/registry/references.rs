//! A schema with what it refers to: named types that have schemas of their own stand where they are used first, so that
//! one text tells all.
//!
//! A name that nothing tells is left as it is: the parser says what is wrong with it.

use serde_json::Value;
use std::collections::{HashMap, HashSet};

const PRIMITIVES: [&str; 8] = ["null", "boolean", "int", "long", "float", "double", "bytes", "string"];

/// The schema with these types in it, by full name; none when one of the texts is no JSON.
pub(super) fn with_references(schema: &str, referenced: &HashMap<String, String>) -> Option<String> {
    let mut node = serde_json::from_str(schema).ok()?;
    let referenced: Option<HashMap<&str, Value>> =
        referenced.iter().map(|(name, text)| Some((name.as_str(), serde_json::from_str(text).ok()?))).collect();
    Walk { referenced: referenced?, defined: HashSet::new() }.complete(&mut node, "");
    Some(node.to_string())
}

struct Walk<'a> {
    referenced: HashMap<&'a str, Value>,
    /// Full names of what stands in the text already.
    defined: HashSet<String>,
}

impl Walk<'_> {
    fn complete(&mut self, node: &mut Value, namespace: &str) {
        match node {
            Value::String(name) if !PRIMITIVES.contains(&name.as_str()) => {
                let name = full_name(name, namespace);
                if let Some(mut schema) =
                    self.referenced.get(name.as_str()).filter(|_| !self.defined.contains(&name)).cloned()
                {
                    // It was written without a namespace around it.
                    if let Value::Object(fields) = &mut schema {
                        fields.entry("namespace").or_insert_with(|| "".into());
                    }
                    self.complete(&mut schema, "");
                    *node = schema;
                }
            }
            Value::Array(branches) => branches.iter_mut().for_each(|branch| self.complete(branch, namespace)),
            Value::Object(_) => self.complete_type(node, namespace),
            _ => {}
        }
    }

    fn complete_type(&mut self, node: &mut Value, namespace: &str) {
        let text = |name: &str| node.get(name).and_then(Value::as_str).map(str::to_owned);
        let kind = text("type");
        let own = text("namespace").unwrap_or_else(|| namespace.to_owned());
        let name = full_name(&text("name").unwrap_or_default(), &own);
        match kind.as_deref() {
            Some("record" | "error") => {
                let within = name.rsplit_once('.').map_or("", |(namespace, _)| namespace).to_owned();
                self.defined.insert(name);
                let fields = node.get_mut("fields").and_then(Value::as_array_mut).into_iter().flatten();
                fields.filter_map(|field| field.get_mut("type")).for_each(|kind| self.complete(kind, &within));
            }
            Some("enum" | "fixed") => {
                self.defined.insert(name);
            }
            Some("array") => self.complete_part(node, "items", namespace),
            Some("map") => self.complete_part(node, "values", namespace),
            _ => self.complete_part(node, "type", namespace),
        }
    }

    fn complete_part(&mut self, node: &mut Value, part: &str, namespace: &str) {
        if let Some(part) = node.get_mut(part) {
            self.complete(part, namespace);
        }
    }
}

fn full_name(name: &str, namespace: &str) -> String {
    if namespace.is_empty() || name.contains('.') { name.to_owned() } else { format!("{namespace}.{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::WriterSchema;
    use serde_json::json;

    fn referenced(schemas: &[(&str, &Value)]) -> HashMap<String, String> {
        schemas.iter().map(|(name, schema)| ((*name).to_owned(), schema.to_string())).collect()
    }

    #[test]
    fn a_type_stands_where_it_is_used_first_and_nowhere_else() {
        let place =
            json!({"type": "record", "name": "Place", "namespace": "b", "fields": [{"name": "at", "type": "Grid"}]});
        let grid = json!({"type": "enum", "name": "b.Grid", "symbols": ["X", "Y"]});
        let bare = json!({"type": "fixed", "name": "Hash", "size": 1});
        let schema = json!({"type": "record", "name": "a.Trip", "fields": [
            {"name": "from", "type": "b.Place"},
            {"name": "to", "type": ["null", "b.Place"]},
            {"name": "by", "type": {"type": "array", "items": {"type": "map", "values": "b.Place"}}},
            {"name": "next", "type": ["null", "Trip"]},
        ]});
        let text =
            with_references(&schema.to_string(), &referenced(&[("b.Place", &place), ("b.Grid", &grid)])).unwrap();
        assert_eq!(text.matches("symbols").count(), 1, "{text}");
        let schema = WriterSchema::parse(1, text).unwrap();
        assert_eq!(schema.full_name, "a.Trip");
        assert_eq!(
            schema.to_json(&[2, 2, 0, 0, 0]).unwrap(),
            json!({"from": {"at": "Y"}, "to": {"at": "X"}, "by": [], "next": null})
        );

        // Without a namespace around it, as it was written.
        let schema = json!({"type": "record", "name": "a.Sum", "namespace": "a", "fields": [
            {"name": "own", "type": {"type": "fixed", "name": "Hash", "size": 2}},
            {"name": "bare", "type": "Hash"},
        ]});
        let text = with_references(&schema.to_string(), &referenced(&[("Hash", &bare)])).unwrap();
        assert_eq!(text, schema.to_string());
    }

    #[test]
    fn what_nothing_tells_is_left_to_the_parser() {
        let schema = json!({"type": "record", "name": "a.Trip", "fields": [{"name": "from", "type": "b.Place"}]});
        let text = with_references(&schema.to_string(), &HashMap::new()).unwrap();
        assert_eq!(text, schema.to_string());
        assert!(WriterSchema::parse(1, text).is_err());
        assert_eq!(with_references("{", &HashMap::new()), None);
    }
}
