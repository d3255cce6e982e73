//! `foldstream dead-letters`: records that could not be used, and what waits behind them.
//!
//! Those of projections lie in the database and park their keys; those of processors lie on a topic. What is to be done
//! with one of a projection is left as a request, which the owner of the partition fulfils (`redrive.rs`).

mod filters;
mod letters;
mod redrive;
mod sources;

use crate::{
    output::{Format, Output, line},
    settings::Settings,
};
use anyhow::{Context, Result};
use chrono::Utc;
use filters::Filters;
use foldstream_fold::Action as Wish;
use foldstream_log::Position;
use foldstream_log::{Schemas, Showing, as_text, describe};
use foldstream_store::dead_letters::parked_offsets;
use letters::{Id, Letter, Shown, of_projections, of_topic};
use sources::Sources;

/// More positions than these are not printed by `show`.
const MOST_PARKED_SHOWN: u32 = 1000;
/// How long the schema registry may take to give the schema of the one that is shown.

#[derive(clap::Subcommand, Debug)]
pub(crate) enum Action {
    /// What was put aside and why, and how many records wait behind it, newest first
    List(List),
    /// One dead letter with its bytes, decoded as far as it goes, its headers, and what waits behind it
    Show(Show),
    /// Fold dead letters again, then what waits behind them, in order; of a processor: append it to its topic again
    Redrive(redrive::Options),
    /// Drop dead letters, then fold what waits behind them, in order
    Discard(redrive::Options),
}

#[derive(clap::Args, Debug)]
pub(crate) struct List {
    #[command(flatten)]
    filters: Filters,
    /// At most this many of the projections and this many of the processors
    #[arg(long, short = 'n', default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    #[command(flatten)]
    output: Output,
}

#[derive(clap::Args, Debug)]
pub(crate) struct Show {
    /// Its id, as `list` prints it
    id: Id,
    #[command(flatten)]
    output: Output,
}

pub(crate) async fn run(action: &Action, settings: &Settings) -> Result<()> {
    let sources = Sources::new(settings)?;
    match action {
        Action::List(options) => list(options, &sources).await,
        Action::Show(options) => show(options, &sources).await,
        Action::Redrive(options) => redrive::run(options, Wish::Redrive, &sources, &settings.wire).await,
        Action::Discard(options) => redrive::run(options, Wish::Discard, &sources, &settings.wire).await,
    }
}

async fn list(options: &List, sources: &Sources) -> Result<()> {
    let filter = options.filters.filter();
    let mut letters = of_projections(&sources.database, &filter, Some(options.limit)).await?;
    letters.extend(of_topic(sources, &filter, options.limit).await?);
    let now = Utc::now();
    let shown: Vec<Shown> = letters.iter().map(|letter| letter.shown(now)).collect();
    let rows = shown.iter().map(|letter| {
        vec![
            letter.id.clone(),
            letter.service.clone(),
            letter.position.clone(),
            letter.key.clone().unwrap_or_default(),
            letter.parked.to_string(),
            age(letter.age_seconds),
            letter.state.clone(),
            letter.reason.chars().take(100).collect(),
        ]
    });
    let headings = ["id", "service", "position", "key", "parked", "age", "asked", "reason"];
    options.output.print(&shown, &headings, rows.collect())
}

async fn show(options: &Show, sources: &Sources) -> Result<()> {
    let letter = Letter::find(&options.id, sources).await?;
    let shown = letter.shown(Utc::now());
    let schemas = Schemas::new(sources.registry.clone());
    schemas.look_up(letter.record().schema_ids()).await;
    let message = describe(letter.record(), &schemas, &Showing::default());
    let parked = match options.id {
        Id::Stored(id) => parked_offsets(&sources.database, id, MOST_PARKED_SHOWN).await?,
        Id::OnTopic(_) => Vec::new(),
    };
    let record = letter.record();
    let at = |offset: i64| Position { topic: record.topic.clone(), partition: record.partition, offset }.to_string();
    let parked: Vec<String> = parked.into_iter().map(at).collect();
    let value = record.value.as_deref();
    if options.output.output == Format::Json {
        let mut all = serde_json::to_value(&shown).context("cannot write JSON")?;
        all["headers"] = serde_json::to_value(message.headers).context("cannot write JSON")?;
        all["value_base64"] = value.map(letters::base64).into();
        all["value_hex"] = value.map(letters::hex).into();
        all["value"] = message.value;
        all["schema"] = serde_json::to_value(message.schema).context("cannot write JSON")?;
        all["undecodable"] = message.error.map(|error| error.reason).into();
        all["parked_positions"] = parked.into();
        return line(&serde_json::to_string_pretty(&all).context("cannot write JSON")?);
    }
    let headers: Vec<String> =
        message.headers.iter().map(|header| format!("{}: {}", header.name, as_text(&header.value))).collect();
    let decoded = message.error.map_or_else(|| message.value.to_string(), |error| format!("! {}", error.reason));
    for (name, text) in [
        ("id", shown.id),
        ("service", shown.service),
        ("position", shown.position),
        ("key", shown.key.unwrap_or_default()),
        ("reason", shown.reason),
        ("age", age(shown.age_seconds)),
        ("asked", shown.state),
        ("headers", headers.join(", ")),
        ("value", decoded),
        ("hex", value.map(letters::hex).unwrap_or_default()),
        ("base64", value.map(letters::base64).unwrap_or_default()),
        ("parked", format!("{} {}", shown.parked, parked.join(" "))),
    ] {
        line(format!("{name:<10}{text}").trim_end())?;
    }
    Ok(())
}

fn age(seconds: i64) -> String {
    match seconds {
        ..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}
