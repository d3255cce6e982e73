//! The code of a root: structs, rules, checks, topics, and an enum of events for each topic.

use crate::{
    catalogue::{Characters, Cleanup, Limits, Root, Rule, Topic},
    record::{Field, FieldKind, Record},
};
use anyhow::{Context, Result, bail};
use rsgen_avro::{Generator, Source};
use std::{collections::BTreeSet, fmt::Write as _};

/// The code of the engine's own records; others find the records that topics of theirs carry by name.
pub(crate) fn of_engine(engine: &Root) -> Result<String> {
    let mut code = opening();
    code.push_str(include_str!("code/engine_imports.txt"));
    structs(&mut code, engine)?;
    rules(&mut code, engine);
    for record in engine.records.values().flatten() {
        checks(&mut code, record, "")?;
        schema(&mut code, record);
    }
    for topic in &engine.topics {
        declaration(&mut code, topic, "Writers::EveryProcessor")?;
        events(&mut code, topic, engine.records_of(&topic.name).iter().map(|record| (record, topic.key.as_str())));
    }
    Ok(code)
}

/// The code of all other events, and the catalogue of everything.
pub(crate) fn of_domains(domains: &Root, engine: &Root) -> Result<String> {
    let mut code = opening();
    code.push_str(
        "use foldstream_log::{\n    Catalogue, Characters, Checked, Cleanup, FieldRule, Limits, Rule, Topic, Violation, \
         Writers, generated as engine,\n    topic_events,\n};\n\n",
    );
    structs(&mut code, domains)?;
    rules(&mut code, domains);
    let engines: Vec<&str> = engine.rules.keys().map(String::as_str).collect();
    for record in domains.records.values().flatten() {
        let of_engine = |rule: &str| engines.contains(&rule) && !domains.rules.contains_key(rule);
        checks_of(&mut code, record, |rule| if of_engine(rule) { "engine::rules::" } else { "rules::" })?;
        schema(&mut code, record);
    }
    // Several topics may carry the same.
    let carried: BTreeSet<_> = domains.topics.iter().flat_map(|topic| &topic.carries).collect();
    for name in carried {
        let record = engine.record(name).with_context(|| format!("there is no record {name}"))?;
        let _ = writeln!(code, "use engine::{{{}, {}, {}}};", record.name, rules_of(record), schema_of(record));
    }
    for topic in &domains.topics {
        let writers: Vec<_> = topic.writers.iter().map(|name| format!("\"{name}\"")).collect();
        declaration(&mut code, topic, &format!("Writers::Services(&[{}])", writers.join(", ")))?;
        let own = domains.records_of(&topic.name).iter().map(|record| (record, topic.key.as_str()));
        let carried = topic.carries.iter().filter_map(|name| engine.record(name));
        // The second field of a record is its key.
        let carried = carried.map(|record| (record, record.fields.get(1).map_or("", |field| field.name.as_str())));
        events(&mut code, topic, own.chain(carried));
    }
    catalogue(&mut code, domains, engine);
    Ok(code)
}

/// The events of all topics as one enum, for the tests of golden records.
pub(crate) fn of_tests(domains: &Root, engine: &Root) -> String {
    let mut code = opening();
    code.push_str(
        "use super::carried::CarriedEvent;\n\nfoldstream_log::events_of! {\n    /// Every event there is.\n    \
         pub(crate) enum AnyEvent {\n",
    );
    let of = |root: &Root, path: &str| -> String {
        let line = |topic: &Topic| {
            let events = topic.events();
            format!("        {}({path}::{events}),\n", events.trim_end_matches("Event"))
        };
        root.topics.iter().map(line).collect()
    };
    code.push_str(&of(domains, "foldstream_events"));
    code.push_str(&of(engine, "foldstream_log::generated"));
    code.push_str("        Carried(CarriedEvent),\n    }\n}\n");
    code
}

fn opening() -> String {
    "//! Made from `avro/` and `catalogue.toml` by `make generate`. Not to be edited.\n\n".to_owned()
}

