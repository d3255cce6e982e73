//! `foldstream projections`: how far each is, and folding one again beside the tables that are read.

mod named;
mod progress;
mod rebuild;
mod status;
mod swap;

use crate::{output::Output, settings::Settings};
use anyhow::Result;
use named::{Named, Numbered};

#[derive(clap::Subcommand, Debug)]
pub(crate) enum Action {
    /// Every version of each projection: position, end of the log, lag and rate of every partition
    Status(Output),
    /// Fold everything again into a new version beside the live one, compare both, and have it folded from then on
    ///
    /// Killed or stopped, it goes on where it was when it is run again. Readers are not shown the new version until it is
    /// activated.
    Rebuild(rebuild::Options),
    /// Fold everything again and compare the rows with those that are read; one at a time for each projection
    ///
    /// Exits with an error that names the first differing keys where they are not the same.
    Verify(Named),
    /// Show readers another version; the same with the older version goes back
    Activate(Numbered),
    /// Remove a version that readers are not shown
    Drop(Numbered),
}

pub(crate) async fn run(action: &Action, settings: &Settings) -> Result<()> {
    match action {
        Action::Status(output) => status::run(*output, settings).await,
        Action::Rebuild(options) => rebuild::rebuild(options, settings).await,
        Action::Verify(named) => rebuild::verify(named, settings).await,
        Action::Activate(numbered) => swap::activate(numbered, settings).await,
        Action::Drop(numbered) => swap::discard(numbered, settings).await,
    }
}
