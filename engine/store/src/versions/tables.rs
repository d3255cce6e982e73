//! The tables of a version: made by the model's own statements, recognised by them, and removed.
//!
//! A version remembers a digest of the statements it was made by. A program whose model has others leaves it alone:
//! its rows stay readable, and a rebuild makes a version with the new tables beside it. Those that a release before made
//! are recognised, and become today's where the model says how (`former.rs`).
//!
//! The first version is made where there is none, in `public`, under a lock that several processes take in turn.

use super::{
    digest::digest,
    former::{is_ours_to_take, take_over},
    statements::{create_schema, run, run_all, search_in},
    version::{Version, VersionState, versions_in},
};
use crate::{
    checkpoint::dead_letter_owner,
    database::{Database, DatabaseError, PUBLIC},
    read_model::ReadModel,
};
use sqlx::{Connection, PgConnection};

/// Held by whoever makes or compares tables, so that nobody else does meanwhile.
const LOCK: i64 = 0x666f_6c64_7461_626c;

/// Makes the first version where there is none; gives all there are.
pub async fn ensure_tables<M: ReadModel>(database: &Database) -> Result<Vec<Version>, DatabaseError> {
    let failed = |error| DatabaseError::query("version/ensure", error);
    let found = versions_in(database.pool(), M::NAME).await?;
    if !found.is_empty() && !found.iter().any(is_ours_to_take::<M>) {
        return Ok(found);
    }
    let mut transaction = database.pool().begin().await.map_err(failed)?;
    sqlx::query("select pg_advisory_xact_lock($1)").bind(LOCK).execute(&mut *transaction).await.map_err(failed)?;
    if versions_in(&mut *transaction, M::NAME).await?.is_empty() {
        create_first::<M>(&mut transaction).await?;
    }
    for version in versions_in(&mut *transaction, M::NAME).await?.iter().filter(|one| is_ours_to_take::<M>(one)) {
        take_over::<M>(&mut transaction, version).await?;
    }
    let versions = versions_in(&mut *transaction, M::NAME).await?;
    transaction.commit().await.map_err(failed)?;
    Ok(versions)
}

/// Notes a version. Without a digest its tables are still to be compared.
pub(super) async fn insert<M: ReadModel>(
    connection: &mut PgConnection,
    version: &Version,
) -> Result<(), DatabaseError> {
    sqlx::query(include_str!("../../queries/version/insert.sql"))
        .bind(M::NAME)
        .bind(version.version)
        .bind(&version.schema_name)
        .bind(version.state)
        .bind(version.tables_digest)
        .bind(version.tables_digest.map(|_| M::table_names()))
        .execute(connection)
        .await
        .map(drop)
        .map_err(|error| DatabaseError::query("version/insert", error))
}

/// Makes a schema with the tables of the model and positions, but for what a load leaves for its end.
pub(super) async fn create<M: ReadModel>(connection: &mut PgConnection, schema: &str) -> Result<(), DatabaseError> {
    let failed = |error| DatabaseError::query("version/create", error);
    let mut transaction = connection.begin().await.map_err(failed)?;
    create_schema::<M>(&mut transaction, schema).await?;
    sqlx::query(include_str!("../../queries/version/create_positions.sql"))
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
    transaction.commit().await.map_err(failed)
}

/// Removes what a version holds.
pub(super) async fn remove<M: ReadModel>(database: &Database, version: &Version) -> Result<(), DatabaseError> {
    let failed = |error| DatabaseError::query("version/remove", error);
    let mut transaction = database.pool().begin().await.map_err(failed)?;
    sqlx::query(include_str!("../../queries/version/delete_dead_letters.sql"))
        .bind(dead_letter_owner(M::NAME, Some(&version.schema_name)))
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
    if version.schema_name == PUBLIC {
        // Its functions stay: versions that an older release made stand on them, and they hold nothing.
        let tables: Vec<String> = sqlx::query_scalar(include_str!("../../queries/version/tables.sql"))
            .bind(M::NAME)
            .bind(version.version)
            .bind(M::table_names())
            .fetch_all(&mut *transaction)
            .await
            .map_err(failed)?;
        for table in tables {
            run(&mut transaction, format!("drop table {PUBLIC}.{table}")).await?;
        }
        sqlx::query(include_str!("../../queries/version/delete_positions.sql"))
            .bind(M::NAME)
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
    } else {
        run(&mut transaction, format!("drop schema if exists {} cascade", version.schema_name)).await?;
    }
    transaction.commit().await.map_err(failed)
}

async fn create_first<M: ReadModel>(connection: &mut PgConnection) -> Result<(), DatabaseError> {
    let failed = |error| DatabaseError::query("version/create_first", error);
    // An older release made the tables of all models, whether their services ever ran or not.
    let exist: bool = sqlx::query_scalar(include_str!("../../queries/version/existing.sql"))
        .bind(M::table_names())
        .fetch_one(&mut *connection)
        .await
        .map_err(failed)?;
    if !exist {
        search_in(connection, PUBLIC).await?;
        run_all(connection, M::TABLES_SQL).await?;
        run_all(connection, M::INDEXES_SQL).await?;
    }
    let first = Version {
        projection: M::NAME.to_owned(),
        version: 1,
        schema_name: PUBLIC.to_owned(),
        state: VersionState::Folding,
        is_active: true,
        tables_digest: (!exist).then(digest::<M>),
    };
    insert::<M>(connection, &first).await?;
    sqlx::query(include_str!("../../queries/version/show_first.sql"))
        .bind(M::NAME)
        .execute(connection)
        .await
        .map(drop)
        .map_err(failed)
}
