//! Waiting for a condition, with a deadline and an account of what was seen.
//!
//! This is the only place of the crate that sleeps, and never longer than one look at the condition apart.

use std::thread;
use std::time::{Duration, Instant};

const BETWEEN_LOOKS: Duration = Duration::from_millis(40);

/// Looks again and again until `look` finds a value or fails for good; past the deadline says what was seen last.
pub fn until<T, E>(deadline: Duration, mut look: impl FnMut() -> Result<Look<T>, E>) -> Result<Result<T, String>, E> {
    let started = Instant::now();
    loop {
        match look()? {
            Look::Found(value) => return Ok(Ok(value)),
            Look::NotYet(seen) if started.elapsed() >= deadline => return Ok(Err(seen)),
            Look::NotYet(_) => thread::sleep(BETWEEN_LOOKS),
        }
    }
}

/// One look at a condition.
#[derive(Debug)]
pub enum Look<T> {
    /// It holds.
    Found(T),
    /// It does not hold yet; this was seen instead.
    NotYet(String),
}

/// Waits for something that is simply true or not.
pub fn until_true(deadline: Duration, mut holds: impl FnMut() -> bool) -> bool {
    let outcome: Result<Result<(), String>, std::convert::Infallible> =
        until(deadline, || Ok(if holds() { Look::Found(()) } else { Look::NotYet(String::new()) }));
    matches!(outcome, Ok(Ok(())))
}
