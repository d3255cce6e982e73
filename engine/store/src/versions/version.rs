//! What a version is, and the rows that say which there are.

use super::{digest::digest, error::VersionError};
use crate::{
    database::{Database, DatabaseError, PUBLIC, Purpose},
    read_model::ReadModel,
};
use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgExecutor;
use std::{fmt, time::Duration};
use uuid::Uuid;

/// How soon a service notices that there is another version, or one less.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(1);

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
        self.tables_digest == Some(digest::<M>())
    }

    /// The database as this version's statements see it.
    pub(crate) fn database(&self, database: &Database, purpose: Purpose) -> Database {
        database.within(std::slice::from_ref(&self.schema_name), purpose)
    }
}

/// The version readers are shown.
pub(super) fn active<'a>(versions: &'a [Version], projection: &'static str) -> Result<&'a Version, VersionError> {
    versions.iter().find(|version| version.is_active).ok_or(VersionError::NoneActive { projection })
}

/// Where every version of every projection stands.
pub async fn version_positions(database: &Database) -> Result<Vec<VersionPosition>, DatabaseError> {
    sqlx::query_as(include_str!("../../queries/version/positions.sql"))
        .fetch_all(database.pool())
        .await
        .map_err(|error| DatabaseError::query("version/positions", error))
}

/// The versions of a projection.
pub(crate) async fn versions_in(
    database: impl PgExecutor<'_>,
    projection: &str,
) -> Result<Vec<Version>, DatabaseError> {
    sqlx::query_as(include_str!("../../queries/version/list.sql"))
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
    sqlx::query(include_str!("../../queries/version/set_state.sql"))
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
