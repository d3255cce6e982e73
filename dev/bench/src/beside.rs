//! This executable beside another one, such as that of an older commit: on one stack, in turns.
//!
//! Each has an environment of its own on the stack, this one a prefix, since an older one may know of none. A run of the
//! one is followed by a run of the other, and who comes first changes, so that whatever the machine does hits both alike.

use crate::{
    arguments::{Arguments, Question},
    compared::{Compared, in_turns},
    decider, latency, looking, read_your_writes,
    table::title,
    throughput,
    world::{World, tell},
};
use anyhow::{Context, Result};
use foldstream_fold::decider_flow;
use foldstream_locations_projection::Locations;
use foldstream_log::{Registry, Writer};
use foldstream_store::projection_flow;

/// Enough that what a process needs to begin does not count.
const COMMANDS: usize = 50_000;

pub(crate) async fn measure(world: World, arguments: &Arguments) -> Result<()> {
    let other = arguments.other.as_deref().context("`beside` needs `--other`, the executable to compare with")?;
    let this = world.environment("this")?;
    let mut worlds = [this, world.of_executable(other)?];
    for world in &mut worlds {
        tokio::task::block_in_place(|| world.fill(arguments.records))?;
        world.fold_all(&[projection_flow::<Locations>()]).await?;
    }
    let mut compared = Compared::default();
    let ended = measure_all(&worlds, arguments, &mut compared).await;
    // Also when a question failed: what came before it was measured.
    title(
        &format!("This executable beside {}, {} runs of each in turns", other.display(), arguments.runs),
        &format!(
            "foldstream-bench beside --other … --records {} --runs {} --seconds {} --warm-up {} --partition-records {}",
            arguments.records, arguments.runs, arguments.seconds, arguments.warm_up, arguments.partition_records
        ),
    )?;
    compared.print()?;
    ended
}

async fn measure_all(worlds: &[World; 2], arguments: &Arguments, compared: &mut Compared) -> Result<()> {
    let is_asked = |question| arguments.only.is_empty() || arguments.only.contains(&question);
    if is_asked(Question::Throughput) {
        measure_throughput(worlds, arguments, compared).await?;
    }
    if is_asked(Question::Latency) {
        measure_latency(worlds, arguments, compared).await?;
    }
    if is_asked(Question::Decider) {
        measure_deciding(worlds, arguments, compared).await?;
    }
    if is_asked(Question::Looking) {
        looking::compare(worlds, arguments, compared).await?;
    }
    if is_asked(Question::ReadYourWrites) {
        measure_reads(worlds, arguments, compared).await?;
    }
    Ok(())
}

async fn measure_throughput(worlds: &[World; 2], arguments: &Arguments, compared: &mut Compared) -> Result<()> {
    for run in 1..=arguments.runs {
        tell(&format!("throughput, run {run} of {}", arguments.runs));
        for side in in_turns(run) {
            let fold = throughput::fold(&worlds[side]).await?;
            let rate = worlds[side].records as f64 / fold.spent.seconds;
            compared.add("throughput: records/s", side, &[rate]);
        }
    }
    Ok(())
}

async fn measure_latency(worlds: &[World; 2], arguments: &Arguments, compared: &mut Compared) -> Result<()> {
    let [this, other] = worlds;
    // Both tables have as much in them.
    let writers = [latency::warm(this, arguments).await?, latency::warm(other, arguments).await?];
    for run in 1..=arguments.runs {
        tell(&format!("latency, run {run} of {}", arguments.runs));
        for side in in_turns(run) {
            let world = &worlds[side];
            let mut service = world.serve(&[projection_flow::<Locations>()])?;
            tokio::task::block_in_place(|| service.until_ready())?;
            world.until_folded(&projection_flow::<Locations>(), &mut service).await?;
            let latencies = latency::run_once(world, &writers[side], arguments).await?;
            compared.add("latency, visible: ms", side, &latencies.visible);
            service.stop()?;
        }
    }
    Ok(())
}

async fn measure_deciding(worlds: &[World; 2], arguments: &Arguments, compared: &mut Compared) -> Result<()> {
    for run in 1..=arguments.runs {
        tell(&format!("deciding, run {run} of {}", arguments.runs));
        for side in in_turns(run) {
            let (world, name) = (&worlds[side], format!("run-{run}"));
            decider::write_commands(world, &name, COMMANDS).await?;
            let (seconds, _) = decider::run_to_the_end(world, "deciding").await?;
            compared.add("deciding: commands/s", side, &[COMMANDS as f64 / seconds]);
            let mut service = world.serve(&[decider_flow::<foldstream_people_processor::People>()])?;
            tokio::task::block_in_place(|| service.until_ready())?;
            let writer = Writer::connect(&world.wire, &Registry::new(&world.wire)?, "bench")?;
            let milliseconds = decider::run(world, &writer, &name, arguments.seconds).await?;
            compared.add("command -> outcome: ms", side, &milliseconds);
            service.stop()?;
        }
    }
    Ok(())
}

async fn measure_reads(worlds: &[World; 2], arguments: &Arguments, compared: &mut Compared) -> Result<()> {
    for run in 1..=arguments.runs {
        tell(&format!("a thousand clients, run {run} of {}", arguments.runs));
        for side in in_turns(run) {
            let (service, url) = read_your_writes::serve(&worlds[side])?;
            let spent = read_your_writes::round(&url, u64::from(run), arguments.seconds).await?;
            compared.add("write, of a thousand clients: ms", side, &spent.wrote);
            compared.add("read after the write: ms", side, &spent.read);
            service.stop()?;
        }
    }
    Ok(())
}
