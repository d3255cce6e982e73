//! A PostgreSQL cluster of our own with PostGIS, on 127.0.0.1, trusting local connections.
//!
//! The server refuses to run as root; then it runs as the user `postgres`. A checkout may lie where that user
//! cannot go (`/root`, mode 700): then the data lies in `/var/tmp/foldstream-…` and `data/postgres` is a link to
//! it. No Unix socket: its path may have 107 bytes at most, and test directories are deeper than that.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;

use crate::command;
use crate::error::StackError;
use crate::layout::Layout;
use crate::part::{Keeper, Launch, Part};
use crate::postgres_data::{self, ServerUser};
use crate::wait::Look;

/// The role that owns everything, and its password for clients that insist on one.
pub(crate) const ROLE: &str = "foldstream";
/// The database of the registry.
pub(crate) const REGISTRY: &str = "registry";
/// The database of the read models on the default stack.
pub(crate) const READ_MODELS: &str = "foldstream";
/// What every further database starts as: PostGIS and nothing else.
const TEMPLATE: &str = "foldstream_template";
const INSTALLATIONS: &str = "/usr/lib/postgresql";
const EXTENSIONS: &str = "/usr/share/postgresql";
/// What the lines of the design were measured with; taken when there is a choice.
const PREFERRED_MAJOR: u32 = 15;
const READY_DEADLINE: Duration = Duration::from_secs(60);
const SETTINGS: [&str; 10] = [
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "fsync=on",
    "shared_buffers=512MB",
    "max_wal_size=4GB",
    "checkpoint_timeout=15min",
    "max_connections=200",
    "log_line_prefix=%m [%p] %q%u@%d ",
    // English, whatever the machine speaks: people and tests read it.
    "lc_messages=C",
    "log_timezone=UTC",
];

/// The server.
#[derive(Debug)]
pub(crate) struct Postgres {
    pub(crate) part: Part,
    layout: Layout,
    port: u16,
}

impl Postgres {
    pub(crate) fn new(layout: &Layout, port: u16, keeper: &Keeper) -> Self {
        // INT: disconnect everybody, write a checkpoint, end. QUIT: end now, but leave no shared memory behind.
        let part = Part::new("postgres", vec![port], layout, keeper).with_signals(Signal::INT, Signal::QUIT);
        Self { part, layout: layout.clone(), port }
    }

    /// Creates the cluster the first time and starts the server.
    pub(crate) fn start(&self) -> Result<(), StackError> {
        if self.part.running().is_some() {
            return Ok(());
        }
        self.part.check_ports()?;
        let user = ServerUser::find()?;
        let data = postgres_data::prepare(&self.layout.data("postgres"), user.as_ref())?;
        let programs = installation(&data)?;
        if !data.join("PG_VERSION").exists() {
            let mut create = as_user(user.as_ref(), &programs.join("initdb"));
            create.args(["--username", ROLE, "--auth", "trust", "--encoding", "UTF8", "--locale", "C.UTF-8"]);
            // The first checkpoint writes it out anyway.
            create.args(["--no-sync", "--pgdata"]).arg(&data).current_dir(&data);
            command::run("initdb", &mut create)?;
        }
        // A server that was killed leaves this file; the pid in it may by now be another process's.
        let stale = data.join("postmaster.pid");
        if stale.exists() {
            fs::remove_file(&stale).map_err(StackError::files("remove", &stale))?;
        }
        let server = as_user(user.as_ref(), &programs.join("postgres"));
        let mut arguments: Vec<OsString> = server.get_args().map(OsString::from).collect();
        arguments.extend(["-D".into(), data.clone().into(), "-p".into(), self.port.to_string().into()]);
        // Version 15 brought the faster compression.
        let compression = if major(&data) >= Some(15) { "lz4" } else { "on" };
        let settings = SETTINGS.iter().map(|setting| (*setting).to_owned());
        for setting in settings.chain([format!("wal_compression={compression}")]) {
            arguments.extend(["-c".into(), setting.into()]);
        }
        self.part.start(Launch {
            program: server.get_program().to_owned(),
            arguments,
            environment: Vec::new(),
            directory: data,
        })
    }

