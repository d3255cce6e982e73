//! Selecting agrees with reading everything and walking the JSON: on the golden records, and on generated data of
//! generated schemas.

use super::*;
use crate::{avro_cursor::DEPTH, avro_json};
use proptest::prelude::*;
use serde_json::json;
use std::{fs, path::Path};

fn to_json(datum: &[u8], schema: &SchemaMut) -> Result<Value, String> {
    avro_json::to_json(datum, schema, DEPTH).map(|(value, _)| value)
}

fn check(datum: &[u8], schema: &SchemaMut) -> Result<(), String> {
    avro_json::check(datum, schema, DEPTH)
}

fn path(text: &str) -> FieldPath {
    text.parse().unwrap()
}

/// The reference: a step into JSON at a time.
fn walk<'a>(value: &'a Value, path: &FieldPath) -> Vec<&'a Value> {
    let step_into = |value: &'a Value, step: &Step| -> Vec<&'a Value> {
        match (value, step) {
            (Value::Object(fields), Step::Named { name, .. }) => fields.get(name).into_iter().collect(),
            (Value::Array(items), Step::Named { index: Some(index), .. } | Step::At(index)) => {
                items.get(*index).into_iter().collect()
            }
            (Value::Array(items), Step::Each) => items.iter().collect(),
            _ => Vec::new(),
        }
    };
    path.steps
        .iter()
        .fold(vec![value], |values, step| values.into_iter().flat_map(|value| step_into(value, step)).collect())
}

fn way(steps: &[Step]) -> FieldPath {
    FieldPath { text: String::new(), steps: steps.to_vec() }
}

/// The path of every part of a value, and of some that it has not.
fn paths(value: &Value) -> Vec<FieldPath> {
    fn collect(value: &Value, steps: &[Step], found: &mut Vec<FieldPath>) {
        let then = |step: Step| [steps, &[step]].concat();
        let with = |name: &str| then(Step::named(name.to_owned()));
        found.extend(["absent", "0", "99"].map(|name| way(&with(name))));
        found.extend([Step::At(1), Step::Each].map(|step| way(&then(step))));
        if !steps.is_empty() {
            found.push(way(steps));
        }
        match value {
            Value::Object(fields) => fields.iter().for_each(|(name, part)| collect(part, &with(name), found)),
            Value::Array(items) => {
                for (index, part) in items.iter().enumerate() {
                    for step in [Step::named(index.to_string()), Step::At(index), Step::Each] {
                        collect(part, &then(step), found);
                    }
                }
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    collect(value, &[], &mut found);
    found
}

fn json_of(selected: &Selected<'_>) -> Value {
    match selected {
        Selected::Scalar(scalar) => scalar.to_json(),
        Selected::Composite(value) => value.clone(),
        Selected::Masked => unreachable!("nothing is masked here"),
    }
}

/// Everything that stands at a path.
fn select(datum: &[u8], schema: &SchemaMut, path: &FieldPath) -> Result<Vec<Value>, String> {
    let mut found = Vec::new();
    let mut take = |selected: &Selected<'_>| {
        found.push(json_of(selected));
        false
    };
    any_at(datum, (schema, DEPTH), path, &mut take)?;
    Ok(found)
}

/// Every path of the whole datum gives what is there, and one that gives something is one that the schema has; a cut datum
/// is refused whatever is asked of it.
fn agrees(datum: &[u8], schema: &SchemaMut) {
    let whole = to_json(datum, schema).unwrap();
    check(datum, schema).unwrap();
    for path in paths(&whole) {
        let expected: Vec<Value> = walk(&whole, &path).into_iter().cloned().collect();
        // Whatever stands there is of a kind that the schema tells of.
        let kinds = samples(schema, &path);
        let mut is_told = |found: &Selected<'_>| {
            let kind = |scalar: Option<&Scalar<'_>>| {
                scalar.map(|scalar| format!("{scalar:?}").split('(').next().map(str::to_owned))
            };
            // A logical type may not hold for a value, which is shown as what is below it then.
            let is_below = matches!(found, Selected::Scalar(Scalar::Integer(_) | Scalar::Bytes(_)));
            let found = match found {
                Selected::Scalar(scalar) => kind(Some(scalar)),
                Selected::Composite(_) | Selected::Masked => kind(None),
            };
            let told = kinds.iter().any(|sample| kind(sample.as_ref()) == found);
            assert!(told || is_below && !kinds.is_empty(), "{path:?} of {whole}: {kinds:?}");
            false
        };
        any_at(datum, (schema, DEPTH), &path, &mut is_told).unwrap();
        // Of equal keys it meets the earlier ones, too, and they decide nothing.
        let met = select(datum, schema, &path).unwrap();
        for wanted in met.iter().chain(&expected) {
            let is_it = &mut |found: &Selected<'_>| json_of(found) == *wanted;
            let passed = any_at(datum, (schema, DEPTH), &path, is_it).unwrap();
            assert_eq!(passed, expected.contains(wanted), "{wanted} at {path:?} of {whole}");
        }
        let mut in_json = Vec::new();
        let take = |found: &Selected<'_>| {
            in_json.push(json_of(found));
            false
        };
        assert!(!path.any_in(&whole, take));
        assert_eq!(in_json, expected, "{path:?} of {whole}");
        for length in 0..datum.len() {
            let cut = select(&datum[..length], schema, &path);
            assert!(cut.is_err() && check(&datum[..length], schema).is_err(), "{path:?} of {whole}, cut at {length}");
        }
    }
    for length in 0..datum.len() {
        let cut = &datum[..length];
        assert_eq!(check(cut, schema).err(), to_json(cut, schema).err(), "{whole}, cut at {length}");
    }
}

