//! An `.avsc` as far as code is made from it: its name, its fields, the rules they name, and which of them are personal.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::{fs, path::Path};

#[derive(Debug, Clone)]
pub(crate) struct Record {
    /// Where it lies, below the root's folder.
    pub(crate) file: String,
    pub(crate) text: String,
    /// What is registered: the file without its rules and marks, which are ours and no part of what is written. So a rule
    /// may change, or come to a field that had none, and the schema stays the one that is registered already.
    pub(crate) registered: String,
    pub(crate) name: String,
    pub(crate) full_name: String,
    pub(crate) fields: Vec<Field>,
}

#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) kind: FieldKind,
    pub(crate) is_optional: bool,
    /// The name of its rule.
    pub(crate) rule: Option<String>,
    /// Its value is told to nobody who looks into the topic.
    pub(crate) is_personal: bool,
}

/// What a rule can be asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FieldKind {
    Text,
    Number,
    Whole,
    Time,
    Other,
}

impl Record {
    pub(crate) fn read(folder: &Path, file: &str) -> Result<Self> {
        let path = folder.join(file);
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(file, text).with_context(|| format!("{} is no event", path.display()))
    }

    fn parse(file: &str, text: String) -> Result<Self> {
        let schema: Value = serde_json::from_str(&text)?;
        let name = schema["name"].as_str().context("it has no name")?.to_owned();
        let namespace = schema["namespace"].as_str().context("it has no namespace")?;
        let full_name = format!("{namespace}.{name}");
        let fields = schema["fields"].as_array().context("it has no fields")?;
        let fields = fields.iter().map(Field::parse).collect::<Result<Vec<_>>>()?;
        let registered = as_registered(&text, &schema, &fields)?;
        Ok(Self { file: file.to_owned(), text, registered, name, full_name, fields })
    }
}

/// The text without the properties `rule` and `personal` of its fields, to the byte as it was before there were any.
fn as_registered(text: &str, schema: &Value, fields: &[Field]) -> Result<String> {
    let mut registered = text.replace(", \"personal\": true", "");
    for rule in fields.iter().filter_map(|field| field.rule.as_ref()) {
        registered = registered.replace(&format!(", \"rule\": \"{rule}\""), "");
    }
    let mut wanted = schema.clone();
    for field in wanted["fields"].as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        field.remove("rule");
        field.remove("personal");
    }
    if serde_json::from_str::<Value>(&registered)? != wanted {
        bail!(
            "a rule, or a mark, stands behind another property of its field, written as in `, \"rule\": \"id\", \"personal\": true`"
        );
    }
    Ok(registered)
}

impl Field {
    fn parse(field: &Value) -> Result<Self> {
        let name = field["name"].as_str().with_context(|| format!("a field has no name: {field}"))?.to_owned();
        let mut kind = &field["type"];
        let is_optional = kind.is_array();
        if let Some(branches) = kind.as_array() {
            kind = branches.iter().find(|branch| *branch != "null").context("a union has nothing in it")?;
        }
        let rule = match &field["rule"] {
            Value::Null => None,
            Value::String(rule) => Some(rule.clone()),
            other => bail!("field {name}: a rule is named, and {other} is no name"),
        };
        let is_personal = match &field["personal"] {
            Value::Null => false,
            Value::Bool(true) => true,
            other => bail!("field {name}: `personal` is true or not there, and not {other}"),
        };
        Ok(Self { name, kind: FieldKind::of(kind), is_optional, rule, is_personal })
    }
}

impl FieldKind {
    fn of(kind: &Value) -> Self {
        let logical = kind["logicalType"].as_str();
        match (kind.as_str().or_else(|| kind["type"].as_str()), logical) {
            (Some("string"), None) => Self::Text,
            (Some("float" | "double"), None) => Self::Number,
            (Some("int" | "long"), None) => Self::Whole,
            (Some("long"), Some("timestamp-micros")) => Self::Time,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(field: &str) -> Result<Record> {
        let text = format!(r#"{{"type": "record", "name": "Sent", "namespace": "depot", "fields": [{field}]}}"#);
        Record::parse("Sent.avsc", text)
    }

    #[test]
    fn a_rule_is_no_part_of_what_is_registered() {
        for (ruled, plain) in [
            (
                r#"{"name": "a", "type": "string", "rule": "id", "doc": "A."}"#,
                r#"{"name": "a", "type": "string", "doc": "A."}"#,
            ),
            (r#"{"name": "rule", "type": "int", "rule": "id"}"#, r#"{"name": "rule", "type": "int"}"#),
        ] {
            let (ruled, plain) = (record(ruled).unwrap(), record(plain).unwrap());
            assert_eq!(ruled.fields[0].rule.as_deref(), Some("id"));
            assert_eq!(ruled.registered, plain.text);
            assert_eq!(plain.registered, plain.text);
        }
    }

    #[test]
    fn a_mark_is_no_part_of_what_is_registered() {
        let marked = record(r#"{"name": "a", "type": "string", "rule": "id", "personal": true}"#).unwrap();
        assert!(marked.fields[0].is_personal);
        assert_eq!(marked.registered, record(r#"{"name": "a", "type": "string"}"#).unwrap().text);
        assert!(record(r#"{"name": "a", "type": "string", "personal": "yes"}"#).is_err());
    }

    #[test]
    fn a_rule_that_cannot_be_taken_out_is_refused() {
        assert!(record(r#"{"rule": "id", "name": "a", "type": "string"}"#).is_err());
        assert!(record(r#"{"name": "a", "type": "string","rule":"id"}"#).is_err());
    }
}
