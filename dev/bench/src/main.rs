//! `foldstream-bench`: questions about speed, each answered with figures beside their baselines.
//!
//! It starts a stack of its own, drives the real executable that lies beside this one, and stops everything at the
//! end. A baseline is measured in the same run and in turns with what it is compared to: absolute numbers move from
//! machine to machine and from minute to minute, ratios much less.

mod arguments;
mod bare;
mod beside;
mod compared;
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
use arguments::{Arguments, Question};
use clap::Parser;
use std::process::ExitCode;
use world::{World, tell};

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
    if arguments.question == Question::Beside {
        return beside::measure(world, &arguments).await;
    }
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
