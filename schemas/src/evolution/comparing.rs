//! What must not differ between two versions of a record, in either direction: each is read by readers of the other.

use super::fault::SchemaFault;
use foldstream_log::avro_shape::{Field, Kind, Record, Schema};

const NEW_FIELD: &str = "keep the field, add one of another name with the new type and a default, and read both";
const NEW_RECORD: &str = "write a new record type and let readers take both";
const UNCONVERTED: &str = "a record is read with the schema it was written with into the struct of the newest one, \
                           and nothing converts between the two";

/// What forbids `newer` beside `older`. A field of the direct predecessor that changed only its name is called renamed.
pub(super) fn faults(older: &Schema, newer: &Schema, version: u32, is_predecessor: bool) -> Vec<SchemaFault> {
    let mut comparison = Comparison { version, is_predecessor, record: newer.root.clone(), faults: Vec::new() };
    if older.root != newer.root {
        let wrong = format!("the record was called {} in version {version}", older.root);
        let because = "readers choose the event by the name its writer gave it, and each name has its own subject";
        comparison.add(None, wrong, because, format!("keep the name, or {NEW_RECORD}"));
    }
    for (name, record) in &newer.records {
        if let Some(before) = older.records.get(name) {
            comparison.record.clone_from(name);
            comparison.records(before, record);
        }
    }
    comparison.faults
}

struct Comparison {
    version: u32,
    is_predecessor: bool,
    record: String,
    faults: Vec<SchemaFault>,
}

impl Comparison {
    fn add(&mut self, field: Option<&Field>, wrong: String, because: &'static str, instead: String) {
        let field = field.map(|field| field.name.clone());
        self.faults.push(SchemaFault { record: self.record.clone(), field, wrong, because, instead });
    }

    fn records(&mut self, older: &Record, newer: &Record) {
        let mut added: Vec<&Field> = newer.fields.iter().filter(|field| older.field(&field.name).is_none()).collect();
        for field in &older.fields {
            match newer.field(&field.name) {
                Some(now) => self.fields(field, now),
                None => self.removed(field, &mut added),
            }
        }
        for field in added.into_iter().filter(|field| field.default.is_none()) {
            let wrong = format!("it is not in version {} and has no default", self.version);
            let because = "records written before it have nothing to put there";
            let instead = format!(r#"add the field with a default, as in ["null", X] with null; or {NEW_RECORD}"#);
            self.add(Some(field), wrong, because, instead);
        }
    }

    fn removed(&mut self, field: &Field, added: &mut Vec<&Field>) {
        let version = self.version;
        let twin = added.iter().position(|other| {
            let alike = other.kind == field.kind && other.default == field.default;
            alike && (self.is_predecessor || field.default.is_none())
        });
        if let Some(twin) = twin {
            let wrong = format!("it was in version {version} and seems to be called {} now", added.remove(twin).name);
            let because = "fields are found by name: what was written under one is lost under the other";
            let instead = "keep the name; if these are two fields, remove one in one version (it needs a default) and \
                           add the other in the next";
            self.add(Some(field), wrong, because, instead.to_owned());
        } else if field.default.is_none() {
            let wrong = format!("it was in version {version} without a default, and is gone");
            let because = "readers of that version find nothing where they need something";
            self.add(Some(field), wrong, because, format!("keep the field; or {NEW_RECORD}"));
        }
    }

    fn fields(&mut self, older: &Field, newer: &Field) {
        if let Some(wrong) = self.kinds(&older.kind, &newer.kind) {
            self.add(Some(newer), wrong, UNCONVERTED, format!("{NEW_FIELD}; or {NEW_RECORD}"));
        } else if older.default != newer.default {
            let shown = |field: &Field| field.default.as_ref().map_or("none".to_owned(), ToString::to_string);
            let wrong = format!("the default was {} in version {} and is {}", shown(older), self.version, shown(newer));
            let because =
                "the same record without this field would mean one thing to one reader and another to the next";
            let instead = "keep the default; where another is meant, add a field of another name with it".to_owned();
            self.add(Some(newer), wrong, because, instead);
        }
    }

    /// How a type changed; none when it did not.
    fn kinds(&self, older: &Kind, newer: &Kind) -> Option<String> {
        let version = self.version;
        let (older, newer) = older.parting(newer)?;
        Some(match (older, newer) {
            (before, now) if now.optional() == Some(before) => {
                format!("it was always there in version {version} and became optional, {now}")
            }
            (before, now) if before.optional() == Some(now) => {
                format!("it was optional in version {version}, {before}, and became required")
            }
            (Kind::Record(before), Kind::Record(now)) => {
                format!("the record in it was called {before} in version {version} and is called {now}")
            }
            (Kind::Primitive { name: before, .. }, Kind::Primitive { name: now, .. }) if before == now => {
                format!("the logical type changed: it was {older} in version {version} and is {newer}")
            }
            (Kind::Primitive { name: before, .. }, Kind::Primitive { name: now, .. }) if is_promotion(before, now) => {
                format!("the type was promoted: it was {older} in version {version} and is {newer}")
            }
            (before, now) => format!("the type changed: it was {before} in version {version} and is {now}"),
        })
    }
}

/// What Avro's schema resolution would convert on the way.
fn is_promotion(older: &str, newer: &str) -> bool {
    let numbers = ["int", "long", "float", "double"];
    let rank = |name: &str| numbers.iter().position(|number| *number == name);
    match (rank(older), rank(newer)) {
        (Some(older), Some(newer)) => older < newer,
        _ => matches!((older, newer), ("string", "bytes") | ("bytes", "string")),
    }
}
