//! A record that is put aside.

use foldstream_log::{DeadLetterHeader, DeadLettersEvent, Position, RecordRefused, TopicPartition, derived_event_id};

/// A record that could not be used, as it lay in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    pub partition: TopicPartition,
    pub offset: i64,
    pub appended_at_ms: i64,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    pub reason: String,
}

/// A dead letter as a record.
pub(crate) fn refused(service: &'static str, letter: &DeadLetter, origin: &Position) -> DeadLettersEvent {
    let DeadLetter { partition, offset, appended_at_ms, key, value, headers, reason } = letter;
    RecordRefused {
        event_id: derived_event_id(&format!("{service}/{origin}")),
        origin: origin.to_string(),
        occurred_at: chrono::DateTime::from_timestamp_millis(*appended_at_ms).unwrap_or_default(),
        service: service.to_owned(),
        topic: partition.topic.to_owned(),
        partition: partition.partition,
        offset: *offset,
        key: key.clone(),
        value: value.clone(),
        headers: headers
            .iter()
            .map(|(name, value)| DeadLetterHeader { name: name.clone(), value: value.clone() })
            .collect(),
        reason: reason.clone(),
    }
    .into()
}
