//! W3C trace context between Kafka headers (or HTTP headers) and spans: one string in, one string out.
//!
//! A span takes its parent before it is first entered; later than that its ids are settled and the call is ignored.
//! A batch has many causes: it *links* to them and keeps a trace of its own. One span a batch, never one a record.
//! What does not parse is ignored with a debug log: a foreign header must not stop a record.

use opentelemetry::{
    Context,
    propagation::{Extractor, TextMapPropagator},
    trace::{SpanContext, TraceContextExt},
};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::{OpenTelemetrySpanExt, SetParentError};

/// The header's name, in Kafka and in HTTP.
pub const TRACEPARENT: &str = "traceparent";

/// The `traceparent` to hand on from here: that of the innermost traced span the caller is in.
pub fn current_traceparent() -> Option<String> {
    // The innermost span may be too detailed to be traced; the context of the traced one around it is then in force.
    traceparent(&Span::current()).or_else(|| render(Context::current().span().span_context()))
}

/// The `traceparent` of this span, entered or not. It settles the span's ids: [`set_parent`] comes first.
pub fn traceparent(span: &Span) -> Option<String> {
    render(span.context().span().span_context())
}

/// Makes the span a child of the remote one. Call it before the span is first entered.
pub fn set_parent(span: &Span, traceparent: &str) {
    let Some(parent) = parse(traceparent) else { return };
    // A span that is filtered out, or a process without tracing, has no parent to set: that is no news.
    let parent = Context::new().with_remote_span_context(parent);
    if let Err(SetParentError::AlreadyStarted) = span.set_parent(parent) {
        crate::debug!(traceparent, "the span has begun: its parent can no longer be set");
    }
}

/// Notes on the span that the remote one was among its causes.
pub fn add_link(span: &Span, traceparent: &str) {
    if let Some(cause) = parse(traceparent) {
        span.add_link(cause);
    }
}

fn render(context: &SpanContext) -> Option<String> {
    context
        .is_valid()
        .then(|| format!("00-{}-{}-{:02x}", context.trace_id(), context.span_id(), context.trace_flags().to_u8() & 1))
}

fn parse(traceparent: &str) -> Option<SpanContext> {
    let extracted = TraceContextPropagator::new().extract_with_context(&Context::new(), &OneHeader(traceparent));
    let context = extracted.span().span_context().clone();
    if !context.is_valid() {
        crate::debug!(traceparent, "ignoring a malformed traceparent");
        return None;
    }
    Some(context)
}

/// A carrier of this one header, without a map to fill for every record.
struct OneHeader<'a>(&'a str);

impl Extractor for OneHeader<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        (key == TRACEPARENT).then_some(self.0)
    }

    fn keys(&self) -> Vec<&str> {
        vec![TRACEPARENT]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::info_span;
    use crate::trace_this_thread;
    use tracing::debug_span;

    const REMOTE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_child_keeps_the_trace_and_gets_an_id_of_its_own() {
        let _tracing = trace_this_thread();
        let span = info_span!("fold");
        set_parent(&span, REMOTE);
        let handed_on = span.in_scope(current_traceparent).unwrap();
        assert_eq!(handed_on[..36], REMOTE[..36]);
        assert_ne!(handed_on[36..52], REMOTE[36..52]);
        assert!(handed_on.ends_with("-01"));
    }

    #[test]
    fn without_a_parent_a_trace_begins_and_nested_spans_share_it() {
        let _tracing = trace_this_thread();
        let outer = info_span!("request").entered();
        let first = current_traceparent().unwrap();
        let second = info_span!("append").in_scope(current_traceparent).unwrap();
        let untraced = debug_span!("detail").in_scope(current_traceparent).unwrap();
        assert_eq!(first[..35], second[..35]);
        assert_ne!(first, second);
        assert_eq!(untraced, first, "a span too detailed to trace hands on the one around it");
        drop(outer);
        assert_eq!(current_traceparent(), None);
    }

    #[test]
    fn malformed_headers_are_ignored() {
        let _tracing = trace_this_thread();
        for malformed in [
            "",
            "00",
            "00-0-0-0",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-4bf92f3577b34da6a3ce929d0e0e473\u{fc}-00f067aa0ba902b7-01",
        ] {
            let span = info_span!("fold");
            set_parent(&span, malformed);
            add_link(&span, malformed);
            let own = traceparent(&span).unwrap();
            assert!(!own.contains("4bf92f3577b34da6"), "{malformed} was taken");
        }
    }

    #[test]
    fn a_late_parent_changes_nothing() {
        let _tracing = trace_this_thread();
        let span = info_span!("fold");
        let before = traceparent(&span);
        set_parent(&span, REMOTE);
        assert_eq!(traceparent(&span), before);
    }

    #[test]
    fn without_tracing_there_is_nothing_to_hand_on() {
        let _nothing = tracing::subscriber::set_default(tracing::subscriber::NoSubscriber::default());
        let span = info_span!("fold");
        set_parent(&span, REMOTE);
        assert_eq!(span.in_scope(current_traceparent), None);
    }
}
