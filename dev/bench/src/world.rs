//! What is measured: a stack of our own with topics, schemas, tables and a generated history on the topic; where two
//! executables are compared, an environment of its own for each on that stack.

use crate::{
    positions::{PositionReader, Positions, reached},
    service::Service,
};
use anyhow::{Context, Result, bail};
use foldstream_browse::Brokers;
use foldstream_locations_projection::Locations;
use foldstream_log::Flow;
use foldstream_people_projection::People;
use foldstream_stack::{Options, Stack};
use foldstream_store::{Database, versions::ensure_tables};
use std::{
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

/// How long a fold may take in all, on a slow machine.
const FOLD_DEADLINE: Duration = Duration::from_secs(600);
/// How far apart two looks at the positions are.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// The stack, the executable, and how to reach both.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) stack: Arc<Stack>,
    pub(crate) wire: foldstream_log::Config,
    pub(crate) database: Database,
    pub(crate) database_url: String,
    pub(crate) records: u64,
    /// How long the command took that wrote the history to the topic.
    pub(crate) replay_seconds: f64,
    executable: PathBuf,
}

impl World {
    /// A stack without topics. Blocks.
    pub(crate) fn start() -> Result<Self> {
        let executable = std::env::current_exe().context("cannot find this binary")?.with_file_name("foldstream");
        if !executable.exists() {
            bail!("{} is missing: build it first, with cargo build --release", executable.display());
        }
        tell("starting three brokers, the registry and the database");
        let stack = Arc::new(Stack::start(Options::temporary("bench")?)?);
        let database_url = stack.database_url();
        Self::on(stack, "", database_url, executable)
    }

    /// An environment of this name on the same stack, with topics and a history of its own. Blocks.
    pub(crate) fn environment(&self, name: &str) -> Result<Self> {
        Self::on(self.stack.clone(), &format!("{name}."), self.stack.create_database(name)?, self.executable.clone())
    }

    /// The same executable and database without a prefix: it sees the cluster as it is.
    pub(crate) fn of_the_whole_cluster(&self) -> Result<Self> {
        Self::on(self.stack.clone(), "", self.database_url.clone(), self.executable.clone())
    }

    /// The same world for another executable.
    pub(crate) fn of_executable(self, executable: &Path) -> Result<Self> {
        let executable = executable.canonicalize().with_context(|| format!("no {}", executable.display()))?;
        Ok(Self { executable, ..self })
    }

    fn on(stack: Arc<Stack>, prefix: &str, database_url: String, executable: PathBuf) -> Result<Self> {
        let registry_url = stack.registry_url().parse().context("the registry's address is no URL")?;
        let wire = foldstream_log::Config {
            instance: "bench".to_owned(),
            prefix: prefix.parse().map_err(anyhow::Error::msg)?,
            ..foldstream_log::Config::at(&stack.bootstrap(), registry_url)
        };
        let database = Database::connect(&foldstream_store::Config {
            database_url: database_url.parse().map_err(anyhow::Error::msg)?,
            database_connections: 4,
        })?;
        Ok(Self { stack, wire, database, database_url, records: 0, replay_seconds: 0.0, executable })
    }

    /// Topics, schemas, tables, and so much history on the topic.
    pub(crate) async fn prepare(&mut self, records: u64) -> Result<()> {
        self.fill(records)?;
        self.database.migrate().await?;
        ensure_tables::<Locations>(&self.database).await?;
        ensure_tables::<People>(&self.database).await?;
        Ok(())
    }

    /// Topics, schemas, and so much history on the topic; tables are made by whoever folds.
    pub(crate) fn fill(&mut self, records: u64) -> Result<()> {
        self.run(&["topics", "apply"])?;
        self.run(&["schemas", "register"])?;
        if records == 0 {
            return Ok(());
        }
        tell(&format!("replaying {records} generated positions"));
        let started = Instant::now();
        self.run(&["replay", "walkers", "--points", &records.to_string()])?;
        self.replay_seconds = started.elapsed().as_secs_f64();
        self.records = records;
        Ok(())
    }

