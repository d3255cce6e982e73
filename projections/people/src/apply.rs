//! The fold of a profile: the newest one of a person is the row; a record without a value erases it.

use chrono::{DateTime, Utc};
use foldstream_events::PersonProfilesEvent;
use foldstream_fold::{Projection, Step};
use foldstream_log::Recorded;
use std::collections::BTreeMap;
use uuid::Uuid;

/// The last word of a batch on each person: a row, or none where the person was erased. In key order, so that
/// transactions take row locks in the same order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PeopleChanges {
    pub people: BTreeMap<String, Option<PersonRow>>,
}

/// A person as the table holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonRow {
    pub first_name: String,
    pub last_name: String,
    pub company_name: String,
    pub recorded_at: DateTime<Utc>,
    pub event_id: Uuid,
    pub source_partition: i32,
    pub source_offset: i64,
}

/// The projection, and its read model.
#[derive(Debug)]
pub struct People;

impl Projection for People {
    type Event = PersonProfilesEvent;
    type Changes = PeopleChanges;
    const NAME: &'static str = "people-projection";

    fn apply(changes: &mut PeopleChanges, record: &Recorded<PersonProfilesEvent>) -> Step {
        let row = record.event.as_ref().map(|PersonProfilesEvent::PersonProfileRecorded(profile)| PersonRow {
            first_name: profile.first_name.clone(),
            last_name: profile.last_name.clone(),
            company_name: profile.company_name.clone(),
            recorded_at: profile.occurred_at,
            event_id: profile.event_id,
            source_partition: record.partition,
            source_offset: record.offset,
        });
        changes.people.insert(record.key.clone(), row);
        Step::Applied
    }

    /// A record without a value.
    fn erases(record: &Recorded<PersonProfilesEvent>) -> bool {
        record.event.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use foldstream_arbitrary::records;
    use foldstream_events::PersonProfileRecorded;
    use proptest::prelude::*;

    fn record(person: u8, offset: i64, name: Option<u8>) -> Recorded<PersonProfilesEvent> {
        let event = name.map(|name| {
            PersonProfileRecorded {
                event_id: Uuid::from_u128(u128::from(name)),
                person_id: format!("p{person}"),
                occurred_at: DateTime::UNIX_EPOCH,
                first_name: format!("name {name}"),
                last_name: "x".to_owned(),
                company_name: "y".to_owned(),
            }
            .into()
        });
        Recorded { topic: "person-profiles", partition: 0, offset, appended_at_ms: 0, key: format!("p{person}"), event }
    }

    proptest! {
        #[test]
        fn every_event_the_rules_let_through_is_folded(record in records::<PersonProfilesEvent>()) {
            prop_assert_eq!(People::apply(&mut PeopleChanges::default(), &record), Step::Applied);
        }

        /// However the records are cut into batches, the rows are those of the newest record of each person.
        #[test]
        fn the_newest_of_each_person_is_the_row(
            records in prop::collection::vec((0..4u8, prop::option::of(0..9u8)), 0..40),
            batch in 1..10usize,
        ) {
            let records: Vec<_> =
                (0i64..).zip(&records).map(|(offset, (person, name))| record(*person, offset, *name)).collect();
            let mut table = BTreeMap::new();
            for batch in records.chunks(batch) {
                let mut changes = PeopleChanges::default();
                for record in batch {
                    prop_assert_eq!(People::apply(&mut changes, record), Step::Applied);
                }
                table.extend(changes.people);
            }
            for person in 0..4u8 {
                let key = format!("p{person}");
                let newest = records.iter().rev().find(|record| record.key == key);
                let expected = newest.map(|record| record.event.as_ref().map(|_| record.offset));
                prop_assert_eq!(table.get(&key).map(|row| row.as_ref().map(|row| row.source_offset)), expected);
            }
        }
    }
}
