//! `foldstream replay`: a data set as a live stream.

use crate::{output::line, settings::Settings, shutdown::asked_to_stop};
use anyhow::Result;

pub(crate) async fn run(options: &foldstream_replay::Options, settings: &Settings) -> Result<()> {
    let summary = foldstream_replay::run(&settings.wire, &settings.replay, options, asked_to_stop()).await?;
    line(&summary.to_string())
}
