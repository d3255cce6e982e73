//! When to try again after a failure, and when to give up. Pure: time and chance come in as arguments.

use std::time::{Duration, Instant};

const GIVE_UP_AFTER: Duration = Duration::from_secs(60);
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Failures in a row.
#[derive(Debug, Default)]
pub(crate) struct BackOff {
    /// The first of them.
    failing_since: Option<Instant>,
    failures: u32,
}

impl BackOff {
    /// How long to pause; none when failures have gone on for a minute. `chance` is from 0 to 1 and spreads those
    /// who failed together.
    pub(crate) fn failed(&mut self, now: Instant, chance: f64) -> Option<Duration> {
        if self.failing_for(now) >= GIVE_UP_AFTER {
            return None;
        }
        self.failing_since.get_or_insert(now);
        let pause = FIRST_PAUSE.saturating_mul(1 << self.failures.min(16)).min(LONGEST_PAUSE);
        self.failures += 1;
        Some(pause.mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0))
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
        let pauses: Vec<_> = (0..8).map(|_| back_off.failed(begin, 1.0).unwrap().as_millis()).collect();
        assert_eq!(pauses, [200, 400, 800, 1600, 3200, 5000, 5000, 5000]);
        assert_eq!(back_off.failed(begin + Duration::from_secs(59), 0.0), Some(Duration::from_millis(2500)));
        assert_eq!(back_off.failed(begin + Duration::from_secs(60), 0.0), None);
        back_off.recovered();
        assert_eq!(back_off.failed(begin + Duration::from_secs(60), 0.0), Some(Duration::from_millis(100)));
    }
}
