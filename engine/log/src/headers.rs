//! What stands in a record's headers: CloudEvents (Kafka binding, binary mode), W3C trace context, and the cause.

use crate::{events::TopicEvent, position::Position};
use chrono::SecondsFormat;
use foldstream_telemetry::trace_context::current_traceparent;
use rdkafka::message::{Header, Headers, OwnedHeaders};

/// The position of the record that led to this one.
pub const CAUSE: &str = "cause";
/// Where a record that was appended once more was first.
pub const REDRIVE_OF: &str = "redrive_of";
pub(crate) const TRACEPARENT: &str = "traceparent";
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
}

impl Cause {
    /// No record, but what is going on here and now.
    #[must_use]
    pub fn here() -> Self {
        Self { position: None, traceparent: current_traceparent() }
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
    headers
}

/// The value of the last header of this name, when it is text.
pub(crate) fn text_header<H: Headers>(headers: Option<&H>, name: &str) -> Option<String> {
    let headers = headers?;
    let value = headers.iter().filter(|header| header.key == name).last()?.value?;
    std::str::from_utf8(value).ok().map(str::to_owned)
}
