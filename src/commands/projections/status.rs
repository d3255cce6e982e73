//! `foldstream projections status`: every version of every projection, partition by partition.
//!
//! The rate is that of a moment: positions are read twice, and what was passed between is divided by the time.

use crate::{output::Output, settings::Settings};
use anyhow::{Context, Result};
use chrono::{DateTime, Utc};
use foldstream_browse::{Brokers, BrowseError, HeldBack};
use foldstream_store::{
    Database,
    versions::{VersionPosition, VersionState, version_positions},
};
use serde::Serialize;
use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

/// Long enough for a few transactions of a fold under load.
const RATE_OVER: Duration = Duration::from_millis(300);

#[derive(Debug, Serialize)]
struct Status {
    projection: String,
    version: i32,
    /// Whether readers are shown it.
    active: bool,
    state: VersionState,
    schema: String,
    topic: String,
    partition: i32,
    next_offset: i64,
    /// The high watermark: what is acknowledged.
    end_offset: i64,
    lag_records: i64,
    /// Seconds since the newest folded record was appended, where records are waiting; else 0.
    lag_seconds: i64,
    records_per_second: f64,
    appended_at: Option<DateTime<Utc>>,
    /// The open transaction behind which nothing is read, where there is one.
    held_back: Option<HeldBack>,
}

type Key = (String, i32, String, i32);
type Ends = HashMap<(String, i32), (i64, Option<HeldBack>)>;

pub(super) async fn run(output: Output, settings: &Settings) -> Result<()> {
    let database = Database::connect(&settings.database)?;
    let unreadable = "cannot read the positions: is the database migrated?";
    let before: HashMap<Key, i64> =
        version_positions(&database).await.context(unreadable)?.iter().filter_map(standing).collect();
    let started = Instant::now();
    tokio::time::sleep(RATE_OVER).await;
    let positions = version_positions(&database).await.context(unreadable)?;
    let took = started.elapsed().as_secs_f64();
    let ends = ends(&Brokers::new(&settings.wire), &positions).await?;
    let now = Utc::now();
    let all: Vec<Status> = positions
        .into_iter()
        .filter_map(|position| {
            let (key, next_offset) = standing(&position)?;
            let passed = next_offset - before.get(&key).copied().unwrap_or(next_offset);
            #[expect(clippy::cast_precision_loss, reason = "a rate is shown to people")]
            let rate = passed as f64 / took;
            Some(Status { records_per_second: rate, ..status(position, &ends, now)? })
        })
        .collect();
    let rows = all.iter().map(|status| {
        vec![
            status.projection.clone(),
            format!("{}{}", status.version, if status.active { " (active)" } else { "" }),
            status.state.to_string(),
            format!("{}:{}", status.topic, status.partition),
            status.next_offset.to_string(),
            status.end_offset.to_string(),
            status.lag_records.to_string(),
            status.lag_seconds.to_string(),
            format!("{:.0}", status.records_per_second),
            status.held_back.as_ref().map(HeldBack::told).unwrap_or_default(),
        ]
    });
    let headings = [
        "projection",
        "version",
        "state",
        "partition",
        "next offset",
        "end",
        "lag (records)",
        "lag (seconds)",
        "records/s",
        "held back",
    ];
    output.print(&all, &headings, rows.collect())
}

/// Which partition of which version, and where it stands; none where nothing was folded yet.
fn standing(position: &VersionPosition) -> Option<(Key, i64)> {
    let version = &position.version;
    let key = (version.projection.clone(), version.version, position.topic.clone()?, position.partition?);
    Some((key, position.next_offset?))
}

async fn ends(brokers: &Brokers, positions: &[VersionPosition]) -> Result<Ends, BrowseError> {
    let mut ends = Ends::new();
    for (topic, partition) in
        positions.iter().filter_map(|position| Some((position.topic.clone()?, position.partition?)))
    {
        if !ends.contains_key(&(topic.clone(), partition)) {
            let ranges = brokers.ranges_of(&topic).await?;
            let held_back = brokers.held_back(&topic, &ranges).await?;
            ends.extend(ranges.into_iter().map(|(partition, range)| {
                let held_back = held_back.iter().find(|held_back| held_back.partition == partition).cloned();
                ((topic.clone(), partition), (range.high_watermark, held_back))
            }));
        }
    }
    Ok(ends)
}

fn status(position: VersionPosition, ends: &Ends, now: DateTime<Utc>) -> Option<Status> {
    let (topic, partition, next_offset) = (position.topic?, position.partition?, position.next_offset?);
    let (end_offset, held_back) = ends.get(&(topic.clone(), partition)).cloned().unwrap_or_default();
    let lag_records = (end_offset - next_offset).max(0);
    let age = position.appended_at.map_or(0, |appended_at| (now - appended_at).num_seconds().max(0));
    Some(Status {
        projection: position.version.projection,
        version: position.version.version,
        active: position.version.is_active,
        state: position.version.state,
        schema: position.version.schema_name,
        topic,
        partition,
        next_offset,
        end_offset,
        lag_records,
        lag_seconds: if lag_records == 0 { 0 } else { age },
        records_per_second: 0.0,
        appended_at: position.appended_at,
        held_back,
    })
}
