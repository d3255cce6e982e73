//! Says with NOTIFY that a projection moved: at most every 20 ms, and on a connection of its own, because inside the folding
//! transactions it would serialise all their commits.

use crate::database::Database;
use std::{collections::BTreeSet, time::Duration};
use tokio::sync::mpsc;

pub(crate) const CHANNEL: &str = "foldstream_applied";
pub(crate) const COALESCE: Duration = Duration::from_millis(20);

/// Says on the channel that a projection moved; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Announcer {
    moved: mpsc::UnboundedSender<&'static str>,
}

impl Announcer {
    pub(crate) fn start(database: &Database) -> Self {
        let (moved, mut waiting) = mpsc::unbounded_channel();
        let pool = database.pool().clone();
        // Ends when the last sender is gone.
        tokio::spawn(async move {
            while let Some(first) = waiting.recv().await {
                let mut projections = BTreeSet::from([first]);
                while let Ok(next) = waiting.try_recv() {
                    projections.insert(next);
                }
                for projection in projections {
                    let notify = sqlx::query("select pg_notify($1, $2)").bind(CHANNEL).bind(projection);
                    if let Err(error) = notify.execute(&pool).await {
                        // Waiters look by themselves every 500 ms.
                        foldstream_telemetry::debug!(projection, error.message = %error, "a commit was not announced");
                    }
                }
                tokio::time::sleep(COALESCE).await;
            }
        });
        Self { moved }
    }

    pub(crate) fn announce(&self, projection: &'static str) {
        // The task ends only with the runtime.
        let _ = self.moved.send(projection);
    }
}
