//! `demo`: from nothing to people who move, step by step, each step a line.
//!
//! It may be run again at any time: what runs stays, except an earlier replay, which the new one takes over from.
//! It knows the application by its command line, its HTTP API and its variables only.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, bail};
use foldstream_stack::{cache, ports};

use crate::application::Application;
use crate::commands::up;
use crate::foldstream::Foldstream;
use crate::place::Place;
use crate::{report, terminal};

/// Runs the demo.
pub(crate) fn run(place: &Place) -> anyhow::Result<ExitCode> {
    let _lock = place.lock()?;
    let begin = Instant::now();
    let run_directory = place.run_directory()?;
    step("stack", "three brokers, registry, database");
    let stack = up::start(place)?;
    let foldstream = Foldstream::beside_this_binary(&stack, cache()?)?;

    // Two replays of one source would fence each other.
    let replay = Application::recorded(&run_directory, "replay");
    if replay.stop()? {
        step("replay", "stopped the one of an earlier demo");
    }
    foldstream.run(&["topics", "apply"])?;
    step("topics", "as declared in schemas");
    foldstream.run(&["schemas", "register"])?;
    step("schemas", "registered and compatible");

    let services = Application::recorded(&run_directory, "foldstream");
    start_services(&services, &foldstream)?;
    foldstream.wait_ready(&services)?;
    step("services", &format!("ready, log in {}", services.log().display()));

    step("replay", "three hours of real aircraft, moved to now, as fast as it goes");
    let replaying = Instant::now();
    foldstream.run_visibly(&["replay", "aircraft", "--speed", "max", "--time", "now"])?;
    foldstream.wait_projected()?;
    step("read models", &format!("hold everything {:.1} s after the replay began", replaying.elapsed().as_secs_f32()));
    replay.start(&foldstream.command(&["replay", "aircraft", "--follow"]))?;
    step("replay", &format!("goes on at the speed of life, log in {}", replay.log().display()));

    report::print(&stack, &foldstream);
    terminal::say(&format!("\ndone in {:.0} s; end it with:  make down", begin.elapsed().as_secs_f32()));
    Ok(ExitCode::SUCCESS)
}

fn start_services(services: &Application, foldstream: &Foldstream) -> anyhow::Result<()> {
    if services.runs(foldstream.binary()) {
        return Ok(());
    }
    if services.stop()? {
        step("services", "stopped those of an earlier build");
    }
    let listen = foldstream.listen();
    if let Some(holder) = ports::holder(listen.port()) {
        bail!("port {} of the API is taken by {holder}", listen.port());
    }
    services.start(&foldstream.command(&["run", "all"])).context("cannot start the services")
}

fn step(what: &str, state: &str) {
    terminal::say(&format!("{what:<12} {state}"));
}
