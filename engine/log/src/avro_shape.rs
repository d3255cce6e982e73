//! An Avro schema as far as readers depend on it: records by full name, their fields, types, and defaults; and whether
//! one that a record was written with can be read into the struct of another.
//!
//! Two schemas are equal when they differ in nothing but docs, rules and the order of fields. `apache-avro` parses them:
//! names, references, defaults that fit their type are its part. Its own equality is of no use here, because it leaves
//! defaults and logical types out; a logical type that it does not know is none, as it is for readers.
//!
//! The gate for new versions (`foldstream-events`, `evolution`) compares by these, and so does each typed read
//! ([`difference`]): a bare number of milliseconds fits a struct that counts microseconds, so nothing but the schemas can
//! tell that it is a time of 1970.

use apache_avro::schema::{FixedSchema, InnerDecimalSchema, RecordSchema, UuidSchema};
use serde_json::Value;
use std::{collections::BTreeMap, fmt};

#[derive(Debug)]
pub struct Schema {
    /// As the reference implementation has it.
    pub reference: apache_avro::Schema,
    /// Full name of the outermost record.
    pub root: String,
    /// Every record in it, the outermost too.
    pub records: BTreeMap<String, Record>,
}

#[derive(Debug)]
pub struct Record {
    pub has_doc: bool,
    pub has_aliases: bool,
    pub fields: Vec<Field>,
}

#[derive(Debug)]
pub struct Field {
    pub name: String,
    pub has_doc: bool,
    pub has_aliases: bool,
    pub default: Option<Value>,
    pub kind: Kind,
}

/// A type, as readers see it.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    Primitive { name: String, logical: Option<String> },
    Array(Box<Kind>),
    Map(Box<Kind>),
    Union(Vec<Kind>),
    Record(String),
    Enum { name: String, symbols: Vec<String>, has_aliases: bool },
    Fixed { name: String, size: usize, logical: Option<String>, has_aliases: bool },
}

impl PartialEq for Schema {
    fn eq(&self, other: &Self) -> bool {
        let Self { reference: _, root, records } = self;
        (root, records) == (&other.root, &other.records)
    }
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
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

impl Kind {
    pub fn primitive(name: &str) -> Self {
        Self::Primitive { name: name.to_owned(), logical: None }
    }

    pub fn logical(name: &str, logical: &str) -> Self {
        Self::Primitive { name: name.to_owned(), logical: Some(logical.to_owned()) }
    }

    /// What is there when something is, if this type is `["null", X]`.
    pub fn optional(&self) -> Option<&Kind> {
        match self {
            Self::Union(branches) => match branches.as_slice() {
                [null, kind] if *null == Self::primitive("null") => Some(kind),
                _ => None,
            },
            _ => None,
        }
    }

    /// Where two types part, be it inside arrays, maps or what is optional: what stands there in each. None where what is
    /// written as one is read as the other without a conversion. Records are compared by their fields.
    pub fn parting<'a>(&'a self, other: &'a Self) -> Option<(&'a Self, &'a Self)> {
        match (self, other) {
            (Self::Array(one), Self::Array(other)) | (Self::Map(one), Self::Map(other)) => one.parting(other),
            _ => match (self.optional(), other.optional()) {
                (Some(one), Some(other)) => one.parting(other),
                _ => (self != other).then_some((self, other)),
            },
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
            Self::Enum { name, symbols, .. } => write!(f, "enum {name} of {}", symbols.join(", ")),
            Self::Fixed { name, size, logical: None, .. } => write!(f, "fixed {name} of {size} bytes"),
            Self::Fixed { name, size, logical: Some(logical), .. } => {
                write!(f, "fixed {name} of {size} bytes ({logical})")
            }
        }
    }
}

impl Schema {
    pub fn parse(text: &str) -> Result<Self, String> {
        let reference = apache_avro::Schema::parse_str(text).map_err(|error| error.to_string())?;
        let mut names = Names::default();
        let Kind::Record(root) = names.kind(&reference) else { return Err("it is no record".to_owned()) };
        Ok(Self { reference, root, records: names.records })
    }
}

