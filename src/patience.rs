//! Asking again, for what nobody can start without: brokers that are electing, a database that restarts, a registry
//! that has just come up. What still fails then is an error, and whoever started the process decides.

use backon::{ExponentialBuilder, Retryable};
use std::{error::Error, time::Duration};

/// After the first time.
const TRIES: usize = 2;
const PAUSES: ExponentialBuilder =
    ExponentialBuilder::new().with_min_delay(Duration::from_millis(500)).with_max_times(TRIES);

/// Asks until the answer is no passing failure, a few times at most. Asking twice must do no harm.
pub(crate) async fn patiently<T, E: Error + 'static>(
    whom: &str,
    is_passing: impl Fn(&E) -> bool,
    ask: impl AsyncFn() -> Result<T, E>,
) -> Result<T, E> {
    let again = |error: &E, pause: Duration| {
        foldstream_telemetry::warn!(
            error = error as &dyn Error,
            pause_ms = pause.as_millis(),
            "{whom} will be asked again"
        );
    };
    (|| ask()).retry(PAUSES).sleep(tokio::time::sleep).when(is_passing).notify(again).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{cell::Cell, io};

    #[tokio::test(start_paused = true)]
    async fn only_what_passes_is_asked_again_and_not_for_ever() {
        for (kind, times) in [(io::ErrorKind::TimedOut, 1 + TRIES), (io::ErrorKind::NotFound, 1)] {
            let asked = Cell::new(0);
            let is_passing = |error: &io::Error| error.kind() == io::ErrorKind::TimedOut;
            let answer = patiently("nobody", is_passing, async || {
                asked.set(asked.get() + 1);
                Err::<(), _>(io::Error::from(kind))
            });
            assert_eq!((answer.await.unwrap_err().kind(), asked.get()), (kind, times));
        }
    }
}
