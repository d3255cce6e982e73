//! Folds every version of a projection side by side: one loop each, begun and ended as versions come and go.
//!
//! Which there are is looked up every second; a look that fails leaves everything as it is. What rebuilds and verifications
//! that ended early left over is removed now and then.

use super::{
    left_over::remove_left_over,
    tables::ensure_tables,
    version::{LOOK_EVERY, Version, VersionState},
};
use crate::{
    checkpoint::Fenced,
    database::{Database, Purpose},
    read_model::ReadModel,
};
use foldstream_fold::{Service, run_projection};
use foldstream_telemetry::health::{Component, Status};
use std::{collections::BTreeMap, time::Duration};
use tokio::{task::JoinHandle, time::Instant};
use tokio_util::sync::CancellationToken;

/// How often it is looked for what was left over, first when a service starts.
const LEFT_OVER_EVERY: Duration = Duration::from_secs(600);

/// The loop of a version.
struct Loop {
    stop: CancellationToken,
    component: Component,
    running: JoinHandle<()>,
}

/// Folds every version until shutdown.
pub async fn fold_versions<P>(service: Service, database: &Database)
where
    P: ReadModel,
{
    let mut loops: BTreeMap<i32, Loop> = BTreeMap::new();
    let mut looked_for_left_over: Option<Instant> = None;
    loop {
        match ensure_tables::<P>(database).await {
            Ok(versions) => {
                end_others(&mut loops, &versions).await;
                for version in versions.iter().filter(|version| version.state == VersionState::Folding) {
                    loops.entry(version.version).or_insert_with(|| begin::<P>(&service, database, version));
                }
                service.component.set(Status::Ready);
                if looked_for_left_over.is_none_or(|last| last.elapsed() > LEFT_OVER_EVERY) {
                    looked_for_left_over = Some(Instant::now());
                    left_over::<P>(database).await;
                }
            }
            Err(error) => {
                foldstream_telemetry::warn!(
                    projection = P::NAME,
                    error = &error as &dyn std::error::Error,
                    "which versions there are cannot be read"
                );
                if loops.is_empty() {
                    service.component.set(Status::Degraded { reason: error.to_string() });
                }
            }
        }
        if service.shutdown.run_until_cancelled(tokio::time::sleep(LOOK_EVERY)).await.is_none() {
            break;
        }
    }
    for (_, each) in loops {
        // It was told by the same shutdown; a panic was logged where it happened.
        let _ = each.running.await;
    }
}

async fn left_over<P: ReadModel>(database: &Database) {
    if let Err(error) = remove_left_over::<P>(database).await {
        let error = &error as &dyn std::error::Error;
        foldstream_telemetry::warn!(projection = P::NAME, error, "what was left over cannot be removed");
    }
}

fn begin<P>(service: &Service, database: &Database, version: &Version) -> Loop
where
    P: ReadModel,
{
    let component = service.component.sibling(&format!("{} v{}", P::NAME, version.version));
    let stop = service.shutdown.child_token();
    let service = Service { component: component.clone(), shutdown: stop.clone(), ..service.clone() };
    if !version.has_tables_of::<P>() {
        refuse::<P>(&component, version.version);
        return Loop { running: tokio::spawn(stop.clone().cancelled_owned()), stop, component };
    }
    let store = Fenced::<P>::new(&version.database(database, Purpose::Folding), version.version);
    foldstream_telemetry::info!(projection = P::NAME, version = version.version, "a version is folded");
    Loop { stop, component, running: tokio::spawn(run_projection::<P, _>(service, store)) }
}

/// Stands still: rows of this program's fold do not fit into tables that other statements made.
fn refuse<P: ReadModel>(component: &Component, version: i32) {
    let projection = P::NAME;
    let reason = format!(
        "version {version} of {projection} has other tables than this program makes: it is read, and not folded on; \
         `foldstream projections rebuild {projection}` makes a version with the new ones"
    );
    foldstream_telemetry::error!(projection, version, error.message = reason, "halted; nothing is skipped");
    component.set(Status::Degraded { reason });
}

/// Ends the loops of versions that are dropped, and forgets those that ended by themselves so that they begin again.
async fn end_others(loops: &mut BTreeMap<i32, Loop>, versions: &[Version]) {
    let is_folded = |number: i32| {
        versions.iter().any(|version| version.version == number && version.state == VersionState::Folding)
    };
    let over: Vec<i32> = loops
        .iter()
        .filter(|(number, each)| !is_folded(**number) || each.running.is_finished())
        .map(|(number, _)| *number)
        .collect();
    for number in over {
        let Some(each) = loops.remove(&number) else { continue };
        each.stop.cancel();
        if let Err(panic) = each.running.await {
            foldstream_telemetry::error!(version = number, error.message = %panic, "the loop of a version panicked; it begins again");
        }
        if !is_folded(number) {
            each.component.retire();
            foldstream_telemetry::info!(version = number, "a version is folded no longer");
        }
    }
}
