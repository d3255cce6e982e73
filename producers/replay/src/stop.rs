//! Tells a blocking thread to stop, also while it waits. Dropping the [`Stopper`] is the signal.

use std::{
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    time::Duration,
};

/// Nothing is ever sent; being there means "go on".
#[derive(Debug)]
pub(crate) struct Stopper {
    _alive: SyncSender<()>,
}

#[derive(Debug)]
pub(crate) struct Stop {
    stopper: Receiver<()>,
}

pub(crate) fn channel() -> (Stopper, Stop) {
    let (alive, stopper) = sync_channel(0);
    (Stopper { _alive: alive }, Stop { stopper })
}

impl Stop {
    /// Waits, unless told to stop; says whether it was.
    pub(crate) fn within(&self, wait: Duration) -> bool {
        matches!(self.stopper.recv_timeout(wait), Err(RecvTimeoutError::Disconnected))
    }

    pub(crate) fn is_asked(&self) -> bool {
        self.within(Duration::ZERO)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropping_the_stopper_ends_every_wait() {
        let (stopper, stop) = channel();
        assert!(!stop.is_asked());
        drop(stopper);
        assert!(stop.is_asked());
        assert!(stop.within(Duration::from_secs(3600)));
    }
}
