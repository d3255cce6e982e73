//! Records against filters.

use super::*;
use crate::batches::Headers;
use proptest::prelude::*;

const NOON_MS: i64 = 1_795_262_400_000;
const SCHEMA_ID: u32 = 7;
const SCHEMA: &str = r#"{"type": "record", "name": "ParcelWeighed", "namespace": "depot.parcels", "fields": [
    {"name": "parcel_id", "type": "string"},
    {"name": "accuracy", "type": ["null", "int"]},
    {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
    {"name": "tags", "type": {"type": "map", "values": "string"}}
]}"#;

fn schema_of(id: u32) -> Option<Arc<WriterSchema>> {
    (id == SCHEMA_ID).then(|| Arc::new(WriterSchema::parse(id, SCHEMA.to_owned()).unwrap()))
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

fn matches(record: &RecordView<'_>, set: &[&Set]) -> bool {
    let mut filter = Filter::default();
    for set in set {
        set(&mut filter).unwrap();
    }
    filter.matches(record, &schema_of)
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp_millis(NOON_MS + 60_000).unwrap()
}

#[test]
fn everything_is_wanted_until_something_is_asked_for() {
    let mut filter = Filter::default();
    assert!(filter.is_everything());
    assert!(filter.matches(&record(None, None), &|_| panic!("no schema is needed")));
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
        assert_eq!(filter.matches(&record, &|_| panic!("no schema is needed")), wanted, "{since} {until}");
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
        for condition in ["parcel_id=ada", "parcel_id!=bob", "nothing!=x"] {
            assert!(!matches(&record(None, Some(cut)), &[&|filter| filter.add_condition(condition)]), "{condition}");
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

proptest! {
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
        let _ = filter.matches(&record, &schema_of);
        filter.add_condition("tags.a!=1").unwrap();
        filter.set_type("ParcelWeighed").unwrap();
        let _ = filter.matches(&record, &schema_of);
    }

    #[test]
    fn no_text_panics(text in ".{0,250}") {
        let mut filter = Filter::default();
        let _ = (filter.set_key(&text), filter.set_type(&text), filter.set_contains(&text));
        let _ = (filter.add_condition(&text), filter.set_since(&text, now()), filter.set_until(&text, now()));
    }
}
