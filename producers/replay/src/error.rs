//! What can end a replay before its time, and which of it is worth another try.

use foldstream_browse::BrowseError;
use foldstream_log::{RecordError, RegistryError, TransactionError};
use std::{io, path::PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    #[error("the aircraft data set is not in {}: run dev/setup.sh, which downloads it", data_dir.display())]
    DataSetMissing { data_dir: PathBuf },
    #[error("cannot open the data set {}", path.display())]
    OpenDataSet { path: PathBuf, source: io::Error },
    #[error("the data set {} is no such archive as expected: remove it and run dev/setup.sh", path.display())]
    UnpackDataSet { path: PathBuf, source: zip::result::ZipError },
    #[error("the data set {} does not hold what is expected: remove it and run dev/setup.sh", path.display())]
    ReadDataSet { path: PathBuf, source: serde_json::Error },
    #[error("cannot ask the schema registry")]
    Registry(#[source] RegistryError),
    #[error("cannot read how far {source_id} has come")]
    ReadProgress { source_id: String, source: BrowseError },
    #[error("the record of how far {source_id} has come cannot be used")]
    DecodeProgress { source_id: String, source: RecordError },
    #[error("another replay of {source_id} took over at sequence {sequence}")]
    TookOver { source_id: String, sequence: u64 },
    #[error("the brokers gave up the transaction of {source_id} at sequence {sequence}, open for {seconds} s")]
    Expired { source_id: String, sequence: u64, seconds: u64 },
    #[error("cannot write {source_id} from sequence {sequence} on")]
    Write { source_id: String, sequence: u64, source: Box<TransactionError> },
    #[error("{source_id} is stuck at sequence {sequence}: nothing could be written for {seconds} s")]
    Stuck { source_id: String, sequence: u64, seconds: u64, source: Box<ReplayError> },
    #[error("the writing thread of the replay was stopped")]
    Stopped,
}

impl ReplayError {
    /// Whether the same may succeed a moment later: a broker or the registry is away.
    #[must_use]
    pub fn is_retriable(&self) -> bool {
        match self {
            Self::Expired { .. } => true,
            Self::Registry(source) => source.is_retriable(),
            Self::DecodeProgress { source: RecordError::Schema(source), .. } => source.is_retriable(),
            Self::ReadProgress { source, .. } => source.is_retriable(),
            Self::Write { source, .. } => match source.as_ref() {
                TransactionError::Failed { .. } => true,
                TransactionError::Schema(source) => source.is_retriable(),
                TransactionError::Fenced { .. } | TransactionError::Encode(_) => false,
            },
            Self::DataSetMissing { .. }
            | Self::OpenDataSet { .. }
            | Self::UnpackDataSet { .. }
            | Self::ReadDataSet { .. }
            | Self::DecodeProgress { .. }
            | Self::TookOver { .. }
            | Self::Stuck { .. }
            | Self::Stopped => false,
        }
    }
}
