//! Folding what is on the topics already, up to ends that are given: how a version is rebuilt, and how one is verified.
//!
//! It is the session of the running loop over a reader that is in no group and ends. Fence, poison and waiting are the
//! same; only a failure is not tried again here, because whoever asked can ask again and goes on where the store stands.

use super::{
    contract::{Projection, Store, StoreError},
    session::fold_from,
};
use crate::{
    lag::Standing,
    sessions::{Service, SessionError},
};
use foldstream_log::{PartitionEnd, Reader, TopicPartition};
use std::{error::Error, sync::Arc};

/// Larger than the running loop's: nobody waits for a single record.
const MAX_BATCH_RECORDS: usize = 40_000;

#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    #[error("the replay of {projection} was stopped; it goes on where it stands when it is started again")]
    Stopped { projection: &'static str },
    #[error("the replay of {projection} broke off")]
    BrokeOff { projection: &'static str, source: Box<dyn Error + Send + Sync> },
    #[error("{partition} was replayed up to {stands} of {end}: it halted there, and the log says why")]
    Halted { partition: TopicPartition, stands: i64, end: i64 },
    #[error("the positions of {projection} cannot be read")]
    Positions { projection: &'static str, source: StoreError },
}

/// Folds these partitions from where the store stands up to their ends, and not a record further.
pub async fn replay<P, S>(service: &Service, store: S, ends: Vec<PartitionEnd>) -> Result<(), ReplayError>
where
    P: Projection,
    S: Store<P::Changes>,
{
    let projection = P::NAME;
    let broke_off = |source: SessionError| ReplayError::BrokeOff { projection, source: Box::new(source) };
    let store = Arc::new(store);
    let reader =
        Reader::bounded(&service.wire, ends.clone(), MAX_BATCH_RECORDS).map_err(|error| broke_off(error.into()))?;
    match fold_from::<P, S>(service, &store, &Standing::default(), reader).await {
        // Everything that was to be read is folded, but for what halted.
        Err(SessionError::ReaderEnded) => {}
        Ok(()) | Err(SessionError::Stopping) => return Err(ReplayError::Stopped { projection }),
        Err(error) => return Err(broke_off(error)),
    }
    let partitions: Vec<TopicPartition> = ends.iter().map(|end| end.partition).collect();
    let positions = store.positions(projection, &partitions).await;
    let positions = positions.map_err(|source| ReplayError::Positions { projection, source })?;
    for PartitionEnd { partition, next_offset: end } in ends {
        let stands = positions.iter().find(|(found, _)| *found == partition).map_or(0, |(_, stands)| *stands);
        if stands < end {
            return Err(ReplayError::Halted { partition, stands, end });
        }
    }
    Ok(())
}
