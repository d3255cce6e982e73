//! `foldstream replay`: a data set as a live stream.

use crate::{Arguments, commands::run::asked_to_stop, output::line};
use anyhow::Result;

pub(crate) async fn run(options: &foldstream_replay::Options, arguments: &Arguments) -> Result<()> {
    let summary = foldstream_replay::run(&arguments.wire, &arguments.replay, options, asked_to_stop()).await?;
    line(&summary.to_string())
}
