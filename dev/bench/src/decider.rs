//! What deciding costs: how many commands a second, how long an answer takes, and how fast state comes back.
//!
//! Commands register people who were not known. An answer has arrived when a reader of committed records has the outcome
//! in its hands. The baseline is a bare transaction: so many records, one transaction after the other, nothing decided.

use crate::{
    arguments::Arguments,
    figures::{median, percentile, tenths, whole},
    service::Service,
    table::{Table, line, title},
    world::{World, tell},
};
use anyhow::{Context, Result, bail};
use foldstream_browse::{Brokers, Follower};
use foldstream_events::{
    PERSON_COMMANDS, PERSON_OUTCOMES, PeopleEvent, PeopleProcessorStateEvent, PersonCommandsEvent, PersonRegistered,
    RegisterPerson,
};
use foldstream_fold::{Decider, decider_flow};
use foldstream_log::{CAUSE, Cause, Registry, TransactionalOptions, TransactionalWriter, Writer};
use foldstream_log::{Position, Topic, new_event_id};
use foldstream_people_processor::People;
use foldstream_telemetry::names;
use std::{
    collections::HashMap,
    time::{Duration, Instant},
};
use tokio::{
    task::JoinSet,
    time::{sleep, sleep_until, timeout},
};

const COMMANDS: usize = 50_000;
const COMMANDS_A_SECOND: u32 = 1_000;
const BARE_RECORDS: usize = 20;
const BARE_TRANSACTIONS: usize = 300;
const DEADLINE: Duration = Duration::from_secs(300);
static OUTCOMES: &[&Topic] = &[&PERSON_OUTCOMES];

pub(crate) async fn measure(world: &World, arguments: &Arguments) -> Result<()> {
    tell(&format!("writing {COMMANDS} commands"));
    let registry = Registry::new(&world.wire)?;
    write_commands(world, "all", COMMANDS).await?;
    let (decided, _) = run_to_the_end(world, "deciding").await?;
    let (_, from_changelog) = run_to_the_end(world, "restoring").await?;
    tell("making the changelog one of another version");
    let mut states = transactions(world, &registry, "states", PeopleProcessorStateEvent::RECORD_TYPES).await?;
    states.begin()?;
    // Enough keys that every partition has one.
    for number in 0..100 {
        let key = format!("bench-stale-{number}");
        let state = People::save(&key, &<People as Decider>::State::default());
        states.append_state(&state, People::FOLD_VERSION + 1)?;
    }
    states.commit()?;
    let (_, from_facts) = run_to_the_end(world, "folding anew").await?;

    title(&format!("Deciding: {COMMANDS} commands, each of a person of its own"), "foldstream-bench decider")?;
    let mut table = Table::new(&["", "seconds", "a second"]);
    let mut row = |what: &str, seconds: f64| {
        table.row(vec![what.to_owned(), tenths(seconds), whole(COMMANDS as f64 / seconds)]);
    };
    row("commands decided, exactly once", decided);
    row("keys restored from the changelog", from_changelog);
    row("keys folded anew from the facts", from_facts);
    table.print()?;
    answers(world, &registry, arguments).await
}

/// Commands, each of a person of its own.
pub(crate) async fn write_commands(world: &World, name: &str, count: usize) -> Result<()> {
    let registry = Registry::new(&world.wire)?;
    let mut commands = transactions(world, &registry, "commands", PersonCommandsEvent::RECORD_TYPES).await?;
    for chunk in 0..count / 1_000 {
        write(&mut commands, (0..1_000).map(|number| register(&format!("bench-{name}-{chunk}-{number}"))))?;
    }
    Ok(())
}

