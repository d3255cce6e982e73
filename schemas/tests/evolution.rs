//! The gate every schema passes: how it looks, and how it differs from the golden records of its older versions.
//! Then the gate itself: each change it must refuse, with what it says, and each it must let through.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking and says what it saw")]

mod carried;

use apache_avro::{Schema, schema_compatibility::SchemaCompatibility};
use carried::record_types;
use foldstream_events::{SchemaFault, WrittenVersion, evolution_faults, golden_faults, schema_faults};
use foldstream_log::RecordType;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::{collections::BTreeMap, fs, path::PathBuf};

#[test]
fn every_schema_may_be_deployed() {
    let mut faults: Vec<SchemaFault> = Vec::new();
    for record in record_types() {
        let goldens = goldens(record.full_name);
        let goldens: Vec<_> = goldens.iter().map(|(version, schema)| written(*version, schema)).collect();
        faults.extend(schema_faults(record));
        faults.extend(golden_faults(record, &goldens));
    }
    let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
    assert!(faults.is_empty(), "\n\n{}\n", faults.join("\n\n"));
}

#[test]
fn every_golden_record_is_of_a_record_type_there_is() {
    for folder in fs::read_dir(golden_folder()).unwrap().map(|entry| entry.unwrap().path()) {
        let name = folder.file_name().unwrap().to_str().unwrap();
        assert!(
            !folder.is_dir() || record_types().any(|record| record.full_name == name),
            "{name} was written once, and no record type has that name any more. Forbidden, because logs hold its \
             records and a reader halts before a name it does not know. Instead: keep the type, and write another."
        );
    }
}

fn golden_folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden")
}

/// The schema of every golden version, oldest first.
fn goldens(full_name: &str) -> BTreeMap<u32, String> {
    let Ok(files) = fs::read_dir(golden_folder().join(full_name)) else { return BTreeMap::new() };
    let version_and_schema = |path: PathBuf| {
        let version = path.file_stem().unwrap().to_str().unwrap().strip_prefix('v').unwrap().parse().unwrap();
        let golden: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        (version, golden["schema"].to_string())
    };
    files.map(|file| version_and_schema(file.unwrap().path())).collect()
}

fn written(version: u32, schema: &str) -> WrittenVersion<'_> {
    WrittenVersion { version, schema }
}

/// A schema of topic `locations`: the envelope, and these fields.
fn schema(fields: &[Value]) -> Value {
    let mut all = vec![
        json!({"name": "event_id", "type": {"type": "string", "logicalType": "uuid"}, "doc": "This event."}),
        json!({"name": "person_id", "type": "string", "doc": "Who."}),
        json!({"name": "occurred_at", "type": {"type": "long", "logicalType": "timestamp-micros"}, "doc": "When."}),
    ];
    all.extend_from_slice(fields);
    json!({"type": "record", "name": "Seen", "namespace": "test", "doc": "Someone was seen.", "fields": all})
}

fn record(schema: &Value) -> RecordType {
    RecordType {
        topic: "locations",
        full_name: "test.Seen",
        key: "person_id",
        rules: &[],
        schema: schema.to_string().leak(),
    }
}

