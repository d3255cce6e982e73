//! Visits are counted for each key in windows of event time, over two topics: whatever the interleaving, the batches and the
//! crashes, the counts are those of an oracle that knows no time but the events'.

use super::*;
use crate::{
    decoding::{Decoded, Entry},
    processor::{MAX_CELL_BYTES, States},
};
use chrono::TimeDelta;
use foldstream_log::{
    Cleanup, EventTimes, Fact, MAX_RECORD_BYTES, RecordType, Recorded, Topic, TopicPartition, Violation, Writers,
    derived_event_id,
    generated::{STATE_KEPT_RULES, STATE_KEPT_SCHEMA},
    topic_events,
};
use proptest::prelude::*;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};
use uuid::Uuid;

const WINDOW_MS: i64 = 100;
const LATENESS_MS: i64 = 30;
const INPUTS: [TopicPartition; 2] =
    [TopicPartition { topic: "left", partition: 0 }, TopicPartition { topic: "right", partition: 0 }];
const POISONED: &str = "poisoned";

static CELLS: Topic = Topic {
    name: "cells",
    key: "state_key",
    partitions: 3,
    cleanup: Cleanup::Compact { max_lag_ms: 86_400_000 },
    max_record_bytes: MAX_RECORD_BYTES,
    writers: Writers::Services(&["tests"]),
};

topic_events! {
    CellsEvent on CELLS {
        StateKept keyed by state_key: "foldstream.engine.StateKept", STATE_KEPT_SCHEMA, STATE_KEPT_RULES;
    }
}

static VISITED: RecordType =
    RecordType { topic: "left", full_name: "test.Visited", key: "key", schema: "", rules: &[] };

/// A visit at a time, or so many of them in a window.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Visited {
    key: String,
    at_ms: i64,
    count: u32,
    event_id: Uuid,
}

impl TopicEvent for Visited {
    fn topics() -> &'static [&'static Topic] {
        &[]
    }

    fn record_types() -> Vec<&'static RecordType> {
        vec![&VISITED]
    }

    fn record_type(&self) -> &'static RecordType {
        &VISITED
    }

    fn key(&self) -> &str {
        &self.key
    }

    fn event_id(&self) -> Uuid {
        self.event_id
    }

    fn occurred_at(&self) -> DateTime<Utc> {
        time(self.at_ms)
    }

    fn check(&self) -> Result<(), Violation> {
        Ok(())
    }

    fn deserialize<'de, D: Deserializer<'de>>(_: &str, _: &str, from: D) -> Option<Result<Self, D::Error>> {
        Some(Deserialize::deserialize(from))
    }

    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        Serialize::serialize(self, to)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Window {
    start_ms: i64,
    count: u32,
}

struct Visits;

impl Keyed for Visits {
    type Input = Visited;
    type Output = Visited;
    type Cell = Window;
    type Changelog = CellsEvent;

    const NAME: &'static str = "visits-processor";
    const FOLD_VERSION: u32 = 1;
    const ON_NEW_VERSION: OnNewVersion = OnNewVersion::Replay;
    const EVENT_TIME: EventTime = EventTime::with_lateness(Duration::from_millis(LATENESS_MS as u64));

    fn fold(cells: &mut Cells<'_, Window>, input: &Arrival<'_, Visited>) -> Decision<Visited> {
        let Some(visit) = &input.record.event else { return Decision::DeadLetter("no visit".to_owned()) };
        if input.is_late {
            return Decision::Skip;
        }
        if visit.count > 9 {
            cells.end("");
            return Decision::DeadLetter("too many at once".to_owned());
        }
        let start_ms = visit.at_ms - visit.at_ms.rem_euclid(WINDOW_MS);
        let count = cells.get(&start_ms.to_string()).map_or(0, |window| window.count);
        cells.set(start_ms.to_string(), Window { start_ms, count: count + visit.count });
        Decision::Emit(Vec::new())
    }

    fn due(window: &Window) -> Due {
        Due::at_event_time(time(window.start_ms + WINDOW_MS))
    }

