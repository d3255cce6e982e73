//! Entries to one transaction: the fold of a slice of a batch. Pure.
//!
//! Here is decided which records are applied, which become dead letters, and which are parked behind one.

use super::{
    contract::{Advance, Projection, Step},
    parking::{Behind, KeyChange, ParkedKeys, Parking},
};
use crate::decoding::{Decoded, Entry};
use foldstream_log::{PartitionEnd, TopicPartition};
use std::collections::{HashMap, HashSet};

/// What the fold of a slice came to.
pub(crate) struct Folded<'a, C> {
    pub(crate) changes: C,
    pub(crate) dead: Vec<Dead<'a>>,
    /// In the order of the log.
    pub(crate) parked: Vec<Parked<'a>>,
    /// Keys whose dead letters and parked records were made void by a later record.
    pub(crate) released: Vec<(TopicPartition, &'a [u8])>,
    /// Keys that a record ended.
    pub(crate) erased: Vec<&'a str>,
    /// What is different about the parked keys once this is committed.
    pub(crate) keys: Vec<KeyChange>,
    pub(crate) advances: Vec<Advance>,
    /// Partitions that must not go further, and why.
    pub(crate) halted: Vec<(TopicPartition, String)>,
    pub(crate) applied: usize,
    /// Records that cannot be used, of keys that ended: nothing of them is kept.
    pub(crate) dropped: usize,
}

/// A record that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dead<'a> {
    /// Its place in the batch.
    pub(crate) index: usize,
    pub(crate) reason: String,
    place: Place<'a>,
}

/// A record that waits behind a dead letter of its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parked<'a> {
    /// Its place in the batch.
    pub(crate) index: usize,
    pub(crate) behind: Behind,
    place: Place<'a>,
}

type Place<'a> = (TopicPartition, Option<&'a [u8]>);

/// Where the partitions stand before a slice.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Before<'a> {
    /// The position of every partition that may be folded.
    pub(crate) next: &'a HashMap<TopicPartition, i64>,
    pub(crate) parked: &'a ParkedKeys,
    /// Keys that ended, of those that have a record which cannot be used.
    pub(crate) ended: &'a HashSet<Vec<u8>>,
}

/// Folds entries whose partitions stand as they did `before`. Entries of partitions that are not there are left out
/// (not ours any more, or halted), as are entries before the position (folded already). `ends` moves positions past
/// what is never shown; it is given with the last slice of a batch only. `key_of` gives the key of a record as it lies
/// in the log, whether or not it could be decoded.
pub(crate) fn fold<'a, P: Projection>(
    entries: &'a [Entry<P::Event>],
    key_of: impl Fn(&'a Entry<P::Event>) -> Option<&'a [u8]>,
    before: Before<'_>,
    ends: &[PartitionEnd],
) -> Folded<'a, P::Changes> {
    let next = before.next;
    let mut changes = P::Changes::default();
    let mut parking = Parking::new(before.parked);
    let (mut dead, mut parked) = (Vec::<Dead<'a>>::new(), Vec::<Parked<'a>>::new());
    let (mut released, mut erased) = (Vec::new(), Vec::new());
    let mut halted: HashMap<TopicPartition, String> = HashMap::new();
    let mut reached: HashMap<TopicPartition, Advance> = HashMap::new();
    let (mut applied, mut dropped) = (0, 0);
    for entry in entries {
        let Some(start) = next.get(&entry.partition).copied().filter(|start| entry.offset >= *start) else { continue };
        if halted.contains_key(&entry.partition) {
            continue;
        }
        let key = if parking.is_idle() { None } else { key_of(entry) };
        let behind = key.and_then(|key| parking.behind(entry.partition, key));
        let erases = ended_key::<P>(&entry.decoded);
        let step = match behind.zip(key) {
            Some((_, key)) if erases.is_some() => {
                let (step, place) = (step_of::<P>(&mut changes, entry), (entry.partition, Some(key)));
                if !matches!(step, Step::Halt(_)) {
                    dead.retain(|dead| dead.place != place);
                    parked.retain(|parked| parked.place != place);
                    parking.set(entry.partition, key, false);
                    released.push((entry.partition, key));
                }
                step
            }
            Some((behind, key)) => {
                parked.push(Parked { index: entry.index, behind, place: (entry.partition, Some(key)) });
                Step::Skip
            }
            None => step_of::<P>(&mut changes, entry),
        };
        match step {
            Step::Applied => {
                applied += 1;
                erased.extend(erases);
            }
            Step::Skip => {}
            Step::DeadLetter(reason) => {
                let key = key_of(entry);
                if key.is_some_and(|key| before.ended.contains(key)) {
                    dropped += 1;
                } else {
                    dead.push(Dead { index: entry.index, reason, place: (entry.partition, key) });
                    key.into_iter().for_each(|key| parking.set(entry.partition, key, true));
                }
            }
            Step::Halt(reason) => {
                let reason = format!("{}:{}: {reason}", entry.partition, entry.offset);
                halted.insert(entry.partition, reason);
                continue;
            }
        }
        let advance = reached.entry(entry.partition).or_insert(Advance {
            partition: entry.partition,
            start,
            end: start,
            appended_at_ms: None,
        });
        advance.end = entry.offset + 1;
        advance.appended_at_ms = advance.appended_at_ms.max(Some(entry.appended_at_ms));
    }
    for end in ends {
        let Some(start) = next.get(&end.partition).copied() else { continue };
        if halted.contains_key(&end.partition) || end.next_offset <= start {
            continue;
        }
        let advance = reached.entry(end.partition).or_insert(Advance {
            partition: end.partition,
            start,
            end: start,
            appended_at_ms: None,
        });
        advance.end = advance.end.max(end.next_offset);
    }
    let mut advances: Vec<Advance> = reached.into_values().collect();
    // Always in the same order, so that two owners never wait for each other's rows crosswise.
    advances.sort_unstable_by_key(|advance| advance.partition);
    let mut halted: Vec<_> = halted.into_iter().collect();
    halted.sort_unstable();
    Folded { changes, dead, parked, released, erased, keys: parking.changes(), advances, halted, applied, dropped }
}

impl<'a, C> Folded<'a, C> {
    /// The keys that a record which cannot be used would park.
    pub(crate) fn dead_keys(&self) -> Vec<Vec<u8>> {
        self.dead.iter().filter_map(|dead| dead.place.1).map(<[u8]>::to_vec).collect()
    }

    /// The same with other changes.
    pub(crate) fn with<D>(self, changes: D) -> Folded<'a, D> {
        let Self { dead, parked, released, erased, keys, advances, halted, applied, dropped, .. } = self;
        Folded { changes, dead, parked, released, erased, keys, advances, halted, applied, dropped }
    }
}

/// The key that this record ends.
pub(super) fn ended_key<P: Projection>(decoded: &Decoded<P::Event>) -> Option<&str> {
    match decoded {
        Decoded::Event(record) if P::erases(record) => Some(&record.key),
        _ => None,
    }
}

fn step_of<P: Projection>(changes: &mut P::Changes, entry: &Entry<P::Event>) -> Step {
    match &entry.decoded {
        Decoded::Event(record) => P::apply(changes, record),
        Decoded::Poison(reason) => Step::DeadLetter(reason.clone()),
        Decoded::Unknown(reason) => Step::Halt(reason.clone()),
    }
}

#[cfg(test)]
mod tests;
