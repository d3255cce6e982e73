//! Supervision: a service that ends by itself or panics is started again after a growing pause and shows in readiness;
//! the others go on.

use anyhow::Result;
use backon::{BackoffBuilder, ExponentialBuilder};
use foldstream_telemetry::health::{Component, Status};
use std::{pin::Pin, time::Duration};
use tokio_util::sync::CancellationToken;

const LONGEST_PAUSE: Duration = Duration::from_secs(30);
const PAUSES: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(500))
    .with_max_delay(LONGEST_PAUSE)
    .without_max_times();

/// A service while it runs.
pub(crate) type Running = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

/// Runs a service, as often as it is called.
pub(crate) type Runner = Box<dyn Fn(Component) -> Running + Send + Sync>;

/// Runs a service until shutdown, again and again.
pub(crate) async fn supervise(runner: Runner, component: Component, name: &'static str, shutdown: CancellationToken) {
    let mut pauses = PAUSES.build();
    while !shutdown.is_cancelled() {
        component.set(Status::Starting);
        let ended = tokio::spawn(runner(component.clone())).await;
        if shutdown.is_cancelled() {
            break;
        }
        let reason = match ended {
            Ok(Ok(())) => "it ended by itself".to_owned(),
            Ok(Err(error)) => format!("{error:#}"),
            Err(panic) => format!("it panicked: {panic}"),
        };
        foldstream_telemetry::error!(service = name, error.message = reason, "a service ended; it is started again");
        component.set(Status::Degraded { reason });
        let pause = pauses.next().unwrap_or(LONGEST_PAUSE);
        shutdown.run_until_cancelled(tokio::time::sleep(pause)).await;
    }
    component.set(Status::Stopped);
}
