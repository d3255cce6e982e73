//! The fold of a reported location: one more for its hour, by the time of the report and not by its arrival.
//!
//! A sum is about nobody, so nothing of it ends with a person; but what was put aside of one does, and so `people` is read.

use chrono::{DateTime, TimeDelta, Utc};
use foldstream_events::{LocationsEvent, PeopleEvent};
use foldstream_fold::{Projection, Step};
use foldstream_log::{Recorded, events_of};
use std::collections::BTreeMap;

const SECONDS_OF_HOUR: i64 = 3600;

events_of! {
    /// What is folded here.
    pub enum Input {
        Location(LocationsEvent),
        Person(PeopleEvent),
    }
}

/// Reports by hour. In key order, so that transactions take row locks in the same order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ActivityChanges {
    pub reports: BTreeMap<DateTime<Utc>, i64>,
}

/// The projection, and its read model.
#[derive(Debug)]
pub struct Activity;

impl Projection for Activity {
    type Event = Input;
    type Changes = ActivityChanges;
    const NAME: &'static str = "activity-projection";

    fn apply(changes: &mut ActivityChanges, record: &Recorded<Input>) -> Step {
        match &record.event {
            Some(Input::Location(LocationsEvent::LocationReported(report))) => {
                *changes.reports.entry(hour_of(report.occurred_at)).or_default() += 1;
                Step::Applied
            }
            Some(Input::Person(PeopleEvent::PersonErased(_))) => Step::Applied,
            Some(Input::Person(PeopleEvent::PersonRegistered(_) | PeopleEvent::PersonChanged(_))) => Step::Skip,
            None => Step::DeadLetter("a record without a value means nothing on this topic".to_owned()),
        }
    }

    fn erases(record: &Recorded<Input>) -> bool {
        matches!(record.event, Some(Input::Person(PeopleEvent::PersonErased(_))))
    }
}

/// The hour a time lies in. `DurationRound` cannot tell it before 1677 and after 2262.
fn hour_of(time: DateTime<Utc>) -> DateTime<Utc> {
    let since = TimeDelta::seconds(time.timestamp().rem_euclid(SECONDS_OF_HOUR))
        + TimeDelta::nanoseconds(i64::from(time.timestamp_subsec_nanos()));
    time - since
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::Timelike;
    use foldstream_arbitrary::records;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_event_the_rules_let_through_is_folded(record in records::<Input>()) {
            let report = match &record.event {
                Some(Input::Location(LocationsEvent::LocationReported(report))) => Some(report),
                _ => None,
            };
            let mut changes = ActivityChanges::default();
            let step = Activity::apply(&mut changes, &record);
            prop_assert!(matches!(step, Step::Applied | Step::Skip), "{step:?}");
            prop_assert_eq!(changes.reports.len(), usize::from(report.is_some()));
            for (hour, report) in changes.reports.keys().zip(report) {
                let time = report.occurred_at;
                prop_assert_eq!((hour.minute(), hour.second(), hour.nanosecond()), (0, 0, 0));
                prop_assert!(*hour <= time && time - hour < TimeDelta::hours(1));
            }
        }
    }
}
