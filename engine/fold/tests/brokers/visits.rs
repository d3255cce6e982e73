//! A keyed fold that counts the visits of each key in windows of event time. Late visits are skipped.

use crate::events::{Count, CountsStateEvent, Visit};
use chrono::{DateTime, TimeDelta, Utc};
use foldstream_fold::{Arrival, Cells, Decision, Due, EventTime, Keyed, OnNewVersion, TimerFired};
use foldstream_log::{Fact, generated::StateKept};
use std::time::Duration;

pub(crate) const WINDOW_MS: i64 = 1_000;
pub(crate) const LATENESS_MS: i64 = 500;
/// What the name of a key begins with whose timers fail.
pub(crate) const POISONED: &str = "poisoned";

pub(crate) struct Visits;

/// A window that is open: from when, and how many came.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    from: DateTime<Utc>,
    count: u32,
}

impl Keyed for Visits {
    type Input = Visit;
    type Output = Count;
    type Cell = Window;
    type Changelog = CountsStateEvent;

    const NAME: &'static str = "visits";
    const KEEPS_KEYS: bool = true;
    const FOLD_VERSION: u32 = 1;
    const ON_NEW_VERSION: OnNewVersion = OnNewVersion::Replay;
    const EVENT_TIME: EventTime = EventTime::with_lateness(Duration::from_millis(LATENESS_MS as u64));

    fn fold(cells: &mut Cells<'_, Window>, input: &Arrival<'_, Visit>) -> Decision<Count> {
        let Some(visit) = &input.record.event else { return Decision::DeadLetter("no visit".to_owned()) };
        if input.is_late {
            return Decision::Skip;
        }
        let at_ms = visit.occurred_at.timestamp_millis();
        let from = visit.occurred_at - TimeDelta::milliseconds(at_ms.rem_euclid(WINDOW_MS));
        let cell = from.timestamp().to_string();
        let count = cells.get(&cell).map_or(0, |window| window.count);
        cells.set(cell, Window { from, count: count + 1 });
        Decision::Emit(Vec::new())
    }

    fn due(window: &Window) -> Due {
        Due::at_event_time(window.from + TimeDelta::milliseconds(WINDOW_MS))
    }

    fn wake(cells: &mut Cells<'_, Window>, timer: &TimerFired) -> Decision<Count> {
        let Some(Window { from, count }) = cells.get(&timer.cell).copied() else { return Decision::Skip };
        if timer.key.starts_with(POISONED) {
            return Decision::Halt("it is poisoned".to_owned());
        }
        cells.end(timer.cell.clone());
        let (event_id, parcel, text) = (timer.fact_id(0), timer.key.clone(), count.to_string());
        Decision::Emit(vec![Fact::Event(Count { event_id, parcel, occurred_at: from, text })])
    }

    fn save(window: &Window) -> Vec<u8> {
        format!("{},{}", window.from.timestamp(), window.count).into_bytes()
    }

    fn load(bytes: &[u8]) -> Result<Window, String> {
        let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
        let (from, count) = text.split_once(',').ok_or("no window")?;
        let from = from.parse().ok().and_then(|seconds| DateTime::from_timestamp(seconds, 0));
        let window = from.zip(count.parse().ok()).map(|(from, count)| Window { from, count });
        window.ok_or_else(|| "no window".to_owned())
    }

    fn kept(record: CountsStateEvent) -> StateKept {
        let CountsStateEvent::StateKept(kept) = record;
        kept
    }
}
