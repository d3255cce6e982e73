//! Waiting for what is away: the store, the registry, the brokers.
//!
//! Says in readiness and in the log what is waited for; the next success turns readiness green again. A wait ends
//! early only because the service is to stop.

use crate::{
    backoff::{Backoff, Stopping},
    projection::contract::StoreError,
    sessions::chain,
};
use foldstream_telemetry::{
    health::{Component, Status},
    names,
};
use std::{error::Error, time::Duration};
use tokio_util::sync::CancellationToken;

/// The waits of one task, longer each time.
#[derive(Debug)]
pub(crate) struct Waiting<'a> {
    service: &'static str,
    component: &'a Component,
    shutdown: &'a CancellationToken,
    backoff: Backoff,
}

impl<'a> Waiting<'a> {
    pub(crate) fn new(service: &'static str, component: &'a Component, shutdown: &'a CancellationToken) -> Self {
        let backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(5));
        Self { service, component, shutdown, backoff }
    }

    pub(crate) async fn for_store(&mut self, error: &StoreError) -> Result<(), Stopping> {
        if let StoreError::Unavailable { code, .. } = error {
            metrics::counter!(names::RETRIES_TOTAL, "projection" => self.service, "sqlstate" => code.clone())
                .increment(1);
        }
        self.wait_for("store", error).await
    }

    pub(crate) async fn wait_for(
        &mut self,
        dependency: &'static str,
        error: &(dyn Error + Send + Sync),
    ) -> Result<(), Stopping> {
        let reason = chain(error);
        foldstream_telemetry::warn!(service = self.service, dependency, error.message = reason, "waiting");
        self.component.set(Status::Degraded { reason });
        self.backoff.wait(self.shutdown).await
    }
}
