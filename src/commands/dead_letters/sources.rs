//! Where dead letters lie, and what is needed to read them.

use crate::settings::Settings;
use anyhow::Result;
use foldstream_browse::{Brokers, Browse};
use foldstream_events::CATALOGUE;
use foldstream_log::Registry;
use foldstream_store::Database;

/// What the commands stand on.
pub(super) struct Sources {
    pub(super) database: Database,
    pub(super) browse: Browse,
    pub(super) registry: Registry,
}

impl Sources {
    pub(super) fn new(settings: &Settings) -> Result<Self> {
        Ok(Self {
            database: Database::connect(&settings.database)?,
            browse: Browse::new(Brokers::new(&settings.wire), CATALOGUE),
            registry: Registry::new(&settings.wire)?,
        })
    }
}
