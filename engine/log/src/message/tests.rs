//! What is shown against what there is.

use super::*;
use crate::{
    encoding::Reading,
    registry::WriterSchema,
    schemas::{LookedUp, NoSchema},
    showing::Extent,
};
use proptest::{collection::vec, option, prelude::*};
use std::sync::Arc;

const SCHEMA: &str = r#"{"type": "record", "name": "depot.Parcel", "fields": [{"name": "id", "type": "long"}]}"#;

fn registered(subjects: &[&str]) -> Arc<[Registered]> {
    subjects.iter().map(|subject| Registered { subject: (*subject).to_owned(), version: 3 }).collect()
}

/// Made once for all.
fn known(id: SchemaId, text: String) -> &'static Known {
    static KNOWN: boxcar::Vec<(String, Known)> = boxcar::Vec::new();
    if let Some((_, (_, known))) = KNOWN.iter().find(|(_, (made, known))| known.id == id && *made == text) {
        return known;
    }
    let schema = AnySchema::Avro(Arc::new(WriterSchema::parse(7, text.clone()).unwrap()));
    &KNOWN[KNOWN.push((text, Known { id, schema, registered: registered(&["parcels-value"]) }))].1
}

/// Schema 7 is `depot.Parcel`, schema 8 a text; others there are none.
fn schema_of(id: SchemaId) -> LookedUp<'static> {
    let text = match id {
        SchemaId::Number(7) | SchemaId::Guid(_) => SCHEMA,
        SchemaId::Number(8) => r#""string""#,
        SchemaId::Number(_) => return Err(NoSchema::NotLookedUp(id)),
    };
    Ok(known(id, text.to_owned()))
}

fn record(key: Option<&[u8]>, value: Option<&[u8]>) -> FetchedRecord {
    FetchedRecord {
        topic: "parcels".to_owned(),
        partition: 1,
        offset: 2,
        timestamp_ms: 3,
        key: key.map(<[u8]>::to_vec),
        value: value.map(<[u8]>::to_vec),
        headers: Vec::new(),
    }
}

#[test]
fn keys_are_shown_as_what_they_are() {
    for (key, shown, encoding) in [
        (None, json!(null), None),
        (Some(&b""[..]), json!(""), Some(Encoding::Text)),
        (Some(b"ada"), json!("ada"), Some(Encoding::Text)),
        (Some(b"42"), json!("42"), Some(Encoding::Text)),
        (Some(b"{\"id\":5}"), json!("{\"id\":5}"), Some(Encoding::Text)),
        (Some(b"\xff"), json!("/w=="), Some(Encoding::Base64)),
        (Some(b"\0\0\0\0\0\0\0\x2a"), json!("AAAAAAAAACo="), Some(Encoding::Base64)),
        (Some(b"\0\0\0\0\x07\x54"), json!({"id": 42}), Some(Encoding::Avro)),
        (Some(b"\0\0\0\0\x08\x06ada"), json!("ada"), Some(Encoding::Avro)),
        // One byte too many, and a schema nobody has.
        (Some(b"\0\0\0\0\x08\x06ada!"), json!("AAAAAAgGYWRhIQ=="), Some(Encoding::Base64)),
        (Some(b"\0\0\0\0\x09\x06ada"), json!("AAAAAAkGYWRh"), Some(Encoding::Base64)),
    ] {
        let message = described(&record(key, None), (&schema_of, false), &Showing::default());
        assert_eq!((message.key, message.key_encoding), (shown, encoding), "{key:?}");
        assert_eq!((message.error, message.schema), (None, None));
    }
    let message = described(&record(Some(b"\0\0\0\0\x07\x54"), None), (&schema_of, false), &Showing::default());
    assert_eq!(message.key_schema.and_then(|schema| schema.name).as_deref(), Some("depot.Parcel"));
}

