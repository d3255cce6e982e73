//! When something was going on.
//!
//! Reads: `locations`. Writes: `activity`. Keyed by: the hour. On poison: dead letter, and its key waits.

use chrono::{DurationRound, TimeDelta};
use foldstream_events::LocationsEvent;
use foldstream_fold::{Projection, Step};
use foldstream_log::Recorded;
use foldstream_store::activity::ActivityChanges;

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
