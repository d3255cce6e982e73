//! `foldstream projections`: how far each is, and folding one again beside the tables that are read.

mod progress;
mod rebuild;
mod status;
mod swap;

use crate::{
    output::Output,
    services::{Tables, projections},
    settings::Settings,
};
use anyhow::{Context, Result};
use clap::builder::PossibleValuesParser;

#[derive(clap::Subcommand, Debug)]
pub(crate) enum Action {
    /// Every version of each projection: position, end of the log, lag and rate of every partition
    Status(Output),
    /// Fold everything again into a new version beside the live one, compare both, and have it folded from then on
    ///
    /// Killed or stopped, it goes on where it was when it is run again. Readers are not shown the new version until it is
    /// activated.
    Rebuild(RebuildOptions),
    /// Fold everything again and compare the rows with those that are read; one at a time for each projection
    ///
    /// Exits with an error that names the first differing keys where they are not the same.
    Verify(Named),
    /// Show readers another version; the same with the older version goes back
    Activate(Numbered),
    /// Remove a version that readers are not shown
    Drop(Numbered),
}

#[derive(clap::Args, Debug)]
pub(crate) struct Named {
    /// Which projection
    #[arg(value_name = "NAME", value_parser = PossibleValuesParser::new(projections().map(|(name, _)| name)))]
    name: String,
    #[command(flatten)]
    output: Output,
}

#[derive(clap::Args, Debug)]
pub(crate) struct RebuildOptions {
    #[command(flatten)]
    named: Named,
    /// The new version is meant to differ: hand it over whatever the comparison finds
    #[arg(long)]
    expect_changes: bool,
}

#[derive(clap::Args, Debug)]
pub(crate) struct Numbered {
    #[command(flatten)]
    named: Named,
    /// Which version, as `projections status` shows it
    #[arg(value_name = "VERSION", value_parser = clap::value_parser!(i32).range(1..))]
    number: i32,
}

impl Named {
    fn projection(&self) -> Result<(&'static str, &'static Tables)> {
        let found = projections().find(|(name, _)| *name == self.name);
        found.with_context(|| format!("{} is no projection", self.name))
    }
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
