//! Schemas that the registry does not have, or has in a form nobody can use, for a while.
//!
//! Only for looking in: bytes that merely begin with a zero name as many schemas as there are records, and each question
//! costs a call. What folds asks again each time, because a schema may be registered a moment later.

use crate::framing::SchemaId;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// So long a schema that was registered meanwhile may be missing from what is shown.
const LASTS: Duration = Duration::from_secs(15);
const MOST: usize = 10_000;

#[derive(Debug, Default)]
pub(super) struct Absent {
    known: Mutex<HashMap<SchemaId, (Instant, Arc<str>)>>,
}

impl Absent {
    /// Why it is not to be had, if that was found out lately.
    pub(super) fn reason(&self, id: SchemaId) -> Option<Arc<str>> {
        let known = self.known();
        known.get(&id).filter(|(since, _)| since.elapsed() < LASTS).map(|(_, reason)| reason.clone())
    }

    pub(super) fn note(&self, id: SchemaId, reason: Arc<str>) {
        let mut known = self.known();
        if known.len() >= MOST {
            known.retain(|_, (since, _)| since.elapsed() < LASTS);
        }
        if known.len() < MOST {
            known.insert(id, (Instant::now(), reason));
        }
    }

    /// The map behind the lock is whole after a panic elsewhere, so poisoning is no reason to stop.
    fn known(&self) -> MutexGuard<'_, HashMap<SchemaId, (Instant, Arc<str>)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_so_many_are_remembered() {
        let absent = Absent::default();
        let most = u32::try_from(MOST).unwrap();
        for number in 0..=most {
            absent.note(SchemaId::Number(number), "none".into());
        }
        assert!(absent.reason(SchemaId::Number(0)).is_some());
        assert_eq!(absent.reason(SchemaId::Number(most)), None);
    }
}
