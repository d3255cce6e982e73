//! `foldstream projections rebuild` and `verify`: the same replay, into a version to keep or one to compare and drop.

use super::{named::Named, progress};
use crate::{output::Output, services::Tools, settings::Settings, shutdown::asked_to_stop};
use anyhow::{Result, bail};
use foldstream_browse::Brokers;
use foldstream_fold::Service;
use foldstream_log::Registry;
use foldstream_store::{
    Database,
    versions::{Progress, Rebuilt},
};
use foldstream_telemetry::health::Health;
use tokio_util::sync::CancellationToken;

#[derive(clap::Args, Debug)]
pub(crate) struct Options {
    #[command(flatten)]
    named: Named,
    /// The new version is meant to differ: hand it over whatever the comparison finds
    #[arg(long)]
    expect_changes: bool,
}

pub(super) async fn rebuild(options: &Options, settings: &Settings) -> Result<()> {
    let (name, tables) = options.named.projection()?;
    let (service, database, progress) = prepare(settings, name).await?;
    let tools = Tools { service: &service, database: &database, progress: &progress };
    let rebuilt = progress::shown(&progress, (tables.rebuild)(tools, options.expect_changes)).await?;
    print(&rebuilt, options.named.output)?;
    let version = rebuilt.version.unwrap_or_default();
    if rebuilt.equal == Some(false) && !options.expect_changes {
        bail!(
            "version {version} differs from the live one, so nobody folds it on: {}; --expect-changes hands it over all \
             the same, `foldstream projections drop` removes it",
            first_differences(&rebuilt)
        );
    }
    if rebuilt.equal.is_none() {
        foldstream_telemetry::info!("the live version has other tables: nothing was compared");
    }
    foldstream_telemetry::info!(
        "version {version} is folded by `foldstream run {name}` from now on; `foldstream projections activate {name} \
         {version}` shows it to readers"
    );
    Ok(())
}

pub(super) async fn verify(named: &Named, settings: &Settings) -> Result<()> {
    let (name, tables) = named.projection()?;
    let (service, database, progress) = prepare(settings, name).await?;
    let tools = Tools { service: &service, database: &database, progress: &progress };
    let verified = progress::shown(&progress, (tables.verify)(tools)).await?;
    print(&verified, named.output)?;
    if verified.equal == Some(false) {
        bail!("the live rows are not what the topics say: {}", first_differences(&verified));
    }
    Ok(())
}

async fn prepare(settings: &Settings, name: &'static str) -> Result<(Service, Database, Progress)> {
    let database = Database::connect(&settings.database)?;
    database.migrate().await?;
    let shutdown = CancellationToken::new();
    let service = Service {
        wire: settings.wire.clone(),
        registry: Registry::new(&settings.wire)?,
        brokers: Brokers::new(&settings.wire),
        // Nobody asks this process whether it is ready.
        component: Health::new().component(name),
        shutdown: shutdown.clone(),
    };
    tokio::spawn(async move {
        asked_to_stop().await;
        shutdown.cancel();
    });
    Ok((service, database, Progress::default()))
}

fn print(rebuilt: &Rebuilt, output: Output) -> Result<()> {
    let rows = rebuilt.tables.iter().map(|table| {
        vec![
            table.table.to_owned(),
            table.live_rows.to_string(),
            table.replayed_rows.to_string(),
            table.live_hash.clone(),
            table.replayed_hash.clone(),
            table.differing_rows.to_string(),
        ]
    });
    let headings = ["table", "live rows", "replayed rows", "live hash", "replayed hash", "differing"];
    output.print(rebuilt, &headings, rows.collect())?;
    foldstream_telemetry::info!(
        "{} records replayed in {:.1} s, {:.0}/s",
        rebuilt.records,
        rebuilt.load_seconds,
        rebuilt.records_per_second
    );
    Ok(())
}

fn first_differences(rebuilt: &Rebuilt) -> String {
    let of_table = rebuilt.tables.iter().filter(|table| table.differing_rows > 0).map(|table| {
        let named: Vec<String> = table.differences.iter().map(ToString::to_string).collect();
        format!("{} differs in {} rows: {}", table.table, table.differing_rows, named.join(", "))
    });
    of_table.collect::<Vec<_>>().join("; ")
}
