//! What the loop runs: the one contract that deciders, keyed folds and re-keyings are brought into.
//!
//! It is small on purpose: what an input and a timer do to the cells of their key, and how a cell becomes a record. All of
//! it is pure. What the public contracts promise more (facts that make the state, sizes, cells by name) is theirs.

use super::cells::Cells;
use chrono::{DateTime, TimeDelta, Utc};
use foldstream_log::{Fact, Recorded, ReplyTo, Topic, TopicEvent, derived_event_id};
use std::{borrow::Cow, time::Duration};
use uuid::Uuid;

pub(crate) trait Processor: Send + Sync + 'static {
    type Input: TopicEvent;
    type Output: TopicEvent;
    /// Of one cell.
    type State: Clone + Send + Sync + 'static;
    /// A cell as a record of the changelog.
    type Changelog: TopicEvent;

    const NAME: &'static str;
    const KEEPS_KEYS: bool;
    const FOLD_VERSION: u32;
    const EVENT_TIME: Option<EventTime>;
    const ANEW: Anew;

    fn event_time(input: &Self::Input) -> DateTime<Utc> {
        input.occurred_at()
    }

    /// What follows from an input, and what becomes of the cells of its key. Cells change only where facts are emitted,
    /// be it none.
    fn take(cells: &mut Cells<'_, Self::State>, input: &Arrival<'_, Self::Input>) -> Decision<Self::Output>;

    /// What follows from the time having come.
    fn fire(cells: &mut Cells<'_, Self::State>, timer: &TimerFired) -> Decision<Self::Output>;

    fn due(state: &Self::State) -> Due;

    /// Where the outcome of a fact is wanted, where it is a command.
    fn reply_to(_key: &str, _: &Fact<Self::Output>) -> Option<ReplyTo> {
        None
    }

    /// Takes a fact that is part of the state: how states are made anew from facts.
    fn evolve(_: &mut Cells<'_, Self::State>, _: &Fact<Self::Output>) {}

    /// Why a cell cannot be kept.
    fn refusal(_key: &str, _cell: &str, _: &Self::State) -> Option<String> {
        None
    }

    /// Under which key the cells of a key are kept; another one only where no timer is.
    fn kept_under(key: &str) -> Cow<'_, str> {
        Cow::Borrowed(key)
    }

    /// The key of the record that keeps a cell.
    fn record_key(key: &str, _cell: &str) -> String {
        key.to_owned()
    }

    /// Key and cell of a record of the changelog.
    fn key_and_cell(record_key: &str) -> (&str, &str) {
        (record_key, "")
    }

    fn save(kept: &KeptCell<'_>, state: &Self::State) -> Self::Changelog;

    fn load(record: Self::Changelog) -> Result<Self::State, String>;
}

/// How states that another version of the fold has made are made anew.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Anew {
    /// From what was written itself.
    FromFacts(&'static [&'static Topic]),
    /// From the inputs, as far as the group is.
    FromInputs,
    /// Not at all: they end.
    Cut,
}

/// A cell that is to be kept, and what made it what it is.
#[derive(Debug)]
pub(crate) struct KeptCell<'a> {
    pub(crate) key: &'a str,
    pub(crate) cell: &'a str,
    pub(crate) change: Change,
}

/// What last changed a cell: the event, and when that was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) event_id: Uuid,
    pub(crate) occurred_at: DateTime<Utc>,
}

/// How a processor follows the time of its events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventTime {
    /// How far behind the newest event of its partition an event may come without being late.
    pub lateness: Duration,
    /// A partition that was waited for in vain for as long as this does not hold the others back any more.
    pub idle_after: Duration,
    /// Partitions further ahead of the slowest one than this, in event time, are paused.
    pub most_ahead: Duration,
}

impl EventTime {
    /// With this lateness; partitions are idle after half a minute, and paused a minute ahead.
    #[must_use]
    pub const fn with_lateness(lateness: Duration) -> Self {
        Self { lateness, idle_after: Duration::from_secs(30), most_ahead: Duration::from_secs(60) }
    }
}

/// An input, and how it stands in time.
#[derive(Debug)]
pub struct Arrival<'a, E> {
    pub record: &'a Recorded<E>,
    /// Everything before this time was to be expected earlier. None where nothing is known yet, or event time is not
    /// followed.
    pub watermark: Option<DateTime<Utc>>,
    /// Whether its event is older than the watermark: skip it, or correct what was said already.
    pub is_late: bool,
    /// Where whoever sent it wants its outcome too, where it is a command.
    pub reply_to: Option<&'a ReplyTo>,
    pub(crate) service: &'static str,
}

impl<E> Arrival<'_, E> {
    /// The id of a fact that follows: of the input's place in the log, so that folding again makes the same.
    #[must_use]
    pub fn fact_id(&self, index: usize) -> Uuid {
        derived_event_id(&format!("{}/{}/{index}", self.service, self.record.position()))
    }
}

/// Which time a timer waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Clock {
    /// That of the events: the watermark.
    Event,
    /// That of the machine.
    Wall,
}

/// When a state wants to be woken next.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Due {
    /// As soon as the watermark stands here: nothing earlier comes any more that is not late.
    pub event_time: Option<DateTime<Utc>>,
    /// As soon as the clock says so.
    pub wall_time: Option<DateTime<Utc>>,
}

impl Due {
    #[must_use]
    pub fn at_event_time(time: DateTime<Utc>) -> Self {
        Self { event_time: Some(time), ..Self::default() }
    }

    #[must_use]
    pub fn at_wall_time(time: DateTime<Utc>) -> Self {
        Self { wall_time: Some(time), ..Self::default() }
    }

    pub(crate) fn on(self, clock: Clock) -> Option<DateTime<Utc>> {
        match clock {
            Clock::Event => self.event_time,
            Clock::Wall => self.wall_time,
        }
    }
}

/// A state's time has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimerFired {
    pub key: String,
    /// Which cell of the key; empty where there is but one.
    pub cell: String,
    pub clock: Clock,
    pub due_at: DateTime<Utc>,
    pub(crate) service: &'static str,
}

impl TimerFired {
    /// The id of a fact that follows: of the timer, so that firing again makes the same.
    #[must_use]
    pub fn fact_id(&self, index: usize) -> Uuid {
        derived_event_id(&format!("{}/{index}", self.name()))
    }

    /// Stands for an event's id where a timer changed a state.
    pub(crate) fn state_id(&self) -> Uuid {
        derived_event_id(&self.name())
    }

    fn name(&self) -> String {
        let Self { key, cell, clock, due_at, service } = self;
        format!("{service}/{key} {cell}/{clock:?}/{}", due_at.timestamp_micros())
    }
}

/// What follows from an input, or from a timer.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision<E> {
    /// These facts, in this order; be it none.
    Emit(Vec<Fact<E>>),
    /// Nothing, and no cell changes.
    Skip,
    /// It cannot be used; the reason. No cell changes.
    DeadLetter(String),
    /// This version must not go past it; the reason. Its partition stops; where a timer says it, its key.
    Halt(String),
}

/// As the times of the log are kept.
pub(crate) fn milliseconds(duration: Duration) -> i64 {
    TimeDelta::from_std(duration).map_or(i64::MAX / 4, |delta| delta.num_milliseconds().min(i64::MAX / 4))
}
