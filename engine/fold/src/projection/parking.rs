//! Keys whose records wait behind a dead letter, and how a slice of a batch changes which they are. Pure.
//!
//! A key is parked in one partition of one topic: that is where its order holds. A record without a key parks nothing.

use foldstream_log::TopicPartition;
use std::collections::{HashMap, HashSet};

/// The parked keys of the partitions an owner has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ParkedKeys(HashMap<TopicPartition, HashSet<Vec<u8>>>);

/// A key that a transaction parks, or that it parks no longer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyChange {
    pub(crate) partition: TopicPartition,
    pub(crate) key: Vec<u8>,
    pub(crate) parked: bool,
}

impl ParkedKeys {
    pub(crate) fn contains(&self, partition: TopicPartition, key: &[u8]) -> bool {
        self.0.get(&partition).is_some_and(|keys| keys.contains(key))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.values().map(HashSet::len).sum()
    }

    pub(crate) fn change(&mut self, change: &KeyChange) {
        if change.parked {
            self.0.entry(change.partition).or_default().insert(change.key.clone());
        } else if let Some(keys) = self.0.get_mut(&change.partition) {
            keys.remove(&change.key);
            if keys.is_empty() {
                self.0.remove(&change.partition);
            }
        }
    }

    /// The partition is another owner's now, or is to be looked at anew.
    pub(crate) fn forget(&mut self, partition: TopicPartition) {
        self.0.remove(&partition);
    }
}

/// Behind which dead letter a record waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behind {
    /// One that was there before the slice.
    Stored,
    /// One of the slice itself.
    New,
}

/// The parked keys while a slice is folded.
#[derive(Debug)]
pub(crate) struct Parking<'a, 'b> {
    before: &'b ParkedKeys,
    /// What the slice made of its keys, so far.
    changed: HashMap<(TopicPartition, &'a [u8]), bool>,
}

impl<'a, 'b> Parking<'a, 'b> {
    pub(crate) fn new(before: &'b ParkedKeys) -> Self {
        Self { before, changed: HashMap::new() }
    }

    /// Whether no key is parked and none was: then no record's key need be looked at.
    pub(crate) fn is_idle(&self) -> bool {
        self.before.is_empty() && self.changed.is_empty()
    }

    pub(crate) fn behind(&self, partition: TopicPartition, key: &[u8]) -> Option<Behind> {
        match self.changed.get(&(partition, key)) {
            Some(parked) => parked.then_some(Behind::New),
            None => self.before.contains(partition, key).then_some(Behind::Stored),
        }
    }

    pub(crate) fn set(&mut self, partition: TopicPartition, key: &'a [u8], parked: bool) {
        self.changed.insert((partition, key), parked);
    }

    pub(crate) fn changes(self) -> Vec<KeyChange> {
        let change = |((partition, key), parked): ((TopicPartition, &[u8]), bool)| KeyChange {
            partition,
            key: key.to_vec(),
            parked,
        };
        self.changed.into_iter().map(change).collect()
    }
}
