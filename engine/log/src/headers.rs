//! What stands in a record's headers: CloudEvents (Kafka binding, binary mode), W3C trace context, and the cause.

use crate::{events::TopicEvent, fetched::FetchedRecord, position::Position};
use chrono::SecondsFormat;
use foldstream_telemetry::trace_context::current_traceparent;
use rdkafka::message::{Header, Headers, OwnedHeaders};
use std::fmt;

/// The position of the record that led to this one.
pub const CAUSE: &str = "cause";
/// Where a record that was appended once more was first.
pub const REDRIVE_OF: &str = "redrive_of";
pub(crate) const TRACEPARENT: &str = "traceparent";
/// Where whoever sent a command wants its outcome too.
pub(crate) const REPLY_TO: &str = "reply_to";
/// Which service wrote it.
pub const SOURCE: &str = "ce_source";
const CONTENT_TYPE: &str = "application/avro";

/// The version of the fold that a state was made by.
pub const FOLD_VERSION: &str = "fold_version";

/// What led to a record: goes into its headers.
#[derive(Debug, Clone, Default)]
pub struct Cause {
    /// The record that led to it.
    pub position: Option<Position>,
    /// The trace it belongs to.
    pub traceparent: Option<String>,
    /// Where its outcome is wanted too, where it is a command.
    pub reply_to: Option<ReplyTo>,
}

/// A topic, and the key there, under which an outcome is wanted; written `topic/key`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplyTo {
    pub topic: String,
    pub key: String,
}

impl ReplyTo {
    /// None where it is written otherwise.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (topic, key) = text.split_once('/').filter(|(topic, key)| !topic.is_empty() && !key.is_empty())?;
        Some(Self { topic: topic.to_owned(), key: key.to_owned() })
    }
}

impl fmt::Display for ReplyTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.topic, self.key)
    }
}

impl Cause {
    /// No record, but what is going on here and now.
    #[must_use]
    pub fn here() -> Self {
        Self { traceparent: current_traceparent(), ..Self::default() }
    }
}

fn header(headers: OwnedHeaders, key: &str, value: &str) -> OwnedHeaders {
    headers.insert(Header { key, value: Some(value) })
}

/// The headers of an event that the service `source` writes.
pub(crate) fn headers_of<E: TopicEvent>(event: &E, source: &str, cause: &Cause) -> OwnedHeaders {
    let time = event.occurred_at().to_rfc3339_opts(SecondsFormat::Micros, true);
    let mut id = [0; uuid::fmt::Hyphenated::LENGTH];
    let id: &str = event.event_id().hyphenated().encode_lower(&mut id);
    let mut headers = OwnedHeaders::new_with_capacity(8);
    headers = header(headers, "ce_specversion", "1.0");
    headers = header(headers, "ce_id", id);
    headers = header(headers, "ce_type", event.record_type().full_name);
    headers = header(headers, SOURCE, &format!("/foldstream/{source}"));
    headers = header(headers, "ce_time", &time);
    headers = header(headers, "content-type", CONTENT_TYPE);
    with_cause(headers, cause)
}

/// The headers of a tombstone: there is no event they could describe.
pub(crate) fn headers_of_tombstone(source: &str, cause: &Cause) -> OwnedHeaders {
    let headers = header(OwnedHeaders::new_with_capacity(3), SOURCE, &format!("/foldstream/{source}"));
    with_cause(headers, cause)
}

/// The headers of a record that is appended once more: its own, and where it was first.
pub(crate) fn headers_of_copy(record: &FetchedRecord) -> OwnedHeaders {
    let kept = record.headers.iter().filter(|(name, _)| name != REDRIVE_OF);
    let kept = kept.fold(OwnedHeaders::new_with_capacity(record.headers.len() + 1), |headers, (key, value)| {
        headers.insert(Header { key, value: value.as_ref() })
    });
    header(kept, REDRIVE_OF, &record.position().to_string())
}

/// The same for the state of a processor.
pub(crate) fn with_fold_version(headers: OwnedHeaders, version: u32) -> OwnedHeaders {
    header(headers, FOLD_VERSION, &version.to_string())
}

fn with_cause(mut headers: OwnedHeaders, cause: &Cause) -> OwnedHeaders {
    if let Some(traceparent) = &cause.traceparent {
        headers = header(headers, TRACEPARENT, traceparent);
    }
    if let Some(position) = &cause.position {
        headers = header(headers, CAUSE, &position.to_string());
    }
    if let Some(reply_to) = &cause.reply_to {
        headers = header(headers, REPLY_TO, &reply_to.to_string());
    }
    headers
}

/// The value of the last header of this name, when it is text.
pub(crate) fn text_header<H: Headers>(headers: Option<&H>, name: &str) -> Option<String> {
    let headers = headers?;
    let value = headers.iter().filter(|header| header.key == name).last()?.value?;
    std::str::from_utf8(value).ok().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_an_outcome_is_wanted_reads_back_as_it_was() {
        let reply_to = ReplyTo { topic: "replies".to_owned(), key: "saga/7".to_owned() };
        assert_eq!(ReplyTo::parse(&reply_to.to_string()), Some(reply_to));
        for otherwise in ["", "replies", "replies/", "/saga"] {
            assert_eq!(ReplyTo::parse(otherwise), None, "{otherwise}");
        }
    }
}
