//! Runs a helper program to its end: initdb, psql, the formatting of a broker's directory.
//!
//! Output is shown only when it fails, and then its last line.

use std::process::{Command, Output};

use crate::error::StackError;

/// Runs to the end; what it printed on stdout is the result.
pub(crate) fn run(what: &str, command: &mut Command) -> Result<String, StackError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|source| StackError::Spawn { program, source })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned());
    }
    Err(StackError::CommandFailed { what: what.to_owned(), output: last_line(&output) })
}

fn last_line(output: &Output) -> String {
    let text = [&output.stderr, &output.stdout].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    let line = text.iter().find_map(|text| text.lines().rev().map(str::trim).find(|line| !line.is_empty()));
    line.map_or_else(|| output.status.to_string(), str::to_owned)
}
