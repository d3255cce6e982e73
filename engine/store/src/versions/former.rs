//! Tables that a release before made: recognised, and made today's where that needs no fold anew.
//!
//! A version without a digest is of a release that noted none: its tables are compared once, column by column, with what the
//! statements of today would make. One whose digest is that of a [`Former`] becomes today's by the statements
//! the model has for it, in the transaction that notes its new digest; a program that makes the former tables then refuses
//! it as it refuses any tables that are not its own, and one that folds it at that moment fails, and writes nothing.

use super::{
    digest::digest,
    statements::{create_schema, run, run_all, search_in},
    version::Version,
};
use crate::{
    database::DatabaseError,
    read_model::{Former, ReadModel},
};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

/// Stands for tables that no statements of ours would make.
const UNLIKE_OURS: Uuid = Uuid::nil();

/// Whether it is still to be recognised, or can become a version of today's tables.
pub(super) fn is_ours_to_take<M: ReadModel>(version: &Version) -> bool {
    version.tables_digest.is_none_or(|digest| M::FORMER.iter().any(|former| former.digest == digest))
}

/// Brings a version to today's tables, or notes that it cannot be.
pub(super) async fn take_over<M: ReadModel>(
    connection: &mut PgConnection,
    version: &Version,
) -> Result<(), DatabaseError> {
    let formers = M::FORMER.iter().filter(|former| version.tables_digest.is_none_or(|digest| digest == former.digest));
    let as_they_are = version.tables_digest.is_none().then_some(None);
    let mut are_ours = false;
    for former in as_they_are.into_iter().chain(formers.map(Some)) {
        are_ours = become_ours::<M>(connection, version, former).await?;
        if are_ours {
            break;
        }
    }
    let found = if are_ours { "are taken over" } else { "are unlike those of this one" };
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

/// Whether the tables are like today's, once they were brought there from a former shape; else they stay as they are.
async fn become_ours<M: ReadModel>(
    connection: &mut PgConnection,
    version: &Version,
    former: Option<&Former>,
) -> Result<bool, DatabaseError> {
    let ours = format!("{}_compared", M::MODEL);
    let mut becoming = connection.begin().await.map_err(failed)?;
    if let Some(former) = former {
        search_in(&mut becoming, &version.schema_name).await?;
        // Where nobody noted what they are, this may be the wrong guess.
        if let Err(error) = run_all(&mut becoming, former.becomes).await {
            becoming.rollback().await.map_err(failed)?;
            return if version.tables_digest.is_none() { Ok(false) } else { Err(error) };
        }
    }
    create_schema::<M>(&mut becoming, &ours).await?;
    let differing: i64 = sqlx::query_scalar(include_str!("../../queries/version/differing_columns.sql"))
        .bind(&version.schema_name)
        .bind(&ours)
        .bind(M::table_names())
        .fetch_one(&mut *becoming)
        .await
        .map_err(failed)?;
    run(&mut becoming, format!("drop schema {ours} cascade")).await?;
    match differing == 0 {
        true => becoming.commit().await.map_err(failed)?,
        false => becoming.rollback().await.map_err(failed)?,
    }
    Ok(differing == 0)
}

fn failed(error: sqlx::Error) -> DatabaseError {
    DatabaseError::query("version/take_over", error)
}
