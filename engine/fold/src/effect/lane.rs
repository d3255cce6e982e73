//! One partition: which of its records may be delivered now, and how far it is. Pure: time and results come in.
//!
//! A key with a record that is not settled is *open*: its records queue, and only the first of them may be out. Every
//! record before `reached` is settled or in the queue of an open key; what lies behind it waits in the backlog while
//! there is no room. A settled record stays at the head of its queue until that is committed, so no later record of its
//! key is out before.
//!
//! Invariant: [`Lane::commit`] says of every record whether it is settled, and does so in bounded size.

use super::progress::{Key, KeyHash, MOST_BEHIND, OpenKey, Progress};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

/// Keys that may be open at the same time in one partition: as many as its progress has room for.
pub(crate) const MOST_OPEN_KEYS: usize = 100;
/// Bytes of records that may wait in the queues of one partition.
const MOST_QUEUED_BYTES: usize = 16 * 1024 * 1024;

/// A record that came in.
#[derive(Debug, Clone)]
pub(crate) struct Arrival<T> {
    pub(crate) offset: i64,
    pub(crate) key: Key,
    /// What it takes of the room there is.
    pub(crate) bytes: usize,
    pub(crate) record: T,
}

/// A record that goes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Start<T> {
    pub(crate) offset: i64,
    /// From 1.
    pub(crate) attempt: u32,
    pub(crate) record: T,
}

#[derive(Debug)]
pub(crate) struct Lane<T> {
    reached: i64,
    /// Where the partition stands beyond its records: past what is never shown.
    end: i64,
    open: HashMap<Key, Queue<T>>,
    /// The first record of each open key.
    heads: BTreeMap<i64, Key>,
    /// Heads that may go out, the one that has been for longest first.
    ready: VecDeque<i64>,
    waiting: BTreeSet<(i64, i64)>,
    backlog: VecDeque<Arrival<T>>,
    queued_bytes: usize,
    /// What the last owner left open. Until all of it is read again nothing goes out and nothing is said anew.
    left: Option<Left>,
}

#[derive(Debug)]
struct Queue<T> {
    /// Of the first record.
    attempts: u32,
    state: State,
    records: VecDeque<Arrival<T>>,
}

/// How the first record of a key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Ready,
    Delivering,
    Waiting {
        due_ms: i64,
    },
    /// Nothing more is to be done, once that is committed.
    Settled,
    /// It is being committed.
    Committing,
}

#[derive(Debug)]
struct Left {
    progress: Progress,
    /// From which record on each open key is open; of two keys that share a hash, the earlier.
    from: HashMap<KeyHash, i64>,
}

impl<T: Clone> Lane<T> {
    /// Takes a partition up where its last owner left it; it is to be read from `progress.next_offset`.
    pub(crate) fn resume(progress: Progress) -> Self {
        let mut from: HashMap<KeyHash, i64> = HashMap::new();
        for OpenKey { key, offset, .. } in &progress.open {
            from.entry(*key).and_modify(|first| *first = *offset.min(first)).or_insert(*offset);
        }
        let start = progress.next_offset;
        Self {
            reached: start,
            end: start,
            open: HashMap::new(),
            heads: BTreeMap::new(),
            ready: VecDeque::new(),
            waiting: BTreeSet::new(),
            backlog: VecDeque::new(),
            queued_bytes: 0,
            left: (progress.reached > start).then_some(Left { progress, from }),
        }
    }

    /// Takes a record in; what was taken before is left out.
    pub(crate) fn take(&mut self, arrival: Arrival<T>) {
        let last = self.backlog.back().map_or(self.reached, |last| last.offset + 1);
        if arrival.offset < last {
            return;
        }
        self.end = self.end.max(arrival.offset + 1);
        if self.left.as_ref().is_some_and(|left| arrival.offset >= left.progress.reached) {
            self.left = None;
        }
        if let Some(left) = &self.left {
            self.reached = arrival.offset + 1;
            if left.from.get(&KeyHash::of(&arrival.key)).is_some_and(|from| arrival.offset >= *from) {
                let tried = left.progress.open.iter().find(|open| open.offset == arrival.offset).copied();
                self.queue(arrival, tried);
            }
            self.end_of_left();
        } else {
            self.backlog.push_back(arrival);
            self.admit();
        }
    }

    /// The partition stands here, past what is never shown.
    pub(crate) fn stand(&mut self, end: i64) {
        self.end = self.end.max(end);
        if self.left.is_some() {
            self.reached = self.reached.max(end);
            self.end_of_left();
        } else {
            self.admit();
        }
    }

    /// The next record that may go out.
    pub(crate) fn start(&mut self, now_ms: i64) -> Option<Start<T>> {
        if self.left.is_some() {
            return None;
        }
        while let Some((due_ms, offset)) = self.waiting.first().copied().filter(|(due_ms, _)| *due_ms <= now_ms) {
            self.waiting.remove(&(due_ms, offset));
            self.ready.push_back(offset);
        }
        let offset = self.ready.pop_front()?;
        let queue = self.heads.get(&offset).and_then(|key| self.open.get_mut(key))?;
        let record = queue.records.front()?.record.clone();
        queue.state = State::Delivering;
        queue.attempts = queue.attempts.saturating_add(1);
        Some(Start { offset, attempt: queue.attempts, record })
    }

