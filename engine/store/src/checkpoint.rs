//! Rows and position in one transaction: the exactly-once half that lives in SQL.
//!
//! `foldstream-fold` has the argument; here is the fence: every position moves from where the batch starts, in
//! one statement, and if not all of them moved the transaction is rolled back.

use crate::{
    announcing::Announcer,
    database::{Database, DatabaseError, PUBLIC, for_store},
    dead_letter, parked,
    read_model::ReadModel,
};
use chrono::{DateTime, Utc};
use foldstream_fold::{Advance, Commit, ParkedRecord, RedriveRequest, Settlement, Store, StoreError};
use foldstream_log::TopicPartition;
use sqlx::PgConnection;
use std::{
    marker::PhantomData,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// How far a projection is in one partition.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, sqlx::FromRow)]
pub struct Checkpoint {
    pub projection: String,
    pub topic: String,
    pub partition: i32,
    pub next_offset: i64,
    /// When the newest record folded so far was appended to the log.
    pub appended_at: Option<DateTime<Utc>>,
}

/// Every projection's checkpoints, of the version readers are shown.
pub async fn checkpoints(database: &Database) -> Result<Vec<Checkpoint>, DatabaseError> {
    sqlx::query_as(include_str!("../queries/checkpoint/list.sql"))
        .fetch_all(database.pool())
        .await
        .map_err(|error| DatabaseError::query("checkpoint/list", error))
}

/// The store of a projection: its tables and its positions in one database.
#[derive(Debug)]
pub struct Fenced<M> {
    database: Database,
    announcer: Announcer,
    version: i32,
    /// Offsets passed since it was made, for those who show progress.
    passed: Arc<AtomicU64>,
    model: PhantomData<fn() -> M>,
}

impl<M> Clone for Fenced<M> {
    fn clone(&self) -> Self {
        Self {
            database: self.database.clone(),
            announcer: self.announcer.clone(),
            version: self.version,
            passed: self.passed.clone(),
            model: PhantomData,
        }
    }
}

impl<M> Fenced<M> {
    /// Of the version whose tables this database sees.
    #[must_use]
    pub(crate) fn new(database: &Database, version: i32) -> Self {
        Self {
            database: database.clone(),
            announcer: Announcer::start(database),
            version,
            passed: Arc::default(),
            model: PhantomData,
        }
    }

    /// Counts what it passes there from now on.
    pub(crate) fn counted_by(self, passed: &Arc<AtomicU64>) -> Self {
        Self { passed: passed.clone(), ..self }
    }

    fn dead_letter_owner(&self, projection: &'static str) -> String {
        dead_letter_owner(projection, Some(self.schema()))
    }

    /// Of the version.
    fn schema(&self) -> &str {
        self.database.hiding().first().map_or(PUBLIC, String::as_str)
    }

    /// Moves every position; false when one does not stand where the batch starts.
    async fn advance(
        &self,
        connection: &mut PgConnection,
        projection: &str,
        advances: &[Advance],
    ) -> Result<bool, sqlx::Error> {
        let topics: Vec<&str> = advances.iter().map(|advance| advance.partition.topic).collect();
        let partitions: Vec<i32> = advances.iter().map(|advance| advance.partition.partition).collect();
        let starts: Vec<i64> = advances.iter().map(|advance| advance.start).collect();
        let ends: Vec<i64> = advances.iter().map(|advance| advance.end).collect();
        let appended: Vec<Option<DateTime<Utc>>> =
            advances.iter().map(|advance| advance.appended_at_ms.and_then(DateTime::from_timestamp_millis)).collect();
        let moved = sqlx::query(include_str!("../queries/checkpoint/advance.sql"))
            .bind(projection)
            .bind(topics)
            .bind(partitions)
            .bind(starts)
            .bind(ends)
            .bind(appended)
            .bind(self.schema())
            .execute(connection)
            .await?
            .rows_affected();
        Ok(moved == advances.len() as u64)
    }
}

impl<M: ReadModel> Store<M::Changes> for Fenced<M> {
    fn version(&self) -> i32 {
        self.version
    }

    async fn positions(
        &self,
        projection: &'static str,
        partitions: &[TopicPartition],
    ) -> Result<Vec<(TopicPartition, i64)>, StoreError> {
        let topics: Vec<&str> = partitions.iter().map(|partition| partition.topic).collect();
        let numbers: Vec<i32> = partitions.iter().map(|partition| partition.partition).collect();
        let mut transaction = self.database.pool().begin().await.map_err(for_store)?;
        sqlx::query(include_str!("../queries/checkpoint/ensure.sql"))
            .bind(projection)
            .bind(&topics)
            .bind(&numbers)
            .execute(&mut *transaction)
            .await
            .map_err(for_store)?;
        let found: Vec<(String, i32, i64)> = sqlx::query_as(include_str!("../queries/checkpoint/find.sql"))
            .bind(projection)
            .bind(&topics)
            .bind(&numbers)
            .fetch_all(&mut *transaction)
            .await
            .map_err(for_store)?;
        transaction.commit().await.map_err(for_store)?;
        Ok(partitions
            .iter()
            .filter_map(|partition| {
                found
                    .iter()
                    .find(|(topic, number, _)| topic == partition.topic && *number == partition.partition)
                    .map(|(_, _, next_offset)| (*partition, *next_offset))
            })
            .collect())
    }

    async fn commit(&self, projection: &'static str, commit: &Commit<M::Changes>) -> Result<(), StoreError> {
        let mut transaction = self.database.pool().begin().await.map_err(for_store)?;
        // The fence first: a zombie is refused before it has written a row, and its rows are locked against others.
        if !self.advance(&mut transaction, projection, &commit.advances).await.map_err(for_store)? {
            transaction.rollback().await.map_err(for_store)?;
            return Err(StoreError::Fenced { projection });
        }
        // An erasure among the changes takes what waits along: so that is queued before, but for what is queued behind
        // the dead letters of this batch.
        let (new, stored): (Vec<&ParkedRecord>, Vec<_>) = commit.parked.iter().partition(|record| record.behind_new);
        let owner = self.dead_letter_owner(projection);
        parked::release(&mut transaction, &owner, &commit.released).await.map_err(for_store)?;
        let mut queued = parked::insert(&mut transaction, &owner, &stored).await.map_err(for_store)?;
        M::write(&commit.changes, &mut transaction).await.map_err(for_store)?;
        dead_letter::erase(&mut transaction, &owner, &commit.erased).await.map_err(for_store)?;
        dead_letter::insert(&mut transaction, &owner, &commit.dead_letters).await.map_err(for_store)?;
        queued &= parked::insert(&mut transaction, &owner, &new).await.map_err(for_store)?;
        if !queued {
            transaction.rollback().await.map_err(for_store)?;
            return Err(StoreError::Unparked { projection });
        }
        transaction.commit().await.map_err(for_store)?;
        self.announcer.announce(projection);
        self.passed.fetch_add(commit.advances.iter().map(passed).sum(), Ordering::Relaxed);
        Ok(())
    }

    async fn parked(
        &self,
        projection: &'static str,
        partitions: &[TopicPartition],
    ) -> Result<Vec<(TopicPartition, Vec<u8>)>, StoreError> {
        parked::keys(self.database.pool(), &self.dead_letter_owner(projection), partitions).await.map_err(for_store)
    }

    async fn ended(&self, projection: &'static str, keys: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, StoreError> {
        dead_letter::ended(self.database.pool(), &self.dead_letter_owner(projection), keys).await.map_err(for_store)
    }

    async fn next_request(
        &self,
        projection: &'static str,
        partitions: &[TopicPartition],
        most_records: usize,
    ) -> Result<Option<RedriveRequest>, StoreError> {
        let mut connection = self.database.pool().acquire().await.map_err(for_store)?;
        parked::next_request(&mut connection, &self.dead_letter_owner(projection), partitions, most_records)
            .await
            .map_err(for_store)
    }

    async fn settle(
        &self,
        projection: &'static str,
        settlement: &Settlement<'_, M::Changes>,
    ) -> Result<(), StoreError> {
        let mut transaction = self.database.pool().begin().await.map_err(for_store)?;
        if !self.advance(&mut transaction, projection, &[settlement.fence]).await.map_err(for_store)? {
            transaction.rollback().await.map_err(for_store)?;
            return Err(StoreError::Fenced { projection });
        }
        if !parked::settle(&mut transaction, settlement).await.map_err(for_store)? {
            transaction.rollback().await.map_err(for_store)?;
            return Err(StoreError::Unparked { projection });
        }
        M::write(&settlement.changes, &mut transaction).await.map_err(for_store)?;
        let owner = self.dead_letter_owner(projection);
        dead_letter::erase(&mut transaction, &owner, &settlement.erased).await.map_err(for_store)?;
        transaction.commit().await.map_err(for_store)?;
        self.announcer.announce(projection);
        Ok(())
    }
}

/// Under which name a version keeps its dead letters: those of all versions lie in one table.
pub(crate) fn dead_letter_owner(projection: &str, schema: Option<&str>) -> String {
    match schema {
        None | Some(PUBLIC) => projection.to_owned(),
        Some(schema) => format!("{projection}/{schema}"),
    }
}

fn passed(advance: &Advance) -> u64 {
    u64::try_from(advance.end - advance.start).unwrap_or(0)
}
