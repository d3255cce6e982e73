//! An Avro schema as far as readers depend on it: records by full name, their fields, types, and defaults.
//!
//! Two schemas are equal when they differ in nothing but docs and the order of fields.

use serde_json::Value;
use std::{collections::BTreeMap, fmt};

#[derive(Debug, PartialEq)]
pub(super) struct Schema {
    /// Full name of the outermost record.
    pub(super) root: String,
    /// Every record in it, the outermost too.
    pub(super) records: BTreeMap<String, Record>,
}

#[derive(Debug)]
pub(super) struct Record {
    pub(super) has_doc: bool,
    pub(super) has_aliases: bool,
    pub(super) fields: Vec<Field>,
}

#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) has_doc: bool,
    pub(super) has_aliases: bool,
    pub(super) default: Option<Value>,
    pub(super) kind: Kind,
}

/// A type, as readers see it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    Primitive { name: String, logical: Option<String> },
    Array(Box<Kind>),
    Map(Box<Kind>),
    Union(Vec<Kind>),
    Record(String),
    Enum { name: String, symbols: Vec<Value>, has_aliases: bool },
    Fixed { name: String, size: u64, logical: Option<String>, has_aliases: bool },
}

impl PartialEq for Record {
    fn eq(&self, other: &Self) -> bool {
        let Self { has_doc: _, has_aliases, fields } = self;
        *has_aliases == other.has_aliases
            && fields.len() == other.fields.len()
            && fields.iter().all(|field| other.field(&field.name) == Some(field))
    }
}

impl PartialEq for Field {
    fn eq(&self, other: &Self) -> bool {
        let Self { name, has_doc: _, has_aliases, default, kind } = self;
        (name, has_aliases, default, kind) == (&other.name, &other.has_aliases, &other.default, &other.kind)
    }
}

impl Record {
    pub(super) fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

impl Kind {
    pub(super) fn primitive(name: &str) -> Self {
        Self::Primitive { name: name.to_owned(), logical: None }
    }

    pub(super) fn logical(name: &str, logical: &str) -> Self {
        Self::Primitive { name: name.to_owned(), logical: Some(logical.to_owned()) }
    }

    /// What is there when something is, if this type is `["null", X]`.
    pub(super) fn optional(&self) -> Option<&Kind> {
        match self {
            Self::Union(branches) => match branches.as_slice() {
                [null, kind] if *null == Self::primitive("null") => Some(kind),
                _ => None,
            },
            _ => None,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Primitive { name, logical: None } => f.write_str(name),
            Self::Primitive { name, logical: Some(logical) } => write!(f, "{name} ({logical})"),
            Self::Array(items) => write!(f, "array of {items}"),
            Self::Map(values) => write!(f, "map of {values}"),
            Self::Union(branches) => {
                let branches: Vec<_> = branches.iter().map(ToString::to_string).collect();
                write!(f, "[{}]", branches.join(", "))
            }
            Self::Record(name) => write!(f, "record {name}"),
            Self::Enum { name, .. } => write!(f, "enum {name}"),
            Self::Fixed { name, size, .. } => write!(f, "fixed {name} of {size} bytes"),
        }
    }
}

impl Schema {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let json: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let mut names = Names::default();
        let Kind::Record(root) = names.kind(&json, "")? else { return Err("it is no record".to_owned()) };
        Ok(Self { root, records: names.records })
    }
}

/// The named types met so far.
#[derive(Default)]
struct Names {
    records: BTreeMap<String, Record>,
    /// As a reference to one reads: a record inside itself is met before it is whole.
    known: BTreeMap<String, Kind>,
}

impl Names {
    fn kind(&mut self, json: &Value, namespace: &str) -> Result<Kind, String> {
        match json {
            Value::String(name) => {
                Ok(self.known.get(&full_name(name, namespace)).cloned().unwrap_or_else(|| Kind::primitive(name)))
            }
            Value::Array(branches) => {
                Ok(Kind::Union(branches.iter().map(|branch| self.kind(branch, namespace)).collect::<Result<_, _>>()?))
            }
            Value::Object(_) => self.described(json, namespace),
            other => Err(format!("{other} is no type")),
        }
    }

