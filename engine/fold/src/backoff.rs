//! Waiting before trying again, longer each time, with jitter, so that many instances do not come back at once; the wait
//! ends early where the service is to stop.

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

#[derive(Debug)]
pub(crate) struct Backoff {
    pauses: ExponentialBackoff,
    longest: Duration,
}

/// The wait was cut short because the service is to stop.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stopping;

impl Backoff {
    pub(crate) fn new(first: Duration, longest: Duration) -> Self {
        // Jitter adds up to as much again.
        let pauses = ExponentialBuilder::new().with_min_delay(first / 2).with_max_delay(longest / 2);
        Self { pauses: pauses.without_max_times().with_jitter().build(), longest }
    }

    pub(crate) async fn wait(&mut self, shutdown: &CancellationToken) -> Result<(), Stopping> {
        let pause = self.pauses.next().unwrap_or(self.longest);
        shutdown.run_until_cancelled(tokio::time::sleep(pause)).await.ok_or(Stopping)
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