    /// A record that went out is to go out again when this time has come.
    pub(crate) fn retry(&mut self, offset: i64, due_ms: i64) {
        if self.came_back(offset, State::Waiting { due_ms }) {
            self.waiting.insert((due_ms, offset));
        }
    }

    /// Nothing more is to be done about a record that went out.
    pub(crate) fn settle(&mut self, offset: i64) {
        self.came_back(offset, State::Settled);
    }

    fn came_back(&mut self, offset: i64, state: State) -> bool {
        let Some(queue) = self.heads.get(&offset).and_then(|key| self.open.get_mut(key)) else { return false };
        if queue.state != State::Delivering {
            return false;
        }
        queue.state = state;
        true
    }

    /// How far it is, everything settled counted as done: that is to be committed now.
    pub(crate) fn commit(&mut self) -> Progress {
        for key in self.heads.values() {
            if let Some(queue) = self.open.get_mut(key).filter(|queue| queue.state == State::Settled) {
                queue.state = State::Committing;
            }
        }
        self.progress()
    }

    /// What [`Self::commit`] gave last is committed.
    pub(crate) fn committed(&mut self) {
        let is_committed = |key: &Key| self.open.get(key).is_some_and(|queue| queue.state == State::Committing);
        let committed: Vec<i64> =
            self.heads.iter().filter(|(_, key)| is_committed(key)).map(|(offset, _)| *offset).collect();
        for offset in committed {
            let Some(key) = self.heads.remove(&offset) else { continue };
            let Some(queue) = self.open.get_mut(&key) else { continue };
            self.queued_bytes -= queue.records.pop_front().map_or(0, |record| record.bytes);
            match queue.records.front().map(|next| next.offset) {
                Some(next) => {
                    (queue.attempts, queue.state) = (0, State::Ready);
                    self.heads.insert(next, key);
                    self.ready.push_back(next);
                }
                None => drop(self.open.remove(&key)),
            }
        }
        self.admit();
    }

    fn progress(&self) -> Progress {
        if let Some(left) = &self.left {
            return left.progress.clone();
        }
        let first_open = |key: &Key| {
            let queue = self.open.get(key)?;
            let (index, attempts, due_ms) = match queue.state {
                State::Settled | State::Committing => (1, 0, None),
                State::Waiting { due_ms } => (0, queue.attempts, Some(due_ms)),
                State::Ready => (0, queue.attempts, None),
                // It may never come back to tell: it counts as not tried.
                State::Delivering => (0, queue.attempts - 1, None),
            };
            let offset = queue.records.get(index)?.offset;
            Some(OpenKey { key: KeyHash::of(key), offset, attempts, due_ms })
        };
        let mut open: Vec<OpenKey> = self.heads.values().filter_map(first_open).collect();
        open.sort_unstable_by_key(|open| open.offset);
        let next_offset = open.first().map_or(self.reached, |open| open.offset);
        Progress { next_offset, reached: self.reached, open }
    }

    /// When the next record that waits may go out.
    pub(crate) fn next_due_ms(&self) -> Option<i64> {
        self.waiting.first().map(|(due_ms, _)| *due_ms).filter(|_| self.left.is_none())
    }

    /// Whether there is no room for more.
    pub(crate) fn is_full(&self) -> bool {
        !self.backlog.is_empty()
    }

    pub(crate) fn open_keys(&self) -> usize {
        self.open.len()
    }

    /// The first record that is not settled.
    pub(crate) fn oldest(&self) -> Option<&T> {
        let (_, key) = self.heads.first_key_value()?;
        self.open.get(key)?.records.front().map(|arrival| &arrival.record)
    }

    /// Moves what there is room for from the backlog to its queues.
    fn admit(&mut self) {
        while let Some(next) = self.backlog.front() {
            let oldest = self.heads.first_key_value().map_or(next.offset, |(offset, _)| *offset);
            let has_room = self.open.is_empty()
                || (self.queued_bytes + next.bytes <= MOST_QUEUED_BYTES
                    && next.offset - oldest <= MOST_BEHIND
                    && (self.open.len() < MOST_OPEN_KEYS || self.open.contains_key(&next.key)));
            if !has_room {
                return;
            }
            let Some(arrival) = self.backlog.pop_front() else { return };
            self.reached = arrival.offset + 1;
            self.queue(arrival, None);
        }
        self.reached = self.end;
    }

    /// Puts a record into the queue of its key; `tried` is what is known of a first record that was tried before.
    fn queue(&mut self, arrival: Arrival<T>, tried: Option<OpenKey>) {
        self.queued_bytes += arrival.bytes;
        if let Some(queue) = self.open.get_mut(&arrival.key) {
            queue.records.push_back(arrival);
            return;
        }
        let state = match tried.and_then(|tried| tried.due_ms) {
            Some(due_ms) => State::Waiting { due_ms },
            None => State::Ready,
        };
        match state {
            State::Waiting { due_ms } => drop(self.waiting.insert((due_ms, arrival.offset))),
            _ => self.ready.push_back(arrival.offset),
        }
        self.heads.insert(arrival.offset, arrival.key.clone());
        let attempts = tried.map_or(0, |tried| tried.attempts);
        self.open.insert(arrival.key.clone(), Queue { attempts, state, records: VecDeque::from([arrival]) });
    }

    /// Once everything the last owner had read is read again, the partition goes on.
    fn end_of_left(&mut self) {
        if self.left.as_ref().is_some_and(|left| self.reached >= left.progress.reached) {
            self.left = None;
        }
    }
}

#[cfg(test)]
mod tests;