#[test]
fn a_schema_in_a_header_decides() {
    // By the bytes in front it would be of schema 8.
    let datum = b"\x54";
    let mut bare = record(None, Some(datum));
    bare.headers = vec![("__value_schema_id".to_owned(), Some(b"\0\0\0\0\x07".to_vec()))];
    assert_eq!(described(&bare, (&schema_of, false), &Showing::default()).value, json!({"id": 42}));
    bare.headers = vec![("__value_schema_id".to_owned(), Some([[1].as_slice(), &[5; 16]].concat()))];
    let by_guid = described(&bare, (&schema_of, false), &Showing::default());
    assert_eq!(by_guid.value, json!({"id": 42}));
    let schema = by_guid.schema.unwrap();
    assert_eq!((schema.id, schema.guid), (None, Some(Uuid::from_bytes([5; 16]))));
    let mut framed = record(None, Some(b"\0\0\0\0\x08\x06ada"));
    framed.headers = vec![("__value_schema_id".to_owned(), Some(b"\0\0\0\0\x07".to_vec()))];
    let reason = described(&framed, (&schema_of, false), &Showing::default()).error.unwrap().reason;
    assert!(reason.contains("not what schema id 7 says"), "{reason}");
}

#[test]
fn what_has_no_name_or_time_has_null() {
    let lone = described(&record(None, Some(b"\0\0\0\0\x08\x06ada")), (&schema_of, false), &Showing::default());
    assert_eq!((lone.value, lone.schema.unwrap().name), (json!("ada"), None));
    for (timestamp_ms, timestamp, shown_ms) in [
        (-1, None, None),
        (i64::MIN, None, None),
        (0, Some("1970-01-01T00:00:00.000Z"), Some(0)),
        (253_402_300_799_999, Some("9999-12-31T23:59:59.999Z"), Some(253_402_300_799_999)),
        // Microseconds by mistake.
        (1_795_262_400_000_000, None, Some(1_795_262_400_000_000)),
        (i64::MAX, None, Some(i64::MAX)),
    ] {
        let message =
            described(&FetchedRecord { timestamp_ms, ..record(None, None) }, (&schema_of, false), &Showing::default());
        assert_eq!((message.timestamp.as_deref(), message.timestamp_ms), (timestamp, shown_ms));
    }
}

#[test]
fn a_subject_is_the_one_that_a_writer_to_this_topic_finds() {
    for (subjects, expected) in [
        (&["a-value", "parcels-value", "parcels-depot.Parcel"][..], Some("parcels-depot.Parcel")),
        (&["a-value", "depot.Parcel", "parcels-value"], Some("parcels-value")),
        (&["a-value", "depot.Parcel"], Some("depot.Parcel")),
        (&["a-value"], Some("a-value")),
        (&["a-value", "b-value"], None),
        (&[], None),
    ] {
        let registered = registered(subjects);
        let found = place(Part::Value, "parcels", Some("depot.Parcel"), &registered);
        assert_eq!(found.map(|place| place.subject.as_str()), expected, "{subjects:?}");
    }
    let registered = registered(&["parcels-value", "parcels-key"]);
    assert_eq!(place(Part::Key, "parcels", None, &registered).unwrap().subject, "parcels-key");
}

