//! A record as it was fetched, whoever fetched it, and the event it should be.

use crate::{
    codec::{DecodeError, decode, decode_key, unframe},
    events::TopicEvent,
    position::Position,
    registry::{Registry, RegistryError},
};
use serde_json::{Map, Value};

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

    /// Headers by name; text where it is text, base64 under `{"base64": …}` where not. Of equal names the last counts.
    #[must_use]
    pub fn headers_as_json(&self) -> Map<String, Value> {
        use base64::{Engine, engine::general_purpose::STANDARD};
        let value = |bytes: &[u8]| match std::str::from_utf8(bytes) {
            Ok(text) => Value::from(text),
            Err(_) => serde_json::json!({"base64": STANDARD.encode(bytes)}),
        };
        self.headers.iter().map(|(name, bytes)| (name.clone(), bytes.as_deref().map_or(Value::Null, value))).collect()
    }
}
