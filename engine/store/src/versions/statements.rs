//! Statements that make and change tables, and the schema in which they do.

use crate::{
    database::{DatabaseError, PUBLIC},
    read_model::ReadModel,
};
use sqlx::{AssertSqlSafe, PgConnection};

/// Makes a schema with the tables of the model, and looks for names there from then on.
pub(super) async fn create_schema<M: ReadModel>(
    connection: &mut PgConnection,
    schema: &str,
) -> Result<(), DatabaseError> {
    run(connection, format!("create schema {schema}")).await?;
    search_in(connection, schema).await?;
    run_all(connection, M::TABLES_SQL).await
}

/// Until the end of the transaction names without a schema are looked for there, and behind it in `public`.
pub(super) async fn search_in(connection: &mut PgConnection, schema: &str) -> Result<(), DatabaseError> {
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

pub(super) async fn run_all(connection: &mut PgConnection, statements: &'static str) -> Result<(), DatabaseError> {
    sqlx::raw_sql(statements)
        .execute(connection)
        .await
        .map(drop)
        .map_err(|error| DatabaseError::query("version/tables", error))
}
