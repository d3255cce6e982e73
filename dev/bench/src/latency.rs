//! How long an event takes from the producer until a reader can see its row.
//!
//! Events leave at an even pace through wire's `Writer`; the clock of each starts when it is handed over, so a producer
//! that falls behind its pace shows as a lower rate and not as a lower latency. A connection of its own reads the
//! positions about every millisecond; an event counts as visible when the first answer that shows its partition's
//! `next_offset` behind it *has arrived*: exact but for that millisecond, because rows and positions commit together.

use crate::{
    arguments::Arguments,
    figures::{median, percentile, tenths, whole},
    positions::{PositionReader, Positions, reached},
    processor_time::Meter,
    table::{Table, line, title},
    world::{World, tell},
};
use anyhow::{Context, Result, bail};
use foldstream_events::{LocationReported, LocationsEvent};
use foldstream_locations_projection::Locations;
use foldstream_log::{Position, new_event_id};
use foldstream_log::{Registry, Writer};
use foldstream_store::projection_flow;
use foldstream_telemetry::names;
use std::time::{Duration, Instant};
use tokio::{
    sync::oneshot,
    task::{JoinHandle, JoinSet},
};

const LOOK_EVERY: Duration = Duration::from_millis(1);
/// Sent first in every run and not counted.
const WARM_UP: Duration = Duration::from_secs(3);
/// How long the last events may take.
const VISIBLE_DEADLINE: Duration = Duration::from_secs(60);
const PERSONS: u32 = 5_000;

/// An event on its way.
#[derive(Debug)]
struct Sent {
    at: Instant,
    acknowledged: Instant,
    position: Position,
}

/// When the positions were first seen where they stand.
type Look = (Instant, Positions);

/// One run, all in milliseconds.
#[derive(Debug, Default)]
pub(crate) struct Latencies {
    acknowledged: Vec<f64>,
    pub(crate) visible: Vec<f64>,
    /// Events a second that were really sent.
    rate: f64,
    transactions_a_second: f64,
    /// How long one takes, on average.
    transaction: f64,
    /// Cores kept busy by the producer and watcher, the brokers, the database, foldstream, and strangers.
    cores: [f64; 5],
}

pub(crate) async fn measure(world: &World, arguments: &Arguments) -> Result<()> {
    tell("folding the history, so that the tables have their usual size");
    let mut service = world.serve(&[projection_flow::<Locations>()])?;
    tokio::task::block_in_place(|| service.until_ready())?;
    world.until_folded(&projection_flow::<Locations>(), &mut service).await?;
    let mut runs = Vec::new();
    let writer = warm(world, arguments).await?;
    for run in 1..=arguments.runs {
        tell(&format!("latency, run {run} of {}", arguments.runs));
        let before = service.histogram(names::PROJECTION_TRANSACTION_SECONDS)?;
        let processor_before = service.processor_seconds()?;
        let meter = Meter::start(&world.stack)?;
        let mut latencies = run_once(world, &writer, arguments).await?;
        let spent = meter.stop()?;
        let after = service.histogram(names::PROJECTION_TRANSACTION_SECONDS)?;
        let transactions = after.count - before.count;
        latencies.transactions_a_second = transactions / spent.seconds;
        latencies.transaction = (after.sum - before.sum) * 1e3 / transactions.max(1.0);
        let foldstream = service.processor_seconds()? - processor_before;
        let strangers = (spent.machine - spent.bench - spent.brokers - spent.postgres - foldstream).max(0.0);
        let seconds = [spent.bench, spent.brokers, spent.postgres, foldstream, strangers];
        latencies.cores = seconds.map(|party| party / spent.seconds);
        service.check()?;
        runs.push(latencies);
    }
    print(world, arguments, &runs)?;
    line(&format!(
        "foldstream: at most {} MB, {} processor seconds in all",
        tenths(service.peak_memory()? / 1e6),
        tenths(service.processor_seconds()?)
    ))?;
    service.stop()
}

/// A writer that has written for so long that nothing needs to be looked up or compiled any more.
pub(crate) async fn warm(world: &World, arguments: &Arguments) -> Result<Writer> {
    let writer = Writer::connect(&world.wire, &Registry::new(&world.wire)?, "bench")?;
    tell(&format!("latency, {} s not counted, until the brokers have compiled what they run", arguments.warm_up));
    produce(&writer, arguments.rate, u64::from(arguments.rate) * u64::from(arguments.warm_up)).await?;
    Ok(writer)
}

