//! Any event that the rules let through, made from nothing but its schema and the rules its fields name.
//!
//! What a rule lets through, every fold must take: an event of the year 9999 is as good as one of today, and a fold that
//! parks it lets anybody who may write park anybody. So each service is held against the whole range of the rules, the ends of a
//! range more often than what lies between.

#![expect(clippy::expect_used, reason = "for tests, which fail by panicking")]

use chrono::{NaiveDate, NaiveDateTime};
use foldstream_log::{
    Characters, Limits, RecordType, Recorded, Rule, TopicEvent,
    avro_shape::{Kind, Record, Schema},
};
use proptest::{collection, prelude::*, sample::select, strategy::Union};
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, fmt::Debug, ops::RangeInclusive};
use uuid::Uuid;

/// Nothing is nested deeper.
const MOST_DEPTH: u32 = 4;
const MOST_ELEMENTS: usize = 3;

/// Any event of these topics.
///
/// # Panics
/// When what was made is no event: the rules and the struct do not agree.
pub fn events<E: TopicEvent + Debug>() -> BoxedStrategy<E> {
    Union::new(E::record_types().into_iter().map(event)).boxed()
}

/// The same as records of their topics.
pub fn records<E: TopicEvent + Debug + Clone>() -> impl Strategy<Value = Recorded<E>> {
    events::<E>().prop_map(|event| Recorded {
        topic: event.record_type().topic,
        partition: 0,
        offset: 0,
        appended_at_ms: 0,
        key: event.key().to_owned(),
        event: Some(event),
    })
}

fn event<E: TopicEvent + Debug>(record: &'static RecordType) -> BoxedStrategy<E> {
    let schema = Schema::parse(record.schema).expect("a schema of ours");
    let rules: BTreeMap<&str, &Rule> = record.rules.iter().map(|rule| (rule.field, rule.rule)).collect();
    let values = fields(&schema.records[&schema.root], &rules, &schema.records, 0);
    let read = |value: Value| {
        let event = E::deserialize(record.topic, record.full_name, value).expect("an event of the topic");
        let event = event.expect("the event its schema describes");
        event.check().expect("an event that obeys its rules");
        event
    };
    values.prop_map(read).boxed()
}

/// A record, as JSON.
fn fields(
    record: &Record,
    rules: &BTreeMap<&str, &Rule>,
    records: &BTreeMap<String, Record>,
    depth: u32,
) -> BoxedStrategy<Value> {
    let values: Vec<BoxedStrategy<(String, Value)>> = record
        .fields
        .iter()
        .map(|field| {
            let (name, rule) = (field.name.clone(), rules.get(field.name.as_str()).copied());
            value(&field.kind, rule, records, depth).prop_map(move |value| (name.clone(), value)).boxed()
        })
        .collect();
    values.prop_map(|fields| Value::Object(fields.into_iter().collect::<Map<_, _>>())).boxed()
}

fn value(kind: &Kind, rule: Option<&Rule>, records: &BTreeMap<String, Record>, depth: u32) -> BoxedStrategy<Value> {
    let limits = rule.map(|rule| rule.limits);
    match kind {
        Kind::Primitive { name, logical } => primitive(name, logical.as_deref(), limits),
        Kind::Array(_) | Kind::Map(_) if depth >= MOST_DEPTH => Just(empty(kind)).boxed(),
        Kind::Array(items) => {
            collection::vec(value(items, rule, records, depth + 1), 0..=MOST_ELEMENTS).prop_map(Value::from).boxed()
        }
        Kind::Map(values) => {
            collection::btree_map(text(None), value(values, rule, records, depth + 1), 0..=MOST_ELEMENTS)
                .prop_map(|entries| Value::Object(entries.into_iter().collect()))
                .boxed()
        }
        Kind::Union(branches) => {
            let branches = branches.iter().filter(|branch| depth < MOST_DEPTH || **branch == Kind::primitive("null"));
            Union::new(branches.map(|branch| value(branch, rule, records, depth + 1))).boxed()
        }
        Kind::Record(name) => fields(&records[name], &BTreeMap::new(), records, depth + 1),
        Kind::Enum { symbols, .. } => select(symbols.clone()).prop_map(Value::from).boxed(),
        Kind::Fixed { size, .. } => collection::vec(any::<u8>(), *size).prop_map(Value::from).boxed(),
    }
}

fn empty(kind: &Kind) -> Value {
    if matches!(kind, Kind::Map(_)) { json!({}) } else { json!([]) }
}

