//! Who fills a schema that no service folds, and the end of those that nobody fills any more.
//!
//! A rebuild and a verification hold a lock of the database's session as long as they run, so it ends with them, however
//! they end. What nobody holds is left over: a scratch schema goes at once, a version that is `loading` after a day, until
//! when a rebuild may go on with it. Whom the log has erased since would be kept there for ever otherwise.

use super::{
    swapping::discard,
    tables,
    version::{Version, VersionState, schema_of, versions_in},
};
use crate::{
    database::{Database, DatabaseError, Purpose},
    read_model::ReadModel,
    versions::VersionError,
};
use sqlx::PgConnection;
use uuid::Uuid;

const SCRATCH: &str = "scratch";

/// Whoever has it fills the schema, and nobody else does.
#[derive(Debug)]
pub(super) struct Lease {
    /// The lock ends with its session.
    _session: PgConnection,
}

impl Lease {
    /// None where somebody else has it.
    pub(super) async fn take(database: &Database, schema: &str) -> Result<Option<Self>, DatabaseError> {
        let failed = |error| DatabaseError::query("version/lease", error);
        let mut session = database.pool().acquire().await.map_err(failed)?.detach();
        let taken: bool = sqlx::query_scalar("select pg_try_advisory_lock(hashtextextended($1, 0))")
            .bind(format!("foldstream/filling/{schema}"))
            .fetch_one(&mut session)
            .await
            .map_err(failed)?;
        Ok(taken.then_some(Self { _session: session }))
    }
}

/// A schema that nobody else knows, and the right to fill it.
pub(super) async fn scratch<M: ReadModel>(
    database: &Database,
    live: &Version,
) -> Result<(Version, Lease), DatabaseError> {
    loop {
        let (_, low) = Uuid::new_v4().as_u64_pair();
        let schema_name = schema_of(M::MODEL, &format!("{SCRATCH}_{low:016x}"));
        if let Some(lease) = Lease::take(database, &schema_name).await? {
            return Ok((Version { schema_name, ..live.clone() }, lease));
        }
    }
}

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
