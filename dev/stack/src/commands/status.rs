//! `status`: the table of the parts, without touching them.

use std::process::ExitCode;

use crate::place::Place;
use crate::terminal;

/// Shows what runs.
pub(crate) fn run(place: &Place) -> anyhow::Result<ExitCode> {
    let parts = place.describe()?.status();
    terminal::table(&parts);
    Ok(if parts.iter().all(|part| part.pid.is_some()) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
