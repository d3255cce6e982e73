//! The table of everything that runs, in the order data flows: a line each.
//!
//! What a service reads and writes follows from its types, and so does all that can be done with it by name: the
//! commands, the topic pages, the walk that follows a position and the README's table are made from these lines or held
//! against them.

use crate::{
    process::Process,
    supervising::{Runner, Running},
};
use anyhow::Result;
use clap::builder::PossibleValuesParser;
use foldstream_browse::Browse;
use foldstream_fold::{Decider, Service as LoopService, decider_flow, run_decider};
use foldstream_log::{Flow, Republisher, Writer};
use foldstream_store::{
    Applied, Database, Provenance, ReadModel, projection_flow,
    versions::{self, Progress, Rebuilt, Version, VersionError},
};
use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

pub(crate) const SERVICES: &[Service] = &[
    producer(foldstream_replay::NAME, foldstream_replay::flow),
    processor::<foldstream_people_processor::People>(),
    projection::<foldstream_people_projection::People>(),
    projection::<foldstream_locations_projection::Locations>(),
    projection::<foldstream_activity_projection::Activity>(),
    Service { name: foldstream_api::NAME, flow: foldstream_api::flow, kind: Kind::Api },
];

/// Stands for all services on the command line.
pub(crate) const ALL: &str = "all";

/// A service: its name, its edges, and how it is run.
pub(crate) struct Service {
    pub(crate) name: &'static str,
    pub(crate) flow: fn() -> Flow,
    pub(crate) kind: Kind,
}

pub(crate) enum Kind {
    /// Runs by a command of its own.
    Producer,
    Processor {
        run: fn(LoopService) -> Running,
    },
    Projection(Tables),
    Api,
}

/// A projection: how it is run, and what is done with its tables.
#[derive(Clone, Copy)]
pub(crate) struct Tables {
    run: fn(LoopService, Database) -> Running,
    provenance: Provenance,
    ensure: for<'a> fn(&'a Database) -> Doing<'a, Vec<Version>>,
    pub(crate) rebuild: for<'a> fn(Tools<'a>, bool) -> Doing<'a, Rebuilt>,
    pub(crate) verify: for<'a> fn(Tools<'a>) -> Doing<'a, Rebuilt>,
    pub(crate) activate: for<'a> fn(&'a Database, i32, Duration) -> Doing<'a, Version>,
    pub(crate) discard: for<'a> fn(&'a Database, i32) -> Doing<'a, Version>,
}

type Doing<'a, T> = Pin<Box<dyn Future<Output = Result<T, VersionError>> + Send + 'a>>;

/// What folding anew needs.
#[derive(Clone, Copy)]
pub(crate) struct Tools<'a> {
    pub(crate) service: &'a LoopService,
    pub(crate) database: &'a Database,
    pub(crate) progress: &'a Progress,
}

const fn producer(name: &'static str, flow: fn() -> Flow) -> Service {
    Service { name, flow, kind: Kind::Producer }
}

const fn processor<D: Decider>() -> Service {
    let run = |service| -> Running {
        Box::pin(async move {
            run_decider::<D>(service).await;
            Ok(())
        })
    };
    Service { name: D::NAME, flow: decider_flow::<D>, kind: Kind::Processor { run } }
}

const fn projection<P: ReadModel>() -> Service {
    let tables = Tables {
        run: |service, database| {
            Box::pin(async move {
                versions::fold_versions::<P>(service, &database).await;
                Ok(())
            })
        },
        provenance: Provenance::of::<P>(),
        ensure: |database| Box::pin(async move { Ok(versions::ensure_tables::<P>(database).await?) }),
        rebuild: |tools, expect_changes| {
            Box::pin(versions::rebuild::<P>(tools.service, tools.database, expect_changes, tools.progress))
        },
        verify: |tools| Box::pin(versions::verify::<P>(tools.service, tools.database, tools.progress)),
        activate: |database, version, patience| Box::pin(versions::activate::<P>(database, version, patience)),
        discard: |database, version| Box::pin(versions::discard::<P>(database, version)),
    };
    Service { name: P::NAME, flow: projection_flow::<P>, kind: Kind::Projection(tables) }
}

/// The edges of everything that reads or writes topics.
pub(crate) fn flows() -> Arc<[Flow]> {
    SERVICES.iter().map(|service| (service.flow)()).collect()
}

/// The projections with their names.
pub(crate) fn projections() -> impl Iterator<Item = (&'static str, &'static Tables)> {
    SERVICES.iter().filter_map(|service| match &service.kind {
        Kind::Projection(tables) => Some((service.name, tables)),
        _ => None,
    })
}

