//! `down`: stops the application's processes, then the stack, each by its pid file and start time.
//!
//! What was not started by `up` or `demo` of this workspace is not touched. Data stays unless asked otherwise.

use std::fs;
use std::process::ExitCode;

use foldstream_stack::Stack;

use crate::application::Application;
use crate::place::Place;
use crate::terminal;

/// Stops everything.
pub(crate) fn run(place: &Place, remove_data: bool) -> anyhow::Result<ExitCode> {
    let _lock = place.lock()?;
    let run_directory = place.run_directory()?;
    let mut stopped = Vec::new();
    for entry in fs::read_dir(&run_directory).into_iter().flatten().flatten() {
        let file = entry.path();
        if file.extension().is_some_and(|extension| extension == "pid")
            && let Some(name) = file.file_stem().and_then(|name| name.to_str())
            && Application::recorded(&run_directory, name).stop()?
        {
            stopped.push(name.to_owned());
        }
    }
    let stack = Stack::describe(place.options()?)?;
    stopped.extend(stack.status().into_iter().filter(|part| part.pid.is_some()).map(|part| part.name));
    let killed = stack.stop()?;
    if stopped.is_empty() {
        terminal::say("nothing was running");
    } else {
        terminal::say(&format!("stopped {}", stopped.join(", ")));
    }
    if !killed.is_empty() {
        terminal::say(&format!("did not end in time and had to be killed: {}", killed.join(", ")));
    }
    if remove_data {
        let directory = stack.directory().to_owned();
        stack.remove_data()?;
        terminal::say(&format!("removed {}", directory.display()));
    }
    Ok(ExitCode::SUCCESS)
}
