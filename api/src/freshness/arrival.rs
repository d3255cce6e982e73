//! Whether everything a position led to has arrived in a read model.
//!
//! A position is followed to the topics that the projection folds (`following.rs`). There the projection's own positions
//! decide, and what it has put aside.
//!
//! Following it to the furthest that anybody's records led to costs no look into the log, so that comes first: where the
//! projection has all of it within [`TOGETHER`], and has put nothing aside in those partitions, the position has arrived.
//! Otherwise the records themselves are looked up, for a reader waits for his own records and for nobody else's: in a
//! partition that halts they may have arrived, and beside a dead letter they may not. A command that led to nothing (it was
//! so already, or was decided before) asks for what its key led to before: that has not arrived while the key is parked.

use crate::freshness::following::{Asked, Following, NotFollowed};
use foldstream_log::{Position, PositionRange, Positions};
use foldstream_store::{
    Applied, Database, DatabaseError, Late, View,
    dead_letters::{anything_aside, blocked, parked_key},
};
use std::time::Duration;
use tokio::time::Instant;

/// How long a reader waits for what others wrote, too, before the log is asked what is his.
const TOGETHER: Duration = Duration::from_millis(100);

/// Waits for positions in read models; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Arrival {
    pub(crate) following: Following,
    pub(crate) applied: Applied,
    pub(crate) database: Database,
}

/// Why a wait ended without the positions.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotArrived {
    #[error(transparent)]
    NotFollowed(#[from] NotFollowed),
    #[error("{record} is parked behind dead letter {id}")]
    Parked { record: Position, id: i64, dead_letter: Position, reason: String },
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    ReadModel(#[from] Late),
}

impl Arrival {
    /// Waits until a projection has folded everything each of these records led to; gives how far it is, and its tables.
    pub(crate) async fn wait(
        &self,
        projection: &'static str,
        after: &[PositionRange],
        deadline: Instant,
    ) -> Result<View, NotArrived> {
        let asked = Asked { projection, after, deadline };
        let furthest = self.following.follow(&asked, false).await?;
        let soon = deadline.min(Instant::now() + TOGETHER);
        match self.reached(projection, &furthest.up_to, soon).await {
            Ok(view) if !anything_aside(&self.database, projection, &furthest.up_to).await? => return Ok(view),
            Ok(_) | Err(Late::Behind { .. }) => {}
            Err(unknown) => return Err(unknown.into()),
        }
        let expected = self.following.follow(&asked, true).await?;
        let view = self.reached(projection, &expected.up_to, deadline).await?;
        if let Some(record) = blocked(&self.database, projection, &expected.records).await? {
            let (dead_letter, record_at) = (record.dead_letter(), record.record());
            return Err(NotArrived::Parked { record: record_at, id: record.id, dead_letter, reason: record.reason });
        }
        for (place, key, record) in expected.keys {
            let parked = parked_key(&self.database, projection, place, &key).await?;
            if let Some(parked) = parked.filter(|parked| holds_up(parked.cause().as_ref(), parked.settled, &record)) {
                let dead_letter = parked.dead_letter();
                return Err(NotArrived::Parked { record, id: parked.id, dead_letter, reason: parked.reason });
            }
        }
        Ok(view)
    }

    async fn reached(&self, projection: &str, up_to: &Positions, deadline: Instant) -> Result<View, Late> {
        match up_to.is_empty() {
            true => self.applied.now(projection).await,
            false => self.applied.wait_for(projection, up_to, deadline).await,
        }
    }
}

/// Whether what a record led to is the dead letter of its key that this cause led to, or waits behind it: what a processor
/// writes has the order of its causes. One that is settled is done with itself.
fn holds_up(cause: Option<&Position>, settled: bool, record: &Position) -> bool {
    match cause {
        Some(cause) if cause.topic == record.topic && cause.partition == record.partition => {
            cause.offset < record.offset || (cause.offset == record.offset && !settled)
        }
        // It came another way, so nobody knows which was first.
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_held_up_from_the_record_on_that_led_to_its_dead_letter() {
        let held_up = |cause: Option<&str>, settled| {
            let cause: Option<Position> = cause.map(|cause| cause.parse().unwrap());
            holds_up(cause.as_ref(), settled, &"person-commands:3:10".parse().unwrap())
        };
        assert!(held_up(Some("person-commands:3:9"), false));
        assert!(held_up(Some("person-commands:3:10"), false));
        assert!(!held_up(Some("person-commands:3:10"), true));
        assert!(!held_up(Some("person-commands:3:11"), false));
        assert!(held_up(Some("person-commands:2:11"), false));
        assert!(held_up(None, false));
    }
}