/// The names `run` takes.
pub(crate) fn runnable() -> PossibleValuesParser {
    let runs = SERVICES.iter().filter(|service| !matches!(service.kind, Kind::Producer));
    PossibleValuesParser::new(runs.map(|service| service.name).chain([ALL]))
}

impl Service {
    /// Asks for what the service needs, and nothing else; gives what runs it. None where a command of its own does.
    pub(crate) async fn prepare(&self, process: &Arc<Process>) -> Result<Option<Runner>> {
        let of = process.clone();
        Ok(match self.kind {
            Kind::Producer => None,
            Kind::Processor { run } => Some(Box::new(move |component| run(of.for_loop(component)))),
            Kind::Projection(Tables { run, .. }) => {
                let database = process.database().await?;
                Some(Box::new(move |component| run(of.for_loop(component), database.clone())))
            }
            Kind::Api => {
                let database = process.database().await?;
                // What it reads is there from the beginning, whether it was ever folded or not.
                for (_, tables) in projections() {
                    (tables.ensure)(&database).await?;
                }
                let applied = Applied::start(&database, process.shutdown.clone());
                Some(Box::new(move |_| Box::pin(serve(of.clone(), database.clone(), applied.clone()))))
            }
        })
    }
}

async fn serve(process: Arc<Process>, database: Database, applied: Applied) -> Result<()> {
    let Process { settings, registry, brokers, health, shutdown, .. } = &*process;
    let parts = foldstream_api::Parts {
        writer: Writer::connect(&settings.wire, registry, foldstream_api::NAME)?,
        republisher: settings.api.republish.then(|| Republisher::new(&settings.wire)),
        flows: flows(),
        provenances: projections().map(|(_, tables)| tables.provenance).collect(),
        database,
        applied,
        browse: Browse::new(brokers.clone(), foldstream_events::CATALOGUE),
        looking: settings.api.looking.clone(),
        registry: registry.clone(),
        health: health.clone(),
        shutdown: shutdown.clone(),
    };
    Ok(foldstream_api::run(settings.api.clone(), parts, shutdown.clone()).await?)
}

#[cfg(test)]
mod tests {
    //! The picture cannot go stale: the README's tables, the topics' declarations and the services' edges agree.

    use super::*;
    use foldstream_events::CATALOGUE;
    use foldstream_log::{ServiceKind, Writers};
    use std::{collections::BTreeSet, env, fs, path::Path};

    const BEGIN: &str = "<!-- made by `make readme` -->\n";
    const END: &str = "<!-- end of what is made -->\n";

    fn table() -> String {
        let coded = |names: &[&str]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let row = |service: &Service| {
            let Flow { reads, writes, .. } = (service.flow)();
            let on_poison = match service.kind {
                Kind::Producer => "counted and skipped",
                Kind::Processor { .. } => "dead letter on the topic",
                Kind::Projection(_) => "dead letter, and its key waits",
                Kind::Api => "refused with a reason",
            };
            format!("| `{}` | {} | {} | {on_poison} |\n", service.name, coded(&reads), coded(&writes))
        };
        let rows: String = SERVICES.iter().map(row).collect();
        format!("| service | reads | writes | on poison |\n|---|---|---|---|\n{rows}")
    }

    fn set<'a>(names: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
        names.into_iter().map(str::to_owned).collect()
    }

    /// With `UPDATE_EXPECT` set the table is written, as `make readme` does.
    #[test]
    fn the_readme_lists_every_service_with_its_edges() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
        let readme = fs::read_to_string(&file).unwrap();
        let (before, rest) = readme.split_once(BEGIN).unwrap();
        let (stands, after) = rest.split_once(END).unwrap();
        if env::var_os("UPDATE_EXPECT").is_some() {
            fs::write(&file, [before, BEGIN, &table(), END, after].concat()).unwrap();
        } else {
            assert_eq!(stands, table(), "the table of services in README.md is stale: run make readme");
        }
    }

    #[test]
    fn a_topic_is_written_by_those_it_declares() {
        let flows = flows();
        let processors = || flows.iter().filter(|flow| flow.kind == ServiceKind::Processor).map(|flow| flow.service);
        for topic in CATALOGUE.topics {
            let writers = flows.iter().filter(|flow| flow.writes.contains(&topic.name)).map(|flow| flow.service);
            let declared = match topic.writers {
                Writers::Services(services) => set(services.iter().copied()),
                Writers::EveryProcessor => set(processors()),
            };
            assert_eq!(set(writers), declared, "{}", topic.name);
        }
    }
}
