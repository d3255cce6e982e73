//! Records against filters.

use super::*;
use crate::batches::Headers;
use foldstream_log::{Known, NoSchema};
use proptest::prelude::*;

const NOON_MS: i64 = 1_795_262_400_000;
const SCHEMA_ID: u32 = 7;
const SCHEMA: &str = r#"{"type": "record", "name": "ParcelWeighed", "namespace": "depot.parcels", "fields": [
    {"name": "parcel_id", "type": "string"},
    {"name": "accuracy", "type": ["null", "int"]},
    {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
    {"name": "tags", "type": {"type": "map", "values": "string"}}
]}"#;

/// Of schemas that cannot be had at the moment.
const AWAY: u32 = 99;

fn schema_of(id: u32) -> LookedUp {
    match id {
        SCHEMA_ID => {
            let writer = Arc::new(WriterSchema::parse(id, SCHEMA.to_owned()).unwrap());
            Ok(Known { writer, registered: Arc::default() })
        }
        AWAY => Err(NoSchema::Late),
        _ => Err(NoSchema::Absent("there is none".into())),
    }
}

fn framed(id: u32, datum: &[u8]) -> Vec<u8> {
    [&[0][..], &id.to_be_bytes(), datum].concat()
}

/// `{"parcel_id": "ada", "accuracy": 5, "price": "12.50", "tags": {"city": "say \"Lyon\""}}`
fn whole() -> Vec<u8> {
    let mut datum = b"\x06ada\x02\x0a\x04\x04\xe2\x02\x08city".to_vec();
    datum.push(20);
    datum.extend(b"say \"Lyon\"\0");
    framed(SCHEMA_ID, &datum)
}

fn record<'a>(key: Option<&'a [u8]>, value: Option<&'a [u8]>) -> RecordView<'a> {
    // One header: `trace`, which is `abc`.
    let headers = b"\x02\x0atrace\x06abc";
    RecordView { offset: 3, timestamp_ms: NOON_MS, key, value, transaction: None, headers: Headers::Encoded(headers) }
}

type Set = dyn Fn(&mut Filter) -> Result<(), Violation>;

fn verdict(record: &RecordView<'_>, set: &[&Set]) -> Verdict {
    let mut filter = Filter::default();
    for set in set {
        set(&mut filter).unwrap();
    }
    filter.compare(record, &schema_of, &PathsSeen::default())
}

fn matches(record: &RecordView<'_>, set: &[&Set]) -> bool {
    verdict(record, set) == Verdict::Wanted
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp_millis(NOON_MS + 60_000).unwrap()
}

#[test]
fn everything_is_wanted_until_something_is_asked_for() {
    let mut filter = Filter::default();
    assert!(filter.is_everything());
    let verdict = filter.compare(&record(None, None), &|_| panic!("no schema is needed"), &PathsSeen::default());
    assert_eq!(verdict, Verdict::Wanted);
    filter.set_key("ada").unwrap();
    assert!(!filter.is_everything());
    assert_eq!(filter.key(), Some(&b"ada"[..]));
}

#[test]
fn keys_and_times_need_no_schema() {
    let value = whole();
    let record = record(Some(b"ada"), Some(&value));
    for (since, until, wanted) in [
        ("2026-11-21T12:00:00Z", "2026-11-21T12:00:00.001Z", true),
        ("2026-11-21T12:00:00.001Z", "2026-11-22", false),
        ("2026-11-21", "2026-11-21T12:00:00Z", false),
        ("2m", "30s", true),
        ("50s", "30s", false),
    ] {
        let mut filter = Filter::default();
        filter.set_since(since, now()).unwrap();
        filter.set_until(until, now()).unwrap();
        let verdict = filter.compare(&record, &|_| panic!("no schema is needed"), &PathsSeen::default());
        assert_eq!(verdict, wanted.into(), "{since} {until}");
    }
    assert!(matches(&record, &[&|filter| filter.set_key("ada")]));
    assert!(!matches(&record, &[&|filter| filter.set_key("ad")]));
    assert!(!matches(&RecordView { key: None, ..record }, &[&|filter| filter.set_key("ada")]));
}