/// Why a record written with one schema is not to be read into the struct of another; none when it can be. What the gate
/// lets through is read, and nothing else: a field that differs, one that the struct needs and the writer lacks, and one
/// without a default that the struct would lose.
#[must_use]
pub fn difference(written: &Schema, read: &Schema) -> Option<String> {
    read.records.iter().find_map(|(name, record)| {
        let other = written.records.get(name)?;
        let of = |field: &str| {
            if *name == read.root { format!("field {field}") } else { format!("field {field} of {name}") }
        };
        let unread = |field: &&Field| record.field(&field.name).is_none() && field.default.is_none();
        let changed = record.fields.iter().find_map(|field| match other.field(&field.name) {
            Some(there) if there.kind.parting(&field.kind).is_none() => None,
            Some(there) => Some(format!("{} is {} in it, and is read as {}", of(&field.name), there.kind, field.kind)),
            None if field.default.is_some() => None,
            None => Some(format!("{} is not in it, and is read as {}", of(&field.name), field.kind)),
        });
        let lost = || other.fields.iter().find(unread);
        changed
            .or_else(|| lost().map(|field| format!("{} is {} in it, and would be lost", of(&field.name), field.kind)))
    })
}

/// The named types met so far.
#[derive(Default)]
struct Names {
    records: BTreeMap<String, Record>,
    /// As a reference to one reads: a record inside itself is met before it is whole.
    known: BTreeMap<String, Kind>,
}

impl Names {
    fn kind(&mut self, schema: &apache_avro::Schema) -> Kind {
        use apache_avro::Schema as Avro;
        match schema {
            Avro::Null => Kind::primitive("null"),
            Avro::Boolean => Kind::primitive("boolean"),
            Avro::Int => Kind::primitive("int"),
            Avro::Long => Kind::primitive("long"),
            Avro::Float => Kind::primitive("float"),
            Avro::Double => Kind::primitive("double"),
            Avro::Bytes => Kind::primitive("bytes"),
            Avro::String => Kind::primitive("string"),
            Avro::Array(array) => Kind::Array(Box::new(self.kind(&array.items))),
            Avro::Map(map) => Kind::Map(Box::new(self.kind(&map.types))),
            Avro::Union(union) => Kind::Union(union.variants().iter().map(|branch| self.kind(branch)).collect()),
            Avro::Record(record) => self.record(record),
            Avro::Enum(closed) => self.named(Kind::Enum {
                name: closed.name.fullname(None),
                symbols: closed.symbols.clone(),
                has_aliases: closed.aliases.is_some(),
            }),
            Avro::Fixed(fixed) => self.fixed(fixed, None),
            Avro::Duration(fixed) => self.fixed(fixed, Some("duration")),
            Avro::Decimal(decimal) => {
                let logical = format!("decimal of {} digits, {} after the point", decimal.precision, decimal.scale);
                match &decimal.inner {
                    InnerDecimalSchema::Bytes => Kind::logical("bytes", &logical),
                    InnerDecimalSchema::Fixed(fixed) => self.fixed(fixed, Some(&logical)),
                }
            }
            Avro::Uuid(UuidSchema::Bytes) => Kind::logical("bytes", "uuid"),
            Avro::Uuid(UuidSchema::String) => Kind::logical("string", "uuid"),
            Avro::Uuid(UuidSchema::Fixed(fixed)) => self.fixed(fixed, Some("uuid")),
            Avro::BigDecimal => Kind::logical("bytes", "big-decimal"),
            Avro::Date => Kind::logical("int", "date"),
            Avro::TimeMillis => Kind::logical("int", "time-millis"),
            Avro::TimeMicros => Kind::logical("long", "time-micros"),
            Avro::TimestampMillis => Kind::logical("long", "timestamp-millis"),
            Avro::TimestampMicros => Kind::logical("long", "timestamp-micros"),
            Avro::TimestampNanos => Kind::logical("long", "timestamp-nanos"),
            Avro::LocalTimestampMillis => Kind::logical("long", "local-timestamp-millis"),
            Avro::LocalTimestampMicros => Kind::logical("long", "local-timestamp-micros"),
            Avro::LocalTimestampNanos => Kind::logical("long", "local-timestamp-nanos"),
            Avro::Ref { name } => {
                let name = name.fullname(None);
                self.known.get(&name).cloned().unwrap_or(Kind::Record(name))
            }
        }
    }

    /// Notes a type that has a name.
    fn named(&mut self, kind: Kind) -> Kind {
        if let Kind::Record(name) | Kind::Enum { name, .. } | Kind::Fixed { name, .. } = &kind {
            self.known.insert(name.clone(), kind.clone());
        }
        kind
    }

    fn fixed(&mut self, fixed: &FixedSchema, logical: Option<&str>) -> Kind {
        self.named(Kind::Fixed {
            name: fixed.name.fullname(None),
            size: fixed.size,
            logical: logical.map(str::to_owned),
            has_aliases: fixed.aliases.is_some(),
        })
    }