fn print(world: &World, arguments: &Arguments, runs: &[Latencies]) -> Result<()> {
    let Arguments { rate, seconds, .. } = arguments;
    title(
        &format!("Latency: produce -> row visible, {rate} events a second for {seconds} s, milliseconds"),
        &format!(
            "foldstream-bench latency --records {} --runs {} --rate {rate} --seconds {seconds} --warm-up {}",
            world.records, arguments.runs, arguments.warm_up
        ),
    )?;
    let mut table = Table::new(&[
        "run",
        "visible p50",
        "p99",
        "max",
        "acknowledged p50",
        "p99",
        "max",
        "sent/s",
        "commits/s",
        "ms each",
    ]);
    let shares = [0.5, 0.99, 1.0];
    let of = |latencies: &Latencies| {
        let visible = shares.map(|share| percentile(&latencies.visible, share));
        let acknowledged = shares.map(|share| percentile(&latencies.acknowledged, share));
        [visible, acknowledged].concat()
    };
    for (number, latencies) in runs.iter().enumerate() {
        let mut row = vec![(number + 1).to_string()];
        row.extend(of(latencies).into_iter().map(tenths));
        row.extend([whole(latencies.rate), whole(latencies.transactions_a_second)]);
        row.push(tenths(latencies.transaction));
        table.row(row);
    }
    let mut row = vec!["median".to_owned()];
    let all: Vec<Vec<f64>> = runs.iter().map(of).collect();
    row.extend((0..6).map(|column| tenths(median(&all.iter().map(|figures| figures[column]).collect::<Vec<_>>()))));
    table.row(row);
    table.print()?;
    line("")?;
    line("Cores kept busy in each run")?;
    let mut table = Table::new(&["run", "producer and watcher", "brokers", "Postgres", "foldstream", "strangers"]);
    for (number, latencies) in runs.iter().enumerate() {
        let mut row = vec![(number + 1).to_string()];
        row.extend(latencies.cores.map(|cores| format!("{cores:.2}")));
        table.row(row);
    }
    table.print()
}

pub(crate) async fn run_once(world: &World, writer: &Writer, arguments: &Arguments) -> Result<Latencies> {
    let reader = PositionReader::connect(&world.database_url, &projection_flow::<Locations>()).await?;
    let (end_known, ends) = oneshot::channel();
    let watching: JoinHandle<Result<Vec<Look>>> = tokio::spawn(watch(reader, ends));
    let warm_up = u64::from(arguments.rate) * WARM_UP.as_secs();
    let count = u64::from(arguments.rate) * u64::from(arguments.seconds);
    let sent = produce(writer, arguments.rate, warm_up + count).await?;
    let mut ends = Positions::new();
    for Sent { position, .. } in &sent {
        let end = ends.entry(position.partition).or_default();
        *end = (*end).max(position.offset + 1);
    }
    // Gone only if the watching failed, and then it says so.
    let _ = end_known.send(ends);
    let looks = watching.await.context("the watching task ended")??;

    let mut latencies = Latencies::default();
    let first = sent.iter().map(|event| event.at).min().context("nothing was sent")?;
    let counted: Vec<&Sent> = sent.iter().filter(|event| event.at >= first + WARM_UP).collect();
    for event in &counted {
        let Position { partition, offset, .. } = event.position;
        let unseen = |(_, positions): &Look| positions.get(&partition).is_none_or(|next_offset| *next_offset <= offset);
        let (seen, _) = looks.get(looks.partition_point(unseen)).context("an event was never seen")?;
        latencies.visible.push(milliseconds(seen.saturating_duration_since(event.at)));
        latencies.acknowledged.push(milliseconds(event.acknowledged - event.at));
    }
    let last = counted.iter().map(|event| event.at).max().unwrap_or(first);
    latencies.rate = counted.len() as f64 / (last - first).saturating_sub(WARM_UP).as_secs_f64().max(0.001);
    Ok(latencies)
}

/// Sends events at an even pace and waits for all acknowledgements.
async fn produce(writer: &Writer, rate: u32, count: u64) -> Result<Vec<Sent>> {
    let started = Instant::now();
    let mut under_way = JoinSet::new();
    for number in 0..count {
        let due = started + Duration::from_secs_f64(number as f64 / f64::from(rate));
        if due > Instant::now() {
            tokio::time::sleep_until(due.into()).await;
        }
        let writer = writer.clone();
        let at = Instant::now();
        under_way.spawn(async move {
            let position = writer.append(&event(number)).await?;
            anyhow::Ok(Sent { at, acknowledged: Instant::now(), position })
        });
    }
    let mut sent = Vec::new();
    while let Some(event) = under_way.join_next().await {
        sent.push(event.context("a sending task ended")?.context("an event was not acknowledged")?);
    }
    Ok(sent)
}

fn event(number: u64) -> LocationsEvent {
    // Neighbouring events are of persons far apart, as in life.
    let person = number * 7_919 % u64::from(PERSONS) + 1;
    let event = LocationReported {
        event_id: new_event_id(),
        person_id: format!("p{person:05}"),
        occurred_at: chrono::Utc::now(),
        latitude: 48.8 + person as f64 / 1e5,
        longitude: 2.3 + (number % 1_000) as f64 / 1e4,
        accuracy_m: None,
    };
    event.into()
}

/// Looks at the positions until all events can be seen; notes each change.
async fn watch(mut reader: PositionReader, mut ends: oneshot::Receiver<Positions>) -> Result<Vec<Look>> {
    let mut looks: Vec<Look> = Vec::new();
    let mut wanted: Option<(Positions, Instant)> = None;
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let positions = reader.read().await?;
        let seen = Instant::now();
        if looks.last().is_none_or(|(_, before)| *before != positions) {
            looks.push((seen, positions.clone()));
        }
        if wanted.is_none() {
            wanted = match ends.try_recv() {
                Ok(ends) => Some((ends, seen)),
                Err(oneshot::error::TryRecvError::Empty) => None,
                Err(oneshot::error::TryRecvError::Closed) => bail!("the producer gave up"),
            };
        }
        match &wanted {
            Some((ends, _)) if reached(&positions, ends) => return Ok(looks),
            Some((ends, since)) if since.elapsed() > VISIBLE_DEADLINE => {
                bail!("not visible after {} s: {positions:?}, expected {ends:?}", VISIBLE_DEADLINE.as_secs())
            }
            _ => {}
        }
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
