//! Looks at what the API stands on, every few seconds, and reports it: database, Kafka, registry.
//!
//! A look ends in time whatever the dependency does. Reported, not acted on: requests find out by themselves.

use crate::state::Parts;
use foldstream_events::{PERSON_PROFILES, PersonCommandsEvent};
use foldstream_telemetry::health::{Component, Status};
use std::{error::Error, fmt::Write, future::Future, time::Duration};
use tokio::time::{sleep, timeout};

const INTERVAL: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(3);

/// Looks until it is dropped.
pub(crate) async fn watch(parts: Parts) {
    let database = parts.health.dependency("database");
    let kafka = parts.health.dependency("kafka");
    let registry = parts.health.dependency("registry");
    loop {
        tokio::join!(
            look(&database, parts.database.ping()),
            look(&kafka, parts.browse.brokers().ranges_of(PERSON_PROFILES.name)),
            look(&registry, parts.registry.id_of(&PersonCommandsEvent::RECORD_TYPES[0])),
        );
        sleep(INTERVAL).await;
    }
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
