//! foldstream-replay: real data sets, and generated ones, as live streams, exactly once.
//!
//! Reads: `source-progress`, to know where it stands. Writes: `locations`, `person-commands` and `source-progress`,
//! together in Kafka transactions. Keyed by: the person; progress by the source. On poison: a row that breaks a rule
//! is counted and skipped, it keeps its sequence number.
//!
//! Each transaction carries the progress it makes, and a run first fences whoever replays the same source. So a
//! replay that was killed goes on exactly where the last committed transaction ended, and one that is complete adds
//! nothing.

mod aircraft;
mod back_off;
mod city;
mod config;
mod display;
mod error;
mod operators;
mod options;
mod plan;
mod progress;
mod replay;
mod source;
mod stop;
mod summary;
mod transaction;
mod validate;
mod walkers;

pub use config::Config;
pub use error::ReplayError;
pub use options::{Dataset, Options, Pace, Speed, Time, WalkerOptions};
pub use replay::NAME;
pub use summary::{Ended, Summary};

use aircraft::Aircraft;
use foldstream_events::{LocationsEvent, PersonCommandsEvent, SourceProgressEvent};
use foldstream_log::{Flow, ServiceKind};
use replay::Replay;
use source::Source;
use std::sync::Arc;
use tokio::task::spawn_blocking;
use walkers::Walkers;

/// What it reads and writes.
#[must_use]
pub fn flow() -> Flow {
    Flow::of(NAME, ServiceKind::Producer)
        .reading::<SourceProgressEvent>()
        .writing::<PersonCommandsEvent>()
        .writing::<LocationsEvent>()
        .writing::<SourceProgressEvent>()
}

/// Replays a data set until its end, its limit, the clock or `shutdown` stops it, whichever is first. When `shutdown`
/// resolves, the open transaction is finished.
pub async fn run(
    wire: &foldstream_log::Config,
    config: &Config,
    options: &Options,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<Summary, ReplayError> {
    let source = load(config, options).await?;
    let (stopper, stop) = stop::channel();
    let replay = Replay::new(wire, source, options.pace(), stop)?;
    // The transaction calls block. When this future is dropped, so is the stopper, and the thread ends too.
    let mut work = spawn_blocking(move || replay.run());
    tokio::select! {
        ended = &mut work => return ended.map_err(|_| ReplayError::Stopped)?,
        () = shutdown => drop(stopper),
    }
    work.await.map_err(|_| ReplayError::Stopped)?
}

async fn load(config: &Config, options: &Options) -> Result<Arc<dyn Source>, ReplayError> {
    match &options.dataset {
        Dataset::Walkers { walk, .. } => Ok(Arc::new(Walkers::new(walk.clone()))),
        Dataset::Aircraft { .. } => {
            let data_dir = config.data_dir.clone();
            let aircraft = spawn_blocking(move || Aircraft::load(&data_dir)).await;
            Ok(Arc::new(aircraft.map_err(|_| ReplayError::Stopped)??))
        }
    }
}
