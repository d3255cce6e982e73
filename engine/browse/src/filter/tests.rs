//! Records against filters.

mod masked;
mod told;

use super::*;
use crate::batches::Headers;
use base64::{Engine, engine::general_purpose::STANDARD};
use foldstream_log::{AnySchema, FetchedRecord, Known, LookedUp, NoSchema, SchemaId, WriterSchema, as_text};
use proptest::prelude::*;
use std::sync::Arc;

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
const KEY_ID: u32 = 9;

fn schema_of(id: SchemaId) -> LookedUp<'static> {
    let text = match id {
        SchemaId::Number(SCHEMA_ID) => SCHEMA,
        SchemaId::Number(KEY_ID) => r#""string""#,
        SchemaId::Number(AWAY) => return Err(NoSchema::Late),
        _ => return Err(NoSchema::Absent("none".into())),
    };
    Ok(known(id, text))
}

/// Made once for all.
fn known(id: SchemaId, text: &'static str) -> &'static Known {
    static KNOWN: boxcar::Vec<Known> = boxcar::Vec::new();
    if let Some((_, known)) = KNOWN.iter().find(|(_, known)| known.id == id) {
        return known;
    }
    let schema = AnySchema::Avro(Arc::new(WriterSchema::parse(SCHEMA_ID, text.to_owned()).unwrap()));
    &KNOWN[KNOWN.push(Known { id, schema, registered: Arc::default() })]
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

type Set<'a> = dyn Fn(&mut Filter) -> Result<(), Violation> + 'a;

fn verdict(record: &RecordView<'_>, set: &[&Set<'_>]) -> Verdict {
    let mut filter = Filter::default();
    for set in set {
        set(&mut filter).unwrap();
    }
    filter.compare(record, &schema_of, &PathsSeen::default())
}

fn matches(record: &RecordView<'_>, set: &[&Set<'_>]) -> bool {
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
    filter.set_key("ada", None).unwrap();
    assert!(!filter.is_everything());
    assert_eq!(filter.key_bytes(), Some(vec![Cow::Borrowed(&b"ada"[..])]));
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
    assert!(matches(&record, &[&|filter| filter.set_key("ada", None)]));
    assert!(!matches(&record, &[&|filter| filter.set_key("ad", None)]));
    assert!(!matches(&RecordView { key: None, ..record }, &[&|filter| filter.set_key("ada", None)]));
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
        assert_eq!(matches(&record, &[&|filter| filter.add_condition(condition, now())]), wanted, "{condition}");
    }
    let both: [&Set<'_>; 2] =
        [&|filter| filter.add_condition("parcel_id=ada", now()), &|filter| filter.add_condition("accuracy=6", now())];
    assert!(!matches(&record, &both));
}