proptest! {
    #[test]
    fn keys_are_those_that_are_shown_so(key in prop_oneof![vec(any::<u8>(), 0..8), ".{0,6}".prop_map(String::into_bytes)]) {
        let shown = shown_key(&key).0;
        let keys = keys_shown_as(&shown);
        prop_assert!(keys.contains(&key), "{shown}: {keys:?}");
        prop_assert!(keys.iter().all(|key| shown_key(key).0 == shown));
    }

    /// Whatever is shown without a schema, its bytes can be had from what is shown.
    #[test]
    fn nothing_is_lost(
        key in option::of(prop_oneof![vec(any::<u8>(), 0..12), "\\PC{0,6}".prop_map(String::into_bytes)]),
        names in vec("[a-c]{0,2}", 0..5),
        values in vec(option::of(vec(any::<u8>(), 0..6)), 5),
    ) {
        let headers: Vec<_> = names.into_iter().zip(values).collect();
        let record = FetchedRecord { headers: headers.clone(), ..record(key.as_deref(), key.as_deref()) };
        let message = described(&record, (&|id| Err(NoSchema::NotLookedUp(id)), false), &Showing::default());
        let bytes_of = |shown: &Value| match shown {
            Value::Null => None,
            Value::String(text) => Some(text.clone().into_bytes()),
            other => Some(STANDARD.decode(other["base64"].as_str().unwrap()).unwrap()),
        };
        let shown = message.headers.iter().map(|header| (header.name.clone(), bytes_of(&header.value)));
        prop_assert_eq!(shown.collect::<Vec<_>>(), headers);
        let of_key = message.key.as_str().map(|shown| match message.key_encoding {
            Some(Encoding::Text) => shown.as_bytes().to_vec(),
            _ => STANDARD.decode(shown).unwrap(),
        });
        prop_assert_eq!(&of_key, &record.key);
        match (message.value_encoding, message.error) {
            (None, None) => prop_assert_eq!(record.value, None),
            (Some(Encoding::Text), None) => prop_assert_eq!(message.value.as_str().map(|text| text.as_bytes().to_vec()), record.value),
            (Some(Encoding::Json), None) => prop_assert_eq!(Some(message.value), record.value.and_then(|bytes| serde_json::from_slice(&bytes).ok())),
            (Some(Encoding::Base64), Some(error)) => prop_assert_eq!(error.value_base64.and_then(|bytes| STANDARD.decode(bytes).ok()), record.value),
            other => prop_assert!(false, "{other:?}"),
        }
    }
}