fn structs(code: &mut String, root: &Root) -> Result<()> {
    let generator = Generator::builder().use_chrono_dates(true).build().context("cannot make the generator")?;
    let mut text = String::new();
    for record in root.records.values().flatten() {
        let mut structs = Vec::new();
        generator
            .generate(&Source::SchemaStr(&record.text), &mut structs)
            .with_context(|| format!("{} cannot be made into a struct", record.file))?;
        text.push_str(String::from_utf8(structs)?.trim_start_matches('\n'));
        text.push('\n');
    }
    // The generator names what it needs by the paths under which apache-avro exports it.
    code.push_str(
        &text
            .replace("apache_avro::Uuid", "uuid::Uuid")
            .replace("apache_avro::serde_avro_bytes_opt", "serde_bytes")
            .replace("apache_avro::serde_avro_bytes", "serde_bytes"),
    );
    Ok(())
}

fn rules(code: &mut String, root: &Root) {
    code.push_str("/// The rules that fields name.\npub mod rules {\n    use super::{Characters, Limits, Rule};\n");
    for (name, rule) in &root.rules {
        let _ = writeln!(
            code,
            "\n    pub static {}: Rule = Rule {{\n        name: {name:?},\n        says: {:?},\n        limits: {},\n    }};",
            name.to_uppercase(),
            rule.says,
            limits(rule)
        );
    }
    code.push_str("}\n\n");
}

fn limits(rule: &Rule) -> String {
    match &rule.limits {
        Limits::Text { characters, min_length, max_length } => {
            let characters = match characters {
                Characters::Visible => "Visible",
                Characters::Printable => "Printable",
            };
            format!(
                "Limits::Text {{ min_chars: {min_length}, max_chars: {max_length}, characters: Characters::{characters} }}"
            )
        }
        Limits::Time { years: (first, last) } => format!("Limits::Time {{ first_year: {first}, last_year: {last} }}"),
        Limits::Number { minimum, maximum } => {
            let maximum = maximum.map_or("None".to_owned(), |maximum| format!("Some({maximum:?})"));
            format!("Limits::Number {{ minimum: {minimum:?}, maximum: {maximum} }}")
        }
    }
}

fn checks(code: &mut String, record: &Record, path: &str) -> Result<()> {
    checks_of(code, record, |_| if path.is_empty() { "rules::" } else { path })
}

/// How a record checks its fields, and the same as data.
fn checks_of<'a>(code: &mut String, record: &Record, path: impl Fn(&str) -> &'a str) -> Result<()> {
    let _ = writeln!(code, "impl Checked for {} {{\n    fn check(&self) -> Result<(), Violation> {{", record.name);
    let mut listed = String::new();
    for field in &record.fields {
        let Some(rule) = &field.rule else { continue };
        let rule = format!("{}{}", path(rule), rule.to_uppercase());
        let _ = writeln!(code, "        {}", check(field, &rule).with_context(|| record.file.clone())?);
        let _ = write!(listed, "\n    FieldRule {{ field: {:?}, rule: &{rule} }},", field.name);
    }
    let _ = writeln!(code, "        Ok(())\n    }}\n}}\n");
    let end = if listed.is_empty() { "" } else { "\n" };
    let _ = writeln!(code, "pub const {}: &[FieldRule] = &[{listed}{end}];\n", rules_of(record));
    Ok(())
}

fn check(field: &Field, rule: &str) -> Result<String> {
    let name = &field.name;
    let (asked, by_reference) = match field.kind {
        FieldKind::Text => ("text", true),
        FieldKind::Number => ("number", false),
        FieldKind::Whole => ("whole", false),
        FieldKind::Time => ("time", false),
        FieldKind::Other => bail!("field {name}: no rule can be asked about its type"),
    };
    Ok(match (field.is_optional, by_reference) {
        (true, true) => {
            format!("if let Some(value) = &self.{name} {{\n            {rule}.{asked}({name:?}, value)?;\n        }}")
        }
        (true, false) => {
            format!("if let Some(value) = self.{name} {{\n            {rule}.{asked}({name:?}, value)?;\n        }}")
        }
        (false, true) => format!("{rule}.{asked}({name:?}, &self.{name})?;"),
        (false, false) => format!("{rule}.{asked}({name:?}, self.{name})?;"),
    })
}

