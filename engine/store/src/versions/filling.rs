//! Who fills a schema that no service folds: a lock of the database's session, which ends with its holder, however that
//! ends.

use super::version::{Version, schema_of};
use crate::{
    database::{Database, DatabaseError},
    read_model::ReadModel,
};
use sqlx::PgConnection;
use uuid::Uuid;

/// What the names of scratch schemas have behind that of their model.
pub(super) const SCRATCH: &str = "scratch";

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
