//! `foldstream projections activate` and `drop`: which version readers are shown, and the end of one.

use super::named::Numbered;
use crate::settings::Settings;
use anyhow::Result;
use foldstream_store::Database;
use serde::Serialize;
use std::time::Duration;

/// How long the version may take to come as far as the one readers are shown.
const PATIENCE: Duration = Duration::from_secs(15);

#[derive(Debug, Serialize)]
struct Done {
    projection: &'static str,
    version: i32,
    done: &'static str,
    /// What readers were shown before.
    before: Option<i32>,
}

pub(super) async fn activate(numbered: &Numbered, settings: &Settings) -> Result<()> {
    let (projection, tables) = numbered.named.projection()?;
    let database = Database::connect(&settings.database)?;
    let before = (tables.activate)(&database, numbered.number, PATIENCE).await?;
    print(numbered, Done { projection, version: numbered.number, done: "active", before: Some(before.version) })
}

pub(super) async fn discard(numbered: &Numbered, settings: &Settings) -> Result<()> {
    let (projection, tables) = numbered.named.projection()?;
    let database = Database::connect(&settings.database)?;
    let dropped = (tables.discard)(&database, numbered.number).await?;
    print(numbered, Done { projection, version: dropped.version, done: "dropped", before: None })
}

fn print(numbered: &Numbered, done: Done) -> Result<()> {
    let row = vec![
        done.projection.to_owned(),
        done.version.to_string(),
        done.done.to_owned(),
        done.before.map_or_else(String::new, |before| before.to_string()),
    ];
    numbered.named.output.print(&done, &["projection", "version", "is", "before"], vec![row])
}