    fn wake(cells: &mut Cells<'_, Window>, timer: &TimerFired) -> Decision<Visited> {
        let Some(Window { start_ms, count }) = cells.get(&timer.cell).copied() else { return Decision::Skip };
        cells.end(timer.cell.clone());
        if timer.key == POISONED {
            return Decision::Halt("it is poisoned".to_owned());
        }
        let counted = Visited { key: timer.key.clone(), at_ms: start_ms, count, event_id: timer.fact_id(0) };
        Decision::Emit(vec![Fact::Event(counted)])
    }

    fn save(window: &Window) -> Vec<u8> {
        format!("{},{}", window.start_ms, window.count).into_bytes()
    }

    fn load(bytes: &[u8]) -> Result<Window, String> {
        let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
        let (start_ms, count) = text.split_once(',').ok_or("no window")?;
        let parsed = start_ms.parse().ok().zip(count.parse().ok());
        parsed.map(|(start_ms, count)| Window { start_ms, count }).ok_or_else(|| "no window".to_owned())
    }

    fn kept(record: CellsEvent) -> StateKept {
        let CellsEvent::StateKept(kept) = record;
        kept
    }
}

fn time(ms: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::milliseconds(ms)
}

fn visit(input: usize, offset: i64, key: &str, at_ms: i64) -> Entry<Visited> {
    let TopicPartition { topic, partition } = INPUTS[input];
    let event_id = derived_event_id(&format!("{topic}:{offset}"));
    let event = Some(Visited { key: key.to_owned(), at_ms, count: 1, event_id });
    let appended_at_ms = 1_000_000;
    Entry {
        partition: INPUTS[input],
        offset,
        appended_at_ms,
        index: usize::try_from(offset).unwrap(),
        header: None,
        reply_to: None,
        decoded: Decoded::Event(Recorded { topic, partition, offset, appended_at_ms, key: key.to_owned(), event }),
    }
}

/// What the brokers hold: all that was committed.
#[derive(Debug, Default, Clone, PartialEq)]
struct Log {
    next: HashMap<TopicPartition, i64>,
    times: BTreeMap<TopicPartition, Option<EventTimes>>,
    changelog: BTreeMap<String, StateKept>,
    emitted: Vec<Visited>,
    dead: usize,
}

/// A processor, and the log it works on.
struct Running {
    log: Log,
    states: States<Folding<Visits>>,
    most_timers: usize,
}

impl Running {
    fn start(log: Log, most_timers: usize) -> Self {
        let mut states = States::new();
        for (record_key, record) in log.changelog.clone() {
            let (key, cell) = Folding::<Visits>::key_and_cell(&record_key);
            let window = Folding::<Visits>::load(record.into()).unwrap();
            states.task(0).set(key, cell, Some(window));
        }
        for input in INPUTS {
            states.watermarks.resume(input, log.times.get(&input).copied().flatten());
        }
        Self { log, states, most_timers }
    }

    /// As the loop does: what is due goes first, and a batch that fires too much is taken in parts.
    fn take(&mut self, mut rest: &[Entry<Visited>]) {
        while !rest.is_empty() {
            while self.states.is_due(DateTime::UNIX_EPOCH) {
                let woken = self.states.wake(DateTime::UNIX_EPOCH, self.most_timers);
                self.commit(woken.facts, &BTreeMap::new(), 0);
            }
            let next = INPUTS.map(|input| (input, self.log.next.get(&input).copied().unwrap_or(0))).into();
            let decided = self.states.decide(rest, &next, &[], self.most_timers);
            rest = &rest[decided.settled..];
            self.commit(decided.facts, &decided.next, decided.dead.len());
        }
    }

    fn commit<C>(&mut self, facts: Vec<(Fact<Visited>, C)>, next: &BTreeMap<TopicPartition, i64>, dead: usize) {
        for written in self.states.take_unwritten(usize::MAX) {
            match written.record {
                Some(record) => drop(self.log.changelog.insert(written.record_key, Visits::kept(record))),
                None => drop(self.log.changelog.remove(&written.record_key)),
            }
        }
        self.log.emitted.extend(facts.into_iter().filter_map(|(fact, _)| match fact {
            Fact::Event(event) => Some(event),
            Fact::Tombstone { .. } => None,
        }));
        self.log.next.extend(next);
        let moved: Vec<_> = if next.is_empty() { INPUTS.to_vec() } else { next.keys().copied().collect() };
        self.log.times.extend(moved.into_iter().map(|input| (input, self.states.watermarks.times(input))));
        self.log.dead += dead;
    }
}

