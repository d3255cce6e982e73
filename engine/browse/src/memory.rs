//! What looks hold in memory: each no more than a bound, and all of a process together no more than another.
//!
//! A look takes what its next round of reading may hold before it reads, and gives back afterwards what it did not keep.
//! One that holds nothing yet waits for room; one that holds something does not, it ends: so nobody waits for somebody who
//! waits. Half of a look's bound is what it keeps at most; the other half is taken for what is on its way meanwhile, which is
//! about as much.
//!
//! A record always has room, however large, so a look can be over its bound by a record of each partition.

use crate::at_length::Looking;
use std::sync::Arc;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};

/// What a permit stands for.
const UNIT: u64 = 1024;
const OF_ONE: u64 = 32 * 1024 * 1024;
const OF_ALL: u64 = 128 * 1024 * 1024;

/// Cheap to clone; clones share the room.
#[derive(Debug, Clone)]
pub struct Memory {
    room: Arc<Semaphore>,
    of_one: u64,
}

impl Memory {
    /// So many bytes for one look, and so many for all of them.
    #[must_use]
    pub fn new(of_one: u64, of_all: u64) -> Self {
        let units = (of_all / UNIT).clamp(1, u64::from(u32::MAX) / 2);
        let room = Semaphore::new(usize::try_from(units).unwrap_or(Semaphore::MAX_PERMITS));
        Self { room: Arc::new(room), of_one: of_one.clamp(2 * UNIT, (units * UNIT).max(2 * UNIT)) }
    }

    pub(crate) fn begin(&self) -> Held {
        Held { memory: self.clone(), permit: None, kept: 0, _looking: Looking::begin() }
    }

    /// The most that one look keeps.
    pub(crate) fn of_one_kept(&self) -> u64 {
        self.of_one / 2
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new(OF_ONE, OF_ALL)
    }
}

/// What a look holds, until it is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    memory: Memory,
    permit: Option<OwnedSemaphorePermit>,
    kept: u64,
    _looking: Looking,
}

impl Held {
    /// How much more may be kept.
    pub(crate) fn left(&self) -> u64 {
        self.memory.of_one_kept().saturating_sub(self.kept)
    }

    /// Takes what a round may hold that keeps so many bytes; false when there is no room in time. As much as that is on its
    /// way to it meanwhile.
    pub(crate) async fn take(&mut self, kept: u64, deadline: Instant) -> bool {
        let more = units(kept.min(self.left()).saturating_mul(2));
        let room = self.memory.room.clone();
        let taken = match room.clone().try_acquire_many_owned(more) {
            Ok(taken) => Some(taken),
            Err(_) if self.kept == 0 => {
                timeout_at(deadline, room.acquire_many_owned(more)).await.ok().and_then(Result::ok)
            }
            Err(_) => None,
        };
        let is_taken = taken.is_some();
        self.add(taken);
        is_taken
    }

    /// So many bytes more are kept; what was taken beyond what is kept is given back.
    pub(crate) fn keep(&mut self, bytes: u64) {
        self.kept += bytes;
        let (wanted, has) = (units(self.kept), self.permit.as_ref().map_or(0, OwnedSemaphorePermit::num_permits));
        match usize::try_from(wanted).unwrap_or(usize::MAX) {
            wanted if wanted < has => drop(self.permit.as_mut().and_then(|permit| permit.split(has - wanted))),
            // A record that is larger than the room it had.
            wanted => {
                let missing = u32::try_from(wanted - has).unwrap_or(u32::MAX);
                let more = self.memory.room.clone().try_acquire_many_owned(missing).ok();
                self.add(more);
            }
        }
    }

    fn add(&mut self, more: Option<OwnedSemaphorePermit>) {
        match (&mut self.permit, more) {
            (Some(permit), Some(more)) => permit.merge(more),
            (None, more) => self.permit = more,
            (Some(_), None) => {}
        }
    }
}

fn units(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const KIB: u64 = 1024;

    fn free(memory: &Memory) -> usize {
        memory.room.available_permits()
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(50)
    }

    #[tokio::test]
    async fn what_is_not_kept_is_given_back_and_the_rest_when_the_look_ends() {
        let memory = Memory::new(64 * KIB, 100 * KIB);
        let mut look = memory.begin();
        assert!(look.take(20 * KIB, soon()).await);
        assert_eq!(free(&memory), 60);
        look.keep(5 * KIB);
        assert_eq!((free(&memory), look.left()), (95, 27 * KIB));
        // One look takes no more than it may have, however much it asks for.
        assert!(look.take(1000 * KIB, soon()).await);
        assert_eq!(free(&memory), 95 - 54);
        look.keep(0);
        assert_eq!(free(&memory), 95);
        drop(look);
        assert_eq!(free(&memory), 100);
    }

    #[tokio::test]
    async fn who_holds_something_is_refused_and_who_holds_nothing_waits() {
        let memory = Memory::new(64 * KIB, 64 * KIB);
        let (mut first, mut second) = (memory.begin(), memory.begin());
        assert!(first.take(30 * KIB, soon()).await);
        first.keep(30 * KIB);
        assert!(!second.take(30 * KIB, soon()).await, "there are 34 KiB of 60");
        assert!(second.take(KIB, soon()).await);
        second.keep(KIB);
        assert!(!second.take(30 * KIB, Instant::now() + Duration::from_secs(60)).await, "at once");
        let mut third = memory.begin();
        let waiting = third.take(30 * KIB, Instant::now() + Duration::from_secs(60));
        let ((), is_taken) = tokio::join!(async { drop(first) }, waiting);
        assert!(is_taken);
    }

    #[tokio::test]
    async fn a_record_larger_than_the_room_is_held_all_the_same() {
        let memory = Memory::new(4 * KIB, 8 * KIB);
        let mut look = memory.begin();
        assert!(look.take(KIB, soon()).await);
        look.keep(7 * KIB);
        assert_eq!((free(&memory), look.left()), (1, 0));
        drop(look);
        assert_eq!(free(&memory), 8);
    }
}