#[test]
fn paths_are_names_joined_by_dots() {
    let steps = |text: &str| path(text).steps;
    let names = |names: &[&str]| names.iter().map(|name| Step::named((*name).to_owned())).collect::<Vec<_>>();
    assert_eq!(steps("a.b.0"), names(&["a", "b", "0"]));
    assert_eq!(steps(r"labels.app\.kubernetes\.io/name"), names(&["labels", "app.kubernetes.io/name"]));
    assert_eq!(steps(r"a\\b"), names(&[r"a\b"]));
    assert_eq!(steps(&"a".repeat(200)), names(&[&"a".repeat(200)]));
    for bad in ["", ".", "a.", ".a", "a..b", " a", "a ", "a. b", r"a\", r"a\b", &"a".repeat(201)] {
        assert_eq!(bad.parse::<FieldPath>(), Err(PathError), "{bad:?}");
    }
    assert_eq!(index("99999999999999999999999"), None);
    assert_eq!(path(r"a\.b[*].c").to_string(), r"a\.b[*].c");
}

#[test]
fn items_of_arrays_may_stand_in_brackets() {
    let steps = |text: &str| path(text).steps;
    let named = |name: &str| Step::named(name.to_owned());
    assert_eq!(steps("items[*].sku"), [named("items"), Step::Each, named("sku")]);
    assert_eq!(steps("items[1].sku"), [named("items"), Step::At(1), named("sku")]);
    assert_eq!(steps("[0][*]"), [Step::At(0), Step::Each]);
    assert_eq!(steps(r"labels.a\[0]"), [named("labels"), named("a[0]")]);
    assert_eq!(steps("a]"), [named("a]")]);
    for bad in ["a[", "a[]", "a[-1]", "a[b]", "a[1]b", "a[1].", "a.[1]", "a[ 1]", "a[**]", "a[1", "[", "a[+1]"] {
        assert_eq!(bad.parse::<FieldPath>(), Err(PathError), "{bad:?}");
    }
}

#[test]
fn a_schema_tells_which_paths_there_can_be() {
    let schema: SchemaMut = r#"{"type": "record", "name": "Order", "fields": [
        {"name": "note", "type": ["null", "string"]},
        {"name": "items", "type": {"type": "array", "items": {"type": "record", "name": "Item", "fields": [
            {"name": "sku", "type": "string"}, {"name": "parts", "type": {"type": "array", "items": "Item"}}]}}},
        {"name": "tags", "type": {"type": "map", "values": "int"}}
    ]}"#
    .parse()
    .unwrap();
    for (text, expected) in [
        ("note", true),
        ("notes", false),
        ("note.string", false),
        ("items", true),
        ("items.sku", false),
        ("items[*].sku", true),
        ("items[7].parts[*].parts.0.sku", true),
        ("items[7].parts[*].size", false),
        ("tags.anything", true),
        ("tags[0]", false),
        ("tags.anything.more", false),
        ("note[0]", false),
    ] {
        assert_eq!(!samples(&schema, &path(text)).is_empty(), expected, "{text}");
    }
    // Two records that hold each other by many ways: no way is gone twice.
    let branches = (0..40).map(|branch| {
        format!(r#"{{"type": "record", "name": "R{branch}", "fields": [{{"name": "a", "type": "Root"}}]}}"#)
    });
    let branches = branches.collect::<Vec<_>>().join(", ");
    let root = format!(r#"{{"type": "record", "name": "Root", "fields": [{{"name": "a", "type": [{branches}]}}]}}"#);
    assert!(samples(&root.parse().unwrap(), &path(&format!("{}b", "a.".repeat(98)))).is_empty());
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
fn what_stands_behind_the_field_is_read_as_strictly() {
    let schema: SchemaMut = r#"{"type": "record", "name": "Two", "fields": [
        {"name": "first", "type": "string"}, {"name": "second", "type": "string"}]}"#
        .parse()
        .unwrap();
    assert_eq!(select(&[2, b'a', 2, b'b'], &schema, &path("first")), Ok(vec![json!("a")]));
    assert_eq!(select(&[2, b'a', 2, b'b'], &schema, &path("third")), Ok(vec![]));
    for broken in [&[2, b'a', 2, 0xff][..], &[2, b'a', 2], &[2, b'a', 2, b'b', 0]] {
        for path in ["first", "second", "third"].map(path) {
            assert!(select(broken, &schema, &path).is_err(), "{broken:?} {path}");
        }
        assert!(check(broken, &schema).is_err());
    }
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