/// What visits of each topic come to, by key and window: plain arithmetic.
fn oracle(entries: &[Entry<Visited>], counts: impl Fn(&Visited) -> bool) -> BTreeMap<(String, i64), u32> {
    let mut windows = BTreeMap::new();
    for entry in entries {
        let Decoded::Event(Recorded { event: Some(visit), .. }) = &entry.decoded else { continue };
        if counts(visit) {
            *windows.entry((visit.key.clone(), visit.at_ms.div_euclid(WINDOW_MS) * WINDOW_MS)).or_insert(0) += 1;
        }
    }
    windows
}

fn windows(emitted: &[Visited]) -> BTreeMap<(String, i64), u32> {
    let windows: BTreeMap<_, _> =
        emitted.iter().map(|counted| ((counted.key.clone(), counted.at_ms), counted.count)).collect();
    assert_eq!(windows.len(), emitted.len(), "a window was counted twice: {emitted:?}");
    windows
}

/// Visits of one topic in an order within the lateness: each time is that of a sorted row, and up to the lateness more.
fn in_time() -> impl Strategy<Value = Vec<(usize, i64)>> {
    let visit = (0..3usize, 0..80i64, 0..=LATENESS_MS);
    prop::collection::vec(visit, 0..30).prop_map(|visits| {
        let mut at_ms = 0;
        let each = |(key, step, jitter)| {
            at_ms += step;
            (key, at_ms + jitter)
        };
        visits.into_iter().map(each).collect()
    })
}

/// Both topics, in an interleaving, and behind them what ends every window.
fn interleaved() -> impl Strategy<Value = Vec<Entry<Visited>>> {
    (in_time(), in_time(), prop::collection::vec(any::<bool>(), 60)).prop_map(|(left, right, turns)| {
        let mut visits = [left, right].map(|visits| visits.into_iter().zip(0..).peekable());
        let mut entries = Vec::new();
        let mut turns = turns.into_iter();
        let mut ends = [0, 0];
        while visits.iter_mut().any(|visits| visits.peek().is_some()) {
            let turn = usize::from(turns.next().unwrap_or_default());
            let input = if visits[turn].peek().is_some() { turn } else { 1 - turn };
            let Some(((key, at_ms), offset)) = visits[input].next() else { continue };
            entries.push(visit(input, offset, ["ada", "bob", POISONED][key], at_ms));
            ends[input] = offset + 1;
        }
        entries.extend([0, 1].map(|input| visit(input, ends[input], "end", 900_000)));
        entries
    })
}

proptest! {
    /// Any interleaving of the partitions, any order within the lateness, any batches.
    #[test]
    fn windows_are_those_of_the_oracle(
        entries in interleaved(),
        batch in 1..12usize,
        most_timers in 1..5usize,
    ) {
        let mut running = Running::start(Log::default(), most_timers);
        entries.chunks(batch).for_each(|batch| running.take(batch));
        // The rest of the timers, where the last batch fired as many as it may.
        let woken = running.states.wake(DateTime::UNIX_EPOCH, 100);
        running.commit(woken.facts, &BTreeMap::new(), 0);
        let expected = oracle(&entries, |visit| visit.key != POISONED && visit.key != "end");
        prop_assert_eq!(windows(&running.log.emitted), expected);
        // A timer that fails parks its key: what came before stays as it was, and what comes after is put aside.
        let came = oracle(&entries, |visit| visit.key == POISONED).values().sum::<u32>();
        let kept: u32 = running.log.changelog.iter().filter(|(key, _)| key.starts_with(POISONED))
            .map(|(_, kept)| Visits::load(&kept.state).unwrap().count).sum();
        prop_assert_eq!(usize::try_from(came - kept).unwrap(), running.log.dead);
        let parked: Vec<_> = running.states.parked().map(|(_, key, _)| key.to_owned()).collect();
        prop_assert!(parked.iter().all(|key| key == POISONED) && parked.is_empty() == (came == 0), "{parked:?}");
    }

    /// Killed at any record, once before a commit and once behind it.
    #[test]
    fn a_restart_at_any_record_changes_nothing(
        entries in interleaved(),
        killed_at in prop::collection::btree_set(0..60usize, 0..6),
        most_timers in 1..5usize,
    ) {
        let mut undisturbed = Running::start(Log::default(), most_timers);
        let mut killed = Running::start(Log::default(), most_timers);
        for (index, entry) in entries.iter().enumerate() {
            let entry = std::slice::from_ref(entry);
            undisturbed.take(entry);
            if killed_at.contains(&index) {
                // What it does here is never committed.
                let committed = killed.log.clone();
                killed.take(entry);
                killed = Running::start(committed, most_timers);
            }
            killed.take(entry);
            if killed_at.contains(&index) {
                killed = Running::start(killed.log, most_timers);
            }
            prop_assert_eq!(killed.states.watermarks.of_task(0), undisturbed.states.watermarks.of_task(0));
        }
        prop_assert_eq!(killed.log, undisturbed.log);
    }
}

