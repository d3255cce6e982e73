//! How far the events are in their own time. Pure: the clock comes in as durations that were waited.
//!
//! A partition stands at the time of its newest event; no event counts as younger than its append to the log, so that one
//! wrong clock outside cannot end every window. The watermark of a task (a partition number, over all topics) is the least
//! of its partitions, less the lateness. One that has said nothing yet holds it back; one that is idle does not.
//!
//! Invariant: a watermark never goes back. It is committed with the offsets ([`EventTimes`]) and taken up from there, so
//! whoever owns the task next goes on with what was decided by it.
//!
//! Idle is who was waited for in vain: time counts only while the loop had nothing to do, and while the partition was not
//! paused. A loop that is behind, or was held up, calls nobody idle. A partition that is halted is never idle: what waits
//! in it is not to be late one day.

use super::contract::{EventTime, milliseconds};
use foldstream_log::{EventTimes, TopicPartition};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

#[derive(Debug)]
pub(crate) struct Watermarks {
    rules: Option<EventTime>,
    partitions: BTreeMap<TopicPartition, Stand>,
    /// Of each task, milliseconds since 1970.
    tasks: BTreeMap<i32, i64>,
}

#[derive(Debug, Default)]
struct Stand {
    newest_ms: Option<i64>,
    /// How long it was waited for in vain.
    waited: Duration,
    is_halted: bool,
}

impl Stand {
    fn is_idle(&self, rules: &EventTime) -> bool {
        self.waited >= rules.idle_after && !self.is_halted
    }
}

impl Watermarks {
    pub(crate) fn new(rules: Option<EventTime>) -> Self {
        Self { rules, partitions: BTreeMap::new(), tasks: BTreeMap::new() }
    }

    /// Takes a partition up where it was left.
    pub(crate) fn resume(&mut self, partition: TopicPartition, left: Option<EventTimes>) {
        let stand = self.partitions.entry(partition).or_default();
        stand.newest_ms = stand.newest_ms.max(left.and_then(|left| left.newest_ms));
        if let Some(watermark_ms) = left.and_then(|left| left.watermark_ms) {
            self.raise(partition.partition, watermark_ms);
        }
    }

    pub(crate) fn forget(&mut self, partition: TopicPartition) {
        self.partitions.remove(&partition);
        if !self.partitions.keys().any(|other| other.partition == partition.partition) {
            self.tasks.remove(&partition.partition);
        }
    }

    /// Notes an event; the watermark of its task may move.
    pub(crate) fn observe(&mut self, partition: TopicPartition, event_ms: i64, appended_at_ms: i64) {
        if self.rules.is_none() {
            return;
        }
        let stand = self.partitions.entry(partition).or_default();
        stand.newest_ms = stand.newest_ms.max(Some(event_ms.min(appended_at_ms)));
        stand.waited = Duration::ZERO;
        self.advance(partition.partition);
    }

    /// A partition goes no further: it holds its own task back, and nobody else.
    pub(crate) fn halt(&mut self, partition: TopicPartition) {
        self.partitions.entry(partition).or_default().is_halted = true;
    }

    /// The loop had nothing to do for so long: who is not paused was waited for. Somebody may be idle now, and a watermark
    /// move.
    pub(crate) fn wait(&mut self, waited: Duration, paused: &BTreeSet<TopicPartition>) {
        if self.rules.is_none() {
            return;
        }
        for (_, stand) in self.partitions.iter_mut().filter(|(partition, _)| !paused.contains(partition)) {
            stand.waited += waited;
        }
        let tasks: BTreeSet<i32> = self.partitions.keys().map(|partition| partition.partition).collect();
        tasks.into_iter().for_each(|task| self.advance(task));
    }

    /// How long until somebody is idle; none where nobody can be, or all are.
    pub(crate) fn until_idle(&self, paused: &BTreeSet<TopicPartition>) -> Option<Duration> {
        let rules = self.rules?;
        let waiting = self.partitions.iter().filter(|(partition, _)| !paused.contains(partition));
        let waiting = waiting.filter(|(_, stand)| !stand.is_halted && !stand.is_idle(&rules));
        waiting.map(|(_, stand)| rules.idle_after - stand.waited).min()
    }

    /// Everything before was to be expected earlier, milliseconds since 1970.
    pub(crate) fn of_task(&self, task: i32) -> Option<i64> {
        self.tasks.get(&task).copied()
    }

    /// Partitions that are to wait until the slowest has caught up.
    pub(crate) fn ahead(&self) -> BTreeSet<TopicPartition> {
        let Some(rules) = self.rules else { return BTreeSet::new() };
        let awake = self.partitions.values().filter(|stand| !stand.is_halted && !stand.is_idle(&rules));
        let Some(slowest) = awake.filter_map(|stand| stand.newest_ms).min() else { return BTreeSet::new() };
        let most = slowest.saturating_add(milliseconds(rules.most_ahead));
        let ahead = self.partitions.iter().filter(|(_, stand)| stand.newest_ms.is_some_and(|newest| newest > most));
        ahead.map(|(partition, _)| *partition).collect()
    }

    /// What is to be committed with the offset of a partition.
    pub(crate) fn times(&self, partition: TopicPartition) -> Option<EventTimes> {
        self.rules?;
        let newest_ms = self.partitions.get(&partition).and_then(|stand| stand.newest_ms);
        Some(EventTimes { newest_ms, watermark_ms: self.of_task(partition.partition) })
    }

    fn advance(&mut self, task: i32) {
        let Some(rules) = self.rules else { return };
        let of_task = self.partitions.iter().filter(|(partition, _)| partition.partition == task);
        let awake = of_task.filter(|(_, stand)| !stand.is_idle(&rules));
        // None is less than any time: who has said nothing yet holds back.
        let Some(least) = awake.map(|(_, stand)| stand.newest_ms).min().flatten() else { return };
        self.raise(task, least.saturating_sub(milliseconds(rules.lateness)));
    }

    fn raise(&mut self, task: i32, watermark_ms: i64) {
        let watermark = self.tasks.entry(task).or_insert(watermark_ms);
        *watermark = (*watermark).max(watermark_ms);
    }
}

#[cfg(test)]
mod tests;
