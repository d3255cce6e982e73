//! What stands in a record's headers: CloudEvents (Kafka binding, binary mode), W3C trace context, and the cause.

use chrono::SecondsFormat;
use foldstream_events::{Position, TopicEvent};
use rdkafka::message::{Header, Headers, OwnedHeaders};

pub(crate) const TRACEPARENT: &str = "traceparent";
const CONTENT_TYPE: &str = "application/avro";

/// Where an event comes from: goes into its headers.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// The service that writes it (`ce_source`).
    pub source: &'static str,
    /// The record that led to it.
    pub cause: Option<Position>,
}

pub(crate) fn headers_of<E: TopicEvent>(event: &E, origin: &Origin, traceparent: Option<&str>) -> OwnedHeaders {
    let time = event.occurred_at().to_rfc3339_opts(SecondsFormat::Micros, true);
    let mut id = [0; uuid::fmt::Hyphenated::LENGTH];
    let id: &str = event.event_id().hyphenated().encode_lower(&mut id);
    let header = |headers: OwnedHeaders, key: &str, value: &str| headers.insert(Header { key, value: Some(value) });
    let mut headers = OwnedHeaders::new_with_capacity(8);
    headers = header(headers, "ce_specversion", "1.0");
    headers = header(headers, "ce_id", id);
    headers = header(headers, "ce_type", event.record_type().full_name);
    headers = header(headers, "ce_source", &format!("/foldstream/{}", origin.source));
    headers = header(headers, "ce_time", &time);
    headers = header(headers, "content-type", CONTENT_TYPE);
    if let Some(traceparent) = traceparent {
        headers = header(headers, TRACEPARENT, traceparent);
    }
    if let Some(cause) = &origin.cause {
        headers = header(headers, "cause", &cause.to_string());
    }
    headers
}

/// The value of the last header of this name, when it is text.
pub(crate) fn text_header<H: Headers>(headers: Option<&H>, name: &str) -> Option<String> {
    let headers = headers?;
    let value = headers.iter().filter(|header| header.key == name).last()?.value?;
    std::str::from_utf8(value).ok().map(str::to_owned)
}
