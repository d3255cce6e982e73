//! How a schema must look, whatever was before it.

use super::fault::SchemaFault;
use foldstream_log::{
    RecordType,
    avro_shape::{Field, Kind, Record, Schema},
};
use serde_json::Value;

pub(super) fn faults(record: &RecordType, schema: &Schema) -> Vec<SchemaFault> {
    let mut lint = Lint { record: schema.root.clone(), faults: Vec::new() };
    lint.outermost(record, schema);
    for (name, record) in &schema.records {
        lint.record.clone_from(name);
        lint.records(record);
    }
    lint.faults
}

struct Lint {
    record: String,
    faults: Vec<SchemaFault>,
}

impl Lint {
    fn add(
        &mut self,
        field: Option<&str>,
        wrong: impl Into<String>,
        because: &'static str,
        instead: impl Into<String>,
    ) {
        let (wrong, instead) = (wrong.into(), instead.into());
        let field = field.map(str::to_owned);
        self.faults.push(SchemaFault { record: self.record.clone(), field, wrong, because, instead });
    }

    fn outermost(&mut self, record: &RecordType, schema: &Schema) {
        if schema.root != record.full_name {
            let wrong = format!("{} is declared with this schema", record.full_name);
            let because = "readers choose the event by the name in the schema";
            self.add(None, wrong, because, "give the record the name of its file");
        }
        let Some(outermost) = schema.records.get(&schema.root) else { return };
        if !outermost.has_doc {
            let because = "the schema is all that another team sees of an event";
            self.add(None, "it has no doc", because, "say in a sentence what happened");
        }
        let key = record.key;
        let envelope = [
            ("event_id", Kind::logical("string", "uuid")),
            (key, Kind::primitive("string")),
            ("occurred_at", Kind::logical("long", "timestamp-micros")),
        ];
        for (index, (name, kind)) in envelope.iter().enumerate() {
            let is_so = |field: &Field| field.name == *name && field.kind == *kind && field.default.is_none();
            match outermost.fields.get(index) {
                Some(field) if is_so(field) && field.has_doc => {}
                Some(field) if is_so(field) => {
                    let because = "what identifies, keys or dates an event differs from event to event";
                    self.add(Some(name), "it has no doc", because, "say what the id, key or time is of");
                }
                _ => {
                    let wrong = format!("field {} of the record is not {name}, {kind}, without a default", index + 1);
                    let because = "every event starts with event_id, the key and occurred_at";
                    self.add(Some(name), wrong, because, "put these three first, as in the other schemas");
                }
            }
        }
    }

    fn records(&mut self, record: &Record) {
        if record.has_aliases {
            self.aliases(None);
        }
        for field in &record.fields {
            let name = Some(field.name.as_str());
            if field.has_aliases {
                self.aliases(name);
            }
            if !is_snake_case(&field.name) {
                let because = "every field is written alike in Avro, JSON and SQL";
                self.add(name, "the name is not in snake_case", because, "use small letters, digits and underscores");
            }
            self.kind(name, &field.kind);
            if matches!(field.kind, Kind::Union(_)) && field.default != Some(Value::Null) {
                let because = "a reader of a version without the field would have nothing to put there";
                self.add(name, "it is optional, but its default is not null", because, r#"add "default": null"#);
            }
            let kind = field.kind.optional().unwrap_or(&field.kind);
            if is_fraction(kind) && !field.has_doc {
                let because = "a measure without a unit is a guess";
                self.add(name, "it is a measure without a doc", because, "name unit and range in a doc");
            }
            self.coordinate(record, field);
            self.money(record, field, kind);
        }
    }

    fn aliases(&mut self, field: Option<&str>) {
        let because = "records are read by the names in their writer's schema: only schema resolution, which is not \
                       done, knows aliases";
        self.add(field, "it has aliases", because, "keep the old name; or write a new record type and read both");
    }

    fn kind(&mut self, field: Option<&str>, kind: &Kind) {
        match kind {
            Kind::Array(inner) | Kind::Map(inner) => self.kind(field, inner),
            Kind::Union(branches) => {
                if kind.optional().is_none() {
                    let because = "which branch a reader takes would depend on its version";
                    let instead =
                        r#"use ["null", X]; for a choice, one optional field for each, or a record type each"#;
                    self.add(field, format!("the type is the union {kind}"), because, instead);
                }
                for branch in branches {
                    self.kind(field, branch);
                }
            }
            Kind::Enum { .. } => {
                let because = "it is closed: a reader that is older than a symbol cannot read it";
                self.add(field, format!("the type is {kind}"), because, "use string, and name the values in the doc");
            }
            Kind::Fixed { has_aliases: true, .. } => self.aliases(field),
            Kind::Primitive { .. } | Kind::Record(_) | Kind::Fixed { .. } => {}
        }
    }

    fn coordinate(&mut self, record: &Record, field: &Field) {
        let other = match field.name.as_str() {
            "latitude" => "longitude",
            "longitude" => "latitude",
            _ => return,
        };
        let same_kind = record.field(other).is_some_and(|other| other.kind == field.kind);
        if !same_kind || field.kind.optional().unwrap_or(&field.kind) != &Kind::primitive("double") {
            let wrong = format!("it is {} and not a double beside {other}", field.kind);
            let because = "a place is a pair of WGS84 degrees";
            self.add(Some(&field.name), wrong, because, "use latitude and longitude, both double");
        }
    }

    fn money(&mut self, record: &Record, field: &Field, kind: &Kind) {
        let words: Vec<_> = field.name.split('_').collect();
        let is_money = words.iter().any(|word| ["amount", "price", "minor"].contains(word));
        let has_currency = record.fields.iter().any(|field| field.name.split('_').any(|word| word == "currency"));
        if is_money && (*kind != Kind::primitive("long") || !has_currency) {
            let wrong =
                format!("it is money as {} {} a currency", field.kind, if has_currency { "with" } else { "without" });
            let because = "fractions round, and a sum without a currency is no sum";
            let instead = "use long minor units, and a string field `currency` with the ISO 4217 code";
            self.add(Some(&field.name), wrong, because, instead);
        }
    }
}

fn is_fraction(kind: &Kind) -> bool {
    *kind == Kind::primitive("double") || *kind == Kind::primitive("float")
}

fn is_snake_case(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_')
}
