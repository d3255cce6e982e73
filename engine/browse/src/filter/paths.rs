//! What a filter's conditions met on the way: which of their paths some schema has, and whether what stands there can be
//! compared as it is asked.
//!
//! A path that no schema has is a slip of the pen more often than not, and an empty list does not tell it from a field that
//! no record fills. A value of another kind than the field's (`latitude>=9,5`) is one for certain.

use super::condition::Condition;
use foldstream_log::{Scalar, Selected, Violation, WriterSchema};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

/// By the number of the condition; threads may note at the same time.
#[derive(Debug, Default)]
pub struct PathsSeen {
    /// What a schema tells it tells once.
    schemas: boxcar::Vec<Arc<WriterSchema>>,
    looked_for: Bits,
    known: Bits,
    /// Of these something was met that can be compared.
    fit: Bits,
    misfits: Mutex<BTreeMap<usize, String>>,
    pub(super) headers: Kinds,
}

/// Of conditions on headers that ask for an order: whether what was met has one.
#[derive(Debug, Default)]
pub(super) struct Kinds {
    fit: Bits,
    misfit: Bits,
}

impl Kinds {
    pub(super) fn note(&self, at: usize, fits: bool) {
        if fits { self.fit.set(at) } else { self.misfit.set(at) }
    }

    /// Whether something was met, and nothing that can be compared.
    pub(super) fn is_misfit(&self, at: usize) -> bool {
        self.misfit.has(at) && !self.fit.has(at)
    }
}

/// One for each condition of a filter.
#[derive(Debug, Default)]
struct Bits(AtomicU32);

impl Bits {
    fn set(&self, at: usize) {
        self.0.fetch_or(1 << at, Ordering::Relaxed);
    }

    fn has(&self, at: usize) -> bool {
        self.0.load(Ordering::Relaxed) & 1 << at != 0
    }
}

impl PathsSeen {
    /// Values of this schema are held against the conditions.
    pub(super) fn note(&self, schema: &Arc<WriterSchema>, conditions: &[Condition]) {
        if conditions.is_empty() || self.schemas.iter().any(|(_, seen)| Arc::ptr_eq(seen, schema)) {
            return;
        }
        for (at, condition) in conditions.iter().enumerate() {
            self.looked_for.set(at);
            let samples = schema.samples(condition.path());
            if !samples.is_empty() {
                self.known.set(at);
                self.judge(at, condition, samples.iter().map(Option::as_ref));
            }
        }
        self.schemas.push(schema.clone());
    }

    /// JSON has no schema: a value tells of itself, and another one may be of another kind.
    pub(super) fn note_json(&self, value: &serde_json::Value, conditions: &[Condition]) {
        for (at, condition) in conditions.iter().enumerate() {
            if self.known.has(at) && self.fit.has(at) {
                continue;
            }
            self.looked_for.set(at);
            let _ = condition.path().any_in(value, |found| {
                self.known.set(at);
                match found {
                    Selected::Scalar(Scalar::Null) | Selected::Masked => {}
                    _ if !condition.is_of_order() => self.fit.set(at),
                    Selected::Scalar(scalar) => self.judge(at, condition, [Some(scalar)].into_iter()),
                    Selected::Composite(_) => self.judge(at, condition, [None].into_iter()),
                }
                false
            });
        }
    }

    /// Of all kinds that can stand there one is enough.
    fn judge<'a>(&self, at: usize, condition: &Condition, kinds: impl Iterator<Item = Option<&'a Scalar<'a>>>) {
        let mut misfit = None;
        for kind in kinds {
            match condition.misfit(kind) {
                None => return self.fit.set(at),
                Some(why) if misfit.is_none() || !matches!(kind, Some(Scalar::Null)) => misfit = Some(why),
                Some(_) => {}
            }
        }
        let mut misfits = self.misfits.lock().unwrap_or_else(PoisonError::into_inner);
        misfits.extend(misfit.map(|misfit| (at, misfit)));
    }

    pub(super) fn is_unknown(&self, at: usize) -> bool {
        self.looked_for.has(at) && !self.known.has(at)
    }

    /// Why conditions cannot be meant so: all that was met there is of another kind.
    pub(super) fn refused(&self, conditions: &[Condition]) -> Option<Violation> {
        let misfits = self.misfits.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, misfit) = misfits.iter().find(|(at, _)| !self.fit.has(**at))?;
        conditions.get(*at).map(|condition| condition.refused(misfit))
    }
}
