//! Waiting before trying again: doubling, with jitter, so that many instances do not come back at once.

use std::time::Duration;
use tokio_util::sync::CancellationToken;

#[derive(Debug)]
pub(crate) struct Backoff {
    next: Duration,
    longest: Duration,
}

/// The wait was cut short because the service is to stop.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stopping;

impl Backoff {
    pub(crate) fn new(first: Duration, longest: Duration) -> Self {
        Self { next: first, longest }
    }

    pub(crate) async fn wait(&mut self, shutdown: &CancellationToken) -> Result<(), Stopping> {
        let pause = self.next.mul_f64(rand::random_range(0.5..1.0));
        self.next = (self.next * 2).min(self.longest);
        tokio::select! {
            () = tokio::time::sleep(pause) => Ok(()),
            () = shutdown.cancelled() => Err(Stopping),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn waits_double_up_to_the_longest_and_end_at_shutdown() {
        let shutdown = CancellationToken::new();
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(300));
        for longest in [100, 200, 300, 300] {
            let start = tokio::time::Instant::now();
            backoff.wait(&shutdown).await.unwrap();
            let waited = start.elapsed().as_millis();
            assert!((longest / 2..=longest + 1).contains(&waited), "{waited} of {longest}");
        }
        shutdown.cancel();
        assert_eq!(backoff.wait(&shutdown).await, Err(Stopping));
    }
}
