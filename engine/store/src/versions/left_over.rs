//! The end of schemas that nobody fills any more: a scratch schema goes at once, a version that is `loading` after a day,
//! until when a rebuild may go on with it. Whom the log has erased since would be kept there for ever otherwise.

use super::{
    error::VersionError,
    filling::{Lease, SCRATCH},
    swapping::discard,
    tables,
    version::{Version, VersionState, schema_of, versions_in},
};
use crate::{
    database::{Database, DatabaseError, Purpose},
    read_model::ReadModel,
};

/// Removes what was left over.
pub(super) async fn remove_left_over<M: ReadModel>(database: &Database) -> Result<(), VersionError> {
    let failed = |error| DatabaseError::query("version/left_over", error);
    let scratches: Vec<String> = sqlx::query_scalar(include_str!("../../queries/version/scratches.sql"))
        .bind(schema_of(M::MODEL, SCRATCH))
        .fetch_all(database.pool())
        .await
        .map_err(failed)?;
    let versions = versions_in(database.pool(), M::NAME).await?;
    for schema_name in scratches {
        let (Some(_lease), Some(any)) = (Lease::take(database, &schema_name).await?, versions.first()) else {
            continue;
        };
        let scratch = Version { schema_name, ..any.clone() };
        tables::remove::<M>(&scratch.database(database, Purpose::Loading), &scratch).await?;
        let schema = scratch.schema_name;
        foldstream_telemetry::info!(
            projection = M::NAME,
            schemas = schema,
            "a verification that ended early left a schema: it is removed"
        );
    }
    let left: Vec<i32> = sqlx::query_scalar(include_str!("../../queries/version/left_loading.sql"))
        .bind(M::NAME)
        .fetch_all(database.pool())
        .await
        .map_err(failed)?;
    for version in versions.iter().filter(|one| one.state == VersionState::Loading && left.contains(&one.version)) {
        let Some(_lease) = Lease::take(database, &version.schema_name).await? else { continue };
        discard::<M>(database, version.version).await?;
        let version = version.version;
        foldstream_telemetry::warn!(
            projection = M::NAME,
            version,
            "a rebuild was left for a day: its version is removed"
        );
    }
    Ok(())
}
