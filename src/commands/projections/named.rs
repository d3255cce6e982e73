//! Which projection, and which version of it, a command is about.

use crate::{
    output::Output,
    services::{Tables, projections},
};
use anyhow::{Context, Result};
use clap::builder::PossibleValuesParser;

#[derive(clap::Args, Debug)]
pub(crate) struct Named {
    /// Which projection
    #[arg(value_name = "NAME", value_parser = PossibleValuesParser::new(projections().map(|(name, _)| name)))]
    name: String,
    #[command(flatten)]
    pub(super) output: Output,
}

#[derive(clap::Args, Debug)]
pub(crate) struct Numbered {
    #[command(flatten)]
    pub(super) named: Named,
    /// Which version, as `projections status` shows it
    #[arg(value_name = "VERSION", value_parser = clap::value_parser!(i32).range(1..))]
    pub(super) number: i32,
}

impl Named {
    pub(super) fn projection(&self) -> Result<(&'static str, &'static Tables)> {
        let found = projections().find(|(name, _)| *name == self.name);
        found.with_context(|| format!("{} is no projection", self.name))
    }
}
