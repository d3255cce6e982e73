//! The table of everything that runs, in the order data flows.
//!
//! Each service is supervised: one that ends by itself or panics is started again with a growing pause and shows in
//! readiness; the others go on.

use crate::projections::PROJECTIONS;
use anyhow::Result;
use clap::builder::PossibleValuesParser;
use foldstream_api::Outcomes;
use foldstream_browse::{Brokers, Browse};
use foldstream_events::Flow;
use foldstream_fold::Service as LoopService;
use foldstream_log::{Browser, Config, Registry, Writer};
use foldstream_store::{Applied, Database};
use foldstream_telemetry::health::{Component, Health, Status};
use std::{future::Future, pin::Pin, time::Duration};
use tokio_util::sync::CancellationToken;

/// What every service may use.
#[derive(Debug, Clone)]
pub(crate) struct Runtime {
    pub(crate) wire: Config,
    pub(crate) api: foldstream_api::Config,
    pub(crate) registry: Registry,
    pub(crate) browser: Browser,
    pub(crate) database: Database,
    pub(crate) applied: Applied,
    pub(crate) health: Health,
    pub(crate) shutdown: CancellationToken,
}

/// The services that read topics and write topics.
pub(crate) const PROCESSORS: &[Flow] = &[foldstream_people_processor::FLOW];

type Running = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

/// A service: its edges and how it is run.
pub(crate) struct Service {
    pub(crate) flow: Flow,
    run: fn(Runtime, Component) -> Running,
}

pub(crate) const SERVICES: &[Service] = &[
    Service {
        flow: foldstream_people_processor::FLOW,
        run: |runtime, component| {
            Box::pin(async move {
                foldstream_people_processor::run(runtime.for_loop(component)).await;
                Ok(())
            })
        },
    },
    Service {
        flow: foldstream_people_projection::FLOW,
        run: |runtime, component| {
            Box::pin(async move {
                foldstream_people_projection::run(runtime.for_loop(component), &runtime.database).await;
                Ok(())
            })
        },
    },
    Service {
        flow: foldstream_locations_projection::FLOW,
        run: |runtime, component| {
            Box::pin(async move {
                foldstream_locations_projection::run(runtime.for_loop(component), &runtime.database).await;
                Ok(())
            })
        },
    },
    Service {
        flow: foldstream_activity_projection::FLOW,
        run: |runtime, component| {
            Box::pin(async move {
                foldstream_activity_projection::run(runtime.for_loop(component), &runtime.database).await;
                Ok(())
            })
        },
    },
    Service {
        flow: foldstream_api::FLOW,
        run: |runtime, _| {
            Box::pin(async move {
                let writer = Writer::connect(&runtime.wire, &runtime.registry, foldstream_api::FLOW.service)?;
                let parts = foldstream_api::Parts {
                    outcomes: Outcomes::follow(&runtime.wire, &runtime.registry),
                    // Those behind the brokers: what they make of a position can be followed.
                    flows: SERVICES
                        .iter()
                        .map(|service| service.flow)
                        .filter(|flow| *flow != foldstream_api::FLOW)
                        .collect(),
                    provenances: PROJECTIONS.iter().map(|known| known.provenance).collect(),
                    database: runtime.database,
                    applied: runtime.applied,
                    browser: runtime.browser,
                    browse: Browse::new(Brokers::new(&runtime.wire.brokers)),
                    looking: runtime.api.looking.clone(),
                    edges: edges().collect(),
                    registry: runtime.registry,
                    writer,
                    health: runtime.health,
                    shutdown: runtime.shutdown.clone(),
                };
                Ok(foldstream_api::run(runtime.api, parts, runtime.shutdown).await?)
            })
        },
    },
];

/// The edges of everything that reads or writes topics: services, and the command that is a producer.
pub(crate) fn edges() -> impl Iterator<Item = Flow> {
    SERVICES.iter().map(|service| service.flow).chain([foldstream_replay::FLOW])
}

