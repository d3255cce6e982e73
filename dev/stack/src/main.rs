//! `foldstream-stack`: the local stack for people. `make up`, `make down` and `make demo` call it.
//!
//! Errors end in one line on stderr and code 1. What the stack is made of stands in the library.

mod application;
mod commands;
mod foldstream;
mod place;
mod report;
mod terminal;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The local stack: three Kafka brokers, a schema registry and PostgreSQL with PostGIS, without containers.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
struct Arguments {
    #[command(flatten)]
    place: place::Place,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start what does not run yet and return when all of it is ready.
    Up,
    /// Stop the parts and the application processes that `up` and `demo` started, and nothing else.
    Down {
        /// Also remove the data, logs and configuration: the next `up` begins empty.
        #[arg(long)]
        remove_data: bool,
    },
    /// Show what runs, where, and where its log is. Code 1 when a part does not run.
    Status,
    /// Start everything, replay real aircraft positions through it, and show where to look.
    Demo,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match arguments.command {
        Command::Up => commands::up::run(&arguments.place),
        Command::Down { remove_data } => commands::down::run(&arguments.place, remove_data),
        Command::Status => commands::status::run(&arguments.place),
        Command::Demo => commands::demo::run(&arguments.place),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            terminal::complain(&format!("foldstream-stack: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
