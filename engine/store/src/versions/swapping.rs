//! Which version readers are shown, and the end of one that nobody needs.
//!
//! # No reader sees a step back
//!
//! Two versions are folded independently, so at any moment one is a few records ahead of the other. The swap therefore
//! locks the positions of the version readers still see (`for share`, the same rows its fold must move): it stands still.
//! When the other one has come as far, the row in `active_version` is changed and committed on a connection of its own,
//! and readers are told. The lock ends only after every reader has had the time to look: whoever still reads the old
//! version sees what stood there when they were locked, and whoever reads the new one sees at least that. Readers are
//! never stopped; what stands still for a second is the fold of a version that nobody is going to read.
//!
//! Rejected: swapping at once (a reader that saw the last records of the old version would not find them in the new
//! one), and letting readers wait (a pause that every one of them would feel).

use super::{
    comparing::{partition_ends, positions},
    error::VersionError,
    tables,
    version::{LOOK_EVERY, Version, VersionState, active, versions_in},
};
use crate::{
    announcing::CHANNEL,
    applied::RECHECK,
    database::{Database, DatabaseError, Purpose},
    read_model::ReadModel,
};
use foldstream_log::PartitionEnd;
use std::time::Duration;
use tokio::time::{Instant, sleep};

const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Shows readers this version from now on; gives the one they were shown before. Waits at most that long for it to be
/// as far as that one.
pub async fn activate<M: ReadModel>(
    database: &Database,
    version: i32,
    patience: Duration,
) -> Result<Version, VersionError> {
    let projection = M::NAME;
    let versions = versions_in(database.pool(), projection).await?;
    let old = active(&versions, projection)?;
    let new = find_version(&versions, projection, version)?;
    if new.is_active {
        return Ok(old.clone());
    }
    if new.state != VersionState::Folding {
        return Err(VersionError::Loading { projection, version });
    }
    let failed = |query| move |error| DatabaseError::query(query, error);
    let old_tables = old.database(database, Purpose::Loading);
    let new_tables = new.database(database, Purpose::Loading);
    // First without holding anything, so that a version that is far behind stops nobody.
    until_as_far::<M>(&new_tables, &positions::<M>(old_tables.pool()).await?, new, patience).await?;

    let mut lock = old_tables.pool().begin().await.map_err(failed("checkpoint/lock"))?;
    let locked: Vec<(String, i32, i64)> = sqlx::query_as(include_str!("../../queries/checkpoint/lock.sql"))
        .bind(projection)
        .fetch_all(&mut *lock)
        .await
        .map_err(failed("checkpoint/lock"))?;
    until_as_far::<M>(&new_tables, &partition_ends::<M>(locked), new, patience).await?;
    let changed = sqlx::query(include_str!("../../queries/version/activate.sql"))
        .bind(projection)
        .bind(version)
        .execute(database.pool())
        .await
        .map_err(failed("version/activate"))?;
    if changed.rows_affected() == 0 {
        return Err(VersionError::Loading { projection, version });
    }
    // A reader that misses this looks by itself.
    if let Err(error) =
        sqlx::query("select pg_notify($1, $2)").bind(CHANNEL).bind(projection).execute(database.pool()).await
    {
        foldstream_telemetry::debug!(projection, error.message = %error, "the swap was not announced");
    }
    sleep(RECHECK * 2).await;
    lock.rollback().await.map_err(failed("checkpoint/lock"))?;
    Ok(old.clone())
}

/// Removes a version that readers are not shown, with everything it holds.
pub async fn discard<M: ReadModel>(database: &Database, version: i32) -> Result<Version, VersionError> {
    let projection = M::NAME;
    let versions = versions_in(database.pool(), projection).await?;
    let found = find_version(&versions, projection, version)?;
    let changed = sqlx::query(include_str!("../../queries/version/give_up.sql"))
        .bind(projection)
        .bind(version)
        .execute(database.pool())
        .await
        .map_err(|error| DatabaseError::query("version/give_up", error))?;
    if changed.rows_affected() == 0 {
        return Err(VersionError::Active { projection, version });
    }
    // Services end its loop first: its tables must not vanish under a fold.
    sleep(LOOK_EVERY * 2).await;
    let slowly = found.database(database, Purpose::Loading);
    tables::remove::<M>(&slowly, found).await?;
    sqlx::query(include_str!("../../queries/version/delete.sql"))
        .bind(projection)
        .bind(version)
        .execute(database.pool())
        .await
        .map_err(|error| DatabaseError::query("version/delete", error))?;
    Ok(found.clone())
}

fn find_version<'a>(
    versions: &'a [Version],
    projection: &'static str,
    version: i32,
) -> Result<&'a Version, VersionError> {
    versions.iter().find(|known| known.version == version).ok_or_else(|| {
        let known: Vec<String> = versions.iter().map(|known| known.version.to_string()).collect();
        VersionError::Unknown { projection, version, known: known.join(", ") }
    })
}

/// Waits until a version stands at these positions or further.
async fn until_as_far<M: ReadModel>(
    tables: &Database,
    ends: &[PartitionEnd],
    version: &Version,
    patience: Duration,
) -> Result<(), VersionError> {
    let deadline = Instant::now() + patience;
    loop {
        let stands = positions::<M>(tables.pool()).await?;
        let Some((end, stands)) = behind(&stands, ends) else { return Ok(()) };
        if Instant::now() > deadline {
            return Err(VersionError::Behind {
                version: version.version,
                partition: end.partition,
                stands,
                active: end.next_offset,
            });
        }
        sleep(LOOK_AGAIN).await;
    }
}

/// The first partition that is behind, and where it stands.
fn behind(stands: &[PartitionEnd], ends: &[PartitionEnd]) -> Option<(PartitionEnd, i64)> {
    ends.iter().find_map(|end| {
        let stands = stands.iter().find(|found| found.partition == end.partition).map_or(0, |found| found.next_offset);
        (stands < end.next_offset).then_some((*end, stands))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use foldstream_log::TopicPartition;

    #[test]
    fn a_version_is_behind_where_any_partition_is() {
        let at = |partition, next_offset| PartitionEnd {
            partition: TopicPartition { topic: "visits", partition },
            next_offset,
        };
        assert_eq!(behind(&[at(0, 5), at(1, 9)], &[at(0, 5), at(1, 3)]), None);
        assert_eq!(behind(&[at(0, 5)], &[at(0, 5), at(1, 0)]), None);
        assert_eq!(behind(&[at(0, 5), at(1, 2)], &[at(0, 5), at(1, 3)]), Some((at(1, 3), 2)));
        assert_eq!(behind(&[], &[at(1, 3)]), Some((at(1, 3), 0)));
    }
}
