//! The tables of a version: made by the model's own statements, recognised by them, and removed.
//!
//! A version remembers a digest of the statements it was made by. A program whose model has others leaves it alone:
//! its rows stay readable, and a rebuild makes a version with the new tables beside it. Versions that an older release
//! made have no digest; they are compared once, column by column, with what the statements would make.
//!
//! The first version is made where there is none, in `public`, under a lock that several processes take in turn.

use super::{
    digest::digest,
    version::{Version, VersionState, versions_in},
};
use crate::{
    checkpoint::dead_letter_owner,
    database::{Database, DatabaseError, PUBLIC},
    read_model::ReadModel,
};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use uuid::Uuid;

/// Held by whoever makes or compares tables, so that nobody else does meanwhile.
const LOCK: i64 = 0x666f_6c64_7461_626c;
/// Stands for tables that no statements of ours would make.
const UNLIKE_OURS: Uuid = Uuid::nil();

/// Makes the first version where there is none; gives all there are.
pub async fn ensure_tables<M: ReadModel>(database: &Database) -> Result<Vec<Version>, DatabaseError> {
    let failed = |error| DatabaseError::query("version/ensure", error);
    let found = versions_in(database.pool(), M::NAME).await?;
    if !found.is_empty() && found.iter().all(|version| version.tables_digest.is_some()) {
        return Ok(found);
    }
    let mut transaction = database.pool().begin().await.map_err(failed)?;
    sqlx::query("select pg_advisory_xact_lock($1)").bind(LOCK).execute(&mut *transaction).await.map_err(failed)?;
    if versions_in(&mut *transaction, M::NAME).await?.is_empty() {
        create_first::<M>(&mut transaction).await?;
    }
    for version in versions_in(&mut *transaction, M::NAME).await? {
        if version.tables_digest.is_none() {
            recognise::<M>(&mut transaction, &version).await?;
        }
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

/// Notes of tables without a digest whether they are what the statements of the model make.
async fn recognise<M: ReadModel>(connection: &mut PgConnection, version: &Version) -> Result<(), DatabaseError> {
    let failed = |error| DatabaseError::query("version/recognise", error);
    let ours = format!("{}_compared", M::MODEL);
    let mut comparing = connection.begin().await.map_err(failed)?;
    create_schema::<M>(&mut comparing, &ours).await?;
    let differing: i64 = sqlx::query_scalar(include_str!("../../queries/version/differing_columns.sql"))
        .bind(&version.schema_name)
        .bind(&ours)
        .bind(M::table_names())
        .fetch_one(&mut *comparing)
        .await
        .map_err(failed)?;
    comparing.rollback().await.map_err(failed)?;
    let are_ours = differing == 0;
    let found = if are_ours { "are recognised" } else { "are unlike those of this one" };
    foldstream_telemetry::info!(projection = M::NAME, version = version.version, "tables of an older release {found}");
    sqlx::query(include_str!("../../queries/version/mark.sql"))
        .bind(M::NAME)
        .bind(version.version)
        .bind(if are_ours { digest::<M>() } else { UNLIKE_OURS })
        .bind(are_ours.then(M::table_names))
        .execute(connection)
        .await
        .map(drop)
        .map_err(failed)
}

async fn create_schema<M: ReadModel>(connection: &mut PgConnection, schema: &str) -> Result<(), DatabaseError> {
    run(connection, format!("create schema {schema}")).await?;
    search_in(connection, schema).await?;
    run_all(connection, M::TABLES_SQL).await
}

/// Until the end of the transaction names without a schema are looked for there, and behind it in `public`.
async fn search_in(connection: &mut PgConnection, schema: &str) -> Result<(), DatabaseError> {
    sqlx::query("select set_config('search_path', $1, true)")
        .bind(if schema == PUBLIC { PUBLIC.to_owned() } else { format!("{schema}, {PUBLIC}") })
        .execute(connection)
        .await
        .map(drop)
        .map_err(|error| DatabaseError::query("version/search_path", error))
}

/// A statement about a schema or a table: they have no place for arguments. Both are named by models and by us.
pub(super) async fn run(connection: &mut PgConnection, statement: String) -> Result<(), DatabaseError> {
    sqlx::raw_sql(AssertSqlSafe(statement))
        .execute(connection)
        .await
        .map(drop)
        .map_err(|error| DatabaseError::query("version/run", error))
}

async fn run_all(connection: &mut PgConnection, statements: &'static str) -> Result<(), DatabaseError> {
    sqlx::raw_sql(statements)
        .execute(connection)
        .await
        .map(drop)
        .map_err(|error| DatabaseError::query("version/tables", error))
}