#[test]
fn a_stretch_of_time_has_a_beginning_before_its_end() {
    let mut filter = Filter::default();
    filter.set_since("2026-11-21", now()).unwrap();
    for until in ["2026-11-21", "2026-11-20"] {
        assert_eq!(filter.set_until(until, now()).unwrap_err().field, "until");
    }
    assert_eq!((filter.since_ms(), filter.until_ms()), (Some(1_795_219_200_000), None));
    let mut filter = Filter::default();
    filter.set_until("2026-11-21", now()).unwrap();
    assert_eq!(filter.set_since("2026-11-21", now()).unwrap_err().field, "since");
}

#[test]
fn types_by_full_name_or_its_last_part() {
    let value = whole();
    let weighed = record(None, Some(&value));
    for (name, wanted) in [
        ("ParcelWeighed", true),
        ("depot.parcels.ParcelWeighed", true),
        ("Weighed", false),
        ("parcels.ParcelWeighed", false),
        ("parcelweighed", false),
    ] {
        assert_eq!(matches(&weighed, &[&|filter| filter.set_type(name)]), wanted, "{name}");
    }
    let unknown = framed(8, &value[5..]);
    let cut = &value[..value.len() - 1];
    for value in [None, Some(&b"{}"[..]), Some(&unknown), Some(cut)] {
        assert!(!matches(&record(None, value), &[&|filter| filter.set_type("ParcelWeighed")]), "{value:?}");
    }
}

#[test]
fn conditions_on_fields() {
    let value = whole();
    let record = record(Some(b"ada"), Some(&value));
    for (condition, wanted) in [
        ("parcel_id=ada", true),
        ("parcel_id!=ada", false),
        ("accuracy>=5", true),
        ("accuracy<5", false),
        ("price=12.5", true),
        ("price>9", true),
        ("tags.city~Lyon", true),
        ("tags.town=Lyon", false),
        ("tags.town!=Lyon", true),
        ("nothing!=x", true),
        ("nothing=null", false),
    ] {
        assert_eq!(matches(&record, &[&|filter| filter.add_condition(condition)]), wanted, "{condition}");
    }
    let both: [&Set; 2] =
        [&|filter| filter.add_condition("parcel_id=ada"), &|filter| filter.add_condition("accuracy=6")];
    assert!(!matches(&record, &both));
}

#[test]
fn a_record_that_is_broken_behind_the_field_meets_nothing() {
    let value = whole();
    for cut in [&value[..value.len() - 1], &[&value[..], &[0]].concat()] {
        for condition in ["parcel_id=ada", "parcel_id=bob", "parcel_id!=bob", "nothing!=x"] {
            let verdict = verdict(&record(None, Some(cut)), &[&|filter| filter.add_condition(condition)]);
            assert_eq!(verdict, Verdict::Uncompared(Reason::Undecodable(SCHEMA_ID)), "{condition}");
        }
    }
}

