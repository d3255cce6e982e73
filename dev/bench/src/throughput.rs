//! How many records a second get from the topic into the tables, next to what the database and Kafka can do alone.
//!
//! A run of foldstream counts from the assignment of the partitions (the projection's positions appear) until its
//! positions have reached the end of the topic, from empty tables and position 0. The measurements take turns.

use crate::{
    arguments::Arguments,
    bare::{self, Bare, Tables},
    consumer_performance,
    figures::{percent, percentile, spread, tenths, whole},
    processor_time::{Meter, Spent},
    service::Histogram,
    table::{Table, line, title},
    world::{World, tell},
};
use anyhow::{Context, Result};
use foldstream_locations_projection::Locations;
use foldstream_store::projection_flow;
use foldstream_telemetry::names;

/// One run of foldstream.
#[derive(Debug)]
pub(crate) struct Fold {
    pub(crate) spent: Spent,
    processor_seconds: f64,
    peak_memory: f64,
    transactions: Histogram,
}

pub(crate) async fn measure(world: &World, arguments: &Arguments) -> Result<()> {
    tell("preparing the rows for the database alone");
    let bare = Bare::prepare(world).await?;
    let (mut folds, mut indexed, mut unindexed, mut fetches) = (vec![], vec![], vec![], vec![]);
    for run in 1..=arguments.runs {
        tell(&format!("throughput, run {run} of {}", arguments.runs));
        indexed.push(bare.write(world, Tables::Real).await?);
        unindexed.push(bare.write(world, Tables::Unindexed).await?);
        fetches.push(tokio::task::block_in_place(|| consumer_performance::fetch_rate(world))?);
        // Last, so that the tables are full for the questions that follow.
        folds.push(fold(world).await?);
    }
    let records = world.records as f64;
    let rate = |spent: &Spent| records / spent.seconds;
    let folded: Vec<f64> = folds.iter().map(|fold| rate(&fold.spent)).collect();
    let indexed_rates: Vec<f64> = indexed.iter().map(rate).collect();
    let unindexed_rates: Vec<f64> = unindexed.iter().map(rate).collect();

    title(
        &format!("Throughput: {} records, topic -> rows of `locations`, records a second", whole(records)),
        &format!("foldstream-bench throughput --records {} --runs {}", world.records, arguments.runs),
    )?;
    let mut table = Table::new(&["", "min", "median", "max", "of (a): best runs", "medians"]);
    for (name, rates) in [
        ("foldstream: topic -> tables, exactly once", &folded),
        ("(a) database alone: COPY + UNNEST, same tables", &indexed_rates),
        ("(a') the same, history without indexes", &unindexed_rates),
        ("(b) Kafka alone: ConsumerPerformance", &fetches),
    ] {
        let [least, middle, most] = spread(rates, whole);
        // Strangers only ever slow a run down: the best runs are the least disturbed ones.
        let ratio = |share| percent(percentile(rates, share) / percentile(&indexed_rates, share));
        table.row(vec![name.to_owned(), least, middle, most, ratio(1.0), ratio(0.5)]);
    }
    let replay = whole(records / world.replay_seconds);
    table.row(vec!["foldstream replay: rows -> topic (once, start-up included)".to_owned(), "".into(), replay]);
    table.print()?;
    print_costs(records, &folds, &indexed, &unindexed)
}

/// Where the time went, run by run.
fn print_costs(records: f64, folds: &[Fold], indexed: &[Spent], unindexed: &[Spent]) -> Result<()> {
    line("")?;
    line("Seconds of each run, and processor seconds of each party in it")?;
    let mut table = Table::new(&[
        "run",
        "seconds",
        "in SQL transactions",
        "records each",
        "client",
        "Postgres",
        "brokers",
        "strangers",
        "peak MB",
    ]);
    for (number, fold) in folds.iter().enumerate() {
        let Fold { spent, processor_seconds, peak_memory, transactions } = fold;
        table.row(vec![
            format!("foldstream {}", number + 1),
            tenths(spent.seconds),
            tenths(transactions.sum),
            whole(records / transactions.count.max(1.0)),
            tenths(*processor_seconds),
            tenths(spent.postgres),
            tenths(spent.brokers),
            tenths(spent.machine - processor_seconds - spent.postgres - spent.brokers),
            tenths(peak_memory / 1e6),
        ]);
    }
    for (name, runs) in [("(a)", indexed), ("(a')", unindexed)] {
        for (number, spent) in runs.iter().enumerate() {
            let strangers = spent.machine - spent.bench - spent.postgres - spent.brokers;
            let figures = [spent.bench, spent.postgres, spent.brokers, strangers].map(tenths);
            let mut row = vec![format!("{name} {}", number + 1), tenths(spent.seconds), "".into(), "".into()];
            row.extend(figures);
            table.row(row);
        }
    }
    table.print()
}

/// From empty tables to the end of the topic.
pub(crate) async fn fold(world: &World) -> Result<Fold> {
    let mut connection = bare::connect(world, Tables::Real).await?;
    bare::empty(&mut connection).await?;
    let mut service = world.serve(&[projection_flow::<Locations>()])?;
    world.until(&projection_flow::<Locations>(), &mut service, |positions| !positions.is_empty()).await?;
    let meter = Meter::start(&world.stack)?;
    world.until_folded(&projection_flow::<Locations>(), &mut service).await?;
    let spent = meter.stop()?;
    let fold = Fold {
        spent,
        processor_seconds: service.processor_seconds()?,
        peak_memory: service.peak_memory()?,
        transactions: service.histogram(names::PROJECTION_TRANSACTION_SECONDS)?,
    };
    bare::check_count(&mut connection, world.records).await.context("foldstream has folded something else")?;
    service.stop()?;
    Ok(fold)
}