impl Runtime {
    fn for_loop(&self, component: Component) -> LoopService {
        LoopService {
            wire: self.wire.clone(),
            registry: self.registry.clone(),
            browser: self.browser.clone(),
            component,
            shutdown: self.shutdown.clone(),
        }
    }
}

/// The names `run` takes.
pub(crate) fn known() -> PossibleValuesParser {
    PossibleValuesParser::new(SERVICES.iter().map(|service| service.flow.service).chain(["all"]))
}

/// Runs a service until shutdown, again and again.
pub(crate) async fn supervise(service: &'static Service, runtime: Runtime) {
    let name = service.flow.service;
    let component = runtime.health.component(name);
    let mut pause = Duration::from_millis(500);
    while !runtime.shutdown.is_cancelled() {
        component.set(Status::Starting);
        let ended = tokio::spawn((service.run)(runtime.clone(), component.clone())).await;
        if runtime.shutdown.is_cancelled() {
            break;
        }
        let reason = match ended {
            Ok(Ok(())) => "it ended by itself".to_owned(),
            Ok(Err(error)) => format!("{error:#}"),
            Err(panic) => format!("it panicked: {panic}"),
        };
        tracing::error!(service = name, error.message = reason, "a service ended; it is started again");
        component.set(Status::Degraded { reason });
        runtime.shutdown.run_until_cancelled(tokio::time::sleep(pause)).await;
        pause = (pause * 2).min(Duration::from_secs(30));
    }
    component.set(Status::Stopped);
}

#[cfg(test)]
mod tests {
    //! The picture cannot go stale: the README's tables, the topics' declarations and the services' edges agree.

    use super::*;
    use foldstream_events::TOPICS;
    use std::{collections::BTreeSet, fs, path::Path};

    /// The cells of every table row of a page whose first cell is code; code cells without their backticks.
    fn rows(page: &str) -> Vec<Vec<Vec<String>>> {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).unwrap();
        let cell = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        text.lines()
            .filter(|line| line.starts_with("| `"))
            .map(|line| line.trim_matches('|').split('|').map(cell).collect())
            .collect()
    }

    fn flows() -> Vec<Flow> {
        edges().collect()
    }

    fn set<'a>(names: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
        names.into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn the_readme_lists_every_service_with_its_edges() {
        let rows = rows("README.md");
        for flow in flows() {
            let row = rows.iter().find(|row| row[0] == [flow.service]);
            let row = row.unwrap_or_else(|| panic!("README.md does not list {}", flow.service));
            assert_eq!(set(row[1].iter().map(String::as_str)), set(flow.reads.iter().copied()), "{}", flow.service);
            assert_eq!(set(row[2].iter().map(String::as_str)), set(flow.writes.iter().copied()), "{}", flow.service);
        }
    }

    #[test]
    fn a_topic_is_written_by_those_it_declares() {
        for topic in TOPICS {
            let writers = flows().into_iter().filter(|flow| flow.writes.contains(&topic.name)).map(|flow| flow.service);
            assert_eq!(set(writers), set(topic.writers.iter().copied()), "{}", topic.name);
        }
    }

    #[test]
    fn the_event_catalogue_is_that_of_the_declarations() {
        let rows = rows("schemas/README.md");
        assert_eq!(rows.len(), TOPICS.len());
        let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/README.md")).unwrap();
        for topic in TOPICS {
            let row = rows.iter().find(|row| row[0] == [topic.name]).unwrap_or_else(|| panic!("no {}", topic.name));
            assert_eq!(row[1], [topic.key]);
            assert!(page.contains(&format!("| `{}` | `{}` | {} |", topic.name, topic.key, topic.partitions)));
            assert_eq!(set(row[4].iter().map(String::as_str)), set(topic.writers.iter().copied()), "{}", topic.name);
            let readers = flows().into_iter().filter(|flow| flow.reads.contains(&topic.name)).map(|flow| flow.service);
            assert_eq!(set(row[5].iter().map(String::as_str)), set(readers), "{}", topic.name);
            for record in foldstream_events::record_types().filter(|record| record.topic == topic.name) {
                assert!(row[6].contains(&record.full_name.to_owned()), "{}", record.full_name);
            }
        }
    }
}
