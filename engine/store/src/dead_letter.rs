//! Records a projection could not use, kept as they were.

use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::{DateTime, Utc};
use foldstream_fold::DeadLetter;
use serde_json::{Value, json};
use sqlx::{PgConnection, PgExecutor};

pub(crate) async fn insert(
    connection: &mut PgConnection,
    projection: &str,
    letters: &[DeadLetter],
) -> Result<(), sqlx::Error> {
    if letters.is_empty() {
        return Ok(());
    }
    let each = |letter: &DeadLetter| {
        (
            letter.partition.topic,
            letter.partition.partition,
            letter.offset,
            DateTime::from_timestamp_millis(letter.appended_at_ms).unwrap_or(DateTime::UNIX_EPOCH),
        )
    };
    let topics: Vec<&str> = letters.iter().map(|letter| each(letter).0).collect();
    let partitions: Vec<i32> = letters.iter().map(|letter| each(letter).1).collect();
    let offsets: Vec<i64> = letters.iter().map(|letter| each(letter).2).collect();
    let appended: Vec<DateTime<Utc>> = letters.iter().map(|letter| each(letter).3).collect();
    let keys: Vec<Option<&[u8]>> = letters.iter().map(|letter| letter.key.as_deref()).collect();
    let values: Vec<Option<&[u8]>> = letters.iter().map(|letter| letter.value.as_deref()).collect();
    let headers: Vec<Value> = letters.iter().map(headers).collect();
    let reasons: Vec<String> = letters.iter().map(|letter| storable(&letter.reason)).collect();
    sqlx::query(include_str!("../queries/dead-letter/insert.sql"))
        .bind(projection)
        .bind(topics)
        .bind(partitions)
        .bind(offsets)
        .bind(appended)
        .bind(keys)
        .bind(values)
        .bind(headers)
        .bind(reasons)
        .execute(connection)
        .await?;
    Ok(())
}

/// Which of these keys a record has ended.
pub(crate) async fn ended(
    executor: impl PgExecutor<'_>,
    projection: &str,
    keys: &[Vec<u8>],
) -> Result<Vec<Vec<u8>>, sqlx::Error> {
    sqlx::query_scalar(include_str!("../queries/dead-letter/ended.sql"))
        .bind(projection)
        .bind(keys)
        .fetch_all(executor)
        .await
}

/// Removes what is kept of records with these keys, what waits behind them and what is asked about them: whom they were
/// about was erased, and nothing of them is kept from now on.
pub(crate) async fn erase(connection: &mut PgConnection, projection: &str, keys: &[String]) -> Result<(), sqlx::Error> {
    if keys.is_empty() {
        return Ok(());
    }
    let keys: Vec<&[u8]> = keys.iter().map(|key| key.as_bytes()).collect();
    sqlx::query(include_str!("../queries/dead-letter/erase.sql"))
        .bind(projection)
        .bind(keys)
        .execute(connection)
        .await?;
    Ok(())
}

/// A list of pairs, because names may repeat; values in base64.
pub(crate) fn headers(letter: &DeadLetter) -> Value {
    letter
        .headers
        .iter()
        .map(|(name, value)| json!([storable(name), value.as_ref().map(|value| STANDARD.encode(value))]))
        .collect()
}

/// Text the database can hold: it takes any character but NUL. A dead letter must never be refused itself.
pub(crate) fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}
