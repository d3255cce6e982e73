//! This executable beside another one, such as that of an older commit: on one stack, in turns.
//!
//! Each has an environment of its own on the stack, this one a prefix, since an older one may know of none. A run of the
//! one is followed by a run of the other, and who comes first changes, so that whatever the machine does hits both alike.

use crate::{
    arguments::Arguments,
    decider,
    figures::{median, percentile, spread, tenths},
    latency, looking, read_your_writes,
    table::{Table, title},
    throughput,
    world::{World, tell},
};
use anyhow::{Context, Result};
use foldstream_fold::decider_flow;
use foldstream_locations_projection::Locations;
use foldstream_log::{Registry, Writer};
use foldstream_store::projection_flow;

const COMMANDS: usize = 20_000;

/// One figure of each run, of this executable and of the other.
#[derive(Debug, Default)]
pub(crate) struct Compared {
    rows: Vec<(String, [Vec<f64>; 2])>,
}

impl Compared {
    /// What one run of a side measured: the median, and the 99th percentile where there are enough to have one.
    pub(crate) fn add(&mut self, what: &str, side: usize, measured: &[f64]) {
        let p99 = (measured.len() >= 100).then_some((" p99", 0.99));
        for (name, share) in [(if p99.is_some() { " p50" } else { "" }, 0.5)].into_iter().chain(p99) {
            let name = format!("{what}{name}");
            let at = self.rows.iter().position(|(known, _)| *known == name).unwrap_or(self.rows.len());
            if at == self.rows.len() {
                self.rows.push((name, Default::default()));
            }
            self.rows[at].1[side].push(percentile(measured, share));
        }
    }

    fn print(&self) -> Result<()> {
        let headings = ["", "this: median", "least", "greatest", "other: median", "least", "greatest", "this / other"];
        let mut table = Table::new(&headings);
        for (name, [this, other]) in &self.rows {
            let figures = [this, other].map(|figures| {
                let [least, middle, most] = spread(figures, tenths);
                [middle, least, most]
            });
            let ratio = format!("{:.2}", median(this) / median(other));
            table.row([vec![name.clone()], figures.concat(), vec![ratio]].concat());
        }
        table.print()
    }
}

/// Who comes first, this one (0) or the other (1).
pub(crate) fn in_turns(run: u32) -> [usize; 2] {
    if run.is_multiple_of(2) { [1, 0] } else { [0, 1] }
}

pub(crate) async fn measure(world: World, arguments: &Arguments) -> Result<()> {
    let other = arguments.other.as_deref().context("`beside` needs `--other`, the executable to compare with")?;
    let this = world.environment("this")?;
    let mut worlds = [this, world.of_executable(other)?];
    for world in &mut worlds {
        tokio::task::block_in_place(|| world.fill(arguments.records))?;
        world.fold_all(&[projection_flow::<Locations>()]).await?;
    }
    let mut compared = Compared::default();
    measure_throughput(&worlds, arguments, &mut compared).await?;
    measure_latency(&worlds, arguments, &mut compared).await?;
    measure_deciding(&worlds, arguments, &mut compared).await?;
    measure_reads(&worlds, arguments, &mut compared).await?;
    looking::compare(&worlds, arguments, &mut compared).await?;
    title(
        &format!("This executable beside {}, {} runs of each in turns", other.display(), arguments.runs),
        &format!(
            "foldstream-bench beside --other … --records {} --runs {} --seconds {} --warm-up {} --partition-records {}",
            arguments.records, arguments.runs, arguments.seconds, arguments.warm_up, arguments.partition_records
        ),
    )?;
    compared.print()
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
