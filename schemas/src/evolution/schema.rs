//! An Avro schema as far as readers depend on it: records by full name, their fields, types, and defaults.
//!
//! Two schemas are equal when they differ in nothing but docs, rules and the order of fields. `apache-avro` parses them:
//! names, references, defaults that fit their type are its part. Its own equality is of no use here, because it leaves
//! defaults and logical types out; a logical type that it does not know is none, as it is for readers.

use apache_avro::schema::{FixedSchema, InnerDecimalSchema, RecordSchema, UuidSchema};
use serde_json::Value;
use std::{collections::BTreeMap, fmt};

#[derive(Debug)]
pub(super) struct Schema {
    /// As the reference implementation has it.
    pub(super) reference: apache_avro::Schema,
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
        let reference = apache_avro::Schema::parse_str(text).map_err(|error| error.to_string())?;
        let mut names = Names::default();
        let Kind::Record(root) = names.kind(&reference) else { return Err("it is no record".to_owned()) };
        Ok(Self { reference, root, records: names.records })
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
