//! Looks at what the API stands on, every few seconds, and reports it: database, Kafka, registry.
//!
//! A look ends in time whatever the dependency does. Reported, not acted on: requests find out by themselves.

use crate::{freshness::held_back::held_back, state::Parts};
use chrono::{TimeDelta, Utc};
use foldstream_browse::{BrowseError, HeldBack};
use foldstream_events::PersonCommandsEvent;
use foldstream_telemetry::health::{Component, Status};
use std::{collections::BTreeSet, error::Error, fmt::Write, future::Future, time::Duration};
use tokio::time::{sleep, timeout};

const INTERVAL: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(3);
/// A transaction that is open for so long is told: those of healthy writers take a fraction of it.
const HELD_BACK_FROM: TimeDelta = TimeDelta::seconds(5);

/// Looks until it is dropped.
pub(crate) async fn watch(parts: Parts) {
    let database = parts.health.dependency("database");
    let kafka = parts.health.dependency("kafka");
    let registry = parts.health.dependency("registry");
    loop {
        tokio::join!(
            look(&database, parts.database.ping()),
            look(&kafka, log(&parts)),
            look(&registry, parts.registry.id_of(&PersonCommandsEvent::RECORD_TYPES[0])),
        );
        sleep(INTERVAL).await;
    }
}

/// What is wrong with the log.
#[derive(Debug, thiserror::Error)]
enum LogTrouble {
    #[error(transparent)]
    Away(#[from] BrowseError),
    /// What is acknowledged is not visible.
    #[error("{0}")]
    HeldBack(HeldBack),
}

/// The brokers answer, and no open transaction has held back for long what is folded.
async fn log(parts: &Parts) -> Result<(), LogTrouble> {
    let folded = parts.flows.iter().filter(|flow| flow.kind.folds());
    let topics: BTreeSet<&str> = folded.flat_map(|flow| flow.reads.iter().copied()).collect();
    let found = held_back(parts.browse.brokers(), &topics).await?;
    let long = |held_back: &HeldBack| held_back.since.is_some_and(|since| Utc::now() - since > HELD_BACK_FROM);
    found.into_iter().find(long).map_or(Ok(()), |held_back| Err(LogTrouble::HeldBack(held_back)))
}

async fn look<T, E: Error>(component: &Component, answer: impl Future<Output = Result<T, E>>) {
    component.set(match timeout(PATIENCE, answer).await {
        Ok(Ok(_)) => Status::Ready,
        Ok(Err(error)) => Status::Degraded { reason: with_sources(&error) },
        Err(_) => Status::Degraded { reason: format!("no answer within {} seconds", PATIENCE.as_secs()) },
    });
}

/// The error and what is behind it, in one line.
fn with_sources(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        // Writing to a string does not fail.
        let _ = write!(text, ": {cause}");
        source = cause.source();
    }
    text
}
