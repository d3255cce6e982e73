//! How far the projections are, and waiting until one has come far enough.
//!
//! After a commit the projection's process says so with NOTIFY, on a connection of its own and at most every 20 ms: a
//! NOTIFY inside the folding transactions would serialise all their commits. One task per reading process listens,
//! reads all checkpoints once and wakes every waiter; it also looks every 500 ms, so a lost wake-up costs half a
//! second and never an answer. A thousand waiters cost the database what one costs.
//!
//! Which version of each projection readers are shown comes in the same look as where it stands, and a [`View`] holds
//! both: whoever waited for a position reads the tables that have reached it. When another version is made active, the
//! next look opens a pool on its tables; the old pool closes when the last view of it is dropped.

use crate::{
    announcing::{CHANNEL, COALESCE},
    checkpoint::Checkpoint,
    database::{Database, DatabaseError, PUBLIC, Purpose},
};
use chrono::{DateTime, Utc};
use foldstream_log::Positions;
use sqlx::postgres::PgListener;
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use tokio::{
    sync::watch,
    time::{Instant, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;

pub(crate) const RECHECK: Duration = Duration::from_millis(500);

/// The checkpoints of every projection, kept fresh; cheap to clone.
#[derive(Debug, Clone)]
pub struct Applied {
    latest: watch::Receiver<Latest>,
}

type Latest = Option<Result<Shown, Arc<DatabaseError>>>;

/// What readers are shown since the last look.
#[derive(Debug, Clone)]
struct Shown {
    database: Database,
    checkpoints: Arc<Vec<Checkpoint>>,
}

/// Where a projection stands, and the tables that stand there.
#[derive(Debug, Clone)]
pub struct View {
    /// The active version of every projection: what it holds is at least as new as the checkpoints.
    pub database: Database,
    pub checkpoints: Arc<Vec<Checkpoint>>,
}

/// Why a wait ended without the positions.
#[derive(Debug, thiserror::Error)]
pub enum Late {
    #[error("the read model has not come that far yet")]
    Behind { checkpoints: Arc<Vec<Checkpoint>> },
    #[error("how far the read model is cannot be read")]
    Unknown(#[source] Arc<DatabaseError>),
}

impl Applied {
    /// Keeps watch until shutdown.
    #[must_use]
    pub fn start(database: &Database, shutdown: CancellationToken) -> Self {
        let (sender, latest) = watch::channel(None);
        let database = database.clone();
        tokio::spawn(async move {
            shutdown.run_until_cancelled(keep_watch(database, sender)).await;
        });
        Self { latest }
    }

    /// Where this projection stands.
    pub async fn now(&self, projection: &str) -> Result<View, Late> {
        let mut latest = self.latest.clone();
        // The first look may still be under way.
        let found = timeout(RECHECK * 4, latest.wait_for(Option::is_some)).await;
        let found = found.ok().and_then(Result::ok).and_then(|found| found.clone());
        of_projection(found, projection)
    }

    /// Waits until the projection has folded every one of these positions, at the latest until the deadline.
    pub async fn wait_for(&self, projection: &str, positions: &Positions, deadline: Instant) -> Result<View, Late> {
        let mut latest = self.latest.clone();
        let has_come = |found: &Latest| match found {
            Some(Ok(shown)) => reached(&shown.checkpoints, projection, positions),
            _ => false,
        };
        let found = timeout_at(deadline, latest.wait_for(has_come)).await.map(|found| found.map(|found| found.clone()));
        match found {
            Ok(Ok(found)) => of_projection(found, projection),
            // Time is up, or the watch ended with the process.
            _ => match of_projection(self.latest.borrow().clone(), projection) {
                Ok(view) => Err(Late::Behind { checkpoints: view.checkpoints }),
                Err(late) => Err(late),
            },
        }
    }
}

fn of_projection(latest: Latest, projection: &str) -> Result<View, Late> {
    match latest {
        Some(Ok(Shown { database, checkpoints })) => {
            let of_it = checkpoints.iter().filter(|checkpoint| checkpoint.projection == projection);
            Ok(View { database, checkpoints: Arc::new(of_it.cloned().collect()) })
        }
        Some(Err(error)) => Err(Late::Unknown(error)),
        None => Err(Late::Behind { checkpoints: Arc::default() }),
    }
}

/// Whether every position lies before where the projection goes on.
fn reached(checkpoints: &[Checkpoint], projection: &str, positions: &Positions) -> bool {
    positions.iter().all(|position| {
        checkpoints.iter().any(|checkpoint| {
            checkpoint.projection == projection
                && checkpoint.topic == position.topic
                && checkpoint.partition == position.partition
                && checkpoint.next_offset > position.offset
        })
    })
}

/// A row of a look: a partition of an active version, or no partition where it has folded nothing yet.
#[derive(Debug, sqlx::FromRow)]
struct Row {
    projection: String,
    schema_name: String,
    topic: Option<String>,
    partition: Option<i32>,
    next_offset: Option<i64>,
    appended_at: Option<DateTime<Utc>>,
}

/// Where every active version stands at this moment. `shown` is the pool readers have now, which stays as long as the active
/// versions do.
async fn read_shown(database: &Database, shown: &Database) -> Result<Shown, DatabaseError> {
    let rows: Vec<Row> = sqlx::query_as(include_str!("../queries/version/shown.sql"))
        .fetch_all(database.pool())
        .await
        .map_err(|error| DatabaseError::query("version/shown", error))?;
    let schemas: BTreeSet<String> =
        rows.iter().map(|row| row.schema_name.clone()).filter(|schema| schema != PUBLIC).collect();
    let schemas: Vec<String> = schemas.into_iter().collect();
    let database = match shown.hiding() == schemas.as_slice() {
        true => shown.clone(),
        false => {
            foldstream_telemetry::info!(schemas = schemas.join(","), "readers are shown other versions");
            database.within(&schemas, Purpose::Reading)
        }
    };
    Ok(Shown { database, checkpoints: Arc::new(rows.into_iter().filter_map(Row::checkpoint).collect()) })
}

impl Row {
    fn checkpoint(self) -> Option<Checkpoint> {
        Some(Checkpoint {
            projection: self.projection,
            topic: self.topic?,
            partition: self.partition?,
            next_offset: self.next_offset?,
            appended_at: self.appended_at,
        })
    }
}

async fn keep_watch(database: Database, sender: watch::Sender<Latest>) {
    let mut listener = None;
    let mut shown = database.clone();
    loop {
        // Listening starts before looking, so nothing falls between the two.
        if listener.is_none() {
            listener = listen(&database).await;
        }
        let found = read_shown(&database, &shown).await.map_err(Arc::new);
        if let Ok(found) = &found {
            shown = found.database.clone();
        }
        sender.send_replace(Some(found));
        let started = Instant::now();
        match &mut listener {
            Some(listening) => match timeout(RECHECK, listening.recv()).await {
                Ok(Ok(_)) => {
                    // All that came meanwhile is answered by one look.
                    tokio::time::sleep_until(started + COALESCE / 10).await;
                }
                Ok(Err(error)) => {
                    foldstream_telemetry::debug!(error.message = %error, "the listening connection was lost");
                    listener = None;
                    tokio::time::sleep_until(started + RECHECK).await;
                }
                Err(_) => {}
            },
            None => tokio::time::sleep(RECHECK).await,
        }
    }
}

async fn listen(database: &Database) -> Option<PgListener> {
    let listening = async {
        let mut listener = PgListener::connect_with(database.pool()).await?;
        listener.listen(CHANNEL).await?;
        Ok::<_, sqlx::Error>(listener)
    };
    listening.await.inspect_err(|error| foldstream_telemetry::debug!(error.message = %error, "cannot listen")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(partition: i32, next_offset: i64) -> Checkpoint {
        Checkpoint { projection: "p".to_owned(), topic: "t".to_owned(), partition, next_offset, appended_at: None }
    }

    #[test]
    fn a_position_is_reached_when_the_next_offset_lies_behind_it() {
        let checkpoints = [at(0, 5), at(1, 3)];
        let reached = |text: &str| reached(&checkpoints, "p", &text.parse().unwrap());
        assert!(reached("t:0:4,t:1:2"));
        assert!(!reached("t:0:5"));
        assert!(!reached("t:0:4,t:1:3"));
        assert!(!reached("t:2:0"));
        assert!(!reached("other:0:0"));
    }
}
