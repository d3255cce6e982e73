//! Records that wait behind a dead letter of their key, and how they leave: the store's half of parking.
//!
//! `foldstream-fold` has the argument. Here is the second fence: whatever leaves a queue must be there as it
//! was read, or the transaction is rolled back.

use crate::dead_letter::{headers, storable};
use chrono::{DateTime, Utc};
use foldstream_fold::{Action, ParkedRecord, RedriveRequest, Settled, Settlement, StoredRecord};
use foldstream_log::TopicPartition;
use sqlx::{PgConnection, PgExecutor};

/// A piece of a queue is held in memory.
const MOST_BYTES: i64 = 8 * 1024 * 1024;

/// The keys that are parked in these partitions.
pub(crate) async fn keys(
    executor: impl PgExecutor<'_>,
    projection: &str,
    partitions: &[TopicPartition],
) -> Result<Vec<(TopicPartition, Vec<u8>)>, sqlx::Error> {
    let found: Vec<(String, i32, Vec<u8>)> = sqlx::query_as(include_str!("../queries/parked/keys.sql"))
        .bind(projection)
        .bind(topics(partitions))
        .bind(numbers(partitions))
        .fetch_all(executor)
        .await?;
    let known = |(topic, number, key): (String, i32, Vec<u8>)| Some((named(partitions, &topic, number)?, key));
    Ok(found.into_iter().filter_map(known).collect())
}

/// Queues records behind the dead letters of their keys; false when one of these is not there.
pub(crate) async fn insert(
    connection: &mut PgConnection,
    projection: &str,
    records: &[&ParkedRecord],
) -> Result<bool, sqlx::Error> {
    if records.is_empty() {
        return Ok(true);
    }
    let written = sqlx::query(include_str!("../queries/parked/insert.sql"))
        .bind(projection)
        .bind(records.iter().map(|record| record.partition.topic).collect::<Vec<_>>())
        .bind(records.iter().map(|record| record.partition.partition).collect::<Vec<_>>())
        .bind(records.iter().map(|record| record.key.as_slice()).collect::<Vec<_>>())
        .bind(records.iter().map(|record| record.offset).collect::<Vec<_>>())
        .bind(records.iter().map(|record| time(record.appended_at_ms)).collect::<Vec<_>>())
        .bind(records.iter().map(|record| record.value.as_deref()).collect::<Vec<_>>())
        .execute(connection)
        .await?
        .rows_affected();
    Ok(written == records.len() as u64)
}

/// Drops the dead letters of these keys, and what is parked behind them.
pub(crate) async fn release(
    connection: &mut PgConnection,
    projection: &str,
    released: &[(TopicPartition, Vec<u8>)],
) -> Result<(), sqlx::Error> {
    if released.is_empty() {
        return Ok(());
    }
    sqlx::query(include_str!("../queries/parked/release.sql"))
        .bind(projection)
        .bind(released.iter().map(|(partition, _)| partition.topic).collect::<Vec<_>>())
        .bind(released.iter().map(|(partition, _)| partition.partition).collect::<Vec<_>>())
        .bind(released.iter().map(|(_, key)| key.as_slice()).collect::<Vec<_>>())
        .execute(connection)
        .await?;
    Ok(())
}

/// A dead letter as its request finds it.
#[derive(Debug, sqlx::FromRow)]
struct Letter {
    id: i64,
    action: String,
    topic: String,
    partition: i32,
    offset: i64,
    appended_at: DateTime<Utc>,
    settled: bool,
    key: Option<Vec<u8>>,
    parks: bool,
    value: Option<Vec<u8>>,
}

