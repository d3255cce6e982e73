//! The fold of a reported location: a row of the history, and where the person is now if no later report is known. An
//! erased person has neither.

use chrono::{DateTime, Utc};
use foldstream_events::{LocationsEvent, PeopleEvent};
use foldstream_fold::{Projection, Step};
use foldstream_log::Recorded;
use foldstream_log::events_of;
use std::collections::BTreeMap;
use uuid::Uuid;

events_of! {
    /// What is folded here.
    pub enum Input {
        Location(LocationsEvent),
        Person(PeopleEvent),
    }
}

/// Every report of a batch in the order of the log, and for each person which of them is the latest.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LocationChanges {
    pub history: Vec<LocationRow>,
    /// People who were erased, and the partition that says so.
    pub erased: BTreeMap<String, i32>,
    /// Person id to index into `history`. In key order, so that transactions take row locks in the same order.
    pub current: BTreeMap<String, usize>,
}

/// A reported location.
#[derive(Debug, Clone, PartialEq)]
pub struct LocationRow {
    pub person_id: String,
    pub event_id: Uuid,
    pub occurred_at: DateTime<Utc>,
    pub latitude: f64,
    pub longitude: f64,
    pub source_partition: i32,
    pub source_offset: i64,
}

/// The projection, and its read model.
#[derive(Debug)]
pub struct Locations;

impl Projection for Locations {
    type Event = Input;
    type Changes = LocationChanges;
    const NAME: &'static str = "locations-projection";

    fn apply(changes: &mut LocationChanges, record: &Recorded<Input>) -> Step {
        let report = match &record.event {
            Some(Input::Location(LocationsEvent::LocationReported(report))) => report,
            Some(Input::Person(PeopleEvent::PersonErased(erased))) => {
                changes.erased.insert(erased.person_id.clone(), record.partition);
                return Step::Applied;
            }
            Some(Input::Person(PeopleEvent::PersonRegistered(_) | PeopleEvent::PersonChanged(_))) => return Step::Skip,
            None => return Step::DeadLetter("a record without a value means nothing on this topic".to_owned()),
        };
        let index = changes.history.len();
        changes.history.push(LocationRow {
            person_id: report.person_id.clone(),
            event_id: report.event_id,
            occurred_at: report.occurred_at,
            latitude: report.latitude,
            longitude: report.longitude,
            source_partition: record.partition,
            source_offset: record.offset,
        });
        match changes.current.get_mut(&report.person_id) {
            // Of two reports at the same time the later one in the log counts, as in the upsert.
            Some(current) => {
                if changes.history[*current].occurred_at <= report.occurred_at {
                    *current = index;
                }
            }
            None => {
                changes.current.insert(report.person_id.clone(), index);
            }
        }
        Step::Applied
    }

    /// Locations of whom was erased are kept no longer.
    fn erases(record: &Recorded<Input>) -> bool {
        matches!(record.event, Some(Input::Person(PeopleEvent::PersonErased(_))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use foldstream_arbitrary::records;
    use foldstream_events::LocationReported;
    use proptest::prelude::*;

    fn record(person: u8, offset: i64, second: i64) -> Recorded<Input> {
        let event = LocationReported {
            event_id: Uuid::from_u128(u128::from(offset.unsigned_abs())),
            person_id: format!("p{person}"),
            occurred_at: DateTime::from_timestamp(second, 0).unwrap(),
            latitude: 1.0,
            longitude: 2.0,
            accuracy_m: None,
        };
        Recorded {
            topic: "locations",
            partition: 0,
            offset,
            appended_at_ms: 0,
            key: event.person_id.clone(),
            event: Some(LocationsEvent::from(event).into()),
        }
    }

    #[test]
    fn a_record_without_a_value_is_a_dead_letter() {
        let mut changes = LocationChanges::default();
        let tombstone = Recorded {
            topic: "locations",
            partition: 0,
            offset: 1,
            appended_at_ms: 0,
            key: "p1".to_owned(),
            event: None,
        };
        assert!(matches!(Locations::apply(&mut changes, &tombstone), Step::DeadLetter(_)));
        assert_eq!(changes, LocationChanges::default());
    }

    proptest! {
        #[test]
        fn every_event_the_rules_let_through_is_folded(record in records::<Input>()) {
            let step = Locations::apply(&mut LocationChanges::default(), &record);
            prop_assert!(matches!(step, Step::Applied | Step::Skip), "{step:?}");
        }

        /// Every report is in the history once and in order; the current one is the latest by time, then by offset.
        #[test]
        fn late_reports_change_history_only(reports in prop::collection::vec((0..3u8, 0..5i64), 0..40)) {
            let mut changes = LocationChanges::default();
            for (offset, (person, second)) in (0i64..).zip(&reports) {
                Locations::apply(&mut changes, &record(*person, offset, *second));
            }
            let offsets: Vec<_> = changes.history.iter().map(|row| row.source_offset).collect();
            prop_assert_eq!(offsets, (0..i64::try_from(reports.len()).unwrap()).collect::<Vec<_>>());
            for (person, current) in &changes.current {
                let latest = changes.history.iter().filter(|row| row.person_id == *person)
                    .max_by_key(|row| (row.occurred_at, row.source_offset));
                prop_assert_eq!(latest, changes.history.get(*current));
            }
        }
    }
}
