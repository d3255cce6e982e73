//! Which paths of a filter some schema on the way has.
//!
//! A path that none has is a slip of the pen more often than not, and an empty list does not tell it from a field that no
//! record fills.

use std::sync::atomic::{AtomicU32, Ordering};

/// A bit for each condition of a filter; threads may note at the same time.
#[derive(Debug, Default)]
pub struct PathsSeen {
    looked_for: AtomicU32,
    known: AtomicU32,
}

impl PathsSeen {
    /// A value is held against the condition of this number.
    pub(super) fn note(&self, at: usize, has: impl FnOnce() -> bool) {
        let bit = 1 << at;
        // Looked up once where it is known, and it mostly is by the first record.
        if self.known.load(Ordering::Relaxed) & bit != 0 {
            return;
        }
        self.looked_for.fetch_or(bit, Ordering::Relaxed);
        if has() {
            self.known.fetch_or(bit, Ordering::Relaxed);
        }
    }

    pub(super) fn is_unknown(&self, at: usize) -> bool {
        let bit = 1 << at;
        self.looked_for.load(Ordering::Relaxed) & !self.known.load(Ordering::Relaxed) & bit != 0
    }
}