fn said(faults: &[SchemaFault]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// What is said of a schema that has these fields now and had those before.
fn changed(older: &[Value], newer: &[Value]) -> String {
    let older = schema(older).to_string();
    said(&evolution_faults(&record(&schema(newer)), &[written(1, &older)]))
}

/// Records inside the event, each with one field.
fn nested(name: &str, field: &Value) -> Value {
    json!({"name": "parts", "type": {"type": "array", "items": {"type": "record", "name": name, "fields": [field]}}})
}

#[test]
fn forbidden_changes_are_refused_and_say_what_to_do() {
    let field = |name: &str, kind: Value| json!({"name": name, "type": kind});
    let optional = |name: &str, kind: &str| json!({"name": name, "type": ["null", kind], "default": null});
    let time = |unit: &str| json!({"type": "long", "logicalType": format!("timestamp-{unit}")});
    let number = |default: i32| json!({"name": "n", "type": "int", "default": default});
    let int = || vec![field("n", json!("int"))];
    for (older, newer, wrong, instead) in [
        (vec![], int(), "field n: it is not in version 1 and has no default.", "add the field with a default"),
        (int(), vec![], "field n: it was in version 1 without a default, and is gone.", "keep the field"),
        (
            int(),
            vec![field("m", json!("int"))],
            "field n: it was in version 1 and seems to be called m now.",
            "keep the name",
        ),
        (
            vec![optional("n", "int")],
            vec![optional("m", "int")],
            "field n: it was in version 1 and seems to be called m now.",
            "remove one in one version",
        ),
        (
            int(),
            vec![field("n", json!("long"))],
            "field n: the type was promoted: it was int in version 1 and is long.",
            "add one of another name with the new type and a default",
        ),
        (
            vec![field("n", json!("string"))],
            vec![field("n", json!("bytes"))],
            "field n: the type was promoted: it was string in version 1 and is bytes.",
            "add one of another name",
        ),
        (
            vec![field("n", json!("long"))],
            vec![field("n", json!("int"))],
            "field n: the type changed: it was long in version 1 and is int.",
            "write a new record type and let readers take both",
        ),
        (
            vec![field("n", time("millis"))],
            vec![field("n", time("micros"))],
            "field n: the logical type changed: it was long (timestamp-millis) in version 1 and is long (timestamp-micros).",
            "add one of another name",
        ),
        (
            vec![field("n", json!({"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}))],
            vec![field("n", json!({"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 3}))],
            "field n: the logical type changed",
            "add one of another name",
        ),
        (
            int(),
            vec![optional("n", "int")],
            "field n: it was always there in version 1 and became optional, [null, int].",
            "add one of another name",
        ),
        (
            vec![optional("n", "int")],
            int(),
            "field n: it was optional in version 1, [null, int], and became required.",
            "add one of another name",
        ),
        (
            vec![optional("n", "int")],
            vec![optional("n", "long")],
            "field n: the type was promoted: it was int in version 1 and is long.",
            "add one of another name",
        ),
        (vec![number(1)], vec![number(2)], "field n: the default was 1 in version 1 and is 2.", "keep the default"),
        (int(), vec![number(2)], "field n: the default was none in version 1 and is 2.", "keep the default"),
        (
            vec![nested("Part", &field("n", json!("int")))],
            vec![nested("Piece", &field("n", json!("int")))],
            "field parts: the record in it was called test.Part in version 1 and is called test.Piece.",
            "write a new record type",
        ),
        (
            vec![nested("Part", &field("n", json!("int")))],
            vec![nested("Part", &field("n", json!("long")))],
            "test.Part, field n: the type was promoted",
            "add one of another name",
        ),
    ] {
        let said = changed(&older, &newer);
        assert_eq!(said.lines().count(), 1, "{older:?} -> {newer:?}: {said}");
        assert!(said.contains(wrong) && said.contains("Forbidden, because ") && said.contains(instead), "{said}");
    }

    let mut renamed = schema(&[]);
    renamed["name"] = json!("Spotted");
    let said = said(&evolution_faults(&record(&schema(&[])), &[written(1, &renamed.to_string())]));
    assert!(said.starts_with("test.Seen: the record was called test.Spotted in version 1."), "{said}");
}

/// Why the comparison is ours: the reference implementation asks what resolution can read, and readers do not resolve.
#[test]
fn the_reference_lets_through_what_readers_would_get_wrong() {
    let number = |default: i32| json!({"name": "n", "type": "int", "default": default});
    let field = |kind: Value| json!({"name": "n", "type": kind});
    let time = |unit: &str| field(json!({"type": "long", "logicalType": format!("timestamp-{unit}")}));
    let optional = |name: &str| json!({"name": name, "type": ["null", "int"], "default": null});
    for (older, newer) in [
        (field(json!("string")), field(json!("bytes"))),
        (number(1), number(2)),
        (time("millis"), time("micros")),
        (optional("n"), optional("m")),
    ] {
        let parse = |field: &Value| Schema::parse_str(&schema(std::slice::from_ref(field)).to_string()).unwrap();
        assert!(SchemaCompatibility::mutual_read(&parse(&older), &parse(&newer)).is_ok(), "{older} -> {newer}");
        assert_ne!(changed(&[older], &[newer]), "");
    }
}

#[test]
fn allowed_changes_are_let_through() {
    let int = json!({"name": "n", "type": "int"});
    let other = json!({"name": "m", "type": "string"});
    let documented = json!({"name": "n", "type": {"type": "int"}, "doc": "How many."});
    let optional = json!({"name": "a", "type": ["null", "double"], "default": null, "doc": "Metres."});
    let counted = json!({"name": "c", "type": "int", "default": 1});
    let alone = |field: &Value| vec![field.clone()];
    let both = |one: &Value, two: &Value| vec![one.clone(), two.clone()];
    for (older, newer) in [
        (alone(&int), alone(&int)),
        (alone(&int), alone(&documented)),
        (alone(&int), both(&int, &optional)),
        (alone(&int), both(&counted, &int)),
        (both(&int, &optional), alone(&int)),
        (both(&int, &other), both(&other, &int)),
        (alone(&nested("Part", &optional)), alone(&nested("Part", &counted))),
    ] {
        assert_eq!(changed(&older, &newer), "", "{older:?} -> {newer:?}");
        assert_eq!(said(&schema_faults(&record(&schema(&newer)))), "");
    }

    // A field that went in one version may make room for one of its type in the next; all versions are compared.
    let (was, other) = (schema(std::slice::from_ref(&optional)).to_string(), schema(&[]).to_string());
    let now = json!({"name": "b", "type": ["null", "double"], "default": null, "doc": "Metres."});
    let versions = [written(1, &was), written(2, &other)];
    assert_eq!(said(&evolution_faults(&record(&schema(&[now])), &versions)), "");
    let back = json!({"name": "a", "type": ["null", "string"], "default": null});
    let said = said(&evolution_faults(&record(&schema(&[back])), &versions));
    assert!(said.contains("field a: the type changed: it was double in version 1 and is string"), "{said}");
}

#[test]
fn golden_records_are_whole() {
    let (first, second) = (schema(&[]), schema(&[json!({"name": "n", "type": ["null", "int"], "default": null})]));
    let (v1, v2) = (first.to_string(), second.to_string());
    let record = record(&second);
    assert_eq!(said(&golden_faults(&record, &[written(1, &v1), written(2, &v2)])), "");
    let stale = said(&golden_faults(&record, &[written(1, &v1)]));
    assert!(stale.contains("the schema changed after golden v1"), "{stale}");
    assert!(stale.contains("add golden v2 with schemas/golden/make.py schemas/avro/locations/Seen.avsc 2"));
    let forbidden = said(&golden_faults(&record, &[written(1, &v1.replace("uuid", "decimal"))]));
    assert!(forbidden.contains("the logical type changed") && !forbidden.contains("add golden"), "{forbidden}");
    let none = said(&golden_faults(&record, &[]));
    assert!(none.contains("there is no golden record") && none.contains("add golden v1 with"), "{none}");
    let gap = said(&golden_faults(&record, &[written(2, &v2)]));
    assert!(gap.contains("golden v1 is missing, v2 is there"), "{gap}");
}

#[test]
fn a_schema_that_looks_otherwise_is_refused() {
    let with = |field: Value| schema(&[field]);
    let mut aliased = schema(&[]);
    aliased["aliases"] = json!(["Spotted"]);
    let mut undocumented = schema(&[]);
    undocumented.as_object_mut().unwrap().remove("doc");
    let mut unkeyed = schema(&[]);
    unkeyed["fields"][1]["name"] = json!("who");
    let mut in_millis = schema(&[]);
    in_millis["fields"][2]["type"]["logicalType"] = json!("timestamp-millis");
    let mut silent = schema(&[]);
    silent["fields"][0].as_object_mut().unwrap().remove("doc");
    let mut another = schema(&[]);
    another["namespace"] = json!("elsewhere");
    let closed = json!({"type": "enum", "name": "Colour", "symbols": ["RED"]});
    let place = |name: &str, kind: &str| json!({"name": name, "type": kind, "doc": "Degrees."});
    for (schema, wrong) in [
        (aliased, "test.Seen: it has aliases."),
        (with(json!({"name": "n", "type": "int", "aliases": ["m"]})), "field n: it has aliases."),
        (nested_schema(), "test.Part: it has aliases."),
        (with(json!({"name": "n", "type": closed})), "field n: the type is enum test.Colour of RED"),
        (
            with(json!({"name": "n", "type": {"type": "array", "items": closed}})),
            "field n: the type is enum test.Colour of RED",
        ),
        (
            with(json!({"name": "n", "type": ["null", closed], "default": null})),
            "field n: the type is enum test.Colour of RED",
        ),
        (
            with(json!({"name": "n", "type": ["int", "null"], "default": 1})),
            "field n: the type is the union [int, null].",
        ),
        (with(json!({"name": "n", "type": ["null", "int"]})), "field n: it is optional, but its default is not null."),
        (with(json!({"name": "n", "type": "double"})), "field n: it is a measure without a doc."),
        (with(json!({"name": "bigN", "type": "int"})), "field bigN: the name is not in snake_case."),
        (with(place("latitude", "double")), "field latitude: it is double and not a double beside longitude."),
        (schema(&[place("latitude", "float"), place("longitude", "float")]), "field latitude: it is float and not"),
        (with(json!({"name": "price", "type": "long"})), "field price: it is money as long without a currency."),
        (undocumented, "test.Seen: it has no doc."),
        (silent, "field event_id: it has no doc."),
        (unkeyed, "field person_id: field 2 of the record is not person_id, string, without a default."),
        (in_millis, "field occurred_at: field 3 of the record is not occurred_at, long (timestamp-micros)"),
        (another, "elsewhere.Seen: test.Seen is declared with this schema."),
        (json!("string"), "test.Seen: the schema cannot be read: it is no record."),
    ] {
        let said = said(&schema_faults(&record(&schema)));
        assert!(said.contains(wrong) && said.contains("Instead: "), "{schema}: {said:?}, expected {wrong}");
    }
}

fn nested_schema() -> Value {
    let mut parts = nested("Part", &json!({"name": "n", "type": "int"}));
    parts["type"]["items"]["aliases"] = json!(["Piece"]);
    schema(&[parts])
}

/// A field of a few, of one type of a few, with a default or without.
fn any_field() -> impl Strategy<Value = Value> {
    let kinds = ["int", "long", "double", "string", "bytes"];
    (prop::sample::select(vec!["a", "b", "c"]), prop::sample::select(kinds.to_vec()), 0..3).prop_map(
        |(name, kind, form)| match form {
            0 => json!({"name": name, "type": kind}),
            1 => json!({"name": name, "type": ["null", kind], "default": null}),
            _ if ["string", "bytes"].contains(&kind) => json!({"name": name, "type": kind, "default": "x"}),
            _ => json!({"name": name, "type": kind, "default": 1}),
        },
    )
}

fn any_fields() -> impl Strategy<Value = Vec<Value>> {
    prop::collection::vec(any_field(), 0..4).prop_map(|fields| {
        let by_name: BTreeMap<_, _> = fields.into_iter().map(|field| (field["name"].to_string(), field)).collect();
        by_name.into_values().collect()
    })
}

proptest! {
    /// What the gate lets through, the reference implementation reads in both directions; and the gate is the same
    /// in both.
    #[test]
    fn what_is_let_through_is_readable_both_ways(older in any_fields(), newer in any_fields()) {
        let said = changed(&older, &newer);
        prop_assert_eq!(said.is_empty(), changed(&newer, &older).is_empty());
        if said.is_empty() {
            let parse = |fields: &[Value]| Schema::parse_str(&schema(fields).to_string()).unwrap();
            prop_assert!(SchemaCompatibility::mutual_read(&parse(&older), &parse(&newer)).is_ok());
        }
    }
}