/// Runs the processor until it has decided everything; gives the seconds that took, and those of restoring before.
pub(crate) async fn run_to_the_end(world: &World, what: &str) -> Result<(f64, f64)> {
    tell(what);
    let mut service = world.serve(&[decider_flow::<People>()])?;
    let restored = until(&mut service, |service| {
        let restored = service.histogram(names::PROCESSOR_RESTORE_SECONDS).ok()?;
        (restored.count >= 1.0).then_some(restored.sum)
    })
    .await?;
    let started = Instant::now();
    let brokers = Brokers::new(&world.wire);
    loop {
        let committed = brokers.committed(People::NAME, &PERSON_COMMANDS).await?;
        let ranges = brokers.ranges_of(PERSON_COMMANDS.name).await?;
        if ranges.values().zip(&committed).all(|(range, committed)| committed.next_offset >= range.stable_end) {
            break;
        }
        service.check()?;
        if started.elapsed() > DEADLINE {
            bail!("not decided after {} s: {committed:?}", DEADLINE.as_secs());
        }
        sleep(Duration::from_millis(5)).await;
    }
    let seconds = started.elapsed().as_secs_f64();
    tokio::task::block_in_place(|| service.until_ready())?;
    service.stop()?;
    Ok((seconds, restored))
}

async fn until<T>(service: &mut Service, look: impl Fn(&Service) -> Option<T>) -> Result<T> {
    let started = Instant::now();
    loop {
        if let Some(found) = tokio::task::block_in_place(|| look(service)) {
            return Ok(found);
        }
        service.check()?;
        if started.elapsed() > DEADLINE {
            bail!("no state was restored after {} s", DEADLINE.as_secs());
        }
        sleep(Duration::from_millis(5)).await;
    }
}

async fn answers(world: &World, registry: &Registry, arguments: &Arguments) -> Result<()> {
    let mut service = world.serve(&[decider_flow::<People>()])?;
    tokio::task::block_in_place(|| service.until_ready())?;
    let writer = Writer::connect(&world.wire, registry, "bench")?;
    writer.append(&register("bench-first")).await?;
    let warm_up = arguments.warm_up;
    tell(&format!("{COMMANDS_A_SECOND} commands a second, {warm_up} s not counted"));
    run(world, &writer, "warm", warm_up).await?;
    let mut runs = Vec::new();
    for number in 1..=arguments.runs {
        tell(&format!("answers, run {number} of {}", arguments.runs));
        let before = service.histogram(names::PROCESSOR_TRANSACTION_SECONDS)?;
        let latencies = run(world, &writer, &format!("run-{number}"), arguments.seconds).await?;
        let after = service.histogram(names::PROCESSOR_TRANSACTION_SECONDS)?;
        let transactions = after.count - before.count;
        let bare = bare(world, registry).await?;
        runs.push((latencies, transactions, (after.sum - before.sum) * 1e3 / transactions.max(1.0), bare));
        service.check()?;
    }
    title(
        &format!("Answers: command -> outcome, {COMMANDS_A_SECOND} commands a second for {} s, ms", arguments.seconds),
        &format!(
            "foldstream-bench decider --runs {} --seconds {} --warm-up {warm_up}",
            arguments.runs, arguments.seconds
        ),
    )?;
    let mut table =
        Table::new(&["run", "answer p50", "p99", "transactions/s", "ms each", "bare transaction p50", "p99"]);
    let mut medians: [Vec<f64>; 4] = Default::default();
    for (number, (latencies, transactions, each, bare)) in runs.iter().enumerate() {
        let figures =
            [percentile(latencies, 0.5), percentile(latencies, 0.99), percentile(bare, 0.5), percentile(bare, 0.99)];
        medians.iter_mut().zip(figures).for_each(|(all, figure)| all.push(figure));
        let [p50, p99, bare_p50, bare_p99] = figures.map(tenths);
        let rate = tenths(transactions / f64::from(arguments.seconds));
        table.row(vec![(number + 1).to_string(), p50, p99, rate, tenths(*each), bare_p50, bare_p99]);
    }
    let [p50, p99, bare_p50, bare_p99] = medians.map(|all| tenths(median(&all)));
    table.row(vec!["median".to_owned(), p50, p99, String::new(), String::new(), bare_p50, bare_p99]);
    table.print()?;
    line(&format!("foldstream: at most {} MB", tenths(service.peak_memory()? / 1e6)))?;
    service.stop()
}