    /// Waits until the server takes connections.
    pub(crate) fn wait_ready(&self) -> Result<(), StackError> {
        let status = self.layout.data("postgres").join("postmaster.pid");
        self.part.wait_ready(READY_DEADLINE, || {
            // The eighth line is the server's own word on its state.
            let text = fs::read_to_string(&status).unwrap_or_default();
            match text.lines().nth(7).map(str::trim) {
                Some("ready") => Look::Found(()),
                Some(state) => Look::NotYet(format!("the server says it is {state}")),
                None => Look::NotYet("the server has not said anything yet".to_owned()),
            }
        })
    }

    /// The registry's database: the registry waits for it, so it comes first.
    pub(crate) fn create_registry_database(&self) -> Result<(), StackError> {
        self.create_unless_there(REGISTRY, "template0", "")
    }

    /// The template with PostGIS, and the database of the read models.
    pub(crate) fn create_read_model_database(&self) -> Result<(), StackError> {
        self.create_unless_there(TEMPLATE, "template0", "create extension if not exists postgis")?;
        self.create_unless_there(READ_MODELS, TEMPLATE, "")
    }

    /// One more database with PostGIS; the name must be new.
    pub(crate) fn create_database(&self, name: &str) -> Result<String, StackError> {
        let plain = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_';
        if !name.starts_with(|first: char| first.is_ascii_lowercase()) || !name.chars().all(plain) || name.len() > 63 {
            return Err(StackError::DatabaseName { name: name.to_owned() });
        }
        self.sql("postgres", &format!("create database {name} template {TEMPLATE}"))?;
        Ok(self.url(name))
    }

    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://{ROLE}:{ROLE}@127.0.0.1:{}/{database}", self.port)
    }

    fn create_unless_there(&self, name: &str, template: &str, then: &str) -> Result<(), StackError> {
        let there = self.sql("postgres", &format!("select 1 from pg_database where datname = '{name}'"))?;
        if there.is_empty() {
            self.sql("postgres", &format!("create database {name} template {template}"))?;
        }
        // Also when it is there: the start that created it may have been interrupted before this.
        if then.is_empty() { Ok(()) } else { self.sql(name, then).map(drop) }
    }

    fn sql(&self, database: &str, statement: &str) -> Result<String, StackError> {
        let mut psql = Command::new(newest_installation()?.join("psql"));
        psql.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set", "ON_ERROR_STOP=1"]);
        psql.arg("--dbname").arg(self.url(database)).args(["--command", statement]);
        command::run(&format!("`{statement}`"), psql.env("PGCONNECT_TIMEOUT", "10"))
    }
}

/// The programs of the version the data was created with, else of the preferred one, else of the newest.
fn installation(data: &Path) -> Result<PathBuf, StackError> {
    let Some(major) = major(data) else { return newest_installation() };
    let programs = Path::new(INSTALLATIONS).join(major.to_string()).join("bin");
    if programs.exists() { Ok(programs) } else { Err(missing()) }
}

fn major(data: &Path) -> Option<u32> {
    fs::read_to_string(data.join("PG_VERSION")).ok()?.trim().parse().ok()
}

fn newest_installation() -> Result<PathBuf, StackError> {
    let majors = fs::read_dir(INSTALLATIONS).into_iter().flatten().flatten();
    let majors = majors.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let with_postgis =
        majors.filter(|major| Path::new(EXTENSIONS).join(major.to_string()).join("extension/postgis.control").exists());
    let best = with_postgis.max_by_key(|major| (*major == PREFERRED_MAJOR, *major)).ok_or_else(missing)?;
    Ok(Path::new(INSTALLATIONS).join(best.to_string()).join("bin"))
}

fn missing() -> StackError {
    StackError::PostgresMissing { searched: PathBuf::from(INSTALLATIONS) }
}

fn as_user(user: Option<&ServerUser>, program: &Path) -> Command {
    match user {
        None => Command::new(program),
        Some(user) => user.command(program),
    }
}