/// The oldest open request about a dead letter of these partitions.
pub(crate) async fn next_request(
    connection: &mut PgConnection,
    projection: &str,
    partitions: &[TopicPartition],
    most_records: usize,
) -> Result<Option<RedriveRequest>, sqlx::Error> {
    let letter: Option<Letter> = sqlx::query_as(include_str!("../queries/parked/request.sql"))
        .bind(projection)
        .bind(topics(partitions))
        .bind(numbers(partitions))
        .fetch_optional(&mut *connection)
        .await?;
    let Some(letter) = letter else { return Ok(None) };
    let Some(partition) = named(partitions, &letter.topic, letter.partition) else { return Ok(None) };
    let own = StoredRecord {
        offset: letter.offset,
        appended_at_ms: letter.appended_at.timestamp_millis(),
        value: letter.value,
    };
    let mut records = if letter.settled { Vec::new() } else { vec![own] };
    let first: Vec<(i64, DateTime<Utc>, Option<Vec<u8>>)> = sqlx::query_as(include_str!("../queries/parked/first.sql"))
        .bind(letter.id)
        .bind(i64::try_from(most_records.saturating_sub(records.len())).unwrap_or(i64::MAX))
        .bind(MOST_BYTES)
        .fetch_all(&mut *connection)
        .await?;
    records.extend(first.into_iter().map(|(offset, appended_at, value)| StoredRecord {
        offset,
        appended_at_ms: appended_at.timestamp_millis(),
        value,
    }));
    let more: bool = sqlx::query_scalar(include_str!("../queries/parked/more.sql"))
        .bind(letter.id)
        .bind(records.last().map_or(letter.offset, |record| record.offset))
        .fetch_one(connection)
        .await?;
    Ok(Some(RedriveRequest {
        dead_letter: letter.id,
        action: if letter.action == "discard" { Action::Discard } else { Action::Redrive },
        partition,
        offset: letter.offset,
        settled: letter.settled,
        key: letter.key,
        parks: letter.parks,
        records,
        more,
    }))
}

/// Takes the records that leave from the queue; false when it is not as it was read.
pub(crate) async fn settle<C: Sync>(
    connection: &mut PgConnection,
    settlement: &Settlement<'_, C>,
) -> Result<bool, sqlx::Error> {
    let Settlement { request, leaving, settled, .. } = settlement;
    let leaving = request.records.get(..*leaving).unwrap_or_default();
    let parked = leaving.len() - usize::from(!request.settled && !leaving.is_empty());
    let taken = sqlx::query(include_str!("../queries/parked/take.sql"))
        .bind(request.dead_letter)
        .bind(leaving.last().map_or(request.offset, |record| record.offset))
        .execute(&mut *connection)
        .await?
        .rows_affected();
    if taken != parked as u64 {
        return Ok(false);
    }
    let changed = match settled {
        Settled::Emptied => sqlx::query(include_str!("../queries/parked/empty.sql")),
        Settled::Continues => sqlx::query(include_str!("../queries/parked/settle.sql")),
        Settled::Failed(_) => sqlx::query(include_str!("../queries/parked/fail.sql")),
    };
    let changed = changed.bind(request.dead_letter).bind(request.offset).bind(request.settled);
    let changed = match settled {
        Settled::Failed(letter) => changed
            .bind(letter.offset)
            .bind(time(letter.appended_at_ms))
            .bind(letter.value.as_deref())
            .bind(headers(letter))
            .bind(storable(&letter.reason)),
        _ => changed,
    };
    if changed.execute(&mut *connection).await?.rows_affected() != 1 {
        return Ok(false);
    }
    if let Settled::Failed(letter) = settled {
        let failure = format!("{}:{}: {}", letter.partition, letter.offset, storable(&letter.reason));
        sqlx::query(include_str!("../queries/parked/fail_request.sql"))
            .bind(request.dead_letter)
            .bind(failure)
            .execute(connection)
            .await?;
    }
    Ok(true)
}

fn topics(partitions: &[TopicPartition]) -> Vec<&'static str> {
    partitions.iter().map(|partition| partition.topic).collect()
}

fn numbers(partitions: &[TopicPartition]) -> Vec<i32> {
    partitions.iter().map(|partition| partition.partition).collect()
}

fn named(partitions: &[TopicPartition], topic: &str, number: i32) -> Option<TopicPartition> {
    partitions.iter().copied().find(|partition| partition.topic == topic && partition.partition == number)
}

fn time(appended_at_ms: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(appended_at_ms).unwrap_or(DateTime::UNIX_EPOCH)
}