/// Sends commands at an even pace; gives the milliseconds from handing each over to holding its outcome.
pub(crate) async fn run(world: &World, writer: &Writer, name: &str, seconds: u32) -> Result<Vec<f64>> {
    let mut outcomes = Follower::start(&Brokers::new(&world.wire), OUTCOMES);
    timeout(DEADLINE, outcomes.ready().wait()).await.context("the outcomes cannot be followed")?;
    let count = u64::from(COMMANDS_A_SECOND) * u64::from(seconds);
    let watching = tokio::spawn(async move {
        let mut arrived: HashMap<Position, Instant> = HashMap::new();
        while (arrived.len() as u64) < count {
            let next = timeout(DEADLINE, outcomes.next()).await.context("outcomes are missing")?;
            let chunk = next.context("the outcomes are no longer followed")?;
            let now = Instant::now();
            let causes = chunk.records.iter().filter_map(|record| record.fetched.text_header(CAUSE)?.parse().ok());
            arrived.extend(causes.map(|cause: Position| (cause, now)));
        }
        anyhow::Ok(arrived)
    });
    let started = Instant::now();
    let mut under_way = JoinSet::new();
    for number in 0..count {
        let due = started + Duration::from_secs_f64(number as f64 / f64::from(COMMANDS_A_SECOND));
        if due > Instant::now() {
            sleep_until(due.into()).await;
        }
        let (writer, command) = (writer.clone(), register(&format!("bench-{name}-{number}")));
        let at = Instant::now();
        under_way.spawn(async move { anyhow::Ok((at, writer.append(&command).await?)) });
    }
    let mut sent = Vec::new();
    while let Some(command) = under_way.join_next().await {
        sent.push(command.context("a sending task ended")?.context("a command was not acknowledged")?);
    }
    let arrived = watching.await.context("the watching task ended")??;
    let latency = |(at, position): (Instant, Position)| {
        let seen = arrived.get(&position).with_context(|| format!("{position} has no outcome"))?;
        Ok(seen.saturating_duration_since(at).as_secs_f64() * 1e3)
    };
    sent.into_iter().map(latency).collect()
}

/// Milliseconds of transactions, one after the other, in which nothing is decided.
async fn bare(world: &World, registry: &Registry) -> Result<Vec<f64>> {
    let mut writer = transactions(world, registry, "bare", PeopleEvent::RECORD_TYPES).await?;
    let mut milliseconds = Vec::with_capacity(BARE_TRANSACTIONS);
    for transaction in 0..BARE_TRANSACTIONS {
        let started = Instant::now();
        let event = |number: usize| -> PeopleEvent {
            let person_id = format!("bare-{transaction}-{number}");
            PersonRegistered { event_id: new_event_id(), person_id, occurred_at: chrono::Utc::now() }.into()
        };
        tokio::task::block_in_place(|| write(&mut writer, (0..BARE_RECORDS).map(event)))?;
        milliseconds.push(started.elapsed().as_secs_f64() * 1e3);
    }
    Ok(milliseconds)
}

async fn transactions(
    world: &World,
    registry: &Registry,
    name: &str,
    record_types: &'static [foldstream_log::RecordType],
) -> Result<TransactionalWriter> {
    let options = TransactionalOptions {
        source: "bench",
        transactional_id: format!("bench-{name}"),
        record_types: record_types.iter().collect(),
        linger_ms: 0,
    };
    let writer = TransactionalWriter::connect(&world.wire, registry, options).await?;
    tokio::task::block_in_place(|| writer.fence())?;
    Ok(writer)
}

fn write<E: foldstream_log::TopicEvent>(
    writer: &mut TransactionalWriter,
    events: impl Iterator<Item = E>,
) -> Result<()> {
    writer.begin()?;
    for event in events {
        writer.append(&event, &Cause::default())?;
    }
    Ok(writer.commit()?)
}

fn register(person_id: &str) -> PersonCommandsEvent {
    RegisterPerson {
        event_id: new_event_id(),
        person_id: person_id.to_owned(),
        occurred_at: chrono::Utc::now(),
        first_name: "Ada".to_owned(),
        last_name: "Lovelace".to_owned(),
        company_name: "Analytical Engines".to_owned(),
    }
    .into()
}
