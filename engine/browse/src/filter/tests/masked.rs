//! What is personal is neither shown nor found.

use super::*;

const SCHEMA_ID: u32 = 3;
const SCHEMA: &str = r#"{"type": "record", "name": "depot.Sent", "fields": [
    {"name": "id", "type": "string"},
    {"name": "name", "type": ["null", "string"], "personal": true},
    {"name": "to", "type": {"type": "array", "items": {"type": "record", "name": "depot.Place", "fields": [
        {"name": "city", "type": "string"},
        {"name": "street", "type": "string", "personal": true}]}}}
]}"#;

fn schema_of(id: SchemaId) -> LookedUp<'static> {
    match id {
        SchemaId::Number(SCHEMA_ID) => Ok(known(id, SCHEMA)),
        other => super::schema_of(other),
    }
}

fn text(text: &str) -> Vec<u8> {
    [&[u8::try_from(text.len() * 2).unwrap()][..], text.as_bytes()].concat()
}

fn sent(name: Option<&str>, places: &[(&str, &str)]) -> Vec<u8> {
    let mut datum = text("p-1");
    datum.extend(name.map_or(vec![0], |name| [vec![2], text(name)].concat()));
    for (city, street) in places {
        datum.extend([&[2][..], &text(city), &text(street)].concat());
    }
    datum.push(0);
    framed(SCHEMA_ID, &datum)
}

fn verdict(value: &[u8], set: &[&Set<'_>]) -> Verdict {
    let mut filter = Filter::default();
    for set in set {
        set(&mut filter).unwrap();
    }
    filter.compare(&record(None, Some(value)), &schema_of, &PathsSeen::default())
}

const MASKED: Verdict = Verdict::Uncompared(Reason::Masked);

#[test]
fn what_is_personal_is_not_compared() {
    let value = sent(Some("Ada"), &[("Ulm", "Main"), ("Bonn", "High")]);
    let bare = sent(None, &[]);
    for (condition, of_value, of_bare) in [
        ("id=p-1", Verdict::Wanted, Verdict::Wanted),
        ("name=Ada", MASKED, MASKED),
        ("name!=Ada", MASKED, MASKED),
        ("name=null", MASKED, MASKED),
        ("name~A", MASKED, MASKED),
        ("name>A", MASKED, MASKED),
        ("to[1].city=Bonn", Verdict::Wanted, Verdict::Other),
        ("to[*].street=Main", MASKED, Verdict::Other),
        ("to[5].street=Main", Verdict::Other, Verdict::Other),
        // Parts of it are personal, so nobody can tell whether it is the same.
        (r#"to=[{"city": "Ulm", "street": "Main"}]"#, MASKED, Verdict::Other),
        ("to=[]", MASKED, Verdict::Wanted),
    ] {
        let of = |value: &[u8]| verdict(value, &[&|filter| filter.add_condition(condition, now())]);
        assert_eq!((of(&value), of(&bare)), (of_value, of_bare), "{condition}");
    }
    let contains = |text: &str, value: &[u8]| verdict(value, &[&|filter| filter.set_contains(text)]);
    assert_eq!(contains("Ulm", &value), Verdict::Wanted);
    assert_eq!(contains("Main", &value), MASKED, "it may be in what is not told");
    assert_eq!(contains("Rome", &value), MASKED);
    // A record that is none of its schema is not looked into as bytes either.
    let broken = [&value[..], b"!"].concat();
    assert_eq!(contains("Ada", &broken), MASKED);
    // What refutes it refutes it, whatever else cannot be told.
    let both: [&Set<'_>; 2] =
        [&|filter| filter.add_condition("id=other", now()), &|filter| filter.add_condition("name=Ada", now())];
    assert_eq!(verdict(&value, &both), Verdict::Other);
}

#[test]
fn bytes_are_no_way_around_the_mask() {
    let value = sent(Some("Ada"), &[]);
    for name in ReadAs::NAMES {
        let reading = Reading { value: ReadAs::parse(name).unwrap(), ..Reading::default() };
        let mut filter = Filter::default();
        filter.set_reading(reading).unwrap();
        filter.set_contains("Ada").unwrap();
        let found = filter.compare(&record(None, Some(&value)), &schema_of, &PathsSeen::default());
        let cannot = if *name == "long" { Verdict::Uncompared(Reason::NotAs) } else { MASKED };
        assert_eq!(found, cannot, "{name}");
    }
}

proptest! {
    /// A question is answered alike whatever stands behind the mask: nothing is found out by asking.
    #[test]
    fn nothing_is_found_out_by_asking(
        names in prop::array::uniform2(prop::option::of("[ab]{0,2}")),
        streets in prop::array::uniform2("[ab]{0,2}"),
        condition in "(name|to|id|to\\[0\\]\\.street|to\\[\\*\\]\\.city)(=|!=|~|>)[ab]{0,2}",
        needle in "[ab]{1,2}",
    ) {
        let values = [0, 1].map(|at| sent(names[at].as_deref(), &[("c", &streets[at])]));
        let asked = |value: &[u8]| {
            let by_condition = verdict(value, &[&|filter| filter.add_condition(&condition, now())]);
            (by_condition, verdict(value, &[&|filter| filter.set_contains(&needle)]))
        };
        prop_assert_eq!(asked(&values[0]), asked(&values[1]));
    }
}
