//! `foldstream projections`: how far each projection is.

use crate::{Arguments, output::Output};
use anyhow::{Context, Result};
use chrono::{DateTime, Utc};
use foldstream_read_models::{Checkpoint, Database, checkpoints};
use foldstream_wire::{Browser, BrowserError};
use serde::Serialize;
use std::collections::HashMap;

#[derive(clap::Subcommand, Debug)]
pub(crate) enum Action {
    /// Position, end of the log and lag of every partition
    Status(Output),
}

#[derive(Debug, Serialize)]
struct Status {
    projection: String,
    topic: String,
    partition: i32,
    next_offset: i64,
    end_offset: i64,
    lag_records: i64,
    /// Seconds since the newest folded record was appended, where records are waiting; else 0.
    lag_seconds: i64,
    appended_at: Option<DateTime<Utc>>,
}

pub(crate) async fn run(action: &Action, arguments: &Arguments) -> Result<()> {
    let Action::Status(output) = action;
    let database = Database::connect(&arguments.database)?;
    let checkpoints = checkpoints(&database).await.context("cannot read the positions: is the database migrated?")?;
    let ends = ends(&Browser::new(&arguments.wire), &checkpoints).await?;
    let now = Utc::now();
    let all: Vec<Status> = checkpoints.into_iter().map(|checkpoint| status(checkpoint, &ends, now)).collect();
    let rows = all.iter().map(|status| {
        vec![
            status.projection.clone(),
            format!("{}:{}", status.topic, status.partition),
            status.next_offset.to_string(),
            status.end_offset.to_string(),
            status.lag_records.to_string(),
            status.lag_seconds.to_string(),
        ]
    });
    let headings = ["projection", "partition", "next offset", "end", "lag (records)", "lag (seconds)"];
    output.print(&all, &headings, rows.collect())
}

type Ends = HashMap<(String, i32), i64>;

async fn ends(browser: &Browser, checkpoints: &[Checkpoint]) -> Result<Ends, BrowserError> {
    let mut ends = Ends::new();
    for checkpoint in checkpoints {
        if !ends.contains_key(&(checkpoint.topic.clone(), checkpoint.partition)) {
            let ranges = browser.ranges(&checkpoint.topic).await?;
            ends.extend(ranges.into_iter().map(|range| ((checkpoint.topic.clone(), range.partition), range.end)));
        }
    }
    Ok(ends)
}

fn status(checkpoint: Checkpoint, ends: &Ends, now: DateTime<Utc>) -> Status {
    let end_offset = ends.get(&(checkpoint.topic.clone(), checkpoint.partition)).copied().unwrap_or(0);
    let lag_records = (end_offset - checkpoint.next_offset).max(0);
    let age = checkpoint.appended_at.map_or(0, |appended_at| (now - appended_at).num_seconds().max(0));
    Status {
        projection: checkpoint.projection,
        topic: checkpoint.topic,
        partition: checkpoint.partition,
        next_offset: checkpoint.next_offset,
        end_offset,
        lag_records,
        lag_seconds: if lag_records == 0 { 0 } else { age },
        appended_at: checkpoint.appended_at,
    }
}
