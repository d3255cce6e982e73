//! `foldstream run`: services until SIGTERM or SIGINT, then a drain with a deadline.
//!
//! A process asks for what its services need and for nothing else: topics that none of them reads or writes may be
//! missing, and one without tables starts while the database is away.

use crate::{
    patience::patiently,
    process::Process,
    services::{self, SERVICES, Service},
    settings::Settings,
    shutdown::asked_to_stop,
    supervising::supervise,
};
use anyhow::{Context, Result, bail};
use foldstream_events::CATALOGUE;
use foldstream_log::{Cluster, ClusterError, Topic};
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use tokio::{net::TcpListener, task::JoinHandle};

/// How long services may take to finish what they are writing.
const DRAIN: Duration = Duration::from_secs(20);

#[derive(clap::Args, Debug)]
pub(crate) struct Options {
    /// Which services: their names, or `all`
    #[arg(required = true, value_name = "SERVICE", value_parser = services::runnable())]
    services: Vec<String>,
}

pub(crate) async fn run(options: &Options, settings: &Settings, in_force: Vec<(String, String)>) -> Result<()> {
    for (name, value) in in_force {
        foldstream_telemetry::info!(setting = name, value, "in force");
    }
    let is_chosen =
        |service: &&Service| options.services.iter().any(|name| name == services::ALL || name == service.name);
    let chosen: Vec<&Service> = SERVICES.iter().filter(is_chosen).collect();
    refuse_wrong_topics(&chosen, settings).await?;
    let process = Arc::new(Process::new(settings)?);
    let mut runners = Vec::with_capacity(chosen.len());
    for service in chosen {
        runners.extend(service.prepare(&process).await?.map(|runner| (service.name, runner)));
    }
    let listening = serve_telemetry(settings, &process).await?;
    let running: Vec<_> = runners
        .into_iter()
        .map(|(name, runner)| {
            tokio::spawn(supervise(runner, process.health.component(name), name, process.shutdown.clone()))
        })
        .collect();
    let shutdown = process.shutdown.clone();
    tokio::spawn(async move {
        asked_to_stop().await;
        foldstream_telemetry::info!("asked to stop: finishing what is being written");
        shutdown.cancel();
    });
    drained(running, &process).await?;
    process.shutdown.cancel();
    if let Some(listening) = listening {
        listening.await.context("the telemetry listener panicked")?;
    }
    foldstream_telemetry::info!("stopped");
    Ok(())
}

/// Waits for every service; once they are asked to stop, with a deadline.
async fn drained(running: Vec<JoinHandle<()>>, process: &Process) -> Result<()> {
    let drained = async {
        for service in running {
            service.await.context("a service panicked")?;
        }
        anyhow::Ok(())
    };
    tokio::pin!(drained);
    tokio::select! {
        done = &mut drained => done,
        () = process.shutdown.cancelled() => match tokio::time::timeout(DRAIN, drained).await {
            Ok(done) => done,
            Err(_) => bail!("services did not stop within {} s; nothing is lost, they start where they stood", DRAIN.as_secs()),
        },
    }
}

/// A topic with the wrong partitions would fold keys in the wrong order: better not to start.
async fn refuse_wrong_topics(services: &[&Service], settings: &Settings) -> Result<()> {
    let topics = topics_of(services);
    let cluster = Cluster::connect(&settings.wire)?;
    let differences = patiently("Kafka", ClusterError::is_unavailable, async || cluster.check(&topics).await).await?;
    let (fatal, other): (Vec<_>, Vec<_>) = differences.into_iter().partition(|difference| difference.fatal);
    for difference in other {
        foldstream_telemetry::warn!("{difference}");
    }
    if fatal.is_empty() {
        return Ok(());
    }
    let list: Vec<String> = fatal.iter().map(ToString::to_string).collect();
    bail!("the topics are not as declared: {}; `foldstream topics apply` creates missing ones", list.join("; "));
}

/// What these services read and write; topics of others may be missing, or as they like.
fn topics_of(services: &[&Service]) -> Vec<&'static Topic> {
    let flows: Vec<_> = services.iter().map(|service| (service.flow)()).collect();
    let names: BTreeSet<&str> = flows.iter().flat_map(|flow| flow.reads.iter().chain(&flow.writes)).copied().collect();
    CATALOGUE.topics.iter().filter(|topic| names.contains(topic.name)).copied().collect()
}

async fn serve_telemetry(settings: &Settings, process: &Process) -> Result<Option<JoinHandle<()>>> {
    let Some(address) = settings.telemetry.telemetry_listen else { return Ok(None) };
    let listener = TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
    let stop = process.shutdown.clone().cancelled_owned();
    Ok(Some(tokio::spawn(foldstream_telemetry::listener::serve(listener, process.health.clone(), stop))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_asks_for_the_topics_of_its_own_services_only() {
        let asked = |names: &[&str]| -> Vec<&str> {
            let services: Vec<&Service> = SERVICES.iter().filter(|service| names.contains(&service.name)).collect();
            topics_of(&services).iter().map(|topic| topic.name).collect()
        };
        assert_eq!(asked(&["people-projection"]), ["person-profiles"]);
        assert!(!asked(&["people-processor", "people-projection"]).contains(&"locations"));
        assert!(asked(&["people-projection", "locations-projection"]).contains(&"locations"));
        assert_eq!(asked(&[]), Vec::<&str>::new());
        for Service { name, flow, .. } in SERVICES {
            let flow = flow();
            let is_an_edge = |topic: &&Topic| flow.reads.contains(&topic.name) || flow.writes.contains(&topic.name);
            let edges: Vec<&str> =
                CATALOGUE.topics.iter().copied().filter(is_an_edge).map(|topic| topic.name).collect();
            assert_eq!(asked(&[name]), edges);
        }
    }
}
