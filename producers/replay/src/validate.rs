//! One row of a data set -> its events, or a refusal.
//!
//! The same row makes the same events, ids included, in every run with the same time shift. A refused row keeps its
//! sequence number. Which rows bring news of a person depends on the rows before: `Acquaintances` remembers that.

use crate::source::{Names, Row, Source};
use chrono::{DateTime, Utc};
use foldstream_events::{ChangePerson, LocationReported, LocationsEvent, PersonCommandsEvent, RegisterPerson, rules};
use foldstream_log::{TopicEvent, Violation, derived_event_id, replayed_event_id};
use std::collections::HashMap;

/// What a row becomes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Accepted {
    pub(crate) location: LocationsEvent,
    /// When the row brings news of the person: that it is to be registered, or to be changed.
    pub(crate) wish: Option<PersonCommandsEvent>,
}

/// What a row says of its person that the rows before did not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum News {
    Met { name: u32 },
    Renamed { name: u32 },
}

/// Whom we have met, and under which name last.
#[derive(Debug, Default)]
pub(crate) struct Acquaintances {
    names: HashMap<u32, u32>,
}

impl Acquaintances {
    /// Takes note of a row. One without usable coordinates will be refused, so it is no occasion for news.
    pub(crate) fn meet(&mut self, row: &Row) -> Option<News> {
        let name = row.name?;
        coordinates(row).ok()?;
        match self.names.insert(row.person, name) {
            None => Some(News::Met { name }),
            Some(before) => (before != name).then_some(News::Renamed { name }),
        }
    }
}

/// The events of a row; `news` is what [`Acquaintances::meet`] said of it.
pub(crate) fn validate(
    source: &dyn Source,
    row: &Row,
    news: Option<News>,
    time_shift_us: i64,
) -> Result<Accepted, Violation> {
    let (latitude, longitude) = coordinates(row)?;
    let occurred_at = shifted(row.occurred_at_us, time_shift_us)?;
    let person_id = source.person_id(row.person);
    let event_id = derived_event_id(&format!("{}/wish/{}", source.id(), row.sequence));
    let wish = news.map(|news| match news {
        News::Met { name } => {
            let Names { first_name, last_name, company_name } = source.names(row.person, name);
            let person_id = person_id.clone();
            RegisterPerson { event_id, person_id, occurred_at, first_name, last_name, company_name }.into()
        }
        News::Renamed { name } => {
            let Names { first_name, last_name, company_name } = source.names(row.person, name);
            let person_id = person_id.clone();
            let (first_name, last_name, company_name) = (Some(first_name), Some(last_name), Some(company_name));
            PersonCommandsEvent::from(ChangePerson {
                event_id,
                person_id,
                occurred_at,
                first_name,
                last_name,
                company_name,
            })
        }
    });
    let location = LocationsEvent::from(LocationReported {
        event_id: replayed_event_id(source.id(), row.sequence, occurred_at),
        person_id,
        occurred_at,
        latitude,
        longitude,
        accuracy_m: None,
    });
    location.check()?;
    if let Some(wish) = &wish {
        wish.check()?;
    }
    Ok(Accepted { location, wish })
}

fn coordinates(row: &Row) -> Result<(f64, f64), Violation> {
    let given = |field: &str, value: Option<f64>| {
        value.ok_or_else(|| Violation::new(field, "nothing", "a position has a latitude and a longitude"))
    };
    Ok((
        rules::LATITUDE.number("latitude", given("latitude", row.latitude)?)?,
        rules::LONGITUDE.number("longitude", given("longitude", row.longitude)?)?,
    ))
}