/// What is left out is said to be, and what is not asked for is not decoded.
#[test]
fn less_of_a_value_may_be_shown() {
    let long = "x".repeat(1000);
    let json = format!(r#"{{"a": 1, "long": "{long}"}}"#);
    let record = |value: Option<&[u8]>| FetchedRecord {
        topic: "t".to_owned(),
        partition: 0,
        offset: 0,
        timestamp_ms: 0,
        key: None,
        value: value.map(<[u8]>::to_vec),
        headers: Vec::new(),
    };
    let unasked = |_| panic!("no schema is named");
    let shown = |value, extent| described(&record(value), (&unasked, false), &Showing::new(extent, Vec::new()));
    let preview = shown(Some(json.as_bytes()), Extent::Preview);
    assert_eq!((preview.value["long"].as_str().unwrap().len(), preview.value_cut), (256, true));
    let left_out = shown(Some(json.as_bytes()), Extent::None);
    assert_eq!((left_out.value, left_out.value_encoding, left_out.value_cut), (Value::Null, None, true));
    assert_eq!(left_out.size, json.len());
    let bytes = shown(Some(&[0xff; 1000]), Extent::Preview);
    assert_eq!((bytes.error.unwrap().value_base64, bytes.value_cut), (Some(STANDARD.encode([0xff; 192])), true));
    for extent in [Extent::Full, Extent::Preview, Extent::None] {
        assert!(!shown(None, extent).value_cut, "there is nothing to leave out");
    }
    let some = Showing::new(Extent::Full, vec!["a".parse().unwrap(), "b".parse().unwrap()]);
    let message = described(&record(Some(json.as_bytes())), (&unasked, false), &some);
    assert_eq!((message.value, message.value_cut), (json!({"a": 1}), true));
    assert_eq!(some.unknown_fields(), ["b"]);
}

#[test]
fn bytes_are_read_as_somebody_says() {
    let shown = |name: &str, bytes: &[u8]| {
        let read_as = ReadAs::parse(name).unwrap();
        let reading = Reading { key: read_as, value: read_as };
        let record = FetchedRecord { key: Some(bytes.to_vec()), value: Some(bytes.to_vec()), ..record(None, None) };
        let message = described(&record, (&schema_of, false), &Showing::default().for_reading(reading));
        let key = message.key_error.is_none().then_some((message.key, message.key_encoding));
        (key, message.error.is_none().then_some((message.value, message.value_encoding)))
    };
    let long = 42i64.to_be_bytes();
    for (name, bytes, expected) in [
        ("long", &long[..], Some((json!(42), Encoding::Long))),
        ("long", &(-1i64).to_be_bytes(), Some((json!(-1), Encoding::Long))),
        ("long", b"42", None),
        ("long", b"", None),
        ("hex", &[0, 255, 16], Some((json!("00ff10"), Encoding::Hex))),
        ("base64", b"ada", Some((json!("YWRh"), Encoding::Base64))),
        ("text", br#"{"a":1}"#, Some((json!(r#"{"a":1}"#), Encoding::Text))),
        ("text", &long, None),
        ("json", br#"{"a":1}"#, Some((json!({"a": 1}), Encoding::Json))),
        ("json", b"42", Some((json!(42), Encoding::Json))),
        ("json", b"ada", None),
        ("json", br#"{"a":1,"a":2}"#, None),
        ("json", b"\0\0\0\0\x07[1]", Some((json!([1]), Encoding::Json))),
        ("avro", b"\0\0\0\0\x07\x54", Some((json!({"id": 42}), Encoding::Avro))),
        ("avro", b"\0\0\0\0\x07\x54!", None),
        ("avro", b"ada", None),
    ] {
        let expected = expected.map(|(value, encoding)| (value, Some(encoding)));
        assert_eq!(shown(name, bytes), (expected.clone(), expected), "{name} {bytes:?}");
    }
}

/// Schema 7 with its field marked, and none that can be had just now.
fn marked(id: SchemaId) -> LookedUp<'static> {
    if id == SchemaId::Number(99) {
        return Err(NoSchema::Late);
    }
    let text = SCHEMA.replace(r#""type": "long""#, r#""type": "long", "personal": true"#);
    Ok(known(id, text))
}

#[test]
fn what_is_personal_is_not_shown_in_any_way() {
    let shown = |bytes: &[u8], masks, name: &str| {
        let reading = Reading { key: ReadAs::Auto, value: ReadAs::parse(name).unwrap() };
        let record = record(Some(bytes), Some(bytes));
        described(&record, (&marked, masks), &Showing::default().for_reading(reading))
    };
    let mask = json!({"id": {"masked": "personal"}});
    let message = shown(b"\0\0\0\0\x07\x54", true, "auto");
    assert_eq!((message.value, message.value_masked, message.error), (mask.clone(), true, None));
    assert_eq!(message.key, mask);
    // Neither what is none of its schema, nor what somebody wants to see as bytes.
    for (bytes, name) in
        [(&b"\0\0\0\0\x07\x54!"[..], "auto"), (b"\0\0\0\0\x07\x54", "hex"), (b"\0\0\0\0\x07[1]", "json")]
    {
        let message = shown(bytes, true, name);
        let error = message.error.unwrap();
        assert_eq!((message.value, message.value_masked, error.value_base64), (Value::Null, true, None), "{name}");
    }
    let broken = shown(b"\0\0\0\0\x07\x54!", true, "auto");
    assert_eq!((broken.key, broken.key_error.is_some()), (Value::Null, true));
    // Of what its schema says nobody knows at the moment, nothing is shown where anything is masked.
    for (masks, value_base64) in [(true, None), (false, Some("AAAAAGNU".to_owned()))] {
        let error = shown(b"\0\0\0\0\x63\x54", masks, "auto").error.unwrap();
        assert_eq!(error.value_base64, value_base64);
    }
    // A number of eight bytes is one, whatever its first five look like.
    assert_eq!(shown(b"\0\0\0\0\x07\0\0\x2a", true, "long").value, json!(0x0700_002a_i64));
}
