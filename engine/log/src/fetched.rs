//! A record as it was fetched, whoever fetched it, and the event it should be.

use crate::{
    codec::{DecodeError, decode, decode_key, unframe},
    events::TopicEvent,
    framing::{Framing, Part, SchemaId},
    position::Position,
    registry::{Registry, RegistryError},
};

/// A record with everything that belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchedRecord {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    pub timestamp_ms: i64,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

/// Why a record is not the event it should be.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    #[error("its schema cannot be had")]
    Schema(#[from] RegistryError),
    #[error("it cannot be read")]
    Decode(#[from] DecodeError),
    #[error("it has no value")]
    NoValue,
}

impl FetchedRecord {
    /// Where it lies.
    #[must_use]
    pub fn position(&self) -> Position {
        Position { topic: self.topic.clone(), partition: self.partition, offset: self.offset }
    }

    /// The event it is.
    pub async fn event<E: TopicEvent>(&self, registry: &Registry) -> Result<E, RecordError> {
        let value = self.value.as_deref().ok_or(RecordError::NoValue)?;
        let (schema_id, _) = unframe(value)?;
        let schema = registry.schema(schema_id).await?;
        Ok(decode(&self.topic, decode_key(self.key.as_deref())?, value, &schema)?)
    }

    /// The last header of this name, where it is text.
    #[must_use]
    pub fn text_header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().rfind(|(header, _)| header == name)?;
        std::str::from_utf8(value.as_deref()?).ok()
    }

    /// Name and value of each header, in order.
    pub fn headers(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        self.headers.iter().map(|(name, value)| (name.as_bytes(), value.as_deref()))
    }

    /// The schemas that its key and its value name.
    pub fn schema_ids(&self) -> impl Iterator<Item = SchemaId> {
        let named = |part, bytes: Option<&Vec<u8>>| match Framing::of(part, bytes?, self.headers()) {
            Framing::Of { schema, .. } => Some(schema),
            Framing::Bare | Framing::Foreign(_) => None,
        };
        [named(Part::Key, self.key.as_ref()), named(Part::Value, self.value.as_ref())].into_iter().flatten()
    }
}
