//! What is kept of the partitions that are ours: cells, timers, keys that are parked. Pure.
//!
//! Invariant: timers are those of the cells that stand there, but for parked keys, which have none. What has changed since
//! the last transaction is known, so that it is written with the next one. States change before their transaction is
//! committed: a session whose transaction fails is over, and its states with it.

use super::{
    cells::{Cell, find},
    contract::{Change, Clock, Due, KeptCell, Processor},
    watermarks::Watermarks,
};
use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, BTreeSet, HashMap};

pub(crate) struct States<P: Processor> {
    pub(crate) tasks: BTreeMap<i32, Task<P>>,
    pub(crate) watermarks: Watermarks,
}

/// What is kept of a partition number, over all topics of the processor.
pub(crate) struct Task<P: Processor> {
    /// The cells of each key, in the order of their names.
    keys: HashMap<String, Vec<Cell<P::State>>>,
    event_timers: BTreeSet<Timer>,
    wall_timers: BTreeSet<Timer>,
    /// Keys whose timer failed, and why: nothing more is decided on them.
    parked: BTreeMap<String, String>,
    /// Keys and cells that are not on the changelog as they are.
    unwritten: BTreeMap<(String, String), Change>,
}

/// Fired in this order: by time, then key, then cell.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Timer {
    pub(crate) due_at: DateTime<Utc>,
    pub(crate) key: String,
    pub(crate) cell: String,
}

/// A cell as it is to be written.
pub(crate) struct Written<C> {
    pub(crate) partition: i32,
    pub(crate) record_key: String,
    /// None where it has ended.
    pub(crate) record: Option<C>,
}

impl<P: Processor> States<P> {
    pub(crate) fn new() -> Self {
        Self { tasks: BTreeMap::new(), watermarks: Watermarks::new(P::EVENT_TIME) }
    }

    /// The number of keys.
    pub(crate) fn len(&self) -> usize {
        self.tasks.values().map(|task| task.keys.len()).sum()
    }

    /// Forgets every partition but these.
    pub(crate) fn retain(&mut self, keep: impl Fn(i32) -> bool) {
        self.tasks.retain(|partition, _| keep(*partition));
    }

    pub(crate) fn task(&mut self, partition: i32) -> &mut Task<P> {
        self.tasks.entry(partition).or_insert_with(Task::new)
    }

    /// The keys that are parked, their partitions, and why.
    pub(crate) fn parked(&self) -> impl Iterator<Item = (i32, &str, &str)> {
        self.tasks.iter().flat_map(|(partition, task)| {
            task.parked.iter().map(|(key, reason)| (*partition, key.as_str(), reason.as_str()))
        })
    }

    /// When the next timer of the machine's clock is due.
    pub(crate) fn next_due(&self) -> Option<DateTime<Utc>> {
        self.tasks.values().filter_map(|task| task.wall_timers.first()).map(|timer| timer.due_at).min()
    }

    /// Whether a timer's time has come.
    pub(crate) fn is_due(&self, now: DateTime<Utc>) -> bool {
        let event_time = |partition| self.watermarks.of_task(partition).and_then(DateTime::from_timestamp_millis);
        let is_due = |(partition, task): (&i32, &Task<P>)| {
            task.due(Clock::Wall, now).is_some()
                || event_time(*partition).is_some_and(|watermark| task.due(Clock::Event, watermark).is_some())
        };
        self.tasks.iter().any(is_due)
    }

    /// How many cells have changed, or were made anew, since they were written last.
    pub(crate) fn unwritten(&self) -> usize {
        self.tasks.values().map(|task| task.unwritten.len()).sum()
    }

    /// So many of them, to be written.
    pub(crate) fn take_unwritten(&mut self, most: usize) -> Vec<Written<P::Changelog>> {
        let mut written = Vec::new();
        for (partition, task) in &mut self.tasks {
            while written.len() < most
                && let Some(((key, cell), change)) = task.unwritten.pop_first()
            {
                let state = task.cells(&key).iter().find(|(other, _)| **other == *cell).map(|(_, state)| state);
                let record = state.map(|state| P::save(&KeptCell { key: &key, cell: &cell, change }, state));
                written.push(Written { partition: *partition, record_key: P::record_key(&key, &cell), record });
            }
        }
        written
    }
}