#[test]
fn text_in_key_headers_and_value() {
    let value = whole();
    for (text, wanted) in [
        ("parcel-1", true),
        ("abc", true),
        ("trace", false),
        ("12.50", true),
        ("accuracy", true),
        (r#""accuracy":5"#, true),
        (r#"say "Lyon""#, true),
        ("lyon", false),
    ] {
        let record = record(Some(b"parcel-1"), Some(&value));
        assert_eq!(matches(&record, &[&|filter| filter.set_contains(text)]), wanted, "{text}");
    }
    let tombstone = record(Some(b"parcel-1"), None);
    assert!(matches(&tombstone, &[&|filter| filter.set_contains("parcel")]));
    assert!(!matches(&tombstone, &[&|filter| filter.set_contains("null")]));
    // Bytes that are no event are text as they are.
    for value in [&b"\xffLyon"[..], &framed(8, b"Lyon"), &value[..value.len() - 1]] {
        assert!(matches(&record(None, Some(value)), &[&|filter| filter.set_contains("Lyon")]), "{value:?}");
    }
}

#[test]
fn only_what_cannot_be_decoded() {
    let undecodable: &Set = &|filter| {
        filter.set_undecodable(true);
        Ok(())
    };
    let value = whole();
    let (unknown, cut) = (framed(8, &value[5..]), &value[..value.len() - 1]);
    assert!(!matches(&record(None, Some(&value)), &[undecodable]));
    assert!(!matches(&record(None, None), &[undecodable]));
    for value in [&b"{}"[..], b"", &unknown, cut] {
        assert!(matches(&record(None, Some(value)), &[undecodable]), "{value:?}");
        assert!(!matches(&record(None, Some(value)), &[undecodable, &|filter| filter.set_type("ParcelWeighed")]));
    }
}

#[test]
fn bad_input_is_refused_by_name() {
    fn refused(set: impl Fn(&mut Filter) -> Result<(), Violation>) -> String {
        set(&mut Filter::default()).unwrap_err().field
    }
    let long = "x".repeat(501);
    for bad in ["", ".", "a.", "Parcel-Weighed", "1st", "a b", &long] {
        assert_eq!(refused(|filter| filter.set_type(bad)), "type", "{bad}");
    }
    for bad in [String::new(), "x".repeat(201)] {
        assert_eq!(refused(|filter| filter.set_contains(&bad)), "contains");
    }
    for bad in [String::new(), "x".repeat(1_001)] {
        assert_eq!(refused(|filter| filter.set_key(&bad)), "key");
    }
    let mut filter = Filter::default();
    for _ in 0..20 {
        filter.add_condition("a=1").unwrap();
    }
    assert_eq!(filter.add_condition("a=1").unwrap_err().rule, "there are at most 20 conditions");
}

/// What can stand in a record as its value, and what a person can make of it.
#[derive(Debug, Clone)]
enum Kind {
    Tombstone,
    Datum { accuracy: Option<i8>, city: &'static str },
    Cut(Vec<u8>),
    Unframed(&'static str),
    OfNoSchema(&'static str),
    OfSchemaAway(&'static str),
}

const TEXTS: [&str; 3] = ["Lyon", "Paris", "parcel_id"];

impl Kind {
    fn value(&self) -> Option<Vec<u8>> {
        match self {
            Self::Tombstone => None,
            Self::Datum { accuracy, city } => Some(datum(*accuracy, city)),
            Self::Cut(bytes) => Some(bytes.clone()),
            Self::Unframed(text) => Some(text.as_bytes().to_vec()),
            Self::OfNoSchema(text) => Some(framed(8, text.as_bytes())),
            Self::OfSchemaAway(text) => Some(framed(AWAY, text.as_bytes())),
        }
    }
}

/// `{"parcel_id": "ada", "accuracy": …, "price": "12.50", "tags": {"city": …}}`
fn datum(accuracy: Option<i8>, city: &str) -> Vec<u8> {
    let mut datum = b"\x06ada".to_vec();
    match accuracy {
        None => datum.push(0),
        Some(accuracy) => {
            let zigzag = u16::from((accuracy << 1 ^ accuracy >> 7).cast_unsigned());
            datum.extend([2, (zigzag & 0x7f | 0x80) as u8, (zigzag >> 7) as u8]);
        }
    }
    datum.extend(b"\x04\x04\xe2\x02\x08city");
    datum.push(u8::try_from(city.len() * 2).unwrap());
    datum.extend(city.bytes().chain([0]));
    framed(SCHEMA_ID, &datum)
}

fn kinds() -> impl Strategy<Value = Kind> {
    let text = || prop::sample::select(TEXTS.to_vec());
    let accuracy = || prop::option::of(-3..4i8);
    prop_oneof![
        1 => Just(Kind::Tombstone),
        4 => (accuracy(), text()).prop_map(|(accuracy, city)| Kind::Datum { accuracy, city }),
        1 => (accuracy(), text(), 5..10usize).prop_map(|(accuracy, city, kept)| {
            let whole = datum(accuracy, city);
            let kept = kept.min(whole.len() - 1);
            Kind::Cut(if kept == 5 { [whole, vec![0]].concat() } else { whole[..kept].to_vec() })
        }),
        1 => text().prop_map(Kind::Unframed),
        1 => text().prop_map(Kind::OfNoSchema),
        1 => text().prop_map(Kind::OfSchemaAway),
    ]
}

/// A part of a filter.
#[derive(Debug, Clone)]
enum Asked {
    Type(&'static str),
    Accuracy(&'static str, i8),
    City(&'static str, &'static str),
    Contains(&'static str),
    Undecodable,
}

fn parts() -> impl Strategy<Value = Asked> {
    let text = || prop::sample::select(TEXTS.to_vec());
    prop_oneof![
        prop::sample::select(vec!["ParcelWeighed", "Other"]).prop_map(Asked::Type),
        (prop::sample::select(vec!["=", "!=", ">", "<="]), -3..4i8).prop_map(|(sign, number)| Asked::Accuracy(sign, number)),
        (prop::sample::select(vec!["=", "!=", "~"]), text()).prop_map(|(sign, text)| Asked::City(sign, text)),
        text().prop_map(Asked::Contains),
        Just(Asked::Undecodable),
    ]
}

impl Asked {
    fn set(&self, filter: &mut Filter) {
        match self {
            Self::Type(name) => filter.set_type(name).unwrap(),
            Self::Accuracy(sign, number) => filter.add_condition(&format!("accuracy{sign}{number}")).unwrap(),
            Self::City(sign, text) => filter.add_condition(&format!("tags.city{sign}{text}")).unwrap(),
            Self::Contains(text) => filter.set_contains(text).unwrap(),
            Self::Undecodable => filter.set_undecodable(true),
        }
    }

    /// Whether it holds, as far as anyone can tell; in plain words.
    fn holds(&self, kind: &Kind) -> Option<bool> {
        match (self, kind) {
            (Self::Undecodable, Kind::OfSchemaAway(_)) => None,
            (Self::Undecodable, Kind::Tombstone | Kind::Datum { .. }) => Some(false),
            (Self::Undecodable, _) => Some(true),
            (_, Kind::Tombstone) => Some(false),
            (Self::Contains(wanted), Kind::Datum { accuracy, city }) => {
                let accuracy = accuracy.map_or("null".to_owned(), |accuracy| accuracy.to_string());
                let json = format!(r#"{{"parcel_id":"ada","accuracy":{accuracy},"price":"12.50","tags":{{"city":"{city}"}}}}"#);
                Some(json.contains(wanted))
            }
            (Self::Contains(wanted), Kind::Unframed(text)) => Some(text.contains(wanted)),
            (Self::Contains(wanted), Kind::OfNoSchema(text)) => text.contains(wanted).then_some(true),
            (Self::Contains(wanted), Kind::Cut(bytes)) => String::from_utf8_lossy(bytes).contains(wanted).then_some(true),
            (Self::Type(wanted), Kind::Datum { .. }) => Some(*wanted == "ParcelWeighed"),
            (Self::Type("Other"), Kind::Cut(_)) => Some(false),
            (Self::Accuracy(sign, number), Kind::Datum { accuracy, .. }) => Some(match *sign {
                "=" => *accuracy == Some(*number),
                "!=" => *accuracy != Some(*number),
                ">" => accuracy.is_some_and(|accuracy| accuracy > *number),
                _ => accuracy.is_some_and(|accuracy| accuracy <= *number),
            }),
            (Self::City(sign, wanted), Kind::Datum { city, .. }) => Some(match *sign {
                "=" => city == wanted,
                "!=" => city != wanted,
                _ => city.contains(wanted),
            }),
            _ => None,
        }
    }
}

#[test]
fn what_no_schema_on_the_way_has_is_named() {
    let (value, other) = (whole(), framed(8, b"x"));
    let mut filter = Filter::default();
    for condition in ["tag.city=Lyon", "parcel_id=nobody", "accuracy.int>5", "tags.town=Lyon"] {
        filter.add_condition(condition).unwrap();
    }
    let paths = PathsSeen::default();
    for value in [None, Some(&other)] {
        let _ = filter.compare(&record(None, value.map(Vec::as_slice)), &schema_of, &paths);
        assert!(filter.unknown_paths(&paths).is_empty(), "nothing was held against them");
    }
    assert_eq!(filter.compare(&record(None, Some(&value)), &schema_of, &paths), Verdict::Other);
    assert_eq!(filter.unknown_paths(&paths), ["tag.city", "accuracy.int"]);
    // Of types that are not asked for, no path is expected.
    filter.set_type("Other").unwrap();
    let paths = PathsSeen::default();
    assert_eq!(filter.compare(&record(None, Some(&value)), &schema_of, &paths), Verdict::Other);
    assert!(filter.unknown_paths(&paths).is_empty());
}

proptest! {
    #[test]
    fn what_cannot_be_told_is_neither_wanted_nor_not(kind in kinds(), asked in prop::collection::vec(parts(), 0..4)) {
        let mut filter = Filter::default();
        asked.iter().for_each(|asked| asked.set(&mut filter));
        // Of these a filter has one, and the last one said counts.
        let last = |is_one: fn(&Asked) -> bool| asked.iter().rposition(is_one);
        let counting = [last(|asked| matches!(asked, Asked::Type(_))), last(|asked| matches!(asked, Asked::Contains(_)))];
        let asked = asked.iter().enumerate().filter(|(at, asked)| {
            !matches!(asked, Asked::Type(_) | Asked::Contains(_)) || counting.contains(&Some(*at))
        });
        let told: Vec<_> = asked.map(|(_, asked)| asked.holds(&kind)).collect();
        let expected = match () {
            () if told.contains(&Some(false)) => "other",
            () if told.contains(&None) => "untold",
            () => "wanted",
        };
        let value = kind.value();
        let record = RecordView { headers: Headers::Kept(&[]), ..record(None, value.as_deref()) };
        let found = match filter.compare(&record, &schema_of, &PathsSeen::default()) {
            Verdict::Other => "other",
            Verdict::Uncompared(_) => "untold",
            Verdict::Wanted => "wanted",
        };
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn no_record_panics(
        key in prop::option::of(prop::collection::vec(any::<u8>(), 0..10)),
        datum in prop::collection::vec(any::<u8>(), 0..60),
        headers in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        let value = framed(SCHEMA_ID, &datum);
        let record = RecordView { headers: Headers::Encoded(&headers), ..record(key.as_deref(), Some(&value)) };
        let mut filter = Filter::default();
        filter.set_contains("x").unwrap();
        let _ = filter.compare(&record, &schema_of, &PathsSeen::default());
        filter.add_condition("tags.a!=1").unwrap();
        filter.set_type("ParcelWeighed").unwrap();
        let _ = filter.compare(&record, &schema_of, &PathsSeen::default());
    }

    #[test]
    fn no_text_panics(text in ".{0,250}") {
        let mut filter = Filter::default();
        let _ = (filter.set_key(&text), filter.set_type(&text), filter.set_contains(&text));
        let _ = (filter.add_condition(&text), filter.set_since(&text, now()), filter.set_until(&text, now()));
    }
}
