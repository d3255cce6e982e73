//! `foldstream`: the one executable. This file is the command line; `services.rs` is the table of everything that runs.
//!
//! Start order: arguments and environment, telemetry, then the command. Only here is an error turned into an exit
//! code.

mod commands;
mod environment;
mod output;
mod patience;
mod process;
mod services;
mod settings;
mod shutdown;
mod supervising;

use anyhow::{Context, Result};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use settings::Settings;
use std::process::ExitCode;
use tikv_jemallocator::Jemalloc;

/// Gives back to the system what was freed, a while later and in the background. With glibc's, half a minute of hostile reads
/// left 400 MB or, where large pieces go back at once, more work to the system than to us; mimalloc took 520 MB.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// Events in, folds to tables: an event-sourced streaming platform on Apache Kafka.
///
/// Every setting is a flag or an environment variable; the ones shown in brackets are shared by all commands.
#[derive(Parser, Debug)]
#[command(name = "foldstream", version, propagate_version = true, max_term_width = 110)]
struct Arguments {
    #[command(flatten)]
    settings: Settings,
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
    Messages(Box<commands::messages::Options>),
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
    let in_force = environment::effective(&command, &matches);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let done = runtime.context("cannot start the runtime").and_then(|runtime| {
        let done = runtime.block_on(dispatch(arguments, in_force));
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

async fn dispatch(Arguments { settings, command }: Arguments, in_force: Vec<(String, String)>) -> Result<()> {
    let guard = foldstream_telemetry::init(&settings.telemetry, "foldstream").context("cannot start telemetry")?;
    let done = match &command {
        Command::Run(options) => commands::run::run(options, &settings, in_force).await,
        Command::Replay(options) => commands::replay::run(options, &settings).await,
        Command::Topics(action) => commands::topics::run(action, &settings).await,
        Command::Schemas(action) => commands::schemas::run(action, &settings.wire).await,
        Command::Projections(action) => commands::projections::run(action, &settings).await,
        Command::Processors(action) => commands::processors::run(action, &settings).await,
        Command::DeadLetters(action) => commands::dead_letters::run(action, &settings).await,
        Command::Messages(options) => commands::messages::run(options, &settings.wire).await,
    };
    if let Err(error) = guard.shutdown().await {
        foldstream_telemetry::warn!(error = &error as &dyn std::error::Error, "the last traces may be lost");
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
