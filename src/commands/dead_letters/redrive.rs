//! `redrive` and `discard`: leaves requests, and waits for them if told so.
//!
//! A processor's dead letter has no owner and parks nothing: its original is appended to its topic again, and only when
//! it is named by its id, because it stays listed until it expires.

use super::{
    filters::Filters,
    letters::{Id, Letter, of_projections},
    sources::Sources,
};
use crate::output::Output;
use anyhow::{Context, Result, bail};
use foldstream_events::CATALOGUE;
use foldstream_fold::Action as Wish;
use foldstream_log::{Config, Writer};
use foldstream_store::dead_letters::{request, requested, unserved};
use serde::Serialize;
use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

const LOOK_EVERY: Duration = Duration::from_millis(200);

#[derive(clap::Args, Debug)]
pub(crate) struct Options {
    /// Its id, as `list` prints it; may be given several times
    #[arg(long, value_name = "ID")]
    id: Vec<Id>,
    #[command(flatten)]
    filters: Filters,
    /// Every dead letter of every projection
    #[arg(long, conflicts_with_all = ["id", "projection", "topic", "key", "reason_contains"])]
    all: bool,
    /// Only say which
    #[arg(long)]
    dry_run: bool,
    /// Wait until it is done, at most this many seconds; fails when it failed or is not done by then
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "60")]
    wait: Option<u64>,
    #[command(flatten)]
    output: Output,
}

/// What became of a wish.
#[derive(Debug, Serialize)]
struct Done {
    id: String,
    position: String,
    /// `would be asked`, `asked`, `done`, `failed`, `gone` or `appended again`
    state: &'static str,
    detail: String,
}

pub(super) async fn run(options: &Options, wish: Wish, sources: &Sources, config: &Config) -> Result<()> {
    let letters = chosen(options, sources).await?;
    let mut all = Vec::with_capacity(letters.len());
    let mut asked = Vec::new();
    for letter in &letters {
        let mut done = Done {
            id: String::new(),
            position: letter.position().to_string(),
            state: "would be asked",
            detail: String::new(),
        };
        match &letter.id {
            Id::Stored(number) => {
                done.id = number.to_string();
                asked.push(*number);
            }
            Id::OnTopic(place) => {
                done.id = place.to_string();
                if wish == Wish::Discard {
                    bail!("{place} parks nothing and goes away by itself: there is nothing to discard");
                }
                if !options.dry_run {
                    done.detail = append_again(letter, sources, config).await?;
                    done.state = "appended again";
                }
            }
        }
        all.push(done);
    }
    if !options.dry_run {
        let there = request(&sources.database, &asked, wish).await?;
        let mut states: HashMap<i64, (&'static str, String)> =
            asked.iter().map(|id| (*id, (if there.contains(id) { "asked" } else { "gone" }, String::new()))).collect();
        if let Some(seconds) = options.wait {
            states.extend(fulfilled(sources, &there, Duration::from_secs(seconds)).await?);
        }
        let open: Vec<i64> = states.iter().filter(|(_, (state, _))| *state == "asked").map(|(id, _)| *id).collect();
        for unserved in unserved(&sources.database, &open).await? {
            states.insert(unserved.id, ("asked", unserved.to_string()));
        }
        for done in &mut all {
            if let Some(state) = done.id.parse().ok().and_then(|id: i64| states.remove(&id)) {
                (done.state, done.detail) = state;
            }
        }
    }
    let rows = all.iter();
    let rows =
        rows.map(|done| vec![done.id.clone(), done.position.clone(), done.state.to_owned(), done.detail.clone()]);
    options.output.print(&all, &["id", "position", "state", "detail"], rows.collect())?;
    let count = |state| all.iter().filter(|done| done.state == state).count();
    match (count("failed"), count("asked")) {
        (0, 0) => Ok(()),
        (0, open) if options.wait.is_some() => {
            let known = all.iter().find(|done| done.state == "asked" && !done.detail.is_empty());
            let why = known.map_or("does the service run?", |done| &done.detail);
            bail!("{open} of {} are not done yet: {why}", all.len())
        }
        (0, _) => Ok(()),
        (failed, _) => bail!("{failed} of {} failed again", all.len()),
    }
}

async fn chosen(options: &Options, sources: &Sources) -> Result<Vec<Letter>> {
    if options.id.is_empty() {
        if options.filters.are_none() && !options.all {
            bail!("say which: --id, a filter, or --all");
        }
        return of_projections(&sources.database, &options.filters.filter(), None).await;
    }
    if !options.filters.are_none() {
        bail!("--id names dead letters; filters choose them: give one or the other");
    }
    let mut letters = Vec::with_capacity(options.id.len());
    for id in &options.id {
        letters.push(Letter::find(id, sources).await?);
    }
    Ok(letters)
}

/// Gives where the record lies now.
async fn append_again(letter: &Letter, sources: &Sources, config: &Config) -> Result<String> {
    let record = letter.record();
    let topic = CATALOGUE.topic(&record.topic).with_context(|| format!("{} is no declared topic", record.topic))?;
    let writer = Writer::connect(config, &sources.registry, "dead-letters")?;
    Ok(writer.append_again(topic, record).await?.to_string())
}

/// What became of the requests, at the latest when patience ends.
async fn fulfilled(sources: &Sources, ids: &[i64], patience: Duration) -> Result<HashMap<i64, (&'static str, String)>> {
    let deadline = Instant::now() + patience;
    loop {
        let left: HashMap<i64, Option<String>> = requested(&sources.database, ids).await?.into_iter().collect();
        let is_over = left.values().all(Option::is_some) || Instant::now() > deadline;
        if is_over {
            let state = |id: &i64| match left.get(id) {
                None => ("done", String::new()),
                Some(None) => ("asked", String::new()),
                Some(Some(failure)) => ("failed", failure.clone()),
            };
            return Ok(ids.iter().map(|id| (*id, state(id))).collect());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
