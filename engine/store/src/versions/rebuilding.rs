//! Folds a projection anew: into a version that readers may be shown, or into a scratch schema to verify the live one.
//!
//! The load goes from 0 to where the live version stands, again and again until little is left, then exactly to its
//! positions in one snapshot, and there both are compared. Topics are loaded one after the other, the smallest first,
//! because what erases is small: as long as the history is empty there is nothing to look for in a table without indexes.
//! Partitions of a topic are loaded side by side, which is safe for the reason it is safe in the service.

use super::{
    comparing::{Snapshot, TableComparison, compare, positions},
    digest::{digest, index_statements},
    error::VersionError,
    filling::{self, Lease},
    left_over::remove_left_over,
    statements,
    tables::{self, ensure_tables},
    version::{Version, VersionState, active, schema_of, set_state},
};
use crate::{
    checkpoint::Fenced,
    database::{Database, DatabaseError, Purpose},
    read_model::ReadModel,
};
use foldstream_fold::{Service, Store, replay};
use foldstream_log::{PartitionEnd, TopicPartition};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{sync::watch, task::JoinSet};

/// When so little is left, the snapshot is taken: it stays open until that is loaded.
const LITTLE: u64 = 20_000;
/// More loads side by side than this wait for the database rather than for each other.
const MOST_LANES: usize = 4;

/// What folding anew came to.
#[derive(Debug, Clone, Serialize)]
pub struct Rebuilt {
    pub projection: &'static str,
    /// The version it made; none for a verification.
    pub version: Option<i32>,
    pub schema_name: String,
    /// What this run loaded; less than all where an earlier one was resumed.
    pub records: u64,
    pub load_seconds: f64,
    pub records_per_second: f64,
    /// Whether every table was equal to the live one at the same positions; none where the live version has other tables.
    pub equal: Option<bool>,
    pub tables: Vec<TableComparison>,
}

/// How far it is, for whoever shows it; cheap to clone.
#[derive(Debug, Clone)]
pub struct Progress {
    pub passed: Arc<AtomicU64>,
    pub total: Arc<AtomicU64>,
    pub stage: watch::Sender<String>,
}

impl Default for Progress {
    fn default() -> Self {
        Self { passed: Arc::default(), total: Arc::default(), stage: watch::Sender::new("starting".to_owned()) }
    }
}

/// The fold of one schema anew.
struct Replaying<'a, P> {
    service: &'a Service,
    live: Database,
    /// As the new tables' statements see it.
    database: Database,
    schema_name: String,
    /// Whether the live tables are made like the new ones.
    comparable: bool,
    store: Fenced<P>,
    progress: &'a Progress,
}

/// Makes a version, or goes on with one whose rebuild was cut short, and hands it over to the service. Where it is not
/// equal to the live one and no change is expected it stays as it is, and nobody is shown it.
pub async fn rebuild<P>(
    service: &Service,
    database: &Database,
    expect_changes: bool,
    progress: &Progress,
) -> Result<Rebuilt, VersionError>
where
    P: ReadModel,
{
    let projection = P::NAME;
    let versions = ensure_tables::<P>(database).await?;
    let live = active(&versions, projection)?;
    let version = match versions.iter().find(|version| version.state == VersionState::Loading) {
        Some(begun) if begun.has_tables_of::<P>() => begun.clone(),
        Some(begun) => return Err(VersionError::BegunWithOtherTables { projection, version: begun.version }),
        None => create::<P>(database, &versions).await?,
    };
    let lease = Lease::take(database, &version.schema_name).await?;
    let _filling = lease.ok_or(VersionError::Filling { projection, version: version.version })?;
    let replaying = Replaying::<P>::new(service, database, live, &version, progress);
    let mut rebuilt = replaying.run().await?;
    rebuilt.version = Some(version.version);
    if rebuilt.equal != Some(false) || expect_changes {
        set_state(database, projection, version.version, VersionState::Folding).await?;
    }
    Ok(rebuilt)
}

/// Compares the live version with a replay that is dropped afterwards.
pub async fn verify<P>(service: &Service, database: &Database, progress: &Progress) -> Result<Rebuilt, VersionError>
where
    P: ReadModel,
{
    let projection = P::NAME;
    let versions = ensure_tables::<P>(database).await?;
    let live = active(&versions, projection)?;
    if !live.has_tables_of::<P>() {
        return Err(VersionError::OtherTables { projection, version: live.version });
    }
    remove_left_over::<P>(database).await?;
    let (scratch, _filling) = filling::scratch::<P>(database, live).await?;
    let failed = |error| DatabaseError::query("version/acquire", error);
    let mut connection = database.pool().acquire().await.map_err(failed)?;
    tables::create::<P>(&mut connection, &scratch.schema_name).await?;
    let verified = Replaying::<P>::new(service, database, live, &scratch, progress).run().await;
    tables::remove::<P>(database, &scratch).await?;
    verified
}

async fn create<P>(database: &Database, versions: &[Version]) -> Result<Version, VersionError>
where
    P: ReadModel,
{
    let projection = P::NAME;
    let number = versions.iter().map(|version| version.version).max().unwrap_or(0) + 1;
    let version = Version {
        projection: projection.to_owned(),
        version: number,
        schema_name: schema_of(P::MODEL, &format!("v{number}")),
        state: VersionState::Loading,
        is_active: false,
        tables_digest: Some(digest::<P>()),
    };
    // Together, so that whoever finds the row finds the tables; of two that begin at once, one is refused.
    let failed = |error| DatabaseError::query("version/insert", error);
    let mut transaction = database.pool().begin().await.map_err(failed)?;
    tables::insert::<P>(&mut transaction, &version).await?;
    tables::create::<P>(&mut transaction, &version.schema_name).await?;
    transaction.commit().await.map_err(failed)?;
    Ok(version)
}