fn primitive(name: &str, logical: Option<&str>, limits: Option<Limits>) -> BoxedStrategy<Value> {
    match (name, logical) {
        ("null", _) => Just(Value::Null).boxed(),
        ("boolean", _) => any::<bool>().prop_map(Value::from).boxed(),
        ("string", Some("uuid")) => any::<u128>().prop_map(|id| json!(Uuid::from_u128(id))).boxed(),
        ("string", _) => text(limits).prop_map(Value::from).boxed(),
        ("bytes", _) => collection::vec(any::<u8>(), 0..=64).prop_map(Value::from).boxed(),
        ("float" | "double", _) => number(limits).prop_map(Value::from).boxed(),
        (_, Some(unit)) if unit.contains("timestamp") => time(unit, limits).prop_map(Value::from).boxed(),
        ("int", _) => whole(i64::from(i32::MIN)..=i64::from(i32::MAX), limits).prop_map(Value::from).boxed(),
        _ => whole(i64::MIN..=i64::MAX, limits).prop_map(Value::from).boxed(),
    }
}

/// Both ends of a range as often as all that lies between.
fn with_ends(range: RangeInclusive<i64>) -> BoxedStrategy<i64> {
    prop_oneof![1 => Just(*range.start()), 1 => Just(*range.end()), 2 => range].boxed()
}

fn whole(range: RangeInclusive<i64>, limits: Option<Limits>) -> BoxedStrategy<i64> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "limits of whole numbers are small, and stay so when saturated"
    )]
    let within = |limit: f64| (limit as i64).clamp(*range.start(), *range.end());
    match limits {
        Some(Limits::Number { minimum, maximum }) => with_ends(within(minimum)..=maximum.map_or(*range.end(), within)),
        _ => with_ends(range),
    }
}

fn number(limits: Option<Limits>) -> BoxedStrategy<f64> {
    match limits {
        Some(Limits::Number { minimum, maximum }) => {
            let maximum = maximum.unwrap_or(f64::MAX);
            prop_oneof![1 => Just(minimum), 1 => Just(maximum), 1 => Just(-0.0), 3 => minimum..=maximum]
                .prop_filter("within", move |number| (minimum..=maximum).contains(number))
                .boxed()
        }
        _ => any::<f64>().prop_filter("JSON has no other numbers", |number| number.is_finite()).boxed(),
    }
}

fn time(unit: &str, limits: Option<Limits>) -> BoxedStrategy<i64> {
    let (first_year, last_year) = match limits {
        Some(Limits::Time { first_year, last_year }) => (first_year, last_year),
        _ => (1, 9999),
    };
    let per_second = match unit.rsplit('-').next() {
        Some("millis") => 1_000,
        Some("nanos") => 1_000_000_000,
        _ => 1_000_000,
    };
    let start = |year| {
        let day = NaiveDate::from_ymd_opt(year, 1, 1).expect("a year of a rule");
        NaiveDateTime::from(day).and_utc().timestamp().saturating_mul(per_second)
    };
    with_ends(start(first_year)..=start(last_year + 1).saturating_sub(1))
}

fn text(limits: Option<Limits>) -> BoxedStrategy<String> {
    let (min_chars, max_chars, characters) = match limits {
        Some(Limits::Text { min_chars, max_chars, characters }) => (min_chars, max_chars, Some(characters)),
        _ => (0, 32, None),
    };
    let may_stand = move |one: &char| match characters {
        Some(Characters::Visible) => !one.is_control() && !one.is_whitespace(),
        Some(Characters::Printable) => !one.is_control(),
        None => true,
    };
    let character = prop_oneof![
        3 => any::<char>(),
        1 => select(vec!['/', '%', '?', '#', '.', '\'', '"', '\\', '$', '{', '+', '\u{feff}', '\u{200f}', '\u{10ffff}']),
        1 => proptest::char::range('a', 'z'),
    ]
    .prop_filter("of its class", may_stand);
    let length = prop_oneof![1 => Just(min_chars), 1 => Just(max_chars), 3 => min_chars..=max_chars];
    let text = length.prop_flat_map(move |length| collection::vec(character.clone(), length));
    let text = text.prop_map(String::from_iter);
    match characters {
        Some(Characters::Printable) => text.prop_filter("not only blanks", |text| !text.trim().is_empty()).boxed(),
        _ => text.boxed(),
    }
}
