//! Compares the tables of two versions row by row, each side one ordered stream of keys and row hashes.
//!
//! Memory stays the same whatever the size, and the first differing keys are known when the last row is.

use crate::{
    database::{Database, DatabaseError},
    read_model::{ReadModel, Table},
};
use foldstream_log::TopicEvent;
use foldstream_log::{PartitionEnd, TopicPartition};
use futures::TryStreamExt;
use serde::Serialize;
use sqlx::{PgConnection, PgExecutor, Postgres, Transaction};
use std::cmp::Ordering;

/// How many differences are named.
const NAMED: usize = 10;

/// What a comparison of one table came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TableComparison {
    pub table: &'static str,
    pub live_rows: u64,
    pub replayed_rows: u64,
    /// Of all rows in the order of their keys.
    pub live_hash: String,
    pub replayed_hash: String,
    pub differing_rows: u64,
    /// The first of them.
    pub differences: Vec<Difference>,
}

/// A key whose rows are not the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "found", rename_all = "snake_case")]
pub enum Difference {
    OnlyLive { key: String },
    OnlyReplayed { key: String },
    NotEqual { key: String },
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::OnlyLive { key } => write!(f, "{key} is only in the live table"),
            Self::OnlyReplayed { key } => write!(f, "{key} is only in the replayed table"),
            Self::NotEqual { key } => write!(f, "{key} is not the same"),
        }
    }
}

/// The live version at one moment: nothing that is committed later is seen through it.
pub(super) struct Snapshot {
    pub(super) transaction: Transaction<'static, Postgres>,
    pub(super) positions: Vec<PartitionEnd>,
}

impl Snapshot {
    pub(super) async fn take<M: ReadModel>(live: &Database) -> Result<Self, DatabaseError> {
        let failed = |error| DatabaseError::query("version/snapshot", error);
        let mut transaction =
            live.pool().begin_with("begin isolation level repeatable read read only").await.map_err(failed)?;
        // The other side is brought to the same positions meanwhile.
        sqlx::query("set local idle_in_transaction_session_timeout = 0")
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        let positions = positions::<M>(&mut *transaction).await?;
        Ok(Self { transaction, positions })
    }
}

/// Where the version stands whose tables are seen there.
pub(super) async fn positions<M: ReadModel>(tables: impl PgExecutor<'_>) -> Result<Vec<PartitionEnd>, DatabaseError> {
    let found: Vec<(String, i32, i64)> = sqlx::query_as(include_str!("../../queries/checkpoint/of_projection.sql"))
        .bind(M::NAME)
        .fetch_all(tables)
        .await
        .map_err(|error| DatabaseError::query("checkpoint/of_projection", error))?;
    Ok(partition_ends::<M>(found))
}

/// Rows of positions as the log knows them; a topic that is folded no longer is nobody's.
pub(super) fn partition_ends<M: ReadModel>(rows: Vec<(String, i32, i64)>) -> Vec<PartitionEnd> {
    rows.into_iter()
        .filter_map(|(topic, partition, next_offset)| {
            let topic = M::Event::topics().iter().find(|known| known.name == topic)?.name;
            Some(PartitionEnd { partition: TopicPartition { topic, partition }, next_offset })
        })
        .collect()
}

/// Compares one table as two connections see it.
pub(super) async fn compare(
    table: &'static Table,
    live: &mut PgConnection,
    replayed: &mut PgConnection,
) -> Result<TableComparison, DatabaseError> {
    let failed = |error| DatabaseError::query("version/rows", error);
    let mut live = sqlx::query_as::<_, (String, i64)>(table.rows).fetch(live);
    let mut replayed = sqlx::query_as::<_, (String, i64)>(table.rows).fetch(replayed);
    let mut found = Tally::new();
    let mut left = live.try_next().await.map_err(failed)?;
    let mut right = replayed.try_next().await.map_err(failed)?;
    while left.is_some() || right.is_some() {
        let order = order(left.as_ref(), right.as_ref());
        found.note(order, left.as_ref(), right.as_ref());
        if order != Ordering::Greater {
            left = live.try_next().await.map_err(failed)?;
        }
        if order != Ordering::Less {
            right = replayed.try_next().await.map_err(failed)?;
        }
    }
    Ok(found.of(table.name))
}

type Row = (String, i64);

