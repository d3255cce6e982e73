//! What the services of a process share, each part made when the first of them asks for it.
//!
//! Invariant: what no service of the process needs is never connected to.

use crate::{patience::patiently, settings::Settings};
use anyhow::Result;
use foldstream_browse::Brokers;
use foldstream_events::CATALOGUE;
use foldstream_fold::Service as LoopService;
use foldstream_log::Registry;
use foldstream_store::{Database, DatabaseError};
use foldstream_telemetry::health::{Component, Health};
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

/// Brokers and registry connect by themselves at the first question, and heal alone.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) settings: Settings,
    pub(crate) registry: Registry,
    pub(crate) brokers: Brokers,
    pub(crate) health: Health,
    pub(crate) shutdown: CancellationToken,
    database: OnceCell<Database>,
}

impl Process {
    pub(crate) fn new(settings: &Settings) -> Result<Self> {
        Ok(Self {
            settings: settings.clone(),
            registry: Registry::for_looking(&settings.wire, &CATALOGUE)?,
            brokers: Brokers::new(&settings.wire),
            health: Health::new(),
            shutdown: CancellationToken::new(),
            database: OnceCell::new(),
        })
    }

    /// The database with its tables made.
    pub(crate) async fn database(&self) -> Result<Database> {
        let migrated = self.database.get_or_try_init(async || {
            let database = Database::connect(&self.settings.database)?;
            patiently("the database", DatabaseError::is_unavailable, async || database.migrate().await).await?;
            anyhow::Ok(database)
        });
        migrated.await.cloned()
    }

    /// What a loop runs with.
    pub(crate) fn for_loop(&self, component: Component) -> LoopService {
        LoopService {
            wire: self.settings.wire.clone(),
            registry: self.registry.clone(),
            brokers: self.brokers.clone(),
            component,
            shutdown: self.shutdown.clone(),
        }
    }
}
