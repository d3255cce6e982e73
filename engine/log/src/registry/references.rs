//! A schema with what it refers to: named types that have schemas of their own stand where they are used first, so that
//! one text tells all.
//!
//! Every type counts that is defined anywhere in what is referred to, by its full name: a reference may be called
//! otherwise, and may hold several. A name that nothing tells is left as it is: the parser says what is wrong with it.

use serde_json::Value;
use std::collections::{HashMap, HashSet};

const PRIMITIVES: [&str; 8] = ["null", "boolean", "int", "long", "float", "double", "bytes", "string"];

/// The schema with the types of these in it; none when one of the texts is no JSON.
pub(super) fn with_references<'a>(schema: &str, referenced: impl Iterator<Item = &'a String>) -> Option<String> {
    let mut node = serde_json::from_str(schema).ok()?;
    let mut types = HashMap::new();
    for text in referenced {
        collect(&serde_json::from_str(text).ok()?, "", &mut types);
    }
    Walk { referenced: types, defined: HashSet::new() }.complete(&mut node, "");
    Some(node.to_string())
}

/// Every type that is defined in a schema, by its full name.
fn collect(node: &Value, namespace: &str, types: &mut HashMap<String, Value>) {
    match node {
        Value::Array(branches) => branches.iter().for_each(|branch| collect(branch, namespace, types)),
        Value::Object(object) => {
            let named = named(node, namespace);
            let within = named.as_ref().map_or(namespace, |named| named.within.as_str()).to_owned();
            if let Some(Named { name, own, .. }) = named {
                let mut definition = object.clone();
                // It may stand elsewhere now.
                definition.insert("namespace".to_owned(), own.into());
                types.entry(name).or_insert(Value::Object(definition));
            }
            let fields = object.get("fields").and_then(Value::as_array).into_iter().flatten();
            let parts = ["items", "values", "type"].into_iter().filter_map(|part| object.get(part));
            fields.filter_map(|field| field.get("type")).chain(parts).for_each(|part| collect(part, &within, types));
        }
        _ => {}
    }
}

/// How a type is called that is defined here.
struct Named {
    /// In full.
    name: String,
    /// The namespace it was written in.
    own: String,
    /// The namespace of what stands within it.
    within: String,
}

fn named(node: &Value, namespace: &str) -> Option<Named> {
    let text = |name: &str| node.get(name).and_then(Value::as_str);
    text("type").filter(|kind| matches!(*kind, "record" | "error" | "enum" | "fixed"))?;
    let own = text("namespace").unwrap_or(namespace).to_owned();
    let name = full_name(text("name")?, &own);
    let within = name.rsplit_once('.').map_or("", |(namespace, _)| namespace).to_owned();
    Some(Named { name, own, within })
}

struct Walk {
    referenced: HashMap<String, Value>,
    /// Full names of what stands in the text already.
    defined: HashSet<String>,
}

impl Walk {
    fn complete(&mut self, node: &mut Value, namespace: &str) {
        match node {
            Value::String(name) if !PRIMITIVES.contains(&name.as_str()) => {
                let name = full_name(name, namespace);
                if let Some(mut schema) = self.referenced.get(&name).filter(|_| !self.defined.contains(&name)).cloned()
                {
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
        let Some(Named { name, within, .. }) = named(node, namespace) else {
            return ["items", "values", "type"].into_iter().for_each(|part| self.complete_part(node, part, namespace));
        };
        if !self.defined.insert(name.clone()) {
            // What is referred to may define it once more.
            *node = name.into();
            return;
        }
        let fields = node.get_mut("fields").and_then(Value::as_array_mut).into_iter().flatten();
        fields.filter_map(|field| field.get_mut("type")).for_each(|kind| self.complete(kind, &within));
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

    fn whole(schema: &Value, referenced: &[&Value]) -> String {
        let referenced: Vec<String> = referenced.iter().map(ToString::to_string).collect();
        with_references(&schema.to_string(), referenced.iter()).unwrap()
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
        let text = whole(&schema, &[&place, &grid]);
        assert_eq!(text.matches("symbols").count(), 1, "{text}");
        let schema = WriterSchema::parse(1, text).unwrap();
        assert_eq!(schema.full_name, "a.Trip");
        assert_eq!(
            schema.to_json(&[2, 2, 0, 0, 0]).unwrap().0,
            json!({"from": {"at": "Y"}, "to": {"at": "X"}, "by": [], "next": null})
        );

        // Without a namespace around it, as it was written.
        let schema = json!({"type": "record", "name": "a.Sum", "namespace": "a", "fields": [
            {"name": "own", "type": {"type": "fixed", "name": "Hash", "size": 2}},
            {"name": "bare", "type": "Hash"},
        ]});
        assert_eq!(whole(&schema, &[&bare]), schema.to_string());
    }

    #[test]
    fn types_within_what_is_referred_to_can_be_used_too() {
        let place = json!({"type": "record", "name": "Place", "namespace": "b", "fields": [
            {"name": "at", "type": {"type": "record", "name": "Point", "fields": [
                {"name": "grid", "type": {"type": "enum", "name": "c.Grid", "symbols": ["X", "Y"]}}]}},
            {"name": "near", "type": {"type": "array", "items": "Point"}}]});
        // Used before the type it was written in, and after.
        for order in [["from", "to"], ["to", "from"]] {
            let field = |name| match name {
                "from" => json!({"name": "from", "type": "b.Point"}),
                _ => json!({"name": "to", "type": ["null", "b.Place", "c.Grid"]}),
            };
            let schema = json!({"type": "record", "name": "a.Trip", "fields": order.map(field)});
            let text = whole(&schema, &[&place]);
            assert_eq!((text.matches("symbols").count(), text.matches(r#""name":"Point""#).count()), (1, 1), "{text}");
            let (from, to) = (&[2][..], &[2, 0, 0][..]);
            let datum = order.map(|name| if name == "from" { from } else { to }).concat();
            let read = WriterSchema::parse(1, text).unwrap().to_json(&datum).unwrap().0;
            assert_eq!(read, json!({"from": {"grid": "Y"}, "to": {"at": {"grid": "X"}, "near": []}}));
        }
    }

    #[test]
    fn what_nothing_tells_is_left_to_the_parser() {
        let schema = json!({"type": "record", "name": "a.Trip", "fields": [{"name": "from", "type": "b.Place"}]});
        let text = whole(&schema, &[]);
        assert_eq!(text, schema.to_string());
        assert!(WriterSchema::parse(1, text).is_err());
        assert_eq!(with_references("{", std::iter::empty()), None);
    }
}
