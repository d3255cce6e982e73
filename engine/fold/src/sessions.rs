//! One session after the other: a session is one membership in the group, from joining to the first thing it cannot
//! settle itself. Whatever ends one shows in readiness and is tried again; nothing is skipped.

use crate::{
    backoff::{Backoff, Stopping},
    projection::contract::StoreError,
};
use foldstream_browse::{Brokers, BrowseError};
use foldstream_log::{Config, ReaderError, Registry, RegistryError, TransactionError};
use foldstream_telemetry::health::{Component, Status};
use std::{
    error::Error,
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

/// How long a service that halted waits before it looks whether it can go on.
const HALT_PAUSE: Duration = Duration::from_secs(30);

/// What a service runs with.
#[derive(Debug, Clone)]
pub struct Service {
    pub wire: Config,
    pub registry: Registry,
    pub brokers: Brokers,
    /// Its place in the readiness report.
    pub component: Component,
    pub shutdown: CancellationToken,
}

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SessionError {
    #[error("the service is to stop")]
    Stopping,
    #[error(transparent)]
    Reader(#[from] ReaderError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Transaction(#[from] TransactionError),
    #[error("the brokers do not end a transaction")]
    TransactionStuck,
    #[error(transparent)]
    Browse(#[from] BrowseError),
    #[error(transparent)]
    Schema(#[from] RegistryError),
    #[error("the state of {partition} cannot be restored: {reason}")]
    State { partition: i32, reason: String },
    #[error("the reader ended")]
    ReaderEnded,
    #[error("a task was stopped")]
    Task(#[from] tokio::task::JoinError),
}

impl SessionError {
    /// Whether trying again at once is of no use: somebody has to look.
    fn halts(&self) -> bool {
        matches!(
            self,
            Self::Store(StoreError::Broken { .. })
                | Self::Reader(ReaderError::OffsetGone { .. })
                | Self::Transaction(TransactionError::Schema(RegistryError::NotRegistered { .. }))
                | Self::State { .. }
        )
    }
}

impl From<Stopping> for SessionError {
    fn from(_: Stopping) -> Self {
        Self::Stopping
    }
}

/// Holds sessions until shutdown.
pub(crate) async fn run_sessions<Session>(name: &str, service: &Service, mut session: impl FnMut() -> Session)
where
    Session: Future<Output = Result<(), SessionError>>,
{
    let restart = || Backoff::new(Duration::from_millis(200), Duration::from_secs(10));
    let mut backoff = restart();
    while !service.shutdown.is_cancelled() {
        let started = Instant::now();
        let error = match session().await {
            Ok(()) | Err(SessionError::Stopping) => break,
            Err(error) => error,
        };
        let reason = chain(&error);
        service.component.set(Status::Degraded { reason: reason.clone() });
        // A session that lasted is no sign of trouble: start over quickly.
        if started.elapsed() > Duration::from_secs(30) {
            backoff = restart();
        }
        if error.halts() {
            foldstream_telemetry::error!(service = name, error.message = reason, "halted; nothing is skipped");
            if service.shutdown.run_until_cancelled(tokio::time::sleep(HALT_PAUSE)).await.is_none() {
                break;
            }
        } else {
            foldstream_telemetry::warn!(
                service = name,
                error.message = reason,
                "starting again from the stored positions"
            );
            if backoff.wait(&service.shutdown).await.is_err() {
                break;
            }
        }
    }
    service.component.set(Status::Stopped);
}

/// An error with its chain of causes, for the one line that says what went wrong.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