    fn described(&mut self, json: &Value, namespace: &str) -> Result<Kind, String> {
        let part = |name: &str| json.get(name).ok_or_else(|| format!("a type has no `{name}`: {json}"));
        let logical = || {
            let logical = json.get("logicalType")?.as_str()?;
            let number = |name: &str| json.get(name).and_then(Value::as_u64).unwrap_or_default();
            Some(match logical {
                "decimal" => format!("decimal of {} digits, {} after the point", number("precision"), number("scale")),
                other => other.to_owned(),
            })
        };
        match part("type")? {
            Value::String(word) => match word.as_str() {
                "array" => Ok(Kind::Array(Box::new(self.kind(part("items")?, namespace)?))),
                "map" => Ok(Kind::Map(Box::new(self.kind(part("values")?, namespace)?))),
                "record" => self.record(json, namespace),
                "enum" => {
                    let symbols = part("symbols")?.as_array().cloned().unwrap_or_default();
                    let name = name_of(json, namespace)?;
                    let kind = Kind::Enum { name: name.clone(), symbols, has_aliases: json.get("aliases").is_some() };
                    self.known.insert(name, kind.clone());
                    Ok(kind)
                }
                "fixed" => {
                    let size = part("size")?.as_u64().unwrap_or_default();
                    let name = name_of(json, namespace)?;
                    let has_aliases = json.get("aliases").is_some();
                    let kind = Kind::Fixed { name: name.clone(), size, logical: logical(), has_aliases };
                    self.known.insert(name, kind.clone());
                    Ok(kind)
                }
                primitive => match logical() {
                    Some(logical) => Ok(Kind::logical(primitive, &logical)),
                    None => self.kind(&Value::String(primitive.to_owned()), namespace),
                },
            },
            nested => self.kind(nested, namespace),
        }
    }

    fn record(&mut self, json: &Value, namespace: &str) -> Result<Kind, String> {
        let name = name_of(json, namespace)?;
        let inner = name.rsplit_once('.').map_or("", |(namespace, _)| namespace).to_owned();
        let kind = Kind::Record(name.clone());
        self.known.insert(name.clone(), kind.clone());
        let fields = json.get("fields").and_then(Value::as_array).ok_or_else(|| format!("{name} has no fields"))?;
        let fields = fields.iter().map(|field| self.field(field, &inner)).collect::<Result<_, _>>()?;
        self.records
            .insert(name, Record { has_doc: has_doc(json), has_aliases: json.get("aliases").is_some(), fields });
        Ok(kind)
    }

    fn field(&mut self, json: &Value, namespace: &str) -> Result<Field, String> {
        let name = json.get("name").and_then(Value::as_str).ok_or_else(|| format!("a field has no name: {json}"))?;
        let kind = json.get("type").ok_or_else(|| format!("field {name} has no type"))?;
        Ok(Field {
            name: name.to_owned(),
            has_doc: has_doc(json),
            has_aliases: json.get("aliases").is_some(),
            default: json.get("default").cloned(),
            kind: self.kind(kind, namespace)?,
        })
    }
}

fn has_doc(json: &Value) -> bool {
    json.get("doc").and_then(Value::as_str).is_some_and(|doc| !doc.trim().is_empty())
}

fn name_of(json: &Value, enclosing: &str) -> Result<String, String> {
    let name = json.get("name").and_then(Value::as_str).ok_or_else(|| format!("a named type has no name: {json}"))?;
    Ok(full_name(name, json.get("namespace").and_then(Value::as_str).unwrap_or(enclosing)))
}

fn full_name(name: &str, namespace: &str) -> String {
    if name.contains('.') || namespace.is_empty() { name.to_owned() } else { format!("{namespace}.{name}") }
}