/// Which side's row comes first; a side that has ended comes last.
fn order(live: Option<&Row>, replayed: Option<&Row>) -> Ordering {
    match (live, replayed) {
        (Some((live, _)), Some((replayed, _))) => live.cmp(replayed),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => Ordering::Equal,
    }
}

/// What was found so far.
struct Tally {
    live: Side,
    replayed: Side,
    differing_rows: u64,
    differences: Vec<Difference>,
}

/// Rows of one side, and a hash of them in their order (FNV-1a).
struct Side {
    rows: u64,
    hash: u64,
}

impl Side {
    fn take(&mut self, row: &Row) {
        self.rows += 1;
        for byte in row.1.to_be_bytes() {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

impl Tally {
    fn new() -> Self {
        let side = || Side { rows: 0, hash: 0xcbf2_9ce4_8422_2325 };
        Self { live: side(), replayed: side(), differing_rows: 0, differences: Vec::new() }
    }

    fn note(&mut self, order: Ordering, live: Option<&Row>, replayed: Option<&Row>) {
        let live = live.filter(|_| order != Ordering::Greater);
        let replayed = replayed.filter(|_| order != Ordering::Less);
        live.into_iter().for_each(|row| self.live.take(row));
        replayed.into_iter().for_each(|row| self.replayed.take(row));
        let difference = match (live, replayed) {
            (Some((key, live)), Some((_, replayed))) if live != replayed => Difference::NotEqual { key: key.clone() },
            (Some((key, _)), None) => Difference::OnlyLive { key: key.clone() },
            (None, Some((key, _))) => Difference::OnlyReplayed { key: key.clone() },
            _ => return,
        };
        self.differing_rows += 1;
        if self.differences.len() < NAMED {
            self.differences.push(difference);
        }
    }

    fn of(self, table: &'static str) -> TableComparison {
        TableComparison {
            table,
            live_rows: self.live.rows,
            replayed_rows: self.replayed.rows,
            live_hash: format!("{:016x}", self.live.hash),
            replayed_hash: format!("{:016x}", self.replayed.hash),
            differing_rows: self.differing_rows,
            differences: self.differences,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compared(live: &[(&str, i64)], replayed: &[(&str, i64)]) -> TableComparison {
        let row = |(key, hash): &(&str, i64)| (key.to_string(), *hash);
        let mut live = live.iter().map(row).peekable();
        let mut replayed = replayed.iter().map(row).peekable();
        let mut tally = Tally::new();
        while live.peek().is_some() || replayed.peek().is_some() {
            let order = order(live.peek(), replayed.peek());
            tally.note(order, live.peek(), replayed.peek());
            if order != Ordering::Greater {
                live.next();
            }
            if order != Ordering::Less {
                replayed.next();
            }
        }
        tally.of("t")
    }

    #[test]
    fn equal_rows_have_equal_hashes_and_no_difference() {
        let rows = [("a", 1), ("b", 2), ("b", 2), ("c", 3)];
        let equal = compared(&rows, &rows);
        assert_eq!((equal.live_rows, equal.replayed_rows, equal.differing_rows), (4, 4, 0));
        assert_eq!(equal.live_hash, equal.replayed_hash);
    }

    #[test]
    fn what_is_missing_added_or_altered_is_named() {
        let found = compared(&[("a", 1), ("b", 2), ("d", 4), ("e", 5)], &[("b", 7), ("c", 3), ("d", 4)]);
        assert_ne!(found.live_hash, found.replayed_hash);
        assert_eq!(
            found.differences,
            [
                Difference::OnlyLive { key: "a".to_owned() },
                Difference::NotEqual { key: "b".to_owned() },
                Difference::OnlyReplayed { key: "c".to_owned() },
                Difference::OnlyLive { key: "e".to_owned() },
            ]
        );
        assert_eq!(found.differing_rows, 4);
    }

    #[test]
    fn many_differences_are_counted_and_the_first_named() {
        let rows: Vec<(String, i64)> = (0..100).map(|number| (format!("{number:03}"), number)).collect();
        let rows: Vec<(&str, i64)> = rows.iter().map(|(key, hash)| (key.as_str(), *hash)).collect();
        let found = compared(&rows, &[]);
        assert_eq!((found.differing_rows, found.differences.len()), (100, NAMED));
    }
}
