//! Which stack is meant: directory and ports, each a flag and a variable; and which parts are somebody else's.
//!
//! The application's own variables decide what is replaced: a `FOLDSTREAM_…` address that is not ours means that
//! the part runs elsewhere, so it is neither started nor stopped here.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use foldstream_stack::{BROKERS, Options, Parts, Ports, Stack, workspace_root};

use crate::terminal;

/// The application's variables for the addresses of the parts.
pub(crate) const KAFKA: &str = "FOLDSTREAM_KAFKA_BROKERS";
pub(crate) const REGISTRY: &str = "FOLDSTREAM_REGISTRY_URL";
pub(crate) const DATABASE: &str = "FOLDSTREAM_DATABASE_URL";

/// Where the stack lives.
#[derive(Debug, Args)]
pub(crate) struct Place {
    /// Data, logs and pid files [default: .local/stack of the workspace].
    #[arg(long, global = true, env = "FOLDSTREAM_STACK_DIRECTORY")]
    directory: Option<PathBuf>,
    /// Client ports of the three brokers; each controller takes the port after.
    #[arg(
        long,
        global = true,
        value_delimiter = ',',
        value_name = "PORT,PORT,PORT",
        env = "FOLDSTREAM_STACK_BROKER_PORTS",
        default_value = "19092,29092,30092"
    )]
    broker_ports: Vec<u16>,
    /// Port of the registry; its management endpoint takes the port after.
    #[arg(long, global = true, env = "FOLDSTREAM_STACK_REGISTRY_PORT", default_value_t = 8081)]
    registry_port: u16,
    /// Port of PostgreSQL.
    #[arg(long, global = true, env = "FOLDSTREAM_STACK_POSTGRES_PORT", default_value_t = 15432)]
    postgres_port: u16,
}

impl Place {
    /// What the library needs to know.
    pub(crate) fn options(&self) -> anyhow::Result<Options> {
        let Ok(brokers) = <[u16; BROKERS]>::try_from(self.broker_ports.clone()) else {
            bail!("--broker-ports takes {BROKERS} ports, separated by commas");
        };
        let ports = Ports {
            brokers,
            controllers: brokers.map(|port| port.saturating_add(1)),
            registry: self.registry_port,
            registry_management: self.registry_port.saturating_add(1),
            postgres: self.postgres_port,
            ..Ports::default()
        };
        let mut options = Options::local(&workspace());
        if let Some(directory) = &self.directory {
            options.directory.clone_from(directory);
        }
        Ok(Options { ports, ..options })
    }

    /// The stack as its files describe it, without the parts that are somebody else's.
    pub(crate) fn describe(&self) -> anyhow::Result<Stack> {
        let options = self.own_options()?;
        Ok(Stack::describe(options)?)
    }

    /// What to start: everything but the parts that are somebody else's.
    pub(crate) fn own_options(&self) -> anyhow::Result<Options> {
        let options = self.options()?;
        let whole = Stack::describe(options.clone())?;
        let parts = own_parts(&whole.bootstrap(), &whole.registry_url(), &whole.database_url());
        Ok(Options { parts, ..options })
    }

    /// Where pid files and logs of the application's processes are: beside the directory of the stack.
    pub(crate) fn run_directory(&self) -> anyhow::Result<PathBuf> {
        let directory = self.options()?.directory;
        Ok(directory.parent().unwrap_or(&directory).join("run"))
    }

    /// Held while a command changes the stack, so that two of them do not start the same part twice.
    pub(crate) fn lock(&self) -> anyhow::Result<File> {
        let directory = self.options()?.directory;
        fs::create_dir_all(&directory).with_context(|| format!("cannot create {}", directory.display()))?;
        let path = directory.join("lock");
        let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => {
                terminal::say("another command is changing the stack, waiting for it to end");
                file.lock().context("cannot wait for the other command")?;
                Ok(file)
            }
            Err(TryLockError::Error(error)) => Err(error).context("cannot lock the stack"),
        }
    }
}

/// The parts that are ours, given the addresses of a stack in which all are.
fn own_parts(bootstrap: &str, registry: &str, database: &str) -> Parts {
    let ours = |variable: &str, address: &str| match std::env::var(variable) {
        Ok(value) if !value.is_empty() => value == address,
        _ => true,
    };
    Parts { brokers: ours(KAFKA, bootstrap), registry: ours(REGISTRY, registry), postgres: ours(DATABASE, database) }
}

/// The workspace around the working directory, else the one this binary was built in.
fn workspace() -> PathBuf {
    let here = std::env::current_dir().unwrap_or_default();
    let around = here.ancestors().find(|directory| directory.join("dev/stack/Cargo.toml").exists());
    around.map(Path::to_owned).unwrap_or_else(workspace_root)
}
