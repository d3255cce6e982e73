//! The fold of a reported location: one more for its hour, by the time of the report and not by its arrival.

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use foldstream_events::LocationsEvent;
use foldstream_fold::{Projection, Step};
use foldstream_log::Recorded;
use std::collections::BTreeMap;

/// Reports by hour. In key order, so that transactions take row locks in the same order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ActivityChanges {
    pub reports: BTreeMap<DateTime<Utc>, i64>,
}

/// The projection, and its read model.
#[derive(Debug)]
pub struct Activity;

impl Projection for Activity {
    type Event = LocationsEvent;
    type Changes = ActivityChanges;
    const NAME: &'static str = "activity-projection";

    fn apply(changes: &mut ActivityChanges, record: &Recorded<LocationsEvent>) -> Step {
        let Some(LocationsEvent::LocationReported(report)) = &record.event else {
            return Step::DeadLetter("a record without a value means nothing on this topic".to_owned());
        };
        let Ok(hour) = report.occurred_at.duration_trunc(TimeDelta::hours(1)) else {
            return Step::DeadLetter(format!("{} lies in no hour that can be counted", report.occurred_at));
        };
        *changes.reports.entry(hour).or_default() += 1;
        Step::Applied
    }
}
