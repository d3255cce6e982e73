//! Why a version could not be made, compared, shown or removed.

use crate::database::DatabaseError;
use foldstream_fold::{ReplayError, StoreError};
use foldstream_log::TopicPartition;

#[derive(Debug, thiserror::Error)]
pub enum VersionError {
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    Replay(#[from] ReplayError),
    #[error("the positions of the new version cannot be read")]
    Positions(#[from] StoreError),
    #[error("a part of the load was stopped")]
    Lane(#[from] tokio::task::JoinError),
    #[error("{projection} has no active version: has its service ever run?")]
    NoneActive { projection: &'static str },
    #[error("{projection} has no version {version}; there are {known}")]
    Unknown { projection: &'static str, version: i32, known: String },
    #[error("version {version} of {projection} is what readers are shown: activate another one first")]
    Active { projection: &'static str, version: i32 },
    #[error("version {version} of {projection} is not loaded yet: run the rebuild to its end first")]
    Loading { projection: &'static str, version: i32 },
    #[error("version {version} of {projection} has other tables than this program makes: rebuild {projection}")]
    OtherTables { projection: &'static str, version: i32 },
    #[error("the rebuild of version {version} of {projection} was begun with other tables: drop it, and rebuild again")]
    BegunWithOtherTables { projection: &'static str, version: i32 },
    #[error("version {version} of {projection} is being filled by another rebuild")]
    Filling { projection: &'static str, version: i32 },
    #[error("version {version} is behind the active one at {partition} ({stands} of {active}): does the service run?")]
    Behind { version: i32, partition: TopicPartition, stands: i64, active: i64 },
}
