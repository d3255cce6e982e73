//! `foldstream`: the one executable. This file is the command line; `services.rs` is the table of everything that runs.
//!
//! Start order: arguments and environment, telemetry, then the command. Only here is an error turned into an exit
//! code.

mod commands;
mod environment;
mod output;
mod patience;
mod projections;
mod services;

use anyhow::{Context, Result};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use std::process::ExitCode;

/// In the help of a command they follow its own flags.
const SETTINGS: &str = "Settings, shared by all commands";

/// Events in, folds to tables: an event-sourced streaming platform on Apache Kafka.
///
/// Every setting is a flag or an environment variable; the ones shown in brackets are shared by all commands.
#[derive(Parser, Debug)]
#[command(name = "foldstream", version, propagate_version = true, max_term_width = 110)]
pub(crate) struct Arguments {
    #[command(flatten)]
    telemetry: foldstream_telemetry::config::Config,
    #[command(flatten, next_help_heading = SETTINGS)]
    wire: foldstream_log::Config,
    #[command(flatten, next_help_heading = SETTINGS)]
    database: foldstream_store::Config,
    #[command(flatten, next_help_heading = SETTINGS)]
    api: foldstream_api::Config,
    #[command(flatten, next_help_heading = SETTINGS)]
    replay: foldstream_replay::Config,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Run services until SIGTERM or SIGINT
    Run(commands::run::Options),
    /// Stream a data set to the topics, each record exactly once
    Replay(foldstream_replay::Options),
    /// The declared topics and the cluster
    #[command(subcommand)]
    Topics(commands::topics::Action),
    /// Our schemas and the registry
    #[command(subcommand)]
    Schemas(commands::schemas::Action),
    /// How far the projections are, and folding one again beside the live tables
    #[command(subcommand)]
    Projections(commands::projections::Action),
    /// How far the processors are
    #[command(subcommand)]
    Processors(commands::processors::Action),
    /// Records that could not be used, and what waits behind them
    #[command(subcommand)]
    DeadLetters(commands::dead_letters::Action),
    /// Look into a topic: its newest records, those that pass a filter, what is appended to it
    ///
    /// Records are decoded by the schema registry and ordered by time over all partitions, exactly: committed ones only,
    /// up to the moment it is asked, and every one of them. Nothing is changed by looking: no consumer group is joined,
    /// no offset committed, no topic created.
    ///
    /// Filters combine: all of them must hold. The flags have the names and meanings of the query parameters of
    /// GET /messages.
    Messages(commands::messages::Options),
}

fn main() -> ExitCode {
    let command = Arguments::command();
    if let Err(problem) = environment::check(&command) {
        eprintln!("foldstream: {problem}");
        return ExitCode::from(2);
    }
    let matches = command.clone().get_matches();
    let arguments = match Arguments::from_arg_matches(&matches) {
        Ok(arguments) => arguments,
        Err(error) => error.exit(),
    };
    let settings = environment::effective(&command, &matches);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let done = runtime.context("cannot start the runtime").and_then(|runtime| {
        let done = runtime.block_on(dispatch(arguments, settings));
        // Blocking calls into the Kafka client may still be waiting for a broker; nothing depends on them any more.
        runtime.shutdown_timeout(std::time::Duration::from_secs(5));
        done
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // As with flags that clap refuses.
        Err(error) if error.is::<commands::messages::Refused>() => {
            error.to_string().lines().for_each(|refused| eprintln!("foldstream: {refused}"));
            ExitCode::from(2)
        }
        Err(error) => {
            eprintln!("foldstream: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn dispatch(arguments: Arguments, settings: Vec<(String, String)>) -> Result<()> {
    let guard = foldstream_telemetry::init(&arguments.telemetry, "foldstream").context("cannot start telemetry")?;
    let done = match &arguments.command {
        Command::Run(options) => commands::run::run(options, &arguments, settings).await,
        Command::Replay(options) => commands::replay::run(options, &arguments).await,
        Command::Topics(action) => commands::topics::run(action, &arguments).await,
        Command::Schemas(action) => commands::schemas::run(action, &arguments.wire).await,
        Command::Projections(action) => commands::projections::run(action, &arguments).await,
        Command::Processors(action) => commands::processors::run(action, &arguments).await,
        Command::DeadLetters(action) => commands::dead_letters::run(action, &arguments).await,
        Command::Messages(options) => commands::messages::run(options, &arguments.wire).await,
    };
    if let Err(error) = guard.shutdown().await {
        tracing::warn!(error = &error as &dyn std::error::Error, "the last traces may be lost");
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }
}
