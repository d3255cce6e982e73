//! Baseline (a): the same rows into the same tables by the projection's own statements, but without Kafka.
//!
//! The rows come from the topic, in the batches and the order in which the projection gets them; reading and decoding
//! them is not part of the measured time, encoding for COPY is. One connection, one transaction a batch, no fence.

use crate::{
    processor_time::{Meter, Spent},
    world::World,
};
use anyhow::{Context, Result, bail};
use foldstream_events::LocationsEvent;
use foldstream_fold::{Projection, Step};
use foldstream_locations_projection::{LocationChanges, Locations};
use foldstream_log::{Assignment, Batch, Reader, ReaderEvent, ReaderOptions, Recorded, Registry, decode, decode_key};
use foldstream_store::ReadModel;
use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};
use std::str::FromStr;

/// As many as the loop puts into one transaction at most (`MAX_BATCH_RECORDS` in engine/fold).
const BATCH_RECORDS: usize = 20_000;
const UNINDEXED: &str = "
    drop schema if exists unindexed cascade;
    create schema unindexed;
    create table unindexed.location_history (like public.location_history including generated);
    create table unindexed.current_location (like public.current_location including indexes) with (fillfactor = 70);
";

/// Which tables are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tables {
    /// Those of the read model.
    Real,
    /// Copies of them, the history without any index.
    Unindexed,
}

/// Rows, ready to be written.
#[derive(Debug)]
pub(crate) struct Bare {
    batches: Vec<LocationChanges>,
}

impl Bare {
    /// Reads the whole topic as the projection does and folds it into batches.
    pub(crate) async fn prepare(world: &World) -> Result<Self> {
        let registry = Registry::new(&world.wire)?;
        let options = ReaderOptions {
            service: "bench-bare".to_owned(),
            topics: vec![foldstream_events::LOCATIONS.name],
            max_batch_records: BATCH_RECORDS,
            assignment: Assignment::Balanced,
        };
        let mut reader = Reader::start(&world.wire, &options)?;
        let mut bare = Self { batches: vec![LocationChanges::default()] };
        let mut left = world.records;
        while left > 0 {
            match reader.next().await.context("the reader ended")? {
                ReaderEvent::Assigned { partitions, start } => {
                    // Gone only if the reader is, and then the next event says so.
                    let _ = start.send(partitions.into_iter().map(|partition| (partition, 0)).collect());
                }
                ReaderEvent::Revoked { settled, .. } => drop(settled),
                ReaderEvent::Failed(error) => return Err(error.into()),
                ReaderEvent::Batch(batch) => {
                    left = left.saturating_sub(batch.len() as u64);
                    bare.fold(&batch, &registry).await?;
                }
            }
        }
        reader.close().await;
        Ok(bare)
    }

    async fn fold(&mut self, batch: &Batch, registry: &Registry) -> Result<()> {
        for record in batch.records() {
            let (Some(value), Some(id)) = (record.value, record.schema_id()) else { bail!("a record without a value") };
            let schema = registry.schema(id?).await?;
            let key = decode_key(record.key)?;
            let event: LocationsEvent = decode("locations", key, value, &schema)?;
            let recorded = Recorded {
                topic: "locations",
                partition: record.partition.partition,
                offset: record.offset,
                appended_at_ms: record.timestamp_ms,
                key: key.to_owned(),
                event: Some(event.into()),
            };
            if self.batches.last().is_none_or(|batch| batch.history.len() >= BATCH_RECORDS) {
                self.batches.push(LocationChanges::default());
            }
            let applied = self.batches.last_mut().map(|batch| Locations::apply(batch, &recorded));
            if applied != Some(Step::Applied) {
                bail!("a record that is not applied: {applied:?}");
            }
        }
        Ok(())
    }

    /// Writes all of it into empty tables.
    pub(crate) async fn write(&self, world: &World, tables: Tables) -> Result<Spent> {
        let mut connection = connect(world, tables).await?;
        if tables == Tables::Unindexed {
            sqlx::raw_sql(UNINDEXED).execute(&mut connection).await.context("cannot make tables without indexes")?;
        }
        empty(&mut connection).await?;
        let meter = Meter::start(&world.stack)?;
        for batch in &self.batches {
            let mut transaction = connection.begin().await?;
            Locations::write(batch, &mut transaction).await.context("cannot write a batch")?;
            transaction.commit().await?;
        }
        let spent = meter.stop()?;
        check_count(&mut connection, world.records).await?;
        Ok(spent)
    }
}

/// A connection with the settings the projection's have, to the one set of tables or the other.
pub(crate) async fn connect(world: &World, tables: Tables) -> Result<PgConnection> {
    let search_path = match tables {
        Tables::Real => "public",
        Tables::Unindexed => "unindexed,public",
    };
    let options = PgConnectOptions::from_str(&world.database_url)?;
    let options = options.options([("search_path", search_path), ("jit", "off"), ("client_min_messages", "warning")]);
    PgConnection::connect_with(&options).await.context("cannot connect to the database")
}

/// Empties the tables the connection sees and sends the projection back to the beginning of the topic.
pub(crate) async fn empty(connection: &mut PgConnection) -> Result<()> {
    for statement in [
        "truncate location_history, current_location",
        "delete from projection_position where projection = 'locations-projection'",
        // Nobody pays for what was written before.
        "checkpoint",
    ] {
        sqlx::raw_sql(statement).execute(&mut *connection).await.with_context(|| statement.to_owned())?;
    }
    Ok(())
}

/// A measurement counts only if the rows are there.
pub(crate) async fn check_count(connection: &mut PgConnection, records: u64) -> Result<()> {
    let found: i64 = sqlx::query_scalar("select count(*) from location_history").fetch_one(connection).await?;
    if u64::try_from(found).ok() != Some(records) {
        bail!("the history has {found} rows, expected {records}");
    }
    Ok(())
}
