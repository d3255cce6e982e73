//! Inputs and states to one transaction. Pure.
//!
//! States change only when their transaction is committed: deciding works on copies of those it touches, and hands
//! them out with the facts.

use super::{Decider, Decision, TimerFired};
use crate::decoding::{Decoded, Entry};
use chrono::{DateTime, Utc};
use foldstream_log::Fact;
use foldstream_log::{Cause, PartitionEnd, TopicPartition};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// A key and the partition number it lives in, the same on every topic of the decider.
pub(crate) type Place = (i32, String);

/// The states of the partitions that are ours.
pub(crate) struct States<D: Decider> {
    partitions: HashMap<i32, HashMap<String, D::State>>,
    /// Who wants to be woken when.
    timers: BTreeSet<(DateTime<Utc>, Place)>,
    /// Keys whose timer failed, and why: nothing more is decided on them.
    parked: BTreeMap<Place, String>,
}

/// What a batch comes to.
pub(crate) struct Decided<D: Decider> {
    pub(crate) facts: Vec<(Fact<D::Output>, Cause)>,
    pub(crate) states: BTreeMap<Place, D::State>,
    /// Index into the batch, and the reason.
    pub(crate) dead: Vec<(usize, String)>,
    /// Where the input partitions stand afterwards, those that moved.
    pub(crate) next: BTreeMap<TopicPartition, i64>,
    /// Append time of the newest input of each.
    pub(crate) appended_at_ms: BTreeMap<TopicPartition, i64>,
    /// Partitions that must not go further, and why.
    pub(crate) halted: BTreeMap<TopicPartition, String>,
    /// Keys whose timer failed, and why.
    pub(crate) parked: BTreeMap<Place, String>,
    pub(crate) inputs: usize,
}

/// What a timer came to.
struct Fired<D: Decider> {
    facts: Vec<Fact<D::Output>>,
    state: D::State,
}

impl<D: Decider> Decided<D> {
    fn nothing() -> Self {
        Self {
            facts: Vec::new(),
            states: BTreeMap::new(),
            dead: Vec::new(),
            next: BTreeMap::new(),
            appended_at_ms: BTreeMap::new(),
            halted: BTreeMap::new(),
            parked: BTreeMap::new(),
            inputs: 0,
        }
    }

    /// Whether there is nothing to be committed.
    pub(crate) fn is_empty(&self) -> bool {
        self.next.is_empty() && self.facts.is_empty()
    }
}

