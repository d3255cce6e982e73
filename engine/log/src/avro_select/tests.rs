//! Selecting agrees with reading everything and walking the JSON: on the golden records, and on generated data of
//! generated schemas.

use super::*;
use crate::{avro_cursor::DEPTH, avro_json};
use proptest::prelude::*;
use serde_json::json;
use std::{fs, path::Path};

fn to_json(datum: &[u8], schema: &SchemaMut) -> Result<Value, String> {
    avro_json::to_json(datum, schema, DEPTH)
}

fn check(datum: &[u8], schema: &SchemaMut) -> Result<(), String> {
    avro_json::check(datum, schema, DEPTH)
}

fn path(text: &str) -> FieldPath {
    text.parse().unwrap()
}

/// The reference: a step into JSON at a time.
fn walk<'a>(value: &'a Value, path: &FieldPath) -> Option<&'a Value> {
    path.steps.iter().try_fold(value, |value, step| match value {
        Value::Object(fields) => fields.get(&step.name),
        Value::Array(items) => items.get(step.index?),
        _ => None,
    })
}

/// The path of every part of a value, and of some that it has not.
fn paths(value: &Value) -> Vec<FieldPath> {
    fn collect(value: &Value, steps: &[Step], found: &mut Vec<FieldPath>) {
        let with = |name: &str| [steps, &[Step::new(name.to_owned())]].concat();
        found.extend(["absent", "0", "99"].map(|name| FieldPath { steps: with(name) }));
        if !steps.is_empty() {
            found.push(FieldPath { steps: steps.to_vec() });
        }
        match value {
            Value::Object(fields) => fields.iter().for_each(|(name, part)| collect(part, &with(name), found)),
            Value::Array(items) => {
                items.iter().enumerate().for_each(|(index, part)| collect(part, &with(&index.to_string()), found));
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    collect(value, &[], &mut found);
    found
}

fn select(datum: &[u8], schema: &SchemaMut, path: &FieldPath) -> Result<Option<Value>, String> {
    Ok(find(datum, schema, path, DEPTH)?.map(Selected::to_json))
}

/// Every path of the whole datum gives what is there; of a cut one either an error or the same.
fn agrees(datum: &[u8], schema: &SchemaMut) {
    let whole = to_json(datum, schema).unwrap();
    check(datum, schema).unwrap();
    for path in paths(&whole) {
        let expected = walk(&whole, &path);
        assert_eq!(path.find_in(&whole).map(Selected::to_json).as_ref(), expected, "{path:?} of {whole}");
        assert_eq!(select(datum, schema, &path).unwrap().as_ref(), expected, "{path:?} of {whole}");
        for length in 0..datum.len() {
            if let Ok(found) = select(&datum[..length], schema, &path) {
                assert_eq!(found.as_ref(), expected, "{path:?} of {whole}, cut at {length}");
            }
        }
    }
    for length in 0..datum.len() {
        let cut = &datum[..length];
        assert_eq!(check(cut, schema).err(), to_json(cut, schema).err(), "{whole}, cut at {length}");
    }
}

#[test]
fn paths_are_names_joined_by_dots() {
    let names = |text: &str| path(text).steps.into_iter().map(|step| step.name).collect::<Vec<_>>();
    assert_eq!(names("a.b.0"), ["a", "b", "0"]);
    assert_eq!(names(r"labels.app\.kubernetes\.io/name"), ["labels", "app.kubernetes.io/name"]);
    assert_eq!(names(r"a\\b"), [r"a\b"]);
    assert_eq!(names(&"a".repeat(200)), ["a".repeat(200)]);
    for bad in ["", ".", "a.", ".a", "a..b", " a", "a ", "a. b", r"a\", r"a\b", &"a".repeat(201)] {
        assert_eq!(bad.parse::<FieldPath>(), Err(PathError), "{bad:?}");
    }
    assert_eq!(Step::new("99999999999999999999999".to_owned()).index, None);
}

#[test]
fn golden_records_agree() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas/golden");
    let mut count = 0;
    for record in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()) {
        for version in fs::read_dir(record).unwrap() {
            let golden = fs::read_to_string(version.unwrap().path()).unwrap();
            let golden: Value = serde_json::from_str(&golden).unwrap();
            let hex = golden["datum_hex"].as_str().unwrap();
            let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
            let datum: Vec<u8> = (0..hex.len()).step_by(2).map(byte).collect();
            agrees(&datum, &golden["schema"].to_string().parse().unwrap());
            count += 1;
        }
    }
    assert!(count >= 13, "only {count} golden records");
}

#[test]
fn what_stands_behind_the_field_is_not_read() {
    let schema: SchemaMut = r#"{"type": "record", "name": "Two", "fields": [
        {"name": "first", "type": "string"}, {"name": "second", "type": "string"}]}"#
        .parse()
        .unwrap();
    let datum = [2, b'a', 2, 0xff];
    assert_eq!(select(&datum, &schema, &path("first")), Ok(Some(json!("a"))));
    assert_eq!(select(&datum, &schema, &path("third")), Ok(None));
    assert!(select(&datum, &schema, &path("second")).is_err());
    assert!(check(&datum, &schema).is_err());
}

