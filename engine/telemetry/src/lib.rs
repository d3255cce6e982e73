//! foldstream-telemetry: logs, traces, metrics and health of one process.
//!
//! [`init`] comes first in `main`; the [`Guard`] it returns is shut down last. Other crates log with [`warn!`] and its
//! siblings, count with the `metrics` facade, both with the names of [`names`], report to [`health::Health`], and carry
//! [`trace_context`] over the wire; which exporter stands behind it all is known here and nowhere else.
//! It starts no listener by itself: `main` binds [`config::Config::telemetry_listen`] and calls [`listener::serve`].

#![cfg_attr(test, expect(clippy::disallowed_macros, reason = "in tests, as libraries log"))]

pub mod config;
mod events;
pub mod health;
pub mod listener;
mod logs;
pub mod metrics;
pub mod names;
mod process;
pub mod serving;
pub mod trace_context;
mod traces;

// For the macros of `events.rs`, where they are expanded.
#[doc(hidden)]
pub use tracing;

use config::Config;
use opentelemetry_otlp::ExporterBuildError;
use opentelemetry_sdk::{
    error::{OTelSdkError, OTelSdkResult},
    trace::SdkTracerProvider,
};
use std::{error::Error, io, sync::mpsc, thread};
use tokio::sync::oneshot;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::{
    Registry,
    layer::SubscriberExt,
    util::{SubscriberInitExt, TryInitError},
};

/// Why telemetry cannot start.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// No span exporter for this endpoint.
    #[error("spans cannot be exported to {endpoint}")]
    Exporter {
        /// The endpoint as configured.
        endpoint: String,
        /// What the exporter says.
        source: ExporterBuildError,
    },
    /// The process already logs in some other way.
    #[error("another log subscriber is already installed")]
    Subscriber(#[source] TryInitError),
    /// The process already records metrics in some other way.
    #[error("metrics cannot be recorded")]
    Metrics(#[source] metrics::InstallError),
}

/// Why the last spans may be missing at the collector.
#[derive(Debug, thiserror::Error)]
pub enum FlushError {
    /// No thread to flush on.
    #[error("the flush thread cannot be started")]
    Thread(#[source] io::Error),
    /// The flush thread ended without an answer.
    #[error("the flush thread ended without an answer")]
    Unanswered,
    /// The exporter did not come to an end in time. (A collector that refuses is a log line of the exporter.)
    #[error("the last spans were not sent in time")]
    Export(#[source] OTelSdkError),
}

/// Starts logs, traces and metrics for the process. Call it once, first thing in `main`.
pub fn init(config: &Config, service_name: &str) -> Result<Guard, InitError> {
    let endpoint = config.otlp_endpoint.as_ref();
    let provider = traces::provider(endpoint, service_name).map_err(|source| InitError::Exporter {
        endpoint: endpoint.map(ToString::to_string).unwrap_or_default(),
        source,
    })?;
    let style = logs::Style::of_standard_error(config.log_format);
    Registry::default()
        .with(traces::layer(&provider, endpoint.is_some()))
        .with(logs::layer(style, &config.log, service_name, io::stderr))
        .try_init()
        .map_err(InitError::Subscriber)?;
    let upkeep = metrics::install().map_err(InitError::Metrics)?;
    if style == logs::Style::Ecs {
        logs::log_panics();
    }
    // Without an exporter there is nothing to flush.
    Ok(Guard { exporting: endpoint.map(|_| provider), _upkeep: upkeep })
}

/// Gives the current thread trace ids, without logs or export, until the answer is dropped: for tests of propagation.
#[must_use = "tracing ends when the guard is dropped"]
pub fn trace_this_thread() -> DefaultGuard {
    let provider = SdkTracerProvider::builder().build();
    tracing::subscriber::set_default(Registry::default().with(traces::layer(&provider, false)))
}

/// Keeps telemetry running. [`Guard::shutdown`] it at the end; merely dropped, it flushes as well, but blocks.
#[derive(Debug)]
#[must_use = "telemetry ends when the guard is dropped"]
pub struct Guard {
    /// The provider whose last spans are still to be sent; none once flushed, or when nothing is exported.
    exporting: Option<SdkTracerProvider>,
    /// Ends with the guard.
    _upkeep: metrics::Upkeep,
}

impl Guard {
    /// Sends what spans are left, for at most five seconds, without holding up an async worker.
    pub async fn shutdown(mut self) -> Result<(), FlushError> {
        let Some(provider) = self.exporting.take() else { return Ok(()) };
        let (answer, answered) = oneshot::channel();
        flush(provider, |flushed| drop(answer.send(flushed)))?;
        answered.await.map_err(|_| FlushError::Unanswered)?.map_err(FlushError::Export)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let Some(provider) = self.exporting.take() else { return };
        let (answer, answered) = mpsc::channel();
        let flushed = flush(provider, move |flushed| drop(answer.send(flushed)))
            .and_then(|()| answered.recv().map_err(|_| FlushError::Unanswered))
            .and_then(|flushed| flushed.map_err(FlushError::Export));
        if let Err(failure) = flushed {
            crate::warn!(error = &failure as &dyn Error, "spans were lost at the end");
        }
    }
}

/// Shuts the provider down on a thread of its own: it blocks, and so does dropping its HTTP client.
fn flush(provider: SdkTracerProvider, done: impl FnOnce(OTelSdkResult) + Send + 'static) -> Result<(), FlushError> {
    thread::Builder::new()
        .name("trace-flush".to_owned())
        .spawn(move || done(provider.shutdown()))
        .map(drop)
        .map_err(FlushError::Thread)
}
