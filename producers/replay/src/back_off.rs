//! When to try again after a failure, and when to give up.

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use std::time::{Duration, Instant};

const GIVE_UP_AFTER: Duration = Duration::from_secs(60);
/// Jitter adds up to as much again, and spreads those who failed together.
const PAUSES: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(100))
    .with_max_delay(Duration::from_millis(2500))
    .without_max_times();

/// Failures in a row.
#[derive(Debug)]
pub(crate) struct BackOff {
    /// The first of them.
    failing_since: Option<Instant>,
    pauses: ExponentialBackoff,
}

impl Default for BackOff {
    fn default() -> Self {
        Self { failing_since: None, pauses: PAUSES.with_jitter().build() }
    }
}

impl BackOff {
    /// How long to pause; none when failures have gone on for a minute.
    pub(crate) fn failed(&mut self, now: Instant) -> Option<Duration> {
        if self.failing_for(now) >= GIVE_UP_AFTER {
            return None;
        }
        self.failing_since.get_or_insert(now);
        self.pauses.next()
    }

    pub(crate) fn recovered(&mut self) {
        *self = Self::default();
    }

    pub(crate) fn failing_for(&self, now: Instant) -> Duration {
        self.failing_since.map_or(Duration::ZERO, |since| now.duration_since(since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound_and_end_after_a_minute() {
        let begin = Instant::now();
        let mut back_off = BackOff::default();
        for least in [100, 200, 400, 800, 1600, 2500, 2500] {
            let pause = back_off.failed(begin).unwrap().as_millis();
            assert!((least..=2 * least).contains(&pause), "{pause} of {least}");
        }
        assert!(back_off.failed(begin + Duration::from_secs(59)).is_some());
        assert_eq!(back_off.failed(begin + Duration::from_secs(60)), None);
        back_off.recovered();
        assert!(back_off.failed(begin + Duration::from_secs(60)).unwrap() <= Duration::from_millis(200));
    }
}