fn schema(code: &mut String, record: &Record) {
    let _ = writeln!(
        code,
        "/// The schema of [`{}`] as it is registered: `{}` without the rules and marks of its fields.\npub const {}: &str = r##\"{}\"##;\n",
        record.name,
        record.file,
        schema_of(record),
        record.registered
    );
}

fn declaration(code: &mut String, topic: &Topic, writers: &str) -> Result<()> {
    const DAY_MS: u64 = 24 * 60 * 60 * 1000;
    let cleanup = match topic.cleanup()? {
        Cleanup::Keep => "Cleanup::KeepAll".to_owned(),
        Cleanup::Expire { days } => format!("Cleanup::Expire {{ after_ms: {} }}", days * DAY_MS),
        Cleanup::Compact { days } => format!("Cleanup::Compact {{ max_lag_ms: {} }}", days * DAY_MS),
    };
    let bytes = topic.max_record_bytes.unwrap_or(1_048_576);
    let _ = writeln!(
        code,
        "pub static {}: Topic = Topic {{\n    name: {:?},\n    key: {:?},\n    partitions: {},\n    cleanup: \
         {cleanup},\n    max_record_bytes: {bytes},\n    writers: {writers},\n}};\n",
        topic.constant(),
        topic.name,
        topic.key,
        topic.partitions
    );
    Ok(())
}

fn events<'a>(code: &mut String, topic: &Topic, records: impl Iterator<Item = (&'a Record, &'a str)>) {
    let _ = writeln!(
        code,
        "topic_events! {{\n    /// What `{}` carries.\n    {} on {} {{",
        topic.name,
        topic.events(),
        topic.constant()
    );
    for (record, key) in records {
        let _ = writeln!(
            code,
            "        {} keyed by {key}: {:?}, {}, {};",
            record.name,
            record.full_name,
            schema_of(record),
            rules_of(record)
        );
    }
    code.push_str("    }\n}\n\n");
}

fn catalogue(code: &mut String, domains: &Root, engine: &Root) {
    code.push_str("/// Every topic there is, and every record type they carry.\npub const CATALOGUE: Catalogue = Catalogue {\n    topics: &[\n");
    for topic in &domains.topics {
        let _ = writeln!(code, "        &{},", topic.constant());
    }
    for topic in &engine.topics {
        let _ = writeln!(code, "        &engine::{},", topic.constant());
    }
    code.push_str("    ],\n    records: &[\n");
    for topic in &domains.topics {
        let _ = writeln!(code, "        {}::RECORD_TYPES,", topic.events());
    }
    for topic in &engine.topics {
        let _ = writeln!(code, "        engine::{}::RECORD_TYPES,", topic.events());
    }
    code.push_str("    ],\n    personal: &[\n");
    for record in [domains, engine].into_iter().flat_map(|root| root.records.values().flatten()) {
        for field in record.fields.iter().filter(|field| field.is_personal) {
            let _ = writeln!(code, "        ({:?}, {:?}),", record.full_name, field.name);
        }
    }
    code.push_str("    ],\n};\n");
}

/// `LocationReported` as `LOCATION_REPORTED`.
fn constant(name: &str) -> String {
    let mut constant = String::new();
    for (index, letter) in name.char_indices() {
        if letter.is_uppercase() && index > 0 {
            constant.push('_');
        }
        constant.extend(letter.to_uppercase());
    }
    constant
}

fn rules_of(record: &Record) -> String {
    format!("{}_RULES", constant(&record.name))
}

fn schema_of(record: &Record) -> String {
    format!("{}_SCHEMA", constant(&record.name))
}
