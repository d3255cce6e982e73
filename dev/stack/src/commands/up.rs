//! `up`: starts what does not run yet, waits until it is ready, prints the table.

use std::process::ExitCode;
use std::time::Instant;

use foldstream_stack::Stack;

use crate::place::{self, Place};
use crate::terminal;

/// Brings the stack up and shows it.
pub(crate) fn run(place: &Place) -> anyhow::Result<ExitCode> {
    let _lock = place.lock()?;
    let stack = start(place)?;
    terminal::table(&stack.status());
    Ok(ExitCode::SUCCESS)
}

/// Brings the stack up; the caller holds the lock.
pub(crate) fn start(place: &Place) -> anyhow::Result<Stack> {
    let begin = Instant::now();
    let options = place.own_options()?;
    let parts = options.parts;
    for (ours, variable) in
        [(parts.brokers, place::KAFKA), (parts.registry, place::REGISTRY), (parts.postgres, place::DATABASE)]
    {
        if !ours {
            terminal::say(&format!("{variable} is set: not starting that part"));
        }
    }
    let stack = place.describe()?;
    let missing: Vec<String> =
        stack.status().into_iter().filter(|part| part.pid.is_none()).map(|part| part.name).collect();
    if missing.is_empty() {
        terminal::say("the stack runs already");
    } else {
        terminal::say(&format!("starting {}", missing.join(", ")));
    }
    let stack = Stack::start(options)?;
    terminal::say(&format!("ready after {:.1} s", begin.elapsed().as_secs_f32()));
    Ok(stack)
}