#[test]
fn of_equal_keys_the_last_one_counts() {
    let schema: SchemaMut = r#"{"type": "map", "values": "int"}"#.parse().unwrap();
    let datum = [4, 2, b'a', 2, 2, b'a', 4, 2, 2, b'b', 6, 0];
    assert_eq!(to_json(&datum, &schema).unwrap(), json!({"a": 2, "b": 3}));
    agrees(&datum, &schema);
}

#[test]
fn schemas_that_stand_for_endless_values_are_refused() {
    let mut schema = r#"{"type": "record", "name": "R0", "fields": []}"#.to_owned();
    for level in 1..22 {
        schema = format!(
            r#"{{"type": "record", "name": "R{level}", "fields": [
                {{"name": "a", "type": {schema}}}, {{"name": "b", "type": "R{}"}}]}}"#,
            level - 1
        );
    }
    let schema: SchemaMut = schema.parse().unwrap();
    for result in [to_json(&[], &schema).map(drop), check(&[], &schema), select(&[], &schema, &path("b")).map(drop)] {
        assert!(result.unwrap_err().ends_with("more than 1000000 values"));
    }
}

/// A schema that data can be made of.
#[derive(Debug, Clone)]
enum Shape {
    Plain(&'static str),
    Enum,
    Fixed(usize),
    Optional(Box<Shape>),
    Array(Box<Shape>),
    Map(Box<Shape>),
    Record(Vec<Shape>),
}

const PLAIN: [&str; 12] = [
    r#""null""#,
    r#""boolean""#,
    r#""int""#,
    r#""long""#,
    r#""float""#,
    r#""double""#,
    r#""bytes""#,
    r#""string""#,
    r#"{"type": "long", "logicalType": "timestamp-micros"}"#,
    r#"{"type": "int", "logicalType": "date"}"#,
    r#"{"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}"#,
    r#"{"type": "bytes", "logicalType": "big-decimal"}"#,
];

fn shapes() -> impl Strategy<Value = Shape> {
    let leaf = prop_oneof![
        8 => prop::sample::select(PLAIN.to_vec()).prop_map(Shape::Plain),
        1 => Just(Shape::Enum),
        1 => prop::sample::select(vec![0, 2, 12, 16]).prop_map(Shape::Fixed),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(|shape| Shape::Optional(Box::new(shape))),
            inner.clone().prop_map(|shape| Shape::Array(Box::new(shape))),
            inner.clone().prop_map(|shape| Shape::Map(Box::new(shape))),
            prop::collection::vec(inner, 0..5).prop_map(Shape::Record),
        ]
    })
}