    fn record(&mut self, record: &RecordSchema) -> Kind {
        let name = record.name.fullname(None);
        let kind = self.named(Kind::Record(name.clone()));
        let mut fields = Vec::new();
        for field in &record.fields {
            fields.push(Field {
                name: field.name.clone(),
                has_doc: says_something(field.doc.as_deref()),
                has_aliases: !field.aliases.is_empty(),
                default: field.default.clone(),
                kind: self.kind(&field.schema),
            });
        }
        let has_doc = says_something(record.doc.as_deref());
        self.records.insert(name, Record { has_doc, has_aliases: record.aliases.is_some(), fields });
        kind
    }
}

fn says_something(doc: Option<&str>) -> bool {
    doc.is_some_and(|doc| !doc.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parsed(fields: &Value) -> Schema {
        let seen = json!({"type": "record", "name": "a.Seen", "fields": fields});
        Schema::parse(&seen.to_string()).unwrap()
    }

    /// `occurred_at`, required, and `note`, optional, with what stands for them in a writer's schema.
    #[test]
    fn what_the_gate_would_not_let_through_is_named() {
        let time = json!({"name": "occurred_at", "type": {"type": "long", "logicalType": "timestamp-micros"}});
        let note = json!({"name": "note", "type": ["null", "string"], "default": null});
        let size = json!({"name": "size", "type": {"type": "fixed", "name": "a.Size", "size": 4}});
        let ours = parsed(&json!([time, note, size]));
        let mut doc = time.clone();
        doc["doc"] = json!("When.");
        for same in [
            json!([note, size, doc]),
            json!([time, size]),
            json!([time, note, size, {"name": "x", "type": "int", "default": 1}]),
        ] {
            assert_eq!(difference(&parsed(&same), &ours), None, "{same}");
        }
        for (written, expected) in [
            (
                json!([{"name": "occurred_at", "type": {"type": "long", "logicalType": "timestamp-millis"}}, note, size]),
                "field occurred_at is long (timestamp-millis) in it, and is read as long (timestamp-micros)",
            ),
            (
                json!([{"name": "occurred_at", "type": "long"}, note, size]),
                "field occurred_at is long in it, and is read as long (timestamp-micros)",
            ),
            (json!([note, size]), "field occurred_at is not in it, and is read as long (timestamp-micros)"),
            (
                json!([time, {"name": "note", "type": "string"}, size]),
                "field note is string in it, and is read as [null, string]",
            ),
            (
                json!([time, {"name": "note", "type": ["string", "null"]}, size]),
                "field note is [string, null] in it, and is read as [null, string]",
            ),
            (
                json!([time, {"name": "remark", "type": "string"}, size]),
                "field remark is string in it, and would be lost",
            ),
            (
                json!([time, note, {"name": "size", "type": {"type": "fixed", "name": "a.Size", "size": 5}}]),
                "field size is fixed a.Size of 5 bytes in it, and is read as fixed a.Size of 4 bytes",
            ),
            (
                json!([time, note, {"name": "size", "type": {"type": "fixed", "name": "b.Size", "size": 4}}]),
                "field size is fixed b.Size of 4 bytes in it, and is read as fixed a.Size of 4 bytes",
            ),
        ] {
            assert_eq!(difference(&parsed(&written), &ours).as_deref(), Some(expected), "{written}");
        }
    }

    /// The gate and the typed read ask the same question.
    #[test]
    fn types_part_where_they_differ_however_deep_that_is() {
        let optional = |kind| Kind::Union(vec![Kind::primitive("null"), kind]);
        let deep = |kind| Kind::Array(Box::new(optional(Kind::Map(Box::new(kind)))));
        let (day, number) = (Kind::logical("int", "date"), Kind::primitive("int"));
        assert_eq!(deep(day.clone()).parting(&deep(number.clone())), Some((&day, &number)));
        assert_eq!(deep(day.clone()).parting(&deep(day.clone())), None);
        let (now, before) = (optional(number.clone()), number);
        assert_eq!(before.parting(&now), Some((&before, &now)));
    }

    #[test]
    fn records_inside_are_held_against_each_other() {
        let with = |unit: &str| {
            let inner = json!({"type": "record", "name": "a.Inner", "fields": [
                {"name": "at", "type": {"type": "int", "logicalType": unit}}]});
            parsed(&json!([{"name": "all", "type": {"type": "array", "items": inner}}]))
        };
        let found = difference(&with("date"), &with("time-millis"));
        assert_eq!(found.as_deref(), Some("field at of a.Inner is int (date) in it, and is read as int (time-millis)"));
        assert_eq!(difference(&with("date"), &with("date")), None);
    }
}