impl<'a, P: ReadModel> Replaying<'a, P> {
    fn new(
        service: &'a Service,
        database: &Database,
        live: &Version,
        version: &Version,
        progress: &'a Progress,
    ) -> Self {
        let comparable = live.has_tables_of::<P>();
        let live = live.database(database, Purpose::Loading);
        let database = version.database(database, Purpose::Loading);
        let store = Fenced::new(&database, version.version).counted_by(&progress.passed);
        Self { service, live, database, schema_name: version.schema_name.clone(), comparable, store, progress }
    }

    async fn run(&self) -> Result<Rebuilt, VersionError> {
        let projection = P::NAME;
        let mut loading = Duration::ZERO;
        loop {
            let started = Instant::now();
            let ends = positions::<P>(self.live.pool()).await?;
            let loaded = self.load(ends).await?;
            self.create_indexes().await?;
            loading += started.elapsed();
            if loaded <= LITTLE {
                break;
            }
        }
        let mut snapshot = Snapshot::take::<P>(&self.live).await?;
        self.load(snapshot.positions.clone()).await?;
        let mut tables = Vec::new();
        if self.comparable {
            let failed = |error| DatabaseError::query("version/acquire", error);
            let mut replayed = self.database.pool().acquire().await.map_err(failed)?;
            for table in P::TABLES {
                self.progress.stage.send_replace(format!("comparing {}", table.name));
                tables.push(compare(table, &mut snapshot.transaction, &mut replayed).await?);
            }
        }
        let records = self.progress.passed.load(Ordering::Relaxed);
        #[expect(clippy::cast_precision_loss, reason = "a rate is shown to people")]
        let records_per_second = records as f64 / loading.as_secs_f64().max(0.001);
        Ok(Rebuilt {
            projection,
            version: None,
            schema_name: self.schema_name.clone(),
            records,
            load_seconds: loading.as_secs_f64(),
            records_per_second,
            equal: self.comparable.then(|| tables.iter().all(|table| table.differing_rows == 0)),
            tables,
        })
    }

    /// Folds up to these ends; gives how many offsets that were.
    async fn load(&self, ends: Vec<PartitionEnd>) -> Result<u64, VersionError> {
        let topics = self.left(ends).await?;
        let left: u64 = topics.iter().map(|(left, _)| left).sum();
        self.progress.total.store(self.progress.passed.load(Ordering::Relaxed) + left, Ordering::Relaxed);
        for (_, ends) in topics {
            if let Some(end) = ends.first() {
                self.progress.stage.send_replace(format!("loading {}", end.partition.topic));
            }
            let mut lanes = JoinSet::new();
            for ends in in_lanes(ends) {
                let (service, store) = (self.service.clone(), self.store.clone());
                lanes.spawn(async move { replay::<P, _>(&service, store, ends).await });
            }
            while let Some(lane) = lanes.join_next().await {
                lane??;
            }
        }
        Ok(left)
    }

    /// What is left of each topic, the smallest first.
    async fn left(&self, ends: Vec<PartitionEnd>) -> Result<Vec<(u64, Vec<PartitionEnd>)>, VersionError> {
        let partitions: Vec<TopicPartition> = ends.iter().map(|end| end.partition).collect();
        let stands = Store::<P::Changes>::positions(&self.store, P::NAME, &partitions).await?;
        let mut topics: BTreeMap<&str, (u64, Vec<PartitionEnd>)> = BTreeMap::new();
        for end in ends {
            let stands = stands.iter().find(|(found, _)| *found == end.partition).map_or(0, |(_, stands)| *stands);
            let left = u64::try_from(end.next_offset - stands).unwrap_or(0);
            if left > 0 {
                let topic = topics.entry(end.partition.topic).or_default();
                topic.0 += left;
                topic.1.push(end);
            }
        }
        let mut topics: Vec<_> = topics.into_values().collect();
        topics.sort_unstable_by_key(|(left, _)| *left);
        Ok(topics)
    }

    /// Makes the indexes that were left out of the load, one at a time, so that whoever is killed goes on where it was.
    async fn create_indexes(&self) -> Result<(), DatabaseError> {
        let failed = |error| DatabaseError::query("version/acquire", error);
        let mut connection = self.database.pool().acquire().await.map_err(failed)?;
        self.progress.stage.send_replace(format!("indexing {}", P::MODEL));
        for statement in index_statements::<P>() {
            statements::run(&mut connection, statement).await?;
        }
        for table in P::TABLES {
            statements::run(&mut connection, format!("analyze {}", table.name)).await?;
        }
        Ok(())
    }
}

/// Shares partitions out among loads that run side by side.
fn in_lanes(ends: Vec<PartitionEnd>) -> Vec<Vec<PartitionEnd>> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let lanes = cores.clamp(1, MOST_LANES).min(ends.len());
    let mut shared = vec![Vec::new(); lanes];
    for (index, end) in ends.into_iter().enumerate() {
        shared[index % lanes].push(end);
    }
    shared
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_partition_is_in_one_lane() {
        for count in [0, 1, 3, 6] {
            let end =
                |partition| PartitionEnd { partition: TopicPartition { topic: "visits", partition }, next_offset: 1 };
            let lanes = in_lanes((0..count).map(end).collect());
            let mut all: Vec<i32> = lanes.iter().flatten().map(|end| end.partition.partition).collect();
            all.sort_unstable();
            assert_eq!(all, (0..count).collect::<Vec<_>>());
            assert!(lanes.iter().all(|lane| !lane.is_empty()));
        }
    }
}