impl<D: Decider> States<D> {
    pub(crate) fn new() -> Self {
        Self { partitions: HashMap::new(), timers: BTreeSet::new(), parked: BTreeMap::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.partitions.values().map(HashMap::len).sum()
    }

    /// Forgets every partition but these.
    pub(crate) fn retain(&mut self, keep: impl Fn(i32) -> bool) {
        self.partitions.retain(|partition, _| keep(*partition));
        self.timers.retain(|(_, (partition, _))| keep(*partition));
        self.parked.retain(|(partition, _), _| keep(*partition));
    }

    /// Puts a key aside whose timer failed: it is not woken again, and nothing more is decided on it.
    pub(crate) fn park(&mut self, place: Place, reason: String) {
        self.timers.retain(|(_, other)| *other != place);
        self.parked.insert(place, reason);
    }

    /// The keys whose timer failed, and why.
    pub(crate) fn parked(&self) -> &BTreeMap<Place, String> {
        &self.parked
    }

    /// Takes a state as it is now; none where its key was erased from the changelog.
    pub(crate) fn set(&mut self, place: Place, state: Option<D::State>) {
        self.parked.remove(&place);
        let (partition, key) = place;
        let states = self.partitions.entry(partition).or_default();
        if let Some(due) = states.get(&key).and_then(D::due) {
            self.timers.remove(&(due, (partition, key.clone())));
        }
        match state {
            Some(state) => {
                if let Some(due) = D::due(&state) {
                    self.timers.insert((due, (partition, key.clone())));
                }
                states.insert(key, state);
            }
            None => drop(states.remove(&key)),
        }
    }

    /// The state of a key, the initial one where nothing is known of it.
    pub(crate) fn get(&self, (partition, key): &Place) -> D::State {
        let known = self.partitions.get(partition).and_then(|states| states.get(key));
        known.cloned().unwrap_or_else(|| D::initial(key))
    }

    /// When the next timer is due.
    pub(crate) fn next_due(&self) -> Option<DateTime<Utc>> {
        self.timers.first().map(|(due, _)| *due)
    }

    /// Decides on entries whose partitions stand at `next`. Entries of partitions that are not there are left out (not
    /// ours any more, or halted), as are entries before `next`. `ends` moves positions past what is never shown.
    pub(crate) fn decide(
        &self,
        entries: &[Entry<D::Input>],
        next: &HashMap<TopicPartition, i64>,
        ends: &[PartitionEnd],
    ) -> Decided<D> {
        let mut decided = Decided::<D>::nothing();
        for entry in entries {
            let is_next = next.get(&entry.partition).is_some_and(|next| entry.offset >= *next);
            if !is_next || decided.halted.contains_key(&entry.partition) {
                continue;
            }
            let decision = match &entry.decoded {
                Decoded::Event(input) => {
                    let place = (entry.partition.partition, input.key.clone());
                    match self.parked.get(&place) {
                        Some(reason) => Err(Decision::DeadLetter(format!("its key is parked: {reason}"))),
                        None => {
                            let state = decided.states.get(&place).cloned().unwrap_or_else(|| self.get(&place));
                            let decision = D::decide(&state, input);
                            let cause = Cause { position: Some(input.position()), traceparent: entry.header.clone() };
                            decided.take(place, state, decision, &cause)
                        }
                    }
                }
                Decoded::Poison(reason) => Err(Decision::DeadLetter(reason.clone())),
                Decoded::Unknown(reason) => Err(Decision::Halt(reason.clone())),
            };
            match decision {
                Err(Decision::DeadLetter(reason)) => decided.dead.push((entry.index, reason)),
                Err(Decision::Halt(reason)) => {
                    let reason = format!("{}:{}: {reason}", entry.partition, entry.offset);
                    decided.halted.insert(entry.partition, reason);
                    continue;
                }
                _ => {}
            }
            decided.inputs += 1;
            decided.next.insert(entry.partition, entry.offset + 1);
            decided.appended_at_ms.insert(entry.partition, entry.appended_at_ms);
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

    /// Wakes the states whose time has come, at most so many at once. Positions do not move. A timer that fails changes
    /// nothing, and parks its key.
    pub(crate) fn wake(&self, now: DateTime<Utc>, most: usize) -> Decided<D> {
        let mut decided = Decided::<D>::nothing();
        for (due_at, place) in self.timers.iter().take_while(|(due, _)| *due <= now).take(most) {
            decided.inputs += 1;
            match self.fire(*due_at, place) {
                Ok(Fired { facts, state }) => {
                    decided.facts.extend(facts.into_iter().map(|fact| (fact, Cause::default())));
                    decided.states.insert(place.clone(), state);
                }
                Err(reason) => {
                    decided.parked.insert(place.clone(), format!("its timer at {due_at} failed: {reason}"));
                }
            }
        }
        decided
    }

    /// What follows from a timer, and the state afterwards.
    fn fire(&self, due_at: DateTime<Utc>, place: &Place) -> Result<Fired<D>, String> {
        let mut state = self.get(place);
        let facts = match D::wake(&state, &TimerFired { key: place.1.clone(), due_at }) {
            Decision::Emit(facts) => facts,
            Decision::Skip => Vec::new(),
            Decision::DeadLetter(reason) | Decision::Halt(reason) => return Err(reason),
        };
        facts.iter().for_each(|fact| D::evolve(&mut state, fact));
        match D::due(&state) == Some(due_at) {
            true => Err("it fired and is still due".to_owned()),
            false => Ok(Fired { facts, state }),
        }
    }
}

impl<D: Decider> Decided<D> {
    /// Takes what was decided on a state; gives back what is no fact.
    fn take(
        &mut self,
        place: Place,
        mut state: D::State,
        decision: Decision<D::Output>,
        cause: &Cause,
    ) -> Result<(), Decision<D::Output>> {
        let Decision::Emit(facts) = decision else { return Err(decision) };
        let before = state.clone();
        for fact in facts {
            D::evolve(&mut state, &fact);
            self.facts.push((fact, cause.clone()));
        }
        if state != before {
            self.states.insert(place, state);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