impl<P: Processor> Task<P> {
    fn new() -> Self {
        Self {
            keys: HashMap::new(),
            event_timers: BTreeSet::new(),
            wall_timers: BTreeSet::new(),
            parked: BTreeMap::new(),
            unwritten: BTreeMap::new(),
        }
    }

    /// What is kept of a key.
    pub(crate) fn cells(&self, key: &str) -> &[Cell<P::State>] {
        self.keys.get(key).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn parked(&self, key: &str) -> Option<&str> {
        self.parked.get(key).map(String::as_str)
    }

    /// Puts a key aside whose timer failed: it is not woken again, and nothing more is decided on it.
    pub(crate) fn park(&mut self, key: &str, reason: String) {
        let due: Vec<_> = self.cells(key).iter().map(|(cell, state)| (cell.to_string(), P::due(state))).collect();
        due.into_iter().for_each(|(cell, due)| self.unset_timers(key, &cell, due));
        self.parked.insert(key.to_owned(), reason);
    }

    /// Takes a cell as it is on the changelog; none where it ended.
    pub(crate) fn set(&mut self, key: &str, cell: &str, state: Option<P::State>) {
        self.parked.remove(key);
        let kept = self.keys.get(key).and_then(|cells| Some(&cells[find(cells, cell).ok()?].1));
        if let Some(due) = kept.map(P::due) {
            self.unset_timers(key, cell, due);
        }
        match state {
            Some(state) => {
                for (clock, timers) in [(Clock::Event, &mut self.event_timers), (Clock::Wall, &mut self.wall_timers)] {
                    let timer = |due_at| Timer { due_at, key: key.to_owned(), cell: cell.to_owned() };
                    timers.extend(P::due(&state).on(clock).map(timer));
                }
                let cells = match self.keys.get_mut(key) {
                    Some(cells) => cells,
                    None => self.keys.entry(key.to_owned()).or_insert_with(|| Vec::with_capacity(1)),
                };
                match find(cells, cell) {
                    Ok(index) => cells[index].1 = state,
                    Err(index) => cells.insert(index, (cell.into(), state)),
                }
            }
            None => {
                let Some(cells) = self.keys.get_mut(key) else { return };
                if let Ok(index) = find(cells, cell) {
                    cells.remove(index);
                }
                if cells.is_empty() {
                    self.keys.remove(key);
                }
            }
        }
    }

    /// Takes a cell as it has become; to be written.
    pub(crate) fn change(&mut self, key: &str, cell: &str, state: Option<P::State>, change: Change) {
        self.set(key, cell, state);
        self.unwritten.insert((key.to_owned(), cell.to_owned()), change);
    }

    /// A cell that was made anew, or that ended with the fold that made it.
    pub(crate) fn mark_unwritten(&mut self, key: &str, cell: &str, change: Change) {
        self.unwritten.entry((key.to_owned(), cell.to_owned())).or_insert(change);
    }

    /// The first timer whose time has come.
    pub(crate) fn due(&self, clock: Clock, now: DateTime<Utc>) -> Option<&Timer> {
        let timers = match clock {
            Clock::Event => &self.event_timers,
            Clock::Wall => &self.wall_timers,
        };
        timers.first().filter(|timer| timer.due_at <= now)
    }

    fn unset_timers(&mut self, key: &str, cell: &str, due: Due) {
        for (clock, timers) in [(Clock::Event, &mut self.event_timers), (Clock::Wall, &mut self.wall_timers)] {
            if let Some(due_at) = due.on(clock) {
                timers.remove(&Timer { due_at, key: key.to_owned(), cell: cell.to_owned() });
            }
        }
    }
}
