//! What to start, where, on which ports, and for how long.
//!
//! Two shapes are offered: `local` (fixed ports, outlives the command) and `temporary` (free ports, gone with
//! the test). Nothing is started or written here.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, Ordering};

use crate::error::StackError;

/// How many brokers a stack has.
pub const BROKERS: usize = 3;

/// Below the kernel's range for outgoing connections, so that nobody is handed the port of a broker that a test
/// has just killed.
const TEMPORARY_PORTS: std::ops::Range<u16> = 20_000..32_000;

/// The ports of one stack, all on 127.0.0.1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ports {
    /// Client ports of brokers 1, 2 and 3.
    pub brokers: [u16; BROKERS],
    /// Controller ports of brokers 1, 2 and 3.
    pub controllers: [u16; BROKERS],
    /// The schema registry.
    pub registry: u16,
    /// The registry's management endpoint.
    pub registry_management: u16,
    /// PostgreSQL.
    pub postgres: u16,
    /// Kept free for the application that runs on the stack.
    pub application: u16,
}

/// All below the kernel's range for outgoing connections (32768 and up): a connection of anyone that happened to be
/// given the port of a broker would keep that broker from starting.
impl Default for Ports {
    fn default() -> Self {
        Self {
            brokers: [19_092, 29_092, 30_092],
            controllers: [19_093, 29_093, 30_093],
            registry: 8_081,
            registry_management: 8_082,
            postgres: 15_432,
            application: 3_000,
        }
    }
}

impl Ports {
    /// Ports that nobody listens on now.
    pub fn free() -> Result<Self, StackError> {
        // Stacks of one process and of different processes start their search at different places, so that two
        // that start at once do not meet in the moment between looking and listening.
        static SEARCHES: AtomicU16 = AtomicU16::new(0);
        let search = u64::from(SEARCHES.fetch_add(1, Ordering::Relaxed));
        let span = u64::from(TEMPORARY_PORTS.end - TEMPORARY_PORTS.start);
        let offset = (u64::from(std::process::id()) * 97 + search * 331) % span;
        let start = TEMPORARY_PORTS.start + u16::try_from(offset).unwrap_or(0);
        let candidates = (start..TEMPORARY_PORTS.end).chain(TEMPORARY_PORTS.start..start);
        let free: Vec<u16> =
            candidates.filter(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).take(10).collect();
        let Ok([a, b, c, d, e, f, registry, registry_management, postgres, application]) = <[u16; 10]>::try_from(free)
        else {
            return Err(StackError::NoFreePorts { wanted: 10, from: TEMPORARY_PORTS.start, to: TEMPORARY_PORTS.end });
        };
        Ok(Self { brokers: [a, b, c], controllers: [d, e, f], registry, registry_management, postgres, application })
    }
}

/// Which parts are started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parts {
    /// The three brokers.
    pub brokers: bool,
    /// The schema registry; it keeps its data in PostgreSQL, so that is started too.
    pub registry: bool,
    /// The database for read models.
    pub postgres: bool,
}

impl Parts {
    /// Everything.
    pub const ALL: Self = Self { brokers: true, registry: true, postgres: true };
    /// Only the database: a second or two instead of ten, for tests of queries.
    pub const POSTGRES: Self = Self { brokers: false, registry: false, postgres: true };
    /// Only the brokers.
    pub const BROKERS: Self = Self { brokers: true, registry: false, postgres: false };

    pub(crate) fn needs_postgres(self) -> bool {
        self.postgres || self.registry
    }
}

/// How long the processes live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    /// Until the [`Stack`](crate::Stack) is dropped or the process that started it ends, however it ends.
    WithStack,
    /// Until somebody stops them.
    Detached,
}

/// Everything [`Stack::start`](crate::Stack::start) needs to know.
#[derive(Debug, Clone)]
pub struct Options {
    /// Data, configuration, logs and pid files go here.
    pub directory: PathBuf,
    /// Where the parts listen.
    pub ports: Ports,
    /// Which parts are started.
    pub parts: Parts,
    /// How long they live.
    pub lifetime: Lifetime,
    /// Settings of the brokers, `name=value`, over those of every stack.
    pub broker_settings: &'static [&'static str],
}

impl Options {
    /// The developer's stack of the workspace at `root`: default ports, outlives the caller.
    pub fn local(root: &Path) -> Self {
        Self {
            directory: root.join(".local/stack"),
            ports: Ports::default(),
            parts: Parts::ALL,
            lifetime: Lifetime::Detached,
            broker_settings: &[],
        }
    }

    /// A stack for one test (or one test binary): free ports, a directory of its own, gone with its owner.
    pub fn temporary(name: &str) -> Result<Self, StackError> {
        // Two stacks of one name in one process must not share a directory.
        static STACKS: AtomicU16 = AtomicU16::new(0);
        let directory = match STACKS.fetch_add(1, Ordering::Relaxed) {
            0 => format!("{name}-{}", std::process::id()),
            again => format!("{name}-{}-{again}", std::process::id()),
        };
        Ok(Self {
            directory: workspace_root().join(".local/tests").join(directory),
            ports: Ports::free()?,
            parts: Parts::ALL,
            lifetime: Lifetime::WithStack,
            broker_settings: &[],
        })
    }

    /// The same with fewer parts.
    #[must_use]
    pub fn with_parts(mut self, parts: Parts) -> Self {
        self.parts = parts;
        self
    }
}

/// The workspace this crate was built in.
pub fn workspace_root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.ancestors().nth(2).unwrap_or(manifest).to_owned()
}