#[test]
fn a_record_that_is_broken_behind_the_field_meets_nothing() {
    let value = whole();
    for cut in [&value[..value.len() - 1], &[&value[..], &[0]].concat()] {
        for condition in ["parcel_id=ada", "parcel_id=bob", "parcel_id!=bob", "nothing!=x"] {
            let verdict = verdict(&record(None, Some(cut)), &[&|filter| filter.add_condition(condition, now())]);
            assert_eq!(verdict, Verdict::Uncompared(Reason::Undecodable), "{condition}");
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
fn keys_are_asked_for_as_they_are_shown() {
    let of_text = framed(KEY_ID, b"\x06ada");
    let of_record = framed(SCHEMA_ID, &whole()[5..]);
    let shown = r#"{"accuracy":5,"parcel_id":"ada","price":"12.50","tags":{"city":"say \"Lyon\""}}"#;
    let other_order = r#"{ "parcel_id": "ada", "price": "12.50", "accuracy": 5, "tags": {"city": "say \"Lyon\""} }"#;
    let eight = STANDARD.encode(42i64.to_be_bytes());
    let (avro, text, base64) = (Some(Encoding::Avro), Some(Encoding::Text), Some(Encoding::Base64));
    for (key, asked, encoding, wanted) in [
        (&b""[..], "", None, true),
        (b"", "", text, true),
        (b"ada", "", None, false),
        (b"ada", "YWRhIQ==", base64, false),
        (b"\xff", "/w==", None, true),
        (b"\xff", "/w==", base64, true),
        (b"\xff", "/w==", text, false),
        // Looks alike, is another one.
        (b"/w==", "/w==", None, true),
        (b"/w==", "/w==", text, true),
        (b"/w==", "/w==", base64, false),
        // Is shown as text, and is these bytes.
        (b"ada", "YWRh", None, false),
        (b"ada", "YWRh", base64, true),
        (&42i64.to_be_bytes(), &eight, None, true),
        (&of_text, "ada", None, true),
        (&of_text, "ada", avro, true),
        (&of_text, "ada", text, false),
        (&of_text, "ad", None, false),
        (&of_record, shown, None, true),
        (&of_record, other_order, avro, true),
        (&of_record, "{}", None, false),
    ] {
        let set: &Set<'_> = &|filter| filter.set_key(asked, encoding);
        assert_eq!(matches(&record(Some(key), None), &[set]), wanted, "{key:?} {asked} {encoding:?}");
    }
    let mut filter = Filter::default();
    filter.set_key("", None).unwrap();
    let verdict = filter.compare(&record(None, None), &schema_of, &PathsSeen::default());
    assert_eq!(verdict, Verdict::Other, "no key is not the empty one");
    filter.set_key("ada", None).unwrap();
    filter.set_plain_keys();
    let verdict =
        filter.compare(&record(Some(&of_text), None), &|_| panic!("no schema is needed"), &PathsSeen::default());
    assert_eq!(verdict, Verdict::Other);
}

#[test]
fn json_meets_conditions_and_text_is_found() {
    let value = br#"{"city": "Z\u00fcrich", "n": 18446744073709551615, "tags": ["a", {"b": null}]}"#;
    for (condition, wanted) in [
        ("city=Zürich", true),
        ("n>9223372036854775807", true),
        ("n=18446744073709551615", true),
        ("n<5", false),
        ("tags.0=a", true),
        ("tags.1.b=null", true),
        ("tags.2=a", false),
    ] {
        let found = matches(&record(None, Some(value)), &[&|filter| filter.add_condition(condition, now())]);
        assert_eq!(found, wanted, "{condition}");
        assert!(!matches(&record(None, Some(b"city")), &[&|filter| filter.add_condition(condition, now())]));
    }
    // Escaped or not, spaced or not.
    for text in ["Zürich", r"Z\u00fcrich", r#""n":1844"#, r#""n": 1844"#] {
        assert!(matches(&record(None, Some(value)), &[&|filter| filter.set_contains(text)]), "{text}");
    }
    assert!(!matches(&record(None, Some(value)), &[&|filter| filter.set_type("city")]));
}

#[test]
fn a_schema_in_a_header_decides() {
    let value = whole();
    let mut kept = FetchedRecord {
        topic: "parcels".to_owned(),
        partition: 0,
        offset: 3,
        timestamp_ms: NOON_MS,
        key: None,
        value: Some(value[5..].to_vec()),
        headers: vec![("__value_schema_id".to_owned(), Some(framed(SCHEMA_ID, b"")))],
    };
    let condition: &Set<'_> = &|filter| filter.add_condition("parcel_id=ada", now());
    assert!(matches(&RecordView::of(&kept, None), &[condition]));
    kept.value = Some(value);
    assert!(!matches(&RecordView::of(&kept, None), &[condition]), "the frame is no part of a bare datum");
}

#[test]
fn only_what_cannot_be_decoded() {
    let undecodable: &Set<'_> = &|filter| {
        filter.set_undecodable(true);
        Ok(())
    };
    let value = whole();
    let (unknown, cut) = (framed(8, &value[5..]), &value[..value.len() - 1]);
    assert!(!matches(&record(None, Some(&value)), &[undecodable]));
    assert!(!matches(&record(None, None), &[undecodable]));
    for plain in [&b"{}"[..], b"", b"hello"] {
        assert!(!matches(&record(None, Some(plain)), &[undecodable]), "{plain:?}");
    }
    for value in [&b"\xff"[..], b"\0\0\0", &unknown, cut] {
        assert!(matches(&record(None, Some(value)), &[undecodable]), "{value:?}");
        assert!(!matches(&record(None, Some(value)), &[undecodable, &|filter| filter.set_type("ParcelWeighed")]));
    }
}

#[test]
fn types_are_asked_for_as_they_are_shown() {
    for name in ["ParcelWeighed", "depot.parcels.ParcelWeighed", "_private", "lager.Größe", "倉庫.荷物2"] {
        assert!(Filter::default().set_type(name).is_ok(), "{name}");
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
    let long = "x".repeat(16_385);
    for (bad, encoding) in [(&long[..], None), ("a", Some(Encoding::Base64)), ("YQ", Some(Encoding::Base64))] {
        assert_eq!(refused(|filter| filter.set_key(bad, encoding)), "key");
    }
    let mut filter = Filter::default();
    for _ in 0..20 {
        filter.add_condition("a=1", now()).unwrap();
    }
    assert_eq!(filter.add_condition("a=1", now()).unwrap_err().rule, "there are at most 20 conditions");
}

#[test]
fn what_can_only_be_of_another_kind_is_refused() {
    let value = whole();
    let refused = |record: &RecordView<'_>, conditions: &[&str]| {
        let (mut filter, paths) = (Filter::default(), PathsSeen::default());
        conditions.iter().for_each(|condition| filter.add_condition(condition, now()).unwrap());
        let _ = filter.compare(record, &schema_of, &paths);
        filter.refused(&paths).map(|violation| violation.to_string())
    };
    let number = "is a number, and a number is written 12.5, -3 or 1e6, without anything between its digits";
    let avro = record(None, Some(&value));
    for (conditions, expected) in [
        (&["accuracy>=5"][..], None),
        (&["accuracy=null"], None),
        (&["parcel_id>=9,5"], None),
        (&["nothing>=9,5"], None),
        (&["accuracy>=9,5"], Some(format!("where: accuracy>=9,5 is refused: accuracy {number}"))),
        (&["accuracy=five"], Some(format!("where: accuracy=five is refused: accuracy {number}"))),
        (&["parcel_id=bob", "price<1_000"], Some(format!("where: price<1_000 is refused: price {number}"))),
    ] {
        assert_eq!(refused(&avro, conditions), expected, "{conditions:?}");
    }
    // One JSON value does not tell what others are, but of its own order.
    let json = record(None, Some(br#"{"n": 5, "at": "2026-11-21"}"#));
    for (condition, is_refused) in
        [("n=five", false), ("n>=9,5", true), ("n>=9.5", false), ("at>=2h", false), ("n~x", false)]
    {
        assert_eq!(refused(&json, &[condition]).is_some(), is_refused, "{condition}");
    }
}

#[test]
fn an_age_means_what_it_meant_when_it_was_asked() {
    let mut filter = Filter::default();
    filter.add_condition("accuracy>5", now()).unwrap();
    assert_eq!(filter.times().asked_at_ms, None);
    filter.add_condition("weighed_at>=2h", now()).unwrap();
    let (asked, mut later) = (filter.times(), Filter::default());
    let tomorrow = now() + chrono::TimeDelta::days(1);
    later.add_condition("accuracy>5", tomorrow).unwrap();
    later.add_condition("weighed_at>=2h", tomorrow).unwrap();
    assert_ne!(later, filter);
    later.pin(asked);
    assert_eq!(later, filter);
}

#[test]
fn a_key_whose_schema_is_away_is_not_told_from_others() {
    let key = framed(AWAY, b"\x06ada");
    let found = |text, encoding| verdict(&record(Some(&key), None), &[&|filter| filter.set_key(text, encoding)]);
    assert_eq!(found("ada", None), Verdict::Uncompared(Reason::SchemaAway));
    assert_eq!(found("ada", Some(Encoding::Avro)), Verdict::Uncompared(Reason::SchemaAway));
    assert_eq!(found("ada", Some(Encoding::Text)), Verdict::Other);
    assert_eq!(found(&STANDARD.encode(&key), None), Verdict::Wanted);
    let of_nobody = verdict(
        &record(Some(&key), None),
        &[&|filter| filter.set_key("ada", None), &|filter| filter.set_type("ParcelWeighed")],
    );
    assert_eq!(of_nobody, Verdict::Other, "a tombstone has no type, whatever its key");
}

#[test]
fn what_no_schema_on_the_way_has_is_named() {
    let (value, other) = (whole(), framed(8, b"x"));
    let mut filter = Filter::default();
    for condition in ["tag.city=Lyon", "parcel_id=nobody", "accuracy.int>5", "tags.town=Lyon"] {
        filter.add_condition(condition, now()).unwrap();
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

#[test]
fn values_are_held_against_what_is_shown_of_them() {
    let reading = |name| Reading { value: ReadAs::parse(name).unwrap(), ..Reading::default() };
    let verdict = |name, value: &[u8], set: &Set<'_>| {
        verdict(&record(None, Some(value)), &[set, &|filter| filter.set_reading(reading(name))])
    };
    let long = 42i64.to_be_bytes();
    for (name, value, contained, expected) in [
        ("long", &long[..], "42", Verdict::Wanted),
        ("long", &long, "43", Verdict::Other),
        ("long", b"xyz", "42", Verdict::Uncompared(Reason::NotAs)),
        ("hex", &long, "2a", Verdict::Wanted),
        ("hex", b"2a", "2a", Verdict::Other),
        ("text", br#"{"a":1}"#, r#""a":1"#, Verdict::Wanted),
        ("base64", b"ada", "YWRh", Verdict::Wanted),
    ] {
        assert_eq!(verdict(name, value, &|filter| filter.set_contains(contained)), expected, "{name} {value:?}");
    }
    let where_a = |filter: &mut Filter| filter.add_condition("a=1", now());
    assert_eq!(verdict("json", br#"{"a": 1}"#, &where_a), Verdict::Wanted);
    assert_eq!(verdict("json", &whole(), &where_a), Verdict::Uncompared(Reason::NotAs));
    assert_eq!(verdict("avro", br#"{"a": 1}"#, &where_a), Verdict::Uncompared(Reason::NotAs));
    let undecodable = |filter: &mut Filter| {
        filter.set_undecodable(true);
        Ok(())
    };
    assert_eq!(verdict("long", b"xyz", &undecodable), Verdict::Wanted);
    assert_eq!(verdict("long", &long, &undecodable), Verdict::Other);
    for (name, field) in [("text", "where"), ("long", "where"), ("hex", "where"), ("base64", "where")] {
        let mut filter = Filter::default();
        where_a(&mut filter).unwrap();
        assert_eq!(filter.set_reading(reading(name)).unwrap_err().field, field);
    }
    let mut filter = Filter::default();
    filter.set_type("ParcelWeighed").unwrap();
    assert_eq!(filter.set_reading(reading("json")).unwrap_err().field, "type");
}

proptest! {
    /// Every key is found by what is shown of it, with its encoding and without, and by nothing else.
    #[test]
    fn a_key_is_found_by_what_is_shown_of_it(
        keys in prop::collection::vec(
            prop_oneof![
                prop::collection::vec(any::<u8>(), 0..10),
                ".{0,5}".prop_map(String::into_bytes),
                ".{0,5}".prop_map(|text| STANDARD.encode(text).into_bytes()),
                "[a-c]{0,3}".prop_map(|text| {
                    framed(KEY_ID, &[&[u8::try_from(text.len() * 2).unwrap()], text.as_bytes()].concat())
                }),
            ],
            2,
        ),
    ) {
        let shown = |key: &[u8]| match Content::of(Part::Key, key, std::iter::empty(), &schema_of).form {
            Form::Text(text) => (text.to_owned(), Encoding::Text),
            Form::Avro { datum, writer } => match writer.to_json(datum) {
                Ok((value, _)) => (foldstream_log::as_text(&value).into_owned(), Encoding::Avro),
                Err(_) => (STANDARD.encode(key), Encoding::Base64),
            },
            _ => (STANDARD.encode(key), Encoding::Base64),
        };
        for asked in &keys {
            let (text, encoding) = shown(asked);
            for key in &keys {
                let wants = |encoding| matches(&record(Some(key), None), &[&|filter| filter.set_key(&text, encoding)]);
                let (found, alike) = (shown(key), shown(key).0 == text);
                prop_assert_eq!(wants(None), alike, "{:?} by {:?}", key, text);
                // Bytes in base64 are these bytes, also where they are shown otherwise.
                let same = if encoding == Encoding::Base64 { key == asked } else { found == (text.clone(), encoding) };
                prop_assert_eq!(wants(Some(encoding)), same, "{:?} by {:?} {:?}", key, text, encoding);
            }
        }
    }

    /// However somebody wants keys to be read: each is found by what is shown of it then, and by nothing else.
    #[test]
    fn a_key_that_is_read_as_somebody_says_is_found_by_what_is_shown(
        keys in prop::collection::vec(
            prop_oneof![
                any::<[u8; 8]>().prop_map(|bytes| bytes.to_vec()),
                prop::collection::vec(any::<u8>(), 0..4),
                "[0-9a-f]{0,4}".prop_map(String::into_bytes),
                r#"\{"a": ?[0-9]\}"#.prop_map(String::into_bytes),
            ],
            2,
        ),
        name in prop::sample::select(Encoding::NAMES),
    ) {
        let reading = Reading { key: ReadAs::parse(name).unwrap(), ..Reading::default() };
        let shown = |key: &[u8]| {
            let form = Content::read(reading.key, (Part::Key, key), std::iter::empty(), &schema_of).form;
            form.shown(key).value.unwrap_or_else(|_| STANDARD.encode(key).into())
        };
        for asked in &keys {
            let text = as_text(&shown(asked)).into_owned();
            let mut filter = Filter::default();
            filter.set_key(&text, None).unwrap();
            filter.set_reading(reading).unwrap();
            for key in &keys {
                let is_found = filter.compare(&record(Some(key), None), &schema_of, &PathsSeen::default()) == Verdict::Wanted;
                prop_assert_eq!(is_found, as_text(&shown(key)) == text, "{:?} by {:?}", key, text);
                // Where a partition can be told, it is told by bytes that the key may have.
                let told = filter.key_bytes().is_none_or(|told| told.iter().any(|bytes| **bytes == **key));
                prop_assert!(!is_found || told, "{:?} by {:?}", key, text);
            }
        }
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
        filter.add_condition("tags.a!=1", now()).unwrap();
        filter.set_type("ParcelWeighed").unwrap();
        let _ = filter.compare(&record, &schema_of, &PathsSeen::default());
    }

    #[test]
    fn no_text_panics(text in ".{0,250}") {
        let mut filter = Filter::default();
        let _ = (filter.set_key(&text, None), filter.set_type(&text), filter.set_contains(&text));
        let _ = (filter.add_condition(&text, now()), filter.set_since(&text, now()), filter.set_until(&text, now()));
    }
}
