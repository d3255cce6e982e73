//! Inputs and timers to one transaction. Pure, but for a counter of what is late.
//!
//! Inputs are taken in their order. After each the watermark of its task moves, and every timer that it has reached fires
//! before the next input: what comes of a partition does not depend on where batches begin and end. A batch that fires
//! more timers than a transaction should hold ends early; the rest of them fires before the rest of it.

use super::{
    cells::Cells,
    contract::{Arrival, Change, Clock, Decision, Processor, TimerFired},
    states::{States, Timer},
};
use crate::decoding::{Decoded, Entry};
use chrono::{DateTime, Utc};
use foldstream_log::{Cause, Fact, PartitionEnd, Recorded, TopicEvent, TopicPartition, derived_event_id};
use foldstream_telemetry::names;
use std::collections::{BTreeMap, HashMap};

const STILL_DUE: &str = "it fired and is still due";

/// What a batch, or a part of it, comes to.
pub(crate) struct Decided<P: Processor> {
    pub(crate) facts: Vec<(Fact<P::Output>, Cause)>,
    /// Index into the batch, and the reason.
    pub(crate) dead: Vec<(usize, String)>,
    /// Where the input partitions stand afterwards, those that moved.
    pub(crate) next: BTreeMap<TopicPartition, i64>,
    /// Append time of the newest input of each.
    pub(crate) appended_at_ms: BTreeMap<TopicPartition, i64>,
    /// Partitions that must not go further, and why.
    pub(crate) halted: BTreeMap<TopicPartition, String>,
    /// Keys whose timer failed, with their partitions, and why.
    pub(crate) parked: Vec<(i32, String, String)>,
    pub(crate) inputs: usize,
    pub(crate) timers: usize,
    /// How many of the entries are settled by this.
    pub(crate) settled: usize,
}

impl<P: Processor> Decided<P> {
    fn nothing() -> Self {
        Self {
            facts: Vec::new(),
            dead: Vec::new(),
            next: BTreeMap::new(),
            appended_at_ms: BTreeMap::new(),
            halted: BTreeMap::new(),
            parked: Vec::new(),
            inputs: 0,
            timers: 0,
            settled: 0,
        }
    }

    fn extend(&mut self, key: &str, facts: Vec<Fact<P::Output>>, cause: &Cause) {
        let caused = |fact| {
            let reply_to = P::reply_to(key, &fact);
            (fact, Cause { reply_to, ..cause.clone() })
        };
        self.facts.extend(facts.into_iter().map(caused));
    }

    /// Whether there is nothing to be committed.
    pub(crate) fn is_empty(&self) -> bool {
        self.next.is_empty() && self.timers == self.parked.len()
    }
}

impl<P: Processor> States<P> {
    /// Decides on entries whose partitions stand at `next`, up to where about `most_timers` have fired. Entries of
    /// partitions that are not there are left out (not ours any more, or halted), as are entries before `next`. `ends`
    /// moves positions past what is never shown.
    pub(crate) fn decide(
        &mut self,
        entries: &[Entry<P::Input>],
        next: &HashMap<TopicPartition, i64>,
        ends: &[PartitionEnd],
        most_timers: usize,
    ) -> Decided<P> {
        let mut decided = Decided::<P>::nothing();
        for entry in entries {
            if decided.timers >= most_timers {
                return decided;
            }
            decided.settled += 1;
            let is_next = next.get(&entry.partition).is_some_and(|next| entry.offset >= *next);
            if !is_next || decided.halted.contains_key(&entry.partition) {
                continue;
            }
            let settled = match &entry.decoded {
                Decoded::Event(input) => self.take(entry, input, &mut decided),
                Decoded::Poison(reason) => Err(Unusable::Dead(reason.clone())),
                Decoded::Unknown(reason) => Err(Unusable::Halt(reason.clone())),
            };
            match settled {
                Ok(()) => {}
                Err(Unusable::Dead(reason)) => decided.dead.push((entry.index, reason)),
                Err(Unusable::Halt(reason)) => {
                    let reason = format!("{}:{}: {reason}", entry.partition, entry.offset);
                    decided.halted.insert(entry.partition, reason);
                    continue;
                }
            }
            decided.inputs += 1;
            decided.next.insert(entry.partition, entry.offset + 1);
            decided.appended_at_ms.insert(entry.partition, entry.appended_at_ms);
            self.follow_time(entry, most_timers, &mut decided);
        }
        for end in ends {
            let Some(start) = next.get(&end.partition) else { continue };
            let reached = decided.next.get(&end.partition).copied().unwrap_or(*start);
            if end.next_offset > reached && !decided.halted.contains_key(&end.partition) {
                decided.next.insert(end.partition, end.next_offset);
            }
        }
        decided
    }

    /// Fires the timers whose time has come, about so many at once. Positions do not move. A timer that fails changes
    /// nothing, and parks its key.
    pub(crate) fn wake(&mut self, now: DateTime<Utc>, most_timers: usize) -> Decided<P> {
        let mut decided = Decided::<P>::nothing();
        let tasks: Vec<i32> = self.tasks.keys().copied().collect();
        for partition in tasks {
            self.fire_by_event_time(partition, most_timers, &mut decided);
            while decided.timers < most_timers && self.fire_next(partition, Clock::Wall, now, &mut decided) {}
        }
        decided
    }

