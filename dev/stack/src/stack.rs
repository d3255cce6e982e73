//! A running stack: started in parallel, broken and mended part by part, ended when dropped.
//!
//! Invariant: a temporary stack leaves no process behind, whether it is dropped, its test panics, or its process
//! is killed. A detached one is left alone when dropped.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::error::StackError;
use crate::kafka::Broker;
use crate::layout::Layout;
use crate::options::{BROKERS, Lifetime, Options, Parts, Ports};
use crate::part::{Keeper, Part};
use crate::postgres::{self, Postgres};
use crate::registry::{self, Registry};
use crate::removal;
use crate::watchdog::Watchdog;

/// Longer than an orderly end takes, shorter than a person's patience.
const STOP_PATIENCE: Duration = Duration::from_secs(15);

/// A stack whose parts are all ready, until somebody breaks one.
#[derive(Debug)]
pub struct Stack {
    layout: Layout,
    ports: Ports,
    parts: Parts,
    lifetime: Lifetime,
    brokers: Vec<Broker>,
    postgres: Postgres,
    registry: Registry,
    /// A start that failed names a log: it must still be there.
    started: bool,
}

/// One line of the table that `up` and `status` print.
#[derive(Debug, Clone)]
pub struct PartStatus {
    /// The part.
    pub name: String,
    /// Where it listens.
    pub address: String,
    /// Its process, if it runs.
    pub pid: Option<u32>,
    /// Its log.
    pub log: PathBuf,
}

impl Stack {
    /// Starts what does not run yet and returns when everything is ready.
    pub fn start(options: Options) -> Result<Self, StackError> {
        let temporary = options.lifetime == Lifetime::WithStack;
        if temporary {
            removal::remove_predecessors(&options.directory);
        }
        let keeper = if temporary { Keeper::Watchdog(Arc::new(Watchdog::start()?)) } else { Keeper::Nobody };
        let mut stack = Self::describe_kept(options, &keeper)?;
        stack.mend()?;
        stack.started = true;
        Ok(stack)
    }

    /// Starts what does not run, and returns when everything is ready.
    pub fn mend(&self) -> Result<(), StackError> {
        // Before anything is started: half a stack helps nobody.
        self.all_parts().try_for_each(Part::check_ports)?;
        thread::scope(|scope| {
            let mut starting = vec![scope.spawn(|| self.start_databases())];
            starting.extend(self.brokers.iter().map(|broker| {
                scope.spawn(|| {
                    broker.start()?;
                    Ok(())
                })
            }));
            starting.into_iter().map(join).collect::<Result<Vec<()>, StackError>>()
        })?;
        self.brokers.iter().try_for_each(|broker| broker.wait_ready(&self.brokers))?;
        if self.parts.registry { self.registry.wait_ready() } else { Ok(()) }
    }

    /// The stack as its files describe it, running or not; nothing is started.
    pub fn describe(options: Options) -> Result<Self, StackError> {
        let options = Options { lifetime: Lifetime::Detached, ..options };
        Self::describe_kept(options, &Keeper::Nobody)
    }

    /// The brokers, as a client wants them: comma-separated.
    pub fn bootstrap(&self) -> String {
        self.ports.brokers.map(|port| format!("127.0.0.1:{port}")).join(",")
    }

    /// The Confluent-compatible API of the registry.
    pub fn registry_url(&self) -> String {
        format!("http://127.0.0.1:{}{}", self.ports.registry, registry::API)
    }

    /// The database `foldstream`.
    pub fn database_url(&self) -> String {
        self.postgres.url(postgres::READ_MODELS)
    }

    /// A new database with PostGIS and nothing else; returns its URL. For tests that share a stack.
    pub fn create_database(&self, name: &str) -> Result<String, StackError> {
        self.postgres.create_database(name)
    }

    /// Where configuration, data, logs and pid files are.
    pub fn directory(&self) -> &Path {
        self.layout.root()
    }

    /// Where the parts listen.
    pub fn ports(&self) -> &Ports {
        &self.ports
    }

    /// Kills broker 1, 2 or 3 with `kill -9`; returns when it is gone.
    pub fn kill_broker(&self, number: usize) -> Result<(), StackError> {
        self.broker(number)?.part.kill()
    }

    /// Ends broker 1, 2 or 3 in order: it hands over its partitions first.
    pub fn stop_broker(&self, number: usize) -> Result<(), StackError> {
        self.broker(number)?.part.stop(STOP_PATIENCE).map(drop)
    }

    /// Starts a broker again; does not wait.
    pub fn start_broker(&self, number: usize) -> Result<(), StackError> {
        self.broker(number)?.start()
    }

    /// Waits until a broker serves and all running brokers know it. After `kill_broker` this can take 9 s: that
    /// long the others keep the old session.
    pub fn wait_broker_ready(&self, number: usize) -> Result<(), StackError> {
        self.broker(number)?.wait_ready(&self.brokers)
    }

    /// The pid of a broker, for signals of the test's own (`SIGSTOP`).
    pub fn broker_pid(&self, number: usize) -> Result<Option<u32>, StackError> {
        Ok(self.broker(number)?.part.running().map(|process| process.pid))
    }

    /// Ends the database server in order: connections are cut, everything is written.
    pub fn stop_postgres(&self) -> Result<(), StackError> {
        self.need(self.parts.needs_postgres(), "PostgreSQL")?;
        self.postgres.part.stop(STOP_PATIENCE).map(drop)
    }

    /// Kills the database server with `kill -9`; the next start recovers from the log.
    pub fn kill_postgres(&self) -> Result<(), StackError> {
        self.need(self.parts.needs_postgres(), "PostgreSQL")?;
        self.postgres.part.kill()
    }

