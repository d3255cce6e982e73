//! Why the registry did not give what it was asked for.

use crate::framing::SchemaId;
use std::error::Error;

#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    #[error("the schema registry at {url} does not answer")]
    Unreachable { url: String, source: Box<dyn Error + Send + Sync> },
    #[error("the schema registry answered {status} to {call}: {message}")]
    Refused { call: String, status: u16, message: String },
    #[error("schema {id} is not in the registry")]
    UnknownId { id: SchemaId },
    #[error("schema {id} cannot be used: {reason}")]
    Unusable { id: SchemaId, reason: String },
    #[error("{subject} is not registered as this version of foldstream has it: run `foldstream schemas register`")]
    NotRegistered { subject: String },
}

impl RegistryError {
    /// Whether asking again later may help.
    #[must_use]
    pub fn is_retriable(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            // Without a code it was not the registry that answered, but something in front of it.
            Self::Refused { status, .. } => *status >= 500 || matches!(*status, 0 | 429),
            Self::UnknownId { .. } | Self::Unusable { .. } | Self::NotRegistered { .. } => false,
        }
    }
}