#[test]
fn what_is_later_than_the_lateness_is_handed_over_as_late() {
    let mut running = Running::start(Log::default(), 100);
    let times = [(0, 150), (1, 150), (0, 231), (1, 260), (0, 205), (0, 200), (1, 99)];
    let mut offsets = [0, 0];
    for (input, at_ms) in times {
        running.take(&[visit(input, offsets[input], "ada", at_ms)]);
        offsets[input] += 1;
    }
    // The watermark stands at 201: the first windows are counted, 205 is in time, and 200 and 99 are skipped.
    assert_eq!(windows(&running.log.emitted), BTreeMap::from([(("ada".to_owned(), 100), 2)]));
    let kept: Vec<_> = running.log.changelog.values().map(|kept| Visits::load(&kept.state).unwrap()).collect();
    assert_eq!(kept, [Window { start_ms: 200, count: 3 }]);
    assert_eq!(running.states.watermarks.of_task(0), Some(201));
}

#[test]
fn an_input_that_cannot_be_used_is_put_aside_and_changes_nothing() {
    let mut running = Running::start(Log::default(), 100);
    running.take(&[visit(0, 0, "ada", 10)]);
    let before = running.log.changelog.clone();
    let mut refused = visit(0, 1, "ada", 10);
    if let Decoded::Event(Recorded { event: Some(visit), .. }) = &mut refused.decoded {
        visit.count = 10;
    }
    // A key with a blank cannot be told from its cell.
    running.take(&[refused, visit(0, 2, "a b", 10), visit(0, 3, "", 10)]);
    assert_eq!((running.log.dead, running.log.changelog == before), (3, true));
    running.take(&[visit(0, 4, "ada", 20)]);
    assert_eq!(running.log.changelog["ada 0"].state, b"0,2");
}

#[test]
fn a_cell_has_its_bound() {
    struct Text;
    impl Keyed for Text {
        type Input = Visited;
        type Output = Visited;
        type Cell = String;
        type Changelog = CellsEvent;

        const NAME: &'static str = "texts-processor";
        const FOLD_VERSION: u32 = 1;
        const ON_NEW_VERSION: OnNewVersion = OnNewVersion::Cut;
        const EVENT_TIME: EventTime = EventTime::with_lateness(Duration::ZERO);

        fn fold(_: &mut Cells<'_, String>, _: &Arrival<'_, Visited>) -> Decision<Visited> {
            Decision::Skip
        }

        fn save(text: &String) -> Vec<u8> {
            text.clone().into_bytes()
        }

        fn load(bytes: &[u8]) -> Result<String, String> {
            String::from_utf8(bytes.to_vec()).map_err(|error| error.to_string())
        }

        fn kept(record: CellsEvent) -> StateKept {
            Visits::kept(record)
        }
    }
    let refusal = |cell: &str, bytes| Folding::<Text>::refusal("ada", cell, &"x".repeat(bytes));
    assert_eq!(refusal("all", MAX_CELL_BYTES), None);
    assert!(refusal("all", MAX_CELL_BYTES + 1).unwrap().contains("65537 bytes, more than the 65536"));
    assert!(refusal(&"c".repeat(300), 1).unwrap().contains("state_key"));
}
