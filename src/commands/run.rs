//! `foldstream run`: services until SIGTERM or SIGINT, then a drain with a deadline.

use crate::{
    Arguments,
    patience::patiently,
    services::{self, SERVICES},
};
use anyhow::{Context, Result, bail};
use foldstream_log::{Browser, Cluster, ClusterError, Registry};
use foldstream_store::{Applied, Database, DatabaseError};
use foldstream_telemetry::health::Health;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// How long services may take to finish what they are writing.
const DRAIN: Duration = Duration::from_secs(20);

#[derive(clap::Args, Debug)]
pub(crate) struct Options {
    /// Which services: their names, or `all`
    #[arg(required = true, value_name = "SERVICE", value_parser = services::known())]
    services: Vec<String>,
}

pub(crate) async fn run(options: &Options, arguments: &Arguments, settings: Vec<(String, String)>) -> Result<()> {
    for (name, value) in settings {
        tracing::info!(setting = name, value, "in force");
    }
    refuse_wrong_topics(arguments).await?;
    let database = Database::connect(&arguments.database)?;
    patiently("the database", DatabaseError::is_unavailable, async || database.migrate().await).await?;
    let shutdown = CancellationToken::new();
    let runtime = services::Runtime {
        wire: arguments.wire.clone(),
        api: arguments.api.clone(),
        registry: Registry::new(&arguments.wire)?,
        browser: Browser::new(&arguments.wire),
        applied: Applied::start(&database, shutdown.clone()),
        database,
        health: Health::new(),
        shutdown: shutdown.clone(),
    };
    let listening = serve_telemetry(arguments, &runtime).await?;
    let chosen = SERVICES
        .iter()
        .filter(|service| options.services.iter().any(|name| name == "all" || name == service.flow.service));
    let running: Vec<_> = chosen.map(|service| tokio::spawn(services::supervise(service, runtime.clone()))).collect();
    tokio::spawn(async move {
        asked_to_stop().await;
        tracing::info!("asked to stop: finishing what is being written");
        shutdown.cancel();
    });
    let stopped = runtime.shutdown.clone();
    let drained = async {
        for service in running {
            service.await.context("a service panicked")?;
        }
        anyhow::Ok(())
    };
    tokio::pin!(drained);
    tokio::select! {
        done = &mut drained => done?,
        () = stopped.cancelled() => match tokio::time::timeout(DRAIN, drained).await {
            Ok(done) => done?,
            Err(_) => bail!("services did not stop within {} s; nothing is lost, they start where they stood", DRAIN.as_secs()),
        },
    }
    runtime.shutdown.cancel();
    if let Some(listening) = listening {
        listening.await.context("the telemetry listener panicked")?;
    }
    tracing::info!("stopped");
    Ok(())
}

/// A topic with the wrong partitions would fold keys in the wrong order: better not to start.
async fn refuse_wrong_topics(arguments: &Arguments) -> Result<()> {
    let cluster = Cluster::connect(&arguments.wire)?;
    let differences = patiently("Kafka", ClusterError::is_unavailable, async || cluster.check().await).await?;
    let (fatal, other): (Vec<_>, Vec<_>) = differences.into_iter().partition(|difference| difference.fatal);
    for difference in other {
        tracing::warn!("{difference}");
    }
    if fatal.is_empty() {
        return Ok(());
    }
    let list: Vec<String> = fatal.iter().map(ToString::to_string).collect();
    bail!("the topics are not as declared: {}; `foldstream topics apply` creates missing ones", list.join("; "));
}

async fn serve_telemetry(
    arguments: &Arguments,
    runtime: &services::Runtime,
) -> Result<Option<tokio::task::JoinHandle<()>>> {
    let Some(address) = arguments.telemetry.telemetry_listen else { return Ok(None) };
    let listener =
        tokio::net::TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
    let stop = runtime.shutdown.clone().cancelled_owned();
    Ok(Some(tokio::spawn(foldstream_telemetry::listener::serve(listener, runtime.health.clone(), stop))))
}

/// Resolves at SIGTERM or SIGINT.
pub(crate) async fn asked_to_stop() {
    let wait = |kind| async move {
        match signal(kind) {
            Ok(mut signal) => drop(signal.recv().await),
            // Without a handler the signal ends the process by itself.
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        () = wait(SignalKind::terminate()) => {}
        () = wait(SignalKind::interrupt()) => {}
    }
}
