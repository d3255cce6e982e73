//! Versions of a projection: tables rebuilt beside the live ones, compared, and swapped under readers.
//!
//! # How it works
//!
//! A version is a row (projection, version, schema) and a schema with the model's tables, the functions its questions
//! stand on, and its positions. Version 1 lives in `public`. The same code folds every version: its statements name no
//! schema, the connections of a version see its schema first (`search_path`), and behind it `public` with the engine's
//! own tables, dead letters among them, and PostGIS.
//!
//! - **Folding** (`folding.rs`): a service runs one loop for each version, with a consumer group of its own. Positions
//!   lie in the version's schema, next to its rows, so each has the fence of [`foldstream_fold`] for itself:
//!   what is exactly once for one version is so for all, and none waits for another.
//! - **Rebuilding** (`rebuilding.rs`): a new version is loaded from offset 0 by the command, in the state `loading`, in
//!   which no service touches it. It stops exactly where the live version stands in one snapshot, is compared with it,
//!   and handed over (`folding`). Killed at any moment it goes on: positions move in the transactions of the rows.
//! - **Verifying**: the same into a schema that nobody else knows and that is dropped afterwards.
//! - **Swapping** (`swapping.rs`): one row names the version readers are shown.
//! - **Changing tables** (`tables.rs`): a version is of the statements it was made by; other ones are another version.
//!
//! # Why a rebuild equals the live tables
//!
//! Rows are a function of the records before the positions: a row is fed by one partition in the order of its offsets,
//! or by integer merges that commute, and the fold is pure. So at equal positions rows are equal, whatever the batches
//! were, unless code or a hand changed them: that is what the comparison finds. It reads the live rows and positions in
//! one repeatable-read transaction, which stays open until the other side stands at the same positions; until then
//! vacuum keeps what that snapshot sees. Two things may differ without a fault: a dead letter that was settled by hand,
//! and a topic that was compacted behind the live positions while those lag.
//!
//! # Rejected
//!
//! - *A column `version` in every table*: each statement, index and constraint would carry it, and dropping one is a
//!   delete of millions of rows under readers.
//! - *Renaming schemas or tables at the swap*: DDL takes the exclusive lock, so it queues behind the slowest reader and
//!   every other reader behind it; and statements prepared before keep the old tables.
//! - *Views that are replaced*: the same lock, for as long as a transaction that replaces all of them.
//! - *One loop that writes all versions in one transaction*: the slowest would slow all, and poison in one stop all.
//! - *The service itself loads a new version*: the load would share memory, connections and restarts with live folding.
//! - *Logical replication of the old tables*: copies what a wrong fold wrote; the point is to fold again.

mod comparing;
mod folding;
mod rebuilding;
mod swapping;
mod tables;

pub use comparing::{Difference, TableComparison};
pub use folding::fold_versions;
pub use rebuilding::{Progress, Rebuilt, VersionError, rebuild, verify};
pub use swapping::{activate, discard};
pub use tables::ensure_tables;

use crate::{
    Database, DatabaseError, ReadModel,
    database::{PUBLIC, Purpose},
};
use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgExecutor;
use std::fmt;
use uuid::Uuid;

/// A version of a projection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, sqlx::FromRow)]
pub struct Version {
    pub projection: String,
    pub version: i32,
    pub schema_name: String,
    pub state: VersionState,
    /// Whether readers are shown it.
    pub is_active: bool,
    /// Of the statements its tables were made by; none where an older release made them and nobody has compared yet.
    #[serde(skip)]
    pub tables_digest: Option<Uuid>,
}

/// Who folds a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, sqlx::Type)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum VersionState {
    /// A rebuild fills it, and no service folds it.
    Loading,
    /// The service does.
    Folding,
    /// Nobody does any more.
    Dropping,
}

/// Where a version stands in a partition; no partition where it has folded nothing yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, sqlx::FromRow)]
pub struct VersionPosition {
    #[sqlx(flatten)]
    #[serde(flatten)]
    pub version: Version,
    pub topic: Option<String>,
    pub partition: Option<i32>,
    pub next_offset: Option<i64>,
    /// When the newest record folded so far was appended to the log.
    pub appended_at: Option<DateTime<Utc>>,
}

impl fmt::Display for VersionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Loading => "loading",
            Self::Folding => "folding",
            Self::Dropping => "dropping",
        })
    }
}

impl Version {
    /// Whether its tables were made by the statements that this program's model has.
    pub(crate) fn has_tables_of<M: ReadModel>(&self) -> bool {
        self.tables_digest == Some(tables::digest::<M>())
    }

    /// The database as this version's statements see it.
    pub(crate) fn database(&self, database: &Database, purpose: Purpose) -> Database {
        database.within(std::slice::from_ref(&self.schema_name), purpose)
    }
}

/// Where every version of every projection stands.
pub async fn version_positions(database: &Database) -> Result<Vec<VersionPosition>, DatabaseError> {
    sqlx::query_as(include_str!("../queries/version/positions.sql"))
        .fetch_all(database.pool())
        .await
        .map_err(|error| DatabaseError::query("version/positions", error))
}

/// The versions of a projection.
pub(crate) async fn versions_in(
    database: impl PgExecutor<'_>,
    projection: &str,
) -> Result<Vec<Version>, DatabaseError> {
    sqlx::query_as(include_str!("../queries/version/list.sql"))
        .bind(projection)
        .fetch_all(database)
        .await
        .map_err(|error| DatabaseError::query("version/list", error))
}

pub(crate) async fn set_state(
    database: &Database,
    projection: &str,
    version: i32,
    state: VersionState,
) -> Result<(), DatabaseError> {
    sqlx::query(include_str!("../queries/version/set_state.sql"))
        .bind(projection)
        .bind(version)
        .bind(state)
        .execute(database.pool())
        .await
        .map(drop)
        .map_err(|error| DatabaseError::query("version/set_state", error))
}

/// The schema of a version that is made anew: `pages_v2` for the second of the model `pages`.
pub(crate) fn schema_of(model: &str, suffix: &str) -> String {
    debug_assert_ne!(model, PUBLIC);
    format!("{model}_{suffix}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemas_are_named_for_their_model() {
        assert_eq!(schema_of("pages", "v2"), "pages_v2");
        assert_eq!(schema_of("email_claims", "scratch"), "email_claims_scratch");
    }
}