    /// Starts services in a process of their own.
    pub(crate) fn serve(&self, services: &[Flow]) -> Result<Service> {
        self.serve_with(services, &[])
    }

    /// The same with further settings.
    pub(crate) fn serve_with(&self, services: &[Flow], settings: &[(&str, &str)]) -> Result<Service> {
        let names: Vec<&str> = services.iter().map(|flow| flow.service).collect();
        let metrics: SocketAddr = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut command = self.foldstream(&["run"]);
        command.args(&names).env("FOLDSTREAM_TELEMETRY_LISTEN", metrics.to_string()).envs(settings.iter().copied());
        Service::start(command, metrics, self.stack.directory().join(format!("{}.log", names.join("-"))))
    }

    /// Folds whatever these projections have not folded yet.
    pub(crate) async fn fold_all(&self, projections: &[Flow]) -> Result<()> {
        let mut service = self.serve(projections)?;
        // Also so that it can be asked to stop: before, a signal just ends it.
        tokio::task::block_in_place(|| service.until_ready())?;
        for flow in projections {
            self.until_folded(flow, &mut service).await?;
        }
        service.stop()
    }

    /// Waits until a projection has folded everything that is on its topic now.
    pub(crate) async fn until_folded(&self, flow: &Flow, service: &mut Service) -> Result<()> {
        let ends = self.ends(flow.reads.first().context("a projection that reads nothing")?).await?;
        self.until(flow, service, |positions| reached(positions, &ends)).await
    }

    /// Waits until a projection's positions are as wanted.
    pub(crate) async fn until(
        &self,
        flow: &Flow,
        service: &mut Service,
        wanted: impl Fn(&Positions) -> bool,
    ) -> Result<()> {
        let mut reader = PositionReader::connect(&self.database_url, flow).await?;
        let started = Instant::now();
        loop {
            let positions = reader.read().await?;
            if wanted(&positions) {
                return Ok(());
            }
            service.check()?;
            if started.elapsed() > FOLD_DEADLINE {
                bail!("{} stands at {positions:?} after {} s", flow.service, FOLD_DEADLINE.as_secs());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// The end of each partition of a topic.
    pub(crate) async fn ends(&self, topic: &str) -> Result<Positions> {
        let ranges = Brokers::new(&self.wire).ranges_of(topic).await?;
        Ok(ranges.into_iter().map(|(partition, range)| (partition, range.stable_end)).collect())
    }

    fn run(&self, arguments: &[&str]) -> Result<()> {
        self.output(arguments).map(drop)
    }

    /// Runs a command of the executable to its end; gives what it printed.
    pub(crate) fn output(&self, arguments: &[&str]) -> Result<String> {
        let output = self.foldstream(arguments).output().context("cannot start foldstream")?;
        if !output.status.success() {
            bail!("foldstream {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn foldstream(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.executable);
        // What the caller has set is for another stack.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("FOLDSTREAM_")) {
            command.env_remove(name);
        }
        command
            .args(arguments)
            .env("FOLDSTREAM_KAFKA_BROKERS", self.stack.bootstrap())
            .env("FOLDSTREAM_REGISTRY_URL", self.stack.registry_url())
            .env("FOLDSTREAM_DATABASE_URL", &self.database_url)
            .env("FOLDSTREAM_LOG_FORMAT", "human");
        let prefix = self.wire.prefix.to_string();
        // Executables from before environments refuse a setting that they do not know.
        if !prefix.is_empty() {
            command.env("FOLDSTREAM_PREFIX", prefix);
        }
        command
    }
}

/// What is going on, for whoever waits; results go to standard output.
pub(crate) fn tell(text: &str) {
    eprintln!("foldstream-bench: {text}");
}