    fn take(
        &mut self,
        entry: &Entry<P::Input>,
        input: &Recorded<P::Input>,
        decided: &mut Decided<P>,
    ) -> Result<(), Unusable> {
        let partition = entry.partition.partition;
        let watermark = self.watermarks.of_task(partition).and_then(DateTime::from_timestamp_millis);
        let time = input.event.as_ref().map(P::event_time);
        let is_late = watermark.is_some_and(|watermark| time.is_some_and(|time| time < watermark));
        if is_late {
            let topic = entry.partition.topic;
            metrics::counter!(names::PROCESSOR_LATE_RECORDS_TOTAL, "processor" => P::NAME, "topic" => topic)
                .increment(1);
        }
        let task = self.task(partition);
        let kept_under = P::kept_under(&input.key);
        if let Some(reason) = task.parked(&kept_under) {
            return Err(Unusable::Dead(format!("its key is parked: {reason}")));
        }
        let mut cells = Cells::new(&input.key, task.cells(&kept_under));
        let reply_to = entry.reply_to.as_ref();
        let arrival = Arrival { record: input, watermark, is_late, reply_to, service: P::NAME };
        let facts = match P::take(&mut cells, &arrival) {
            Decision::Emit(facts) => facts,
            Decision::Skip => return Ok(()),
            Decision::DeadLetter(reason) => return Err(Unusable::Dead(reason)),
            Decision::Halt(reason) => return Err(Unusable::Halt(reason)),
        };
        let changes = checked::<P>(&input.key, cells).map_err(Unusable::Dead)?;
        let change = match &input.event {
            Some(event) => Change { event_id: event.event_id(), occurred_at: event.occurred_at() },
            None => {
                Change { event_id: derived_event_id(&input.position().to_string()), occurred_at: input.appended_at() }
            }
        };
        changes.into_iter().for_each(|(cell, state)| task.change(&kept_under, &cell, state, change));
        let cause = Cause { position: Some(input.position()), traceparent: entry.header.clone(), ..Cause::default() };
        decided.extend(&input.key, facts, &cause);
        Ok(())
    }

    /// Moves the watermark on behind an input, and fires what it has reached.
    fn follow_time(&mut self, entry: &Entry<P::Input>, most_timers: usize, decided: &mut Decided<P>) {
        let Decoded::Event(Recorded { event: Some(event), .. }) = &entry.decoded else { return };
        let event_ms = P::event_time(event).timestamp_millis();
        self.watermarks.observe(entry.partition, event_ms, entry.appended_at_ms);
        // Also where it did not move: what was late may have made a timer whose time had come already.
        self.fire_by_event_time(entry.partition.partition, most_timers, decided);
    }

    fn fire_by_event_time(&mut self, partition: i32, most_timers: usize, decided: &mut Decided<P>) {
        let Some(watermark) = self.watermarks.of_task(partition).and_then(DateTime::from_timestamp_millis) else {
            return;
        };
        while decided.timers < most_timers && self.fire_next(partition, Clock::Event, watermark, decided) {}
    }

    /// Fires the first timer that is due; false where none is.
    fn fire_next(&mut self, partition: i32, clock: Clock, now: DateTime<Utc>, decided: &mut Decided<P>) -> bool {
        let Some(Timer { due_at, key, cell }) = self.task(partition).due(clock, now).cloned() else { return false };
        let timer = TimerFired { key, cell, clock, due_at, service: P::NAME };
        decided.timers += 1;
        if let Err(reason) = self.fire(partition, &timer, decided) {
            let reason = format!("its timer at {due_at} failed: {reason}");
            self.task(partition).park(&timer.key, reason.clone());
            decided.parked.push((partition, timer.key, reason));
        }
        true
    }

    fn fire(&mut self, partition: i32, timer: &TimerFired, decided: &mut Decided<P>) -> Result<(), String> {
        let task = self.task(partition);
        let mut cells = Cells::new(&timer.key, task.cells(&timer.key));
        let facts = match P::fire(&mut cells, timer) {
            Decision::Emit(facts) => facts,
            Decision::Skip => return Err(STILL_DUE.to_owned()),
            Decision::DeadLetter(reason) | Decision::Halt(reason) => return Err(reason),
        };
        let due = cells.get(&timer.cell).and_then(|state| P::due(state).on(timer.clock));
        if due.is_some_and(|due| due <= timer.due_at) {
            return Err(STILL_DUE.to_owned());
        }
        let changes = checked::<P>(&timer.key, cells)?;
        let change = Change { event_id: timer.state_id(), occurred_at: timer.due_at };
        changes.into_iter().for_each(|(cell, state)| task.change(&timer.key, &cell, state, change));
        decided.extend(&timer.key, facts, &Cause::default());
        Ok(())
    }
}

/// Why an input leads to nothing.
enum Unusable {
    Dead(String),
    Halt(String),
}

/// The changes of cells, where all of them can be kept.
fn checked<P: Processor>(key: &str, cells: Cells<'_, P::State>) -> Result<BTreeMap<String, Option<P::State>>, String> {
    let changes = cells.changes();
    let refusal = |(cell, state): (&String, &Option<P::State>)| P::refusal(key, cell, state.as_ref()?);
    match changes.iter().find_map(refusal) {
        Some(refusal) => Err(refusal),
        None => Ok(changes),
    }
}