impl Shape {
    fn schema(&self, named: &mut usize) -> String {
        *named += 1;
        let name = *named;
        match self {
            Self::Plain(schema) => (*schema).to_owned(),
            Self::Enum => format!(r#"{{"type": "enum", "name": "E{name}", "symbols": ["RED", "GREEN"]}}"#),
            Self::Fixed(size) => format!(r#"{{"type": "fixed", "name": "F{name}", "size": {size}}}"#),
            Self::Optional(inner) if inner.can_be_optional() => format!(r#"["null", {}]"#, inner.schema(named)),
            Self::Optional(inner) => inner.schema(named),
            Self::Array(inner) => format!(r#"{{"type": "array", "items": {}}}"#, inner.schema(named)),
            Self::Map(inner) => format!(r#"{{"type": "map", "values": {}}}"#, inner.schema(named)),
            Self::Record(parts) => {
                let field = |(index, part): (usize, &Self)| {
                    format!(r#"{{"name": "f{index}", "type": {}}}"#, part.schema(named))
                };
                let fields: Vec<String> = parts.iter().enumerate().map(field).collect();
                format!(r#"{{"type": "record", "name": "R{name}", "fields": [{}]}}"#, fields.join(", "))
            }
        }
    }

    fn can_be_optional(&self) -> bool {
        !matches!(self, Self::Optional(_)) && !matches!(self, Self::Plain(r#""null""#))
    }

    /// Writes a datum, every choice by a number of `chance`.
    fn write(&self, chance: &mut impl Iterator<Item = u8>, datum: &mut Vec<u8>) {
        let mut next = || chance.next().unwrap_or(0);
        match self {
            Self::Plain(schema) => match *schema {
                r#""null""# => {}
                r#""boolean""# => datum.push(next() % 2),
                r#""float""# => datum.extend((0..4).map(|_| next())),
                r#""double""# => datum.extend((0..8).map(|_| next())),
                r#""string""# => {
                    let length = next() % 4;
                    datum.push(length * 2);
                    datum.extend((0..length).map(|_| b'a' + next() % 26));
                }
                bytes if bytes.contains("bytes") => {
                    let length = next() % 20;
                    datum.push(length * 2);
                    datum.extend((0..length).map(|_| next()));
                }
                _ => datum.extend([next() | 0x80, next() | 0x80, next() & 0x7f]),
            },
            Self::Enum => datum.push(next() % 2 * 2),
            Self::Fixed(size) => datum.extend((0..*size).map(|_| next())),
            Self::Optional(inner) if inner.can_be_optional() => {
                let branch = next() % 2;
                datum.push(branch * 2);
                if branch == 1 {
                    inner.write(chance, datum);
                }
            }
            Self::Optional(inner) => inner.write(chance, datum),
            Self::Array(inner) => blocks(chance, datum, |chance, datum| inner.write(chance, datum)),
            Self::Map(inner) => blocks(chance, datum, |chance, datum| {
                datum.extend([2, b'a' + chance.next().unwrap_or(0) % 3]);
                inner.write(chance, datum);
            }),
            Self::Record(parts) => parts.iter().for_each(|part| part.write(chance, datum)),
        }
    }
}

/// Up to two blocks of up to three elements, some with their size.
fn blocks<I: Iterator<Item = u8>>(chance: &mut I, datum: &mut Vec<u8>, mut element: impl FnMut(&mut I, &mut Vec<u8>)) {
    for _ in 0..chance.next().unwrap_or(0) % 3 {
        let count = 1 + chance.next().unwrap_or(0) % 3;
        let mut block = Vec::new();
        (0..count).for_each(|_| element(chance, &mut block));
        if block.len() < 64 && chance.next().unwrap_or(0) % 2 == 1 {
            datum.extend([count * 2 - 1, u8::try_from(block.len() * 2).unwrap()]);
        } else {
            datum.push(count * 2);
        }
        datum.extend(block);
    }
    datum.push(0);
}

proptest! {
    #[test]
    fn generated_data_agree(shape in shapes(), chance in prop::collection::vec(any::<u8>(), 0..200)) {
        let schema: SchemaMut = shape.schema(&mut 0).parse().unwrap();
        let mut datum = Vec::new();
        shape.write(&mut chance.into_iter(), &mut datum);
        prop_assume!(datum.len() < 200);
        agrees(&datum, &schema);
    }

    #[test]
    fn no_bytes_panic(shape in shapes(), datum in prop::collection::vec(any::<u8>(), 0..60)) {
        let schema: SchemaMut = shape.schema(&mut 0).parse().unwrap();
        prop_assert_eq!(check(&datum, &schema).err(), to_json(&datum, &schema).err());
        for text in ["f0", "f1.f0", "f1.0.a", "a.f1", "0", "1.f0"] {
            let _ = select(&datum, &schema, &path(text));
        }
    }

    #[test]
    fn no_path_panics(text in ".{0,210}") {
        let _ = text.parse::<FieldPath>();
    }
}