fn shifted(occurred_at_us: i64, time_shift_us: i64) -> Result<DateTime<Utc>, Violation> {
    occurred_at_us
        .checked_add(time_shift_us)
        .and_then(DateTime::from_timestamp_micros)
        .ok_or_else(|| Violation::new("occurred_at", occurred_at_us, "a time lies in the years 1 to 9999"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    struct Two;

    impl Source for Two {
        fn id(&self) -> &str {
            "replay/two"
        }
        fn count(&self) -> u64 {
            2
        }
        fn present_us(&self) -> i64 {
            0
        }
        fn rows(&self) -> Box<dyn Iterator<Item = Row> + '_> {
            Box::new(std::iter::empty())
        }
        fn person_id(&self, person: u32) -> String {
            format!("p{person}")
        }
        fn names(&self, person: u32, name: u32) -> Names {
            let first_name = if name == 9 { String::new() } else { format!("name {name}") };
            Names { first_name, last_name: format!("of {person}"), company_name: "x".to_owned() }
        }
    }

    fn row(sequence: u64, name: u32) -> Row {
        Row {
            sequence,
            person: 1,
            name: Some(name),
            occurred_at_us: 1_633_608_001_000_000,
            latitude: Some(48.0),
            longitude: Some(2.0),
        }
    }

    #[test]
    fn a_row_becomes_a_position_and_news_a_wish() {
        let accepted = validate(&Two, &row(7, 3), Some(News::Met { name: 3 }), 1_000_000).unwrap();
        let LocationsEvent::LocationReported(location) = &accepted.location;
        assert_eq!(location.occurred_at.timestamp_micros(), 1_633_608_002_000_000);
        assert_eq!(location.event_id, replayed_event_id("replay/two", 7, location.occurred_at));
        assert_eq!((location.latitude, location.longitude), (48.0, 2.0));
        let Some(PersonCommandsEvent::RegisterPerson(wish)) = accepted.wish else { panic!("no wish") };
        assert_eq!((wish.person_id.as_str(), wish.first_name.as_str()), ("p1", "name 3"));
        assert_eq!(wish.event_id, derived_event_id("replay/two/wish/7"));
        assert_eq!(validate(&Two, &row(7, 3), None, 0).unwrap().wish, None);
        let renamed = validate(&Two, &row(8, 4), Some(News::Renamed { name: 4 }), 0).unwrap();
        let Some(PersonCommandsEvent::ChangePerson(wish)) = renamed.wish else { panic!("no wish") };
        assert_eq!(wish.first_name.as_deref(), Some("name 4"));
    }

    #[test]
    fn rows_that_break_a_rule_are_refused_by_name() {
        let field = |row: Row, news, shift| validate(&Two, &row, news, shift).unwrap_err().field;
        assert_eq!(field(Row { latitude: None, ..row(0, 1) }, None, 0), "latitude");
        assert_eq!(field(Row { longitude: None, ..row(0, 1) }, None, 0), "longitude");
        assert_eq!(field(Row { latitude: Some(90.5), ..row(0, 1) }, None, 0), "latitude");
        assert_eq!(field(Row { longitude: Some(f64::NAN), ..row(0, 1) }, None, 0), "longitude");
        assert_eq!(field(row(0, 1), None, i64::MAX), "occurred_at");
        assert_eq!(field(row(0, 9), Some(News::Met { name: 9 }), 0), "first_name");
    }

    #[test]
    fn news_is_a_new_person_or_another_name() {
        let mut known = Acquaintances::default();
        assert_eq!(known.meet(&Row { latitude: None, ..row(0, 3) }), None);
        assert_eq!(known.meet(&Row { name: None, ..row(1, 3) }), None);
        assert_eq!(known.meet(&row(2, 3)), Some(News::Met { name: 3 }));
        assert_eq!(known.meet(&row(3, 3)), None);
        assert_eq!(known.meet(&row(4, 4)), Some(News::Renamed { name: 4 }));
        assert_eq!(known.meet(&row(5, 3)), Some(News::Renamed { name: 3 }));
    }

    proptest! {
        #[test]
        fn no_row_panics_and_what_is_accepted_obeys_the_rules(
            latitude in prop::option::of(any::<f64>()),
            longitude in prop::option::of(any::<f64>()),
            occurred_at_us in any::<i64>(),
            shift in any::<i64>(),
            name in 0u32..10,
        ) {
            let row = Row { latitude, longitude, occurred_at_us, ..row(0, name) };
            if let Ok(accepted) = validate(&Two, &row, Some(News::Met { name }), shift) {
                prop_assert!(accepted.location.check().is_ok());
                prop_assert!(accepted.wish.is_some_and(|wish| wish.check().is_ok()));
            }
        }
    }
}