    /// Starts the database server again and waits until it serves.
    pub fn start_postgres(&self) -> Result<(), StackError> {
        self.need(self.parts.needs_postgres(), "PostgreSQL")?;
        self.postgres.start()?;
        self.postgres.wait_ready()
    }

    /// Stops and starts the database server.
    pub fn restart_postgres(&self) -> Result<(), StackError> {
        self.stop_postgres()?;
        self.start_postgres()
    }

    /// The pid of the registry, for signals of the test's own (`SIGSTOP`).
    pub fn registry_pid(&self) -> Result<Option<u32>, StackError> {
        self.need(self.parts.registry, "the registry")?;
        Ok(self.registry.part.running().map(|process| process.pid))
    }

    /// Ends the registry in order.
    pub fn stop_registry(&self) -> Result<(), StackError> {
        self.need(self.parts.registry, "the registry")?;
        self.registry.part.stop(STOP_PATIENCE).map(drop)
    }

    /// Kills the registry with `kill -9`: what it was asked is never answered.
    pub fn kill_registry(&self) -> Result<(), StackError> {
        self.need(self.parts.registry, "the registry")?;
        self.registry.part.kill()
    }

    /// Starts the registry again and waits until it serves.
    pub fn start_registry(&self) -> Result<(), StackError> {
        self.need(self.parts.registry, "the registry")?;
        self.registry.start()?;
        self.registry.wait_ready()
    }

    /// The parts, in the order they are listed to people.
    pub fn status(&self) -> Vec<PartStatus> {
        let line = |part: &Part| PartStatus {
            name: part.name().to_owned(),
            address: format!("127.0.0.1:{}", part.port()),
            pid: part.running().map(|process| process.pid),
            log: part.log().clone(),
        };
        self.all_parts().map(line).collect()
    }

    /// Ends everything in order, the registry before its database; names each part that had to be killed.
    pub fn stop(&self) -> Result<Vec<String>, StackError> {
        let stop = |part: &Part| -> Result<Option<String>, StackError> {
            let ended = part.stop(STOP_PATIENCE)?;
            Ok((ended == Some(crate::process::Ended::Killed)).then(|| part.name().to_owned()))
        };
        let mut killed: Vec<Option<String>> = vec![stop(&self.registry.part)?];
        let rest: Vec<&Part> = self.all_parts().filter(|part| part.name() != self.registry.part.name()).collect();
        let ends = thread::scope(|scope| {
            let ending: Vec<_> = rest.iter().map(|part| scope.spawn(|| stop(part))).collect();
            ending.into_iter().map(join).collect::<Vec<_>>()
        });
        for end in ends {
            killed.push(end?);
        }
        Ok(killed.into_iter().flatten().collect())
    }

    /// Removes everything this stack has written. Its parts must have been stopped.
    pub fn remove_data(self) -> Result<(), StackError> {
        removal::remove(self.directory())
    }

    fn describe_kept(options: Options, keeper: &Keeper) -> Result<Self, StackError> {
        let Options { directory, ports, parts, lifetime, broker_settings } = options;
        let layout = Layout::create(&directory)?;
        let brokers = 1..=if parts.brokers { BROKERS } else { 0 };
        Ok(Self {
            brokers: brokers.map(|number| Broker::new(number, &layout, &ports, keeper).set(broker_settings)).collect(),
            postgres: Postgres::new(&layout, ports.postgres, keeper),
            registry: Registry::new(&layout, &ports, keeper),
            layout,
            ports,
            parts,
            lifetime,
            started: false,
        })
    }

    fn start_databases(&self) -> Result<(), StackError> {
        if !self.parts.needs_postgres() {
            return Ok(());
        }
        self.postgres.start()?;
        self.postgres.wait_ready()?;
        if self.parts.registry {
            self.postgres.create_registry_database()?;
            self.registry.start()?;
        }
        if self.parts.postgres { self.postgres.create_read_model_database() } else { Ok(()) }
    }

    fn broker(&self, number: usize) -> Result<&Broker, StackError> {
        self.need(self.parts.brokers, "brokers")?;
        let index = number.checked_sub(1).ok_or(StackError::UnknownBroker { number })?;
        self.brokers.get(index).ok_or(StackError::UnknownBroker { number })
    }

    fn need(&self, there: bool, part: &'static str) -> Result<(), StackError> {
        if there { Ok(()) } else { Err(StackError::PartAbsent { part }) }
    }

    fn all_parts(&self) -> impl Iterator<Item = &Part> {
        let registry = self.parts.registry.then_some(&self.registry.part);
        let postgres = self.parts.needs_postgres().then_some(&self.postgres.part);
        self.brokers.iter().map(|broker| &broker.part).chain(registry).chain(postgres)
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        if self.lifetime == Lifetime::Detached {
            return;
        }
        self.all_parts().for_each(Part::begin_end);
        let ended = self.all_parts().map(Part::finish_end).collect::<Result<Vec<()>, StackError>>();
        let wanted = std::env::var_os("FOLDSTREAM_KEEP").is_some_and(|value| value == "1");
        let failed = !self.started && self.layout.has_logs();
        let keep = wanted || failed || thread::panicking();
        let outcome = match ended {
            Ok(_) if keep => Err(format!("the logs of this stack are in {}", self.directory().display())),
            Ok(_) => removal::remove(self.directory()).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        if let Err(message) = outcome {
            // A test's output is the only place this can go.
            let _ = writeln!(std::io::stderr(), "foldstream-stack: {message}");
        }
    }
}

/// The result of a thread; its panic is ours.
fn join<T>(handle: thread::ScopedJoinHandle<'_, T>) -> T {
    handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
