//! `foldstream-bench`: questions about speed, each answered with figures beside their baselines.
//!
//! It starts a stack of its own, drives the real executable that lies beside this one, and stops everything at the
//! end. A baseline is measured in the same run and in turns with what it is compared to: absolute numbers move from
//! machine to machine and from minute to minute, ratios much less.

mod bare;
mod connection;
mod consumer_performance;
mod decider;
mod figures;
mod latency;
mod looking;
mod positions;
mod processor_time;
mod read_your_writes;
mod rebuild;
mod service;
mod table;
mod throughput;
mod world;

use anyhow::{Context, Result};
use clap::Parser;
use std::process::ExitCode;
use world::{World, tell};

/// Figures beside their baselines, measured in the same run.
#[derive(Parser, Debug)]
#[command(name = "foldstream-bench", version, max_term_width = 110)]
pub(crate) struct Arguments {
    /// Which question
    #[arg(value_enum, default_value_t = Question::All)]
    question: Question,

    /// How many generated positions of 5,000 persons lie on the topic
    #[arg(long, default_value_t = 1_000_000, value_name = "N", value_parser = clap::value_parser!(u64).range(20_000..=100_000_000))]
    records: u64,

    /// How often throughput and latency are measured
    #[arg(long, default_value_t = 3, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    runs: u32,

    /// Latency: events produced in a second
    #[arg(long, default_value_t = 2_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,

    /// Latency: how long a run lasts
    #[arg(long, default_value_t = 30, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=3_600))]
    seconds: u32,

    /// Latency: how long events are produced before anything counts; Java compiles as it runs, and that takes the
    /// brokers a minute or two
    #[arg(long, default_value_t = 120, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=3_600))]
    warm_up: u32,

    /// Looking: how many records each of the twelve partitions holds
    #[arg(long, default_value_t = 1_000_000, value_name = "N", value_parser = clap::value_parser!(u64).range(20_000..=10_000_000))]
    partition_records: u64,

    /// Connection: how often each pair of distance and window is asked
    #[arg(long, default_value_t = 30, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    questions: u32,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum Question {
    /// How many records a second get from the topic into the tables
    Throughput,
    /// How long an event takes from the producer to a reader
    Latency,
    /// How long the connection query takes
    Connection,
    /// How fast a projection is rebuilt beside the live tables
    Rebuild,
    /// How many commands a second are decided, how long an answer takes, how fast state is restored
    Decider,
    /// How long a thousand clients wait for what they wrote
    ReadYourWrites,
    /// How long a look into a topic takes, and what two hundred live tails cost
    Looking,
    All,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tell(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<()> {
    let asked = |question| arguments.question == Question::All || arguments.question == question;
    table::line(&processor_time::machine()?)?;
    let mut world = tokio::task::spawn_blocking(World::start).await.context("the stack could not be started")??;
    let history =
        [Question::Throughput, Question::Connection, Question::Rebuild, Question::Latency].into_iter().any(asked);
    world.prepare(if history { arguments.records } else { 0 }).await?;
    if asked(Question::Throughput) {
        throughput::measure(&world, &arguments).await?;
    }
    // Before those that add records.
    if asked(Question::Connection) {
        connection::measure(&world, &arguments).await?;
    }
    if asked(Question::Rebuild) {
        rebuild::measure(&world, &arguments).await?;
    }
    if asked(Question::Latency) {
        latency::measure(&world, &arguments).await?;
    }
    if asked(Question::Decider) {
        decider::measure(&world, &arguments).await?;
    }
    if asked(Question::ReadYourWrites) {
        read_your_writes::measure(&world, &arguments).await?;
    }
    if asked(Question::Looking) {
        looking::measure(&world, &arguments).await?;
    }
    Ok(())
}
