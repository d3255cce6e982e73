//! What a filter tells of a record, against what a person can tell of it: a record of any kind, a filter of any parts.

use super::*;

/// What can stand in a record as its value, and what a person can make of it.
#[derive(Debug, Clone)]
enum Kind {
    Tombstone,
    Datum { accuracy: Option<i8>, city: &'static str },
    Json { accuracy: Option<i8>, city: &'static str },
    Cut(Vec<u8>),
    Text(&'static str),
    Bytes(&'static str),
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
            Self::Json { accuracy, city } => Some(json(*accuracy, city).into_bytes()),
            Self::Text(text) => Some(text.as_bytes().to_vec()),
            Self::Bytes(text) => Some([b"\xff", text.as_bytes()].concat()),
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

fn json(accuracy: Option<i8>, city: &str) -> String {
    serde_json::json!({"accuracy": accuracy, "tags": {"city": city}}).to_string()
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
        1 => (accuracy(), text()).prop_map(|(accuracy, city)| Kind::Json { accuracy, city }),
        1 => text().prop_map(Kind::Text),
        1 => text().prop_map(Kind::Bytes),
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
        (prop::sample::select(vec!["=", "!=", ">", "<="]), -3..4i8)
            .prop_map(|(sign, number)| Asked::Accuracy(sign, number)),
        (prop::sample::select(vec!["=", "!=", "~"]), text()).prop_map(|(sign, text)| Asked::City(sign, text)),
        text().prop_map(Asked::Contains),
        Just(Asked::Undecodable),
    ]
}

impl Asked {
    fn set(&self, filter: &mut Filter) {
        match self {
            Self::Type(name) => filter.set_type(name).unwrap(),
            Self::Accuracy(sign, number) => filter.add_condition(&format!("accuracy{sign}{number}"), now()).unwrap(),
            Self::City(sign, text) => filter.add_condition(&format!("tags.city{sign}{text}"), now()).unwrap(),
            Self::Contains(text) => filter.set_contains(text).unwrap(),
            Self::Undecodable => filter.set_undecodable(true),
        }
    }

    /// Whether it holds, as far as anyone can tell; in plain words.
    fn holds(&self, kind: &Kind) -> Option<bool> {
        match (self, kind) {
            (Self::Undecodable, Kind::OfSchemaAway(_)) => None,
            (Self::Undecodable, Kind::Tombstone | Kind::Datum { .. } | Kind::Json { .. } | Kind::Text(_)) => {
                Some(false)
            }
            (Self::Undecodable, _) => Some(true),
            (_, Kind::Tombstone) => Some(false),
            (Self::Contains(wanted), Kind::Datum { accuracy, city }) => {
                let accuracy = accuracy.map_or("null".to_owned(), |accuracy| accuracy.to_string());
                let json = format!(
                    r#"{{"parcel_id":"ada","accuracy":{accuracy},"price":"12.50","tags":{{"city":"{city}"}}}}"#
                );
                Some(json.contains(wanted))
            }
            (Self::Contains(wanted), Kind::Json { accuracy, city }) => Some(json(*accuracy, city).contains(wanted)),
            (Self::Contains(wanted), Kind::Text(text) | Kind::Bytes(text)) => Some(text.contains(wanted)),
            (Self::Contains(wanted), Kind::OfNoSchema(text)) => text.contains(wanted).then_some(true),
            (Self::Contains(wanted), Kind::Cut(bytes)) => {
                String::from_utf8_lossy(bytes).contains(wanted).then_some(true)
            }
            (Self::Type(wanted), Kind::Datum { .. }) => Some(*wanted == "ParcelWeighed"),
            (Self::Type("Other"), Kind::Cut(_)) => Some(false),
            (Self::Accuracy(sign, number), Kind::Datum { accuracy, .. } | Kind::Json { accuracy, .. }) => {
                Some(match *sign {
                    "=" => *accuracy == Some(*number),
                    "!=" => *accuracy != Some(*number),
                    ">" => accuracy.is_some_and(|accuracy| accuracy > *number),
                    _ => accuracy.is_some_and(|accuracy| accuracy <= *number),
                })
            }
            (Self::City(sign, wanted), Kind::Datum { city, .. } | Kind::Json { city, .. }) => Some(match *sign {
                "=" => city == wanted,
                "!=" => city != wanted,
                _ => city.contains(wanted),
            }),
            _ => None,
        }
    }
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
}
