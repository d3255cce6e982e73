//! Log events as Elastic Common Schema: one JSON object a line, flat dotted names, ready for Filebeat and Kibana.
//!
//! Every line has `@timestamp`, `log.level`, `message`, `ecs.version`, `service.name` and `log.logger`; inside a traced
//! span `trace.id` and `span.id`; then the event's fields and those of all spans around it, inner before outer, each
//! name once. A field that `names.rs` does not declare is a library's: it is written under `labels.`, so that no plain
//! value stands where the schema has an object (`service`), which would make Elasticsearch refuse the line.
//! It filters nothing and never fails: what cannot be written is lost rather than stopping the work.

use crate::names::field::{is_declared, otel};
use chrono::{SecondsFormat, Utc};
use opentelemetry::trace::TraceContextExt;
use serde::ser::{SerializeMap, Serializer};
use serde_json::{Number, Value};
use std::{borrow::Cow, error::Error, fmt, io::Write, sync::OnceLock};
use tracing::{
    Dispatch, Event, Subscriber,
    dispatcher::WeakDispatch,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{
    Layer,
    fmt::MakeWriter,
    layer::Context,
    registry::{LookupSpan, Scope},
};

/// The schema version the names are taken from.
const ECS_VERSION: &str = "8.11.0";

/// Names the formatter itself fills: a field of that name does not replace them.
const OWN_NAMES: [&str; 9] = [
    "@timestamp",
    "log.level",
    "message",
    "ecs.version",
    "service.name",
    "log.logger",
    "trace.id",
    "span.id",
    "span.name",
];

/// Writes each event as one ECS line and remembers the fields of spans for it.
pub(super) struct EcsLayer<W> {
    service_name: String,
    writer: W,
    /// The subscriber this layer is part of; needed to ask the OpenTelemetry layer for a span's ids.
    subscriber: OnceLock<WeakDispatch>,
}

impl<W> EcsLayer<W> {
    pub(super) fn new(service_name: &str, writer: W) -> Self {
        Self { service_name: service_name.to_owned(), writer, subscriber: OnceLock::new() }
    }

    /// Trace and span id of the innermost traced span.
    fn trace_ids<S>(&self, scope: Scope<'_, S>) -> Option<(String, String)>
    where
        S: for<'lookup> LookupSpan<'lookup>,
    {
        let subscriber = self.subscriber.get()?.upgrade()?;
        scope.into_iter().find_map(|span| {
            let context = tracing_opentelemetry::get_otel_context(&span.id(), &subscriber)?;
            let ids = context.span().span_context().clone();
            ids.is_valid().then(|| (ids.trace_id().to_string(), ids.span_id().to_string()))
        })
    }

    fn line<S>(&self, event: &Event<'_>, context: &Context<'_, S>) -> serde_json::Result<Vec<u8>>
    where
        S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let mut line = Vec::with_capacity(512);
        let mut serializer = serde_json::Serializer::new(&mut line);
        let mut object = serializer.serialize_map(None)?;
        let timestamp = Utc::now().to_rfc3339_opts(SecondsFormat::Micros, true);
        object.serialize_entry("@timestamp", &timestamp)?;
        object.serialize_entry("log.level", &event.metadata().level().as_str().to_lowercase())?;
        object.serialize_entry("message", fields.message())?;
        object.serialize_entry("ecs.version", ECS_VERSION)?;
        object.serialize_entry("service.name", &self.service_name)?;
        object.serialize_entry("log.logger", fields.logger.as_deref().unwrap_or(event.metadata().target()))?;
        if let Some((trace_id, span_id)) = context.event_scope(event).and_then(|scope| self.trace_ids(scope)) {
            object.serialize_entry("trace.id", &trace_id)?;
            object.serialize_entry("span.id", &span_id)?;
        }
        let mut written = Vec::new();
        fields.serialize_new(&mut object, &mut written)?;
        for (depth, span) in context.event_scope(event).into_iter().flatten().enumerate() {
            if depth == 0 {
                object.serialize_entry("span.name", span.name())?;
            }
            if let Some(fields) = span.extensions().get::<Fields>() {
                fields.serialize_new(&mut object, &mut written)?;
            }
        }
        object.end()?;
        line.push(b'\n');
        Ok(line)
    }
}

impl<S, W> Layer<S> for EcsLayer<W>
where
    S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    W: for<'writer> MakeWriter<'writer> + 'static,
{
    fn on_register_dispatch(&self, subscriber: &Dispatch) {
        // A layer is part of one subscriber for life, so there is no second one to remember.
        let _ = self.subscriber.set(subscriber.downgrade());
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        span.extensions_mut().insert(fields);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(fields) = span.extensions_mut().get_mut::<Fields>() {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        // Neither failure can be logged from inside the log.
        if let Ok(line) = self.line(event, &context) {
            let _ = self.writer.make_writer_for(event.metadata()).write_all(&line);
        }
    }
}

/// The fields of one event or span, in the order they were given.
#[derive(Default)]
struct Fields {
    message: Option<String>,
    /// The target of a record that came through the `log` facade.
    logger: Option<String>,
    others: Vec<(Cow<'static, str>, Value)>,
}

impl Fields {
    /// What is to be read first. Some libraries (OpenTelemetry's) only name their events.
    fn message(&self) -> &str {
        let named = || self.others.iter().find(|(name, _)| name == "labels.name").and_then(|(_, value)| value.as_str());
        self.message.as_deref().filter(|message| !message.is_empty()).or_else(named).unwrap_or_default()
    }

    fn serialize_new<M: SerializeMap>(&self, object: &mut M, written: &mut Vec<String>) -> Result<(), M::Error> {
        for (name, value) in &self.others {
            if !written.iter().any(|known| known == name) {
                object.serialize_entry(name, value)?;
                written.push(name.to_string());
            }
        }
        Ok(())
    }

    fn put(&mut self, field: &Field, value: Value) {
        let name = match field.name() {
            "message" => {
                self.message = Some(text(value));
                return;
            }
            "log.target" => {
                self.logger = Some(text(value));
                return;
            }
            "error" => Cow::Borrowed("error.message"),
            "log.file" => Cow::Borrowed("log.origin.file.name"),
            "log.line" => Cow::Borrowed("log.origin.file.line"),
            "log.module_path" => return,
            name if is_declared(name) => Cow::Borrowed(name),
            name if otel::DECLARED.contains(&name) || OWN_NAMES.contains(&name) => return,
            name => Cow::Owned(format!("labels.{}", name.trim_start_matches("r#").replace('.', "_"))),
        };
        match self.others.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = value,
            None => self.others.push((name, value)),
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, Value::String(format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, Value::from(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, Value::from(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, Value::from(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, Value::from(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no NaN and no infinity; a number that is one is left out.
        if let Some(number) = Number::from_f64(value) {
            self.put(field, Value::Number(number));
        }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let mut chain = value.to_string();
        let mut source = value.source();
        while let Some(cause) = source {
            chain.push_str(": ");
            chain.push_str(&cause.to_string());
            source = cause.source();
        }
        self.put(field, Value::String(chain));
    }
}

fn text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use crate::logs::{Style, tests::capture};
    use serde_json::Value;
    use tracing::{debug_span, error, info, info_span};

    fn lines(log: impl FnOnce()) -> Vec<Value> {
        let text = capture(Style::Ecs, "trace", log);
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn a_line_has_the_common_fields_the_event_s_and_those_of_every_span() {
        let lines = lines(|| {
            let _batch = info_span!("batch", kafka.topic = "parcels", kafka.partition = 3, shade = "outer").entered();
            let inner = info_span!("fold", event.id = "e1", shade = "inner", late = tracing::field::Empty).entered();
            inner.record("late", true);
            info!(kafka.offset = 17_u64, ratio = 0.5, "folded {}", "one");
        });
        let line = &lines[0];
        assert_eq!(line["log.level"], "info");
        assert_eq!(line["message"], "folded one");
        assert_eq!(line["service.name"], "parcels-projection");
        assert_eq!(line["ecs.version"], "8.11.0");
        assert_eq!(line["log.logger"], "foldstream_telemetry::logs::ecs::tests");
        assert_eq!(line["kafka.topic"], "parcels");
        assert_eq!(line["kafka.partition"], 3);
        assert_eq!(line["kafka.offset"], 17);
        assert_eq!(line["event.id"], "e1");
        assert_eq!(line["labels.ratio"], 0.5);
        assert_eq!(line["labels.late"], true);
        assert_eq!(line["labels.shade"], "inner");
        assert_eq!(line["span.name"], "fold");
        let timestamp = line["@timestamp"].as_str().unwrap();
        assert!(timestamp.ends_with('Z') && chrono::DateTime::parse_from_rfc3339(timestamp).is_ok(), "{timestamp}");
    }

    #[test]
    fn trace_and_span_id_are_those_handed_on() {
        let mut traceparent = None;
        let lines = lines(|| {
            info!("outside");
            let _request = info_span!("request").entered();
            traceparent = crate::trace_context::current_traceparent();
            debug_span!("detail").in_scope(|| info!("inside"));
        });
        assert!(lines[0].get("trace.id").is_none() && lines[0].get("span.id").is_none());
        let trace_id = lines[1]["trace.id"].as_str().unwrap();
        let span_id = lines[1]["span.id"].as_str().unwrap();
        assert_eq!(traceparent.unwrap(), format!("00-{trace_id}-{span_id}-01"));
    }

    #[test]
    fn errors_are_written_with_their_sources_under_the_schema_s_name() {
        #[derive(Debug, thiserror::Error)]
        #[error("batch cannot be committed")]
        struct Outer(#[source] std::io::Error);

        let lines = lines(|| {
            let failure = Outer(std::io::Error::other("connection reset"));
            error!(error = &failure as &dyn std::error::Error, "halted");
            error!(error.message = %failure, "halted");
        });
        assert_eq!(lines[0]["error.message"], "batch cannot be committed: connection reset");
        assert!(lines[0].get("error").is_none());
        assert_eq!(lines[1]["error.message"], "batch cannot be committed");
    }

    /// `service`, `event` and `error` are objects in the schema; a value of that name would cost the line.
    #[test]
    fn no_plain_value_stands_where_the_schema_has_an_object() {
        let lines = lines(|| {
            let reason = "halted";
            crate::error!(service = "parcels-projection", error.message = reason, reason, "a service ended");
            error!(service = "of a library", event = 1, "too");
        });
        assert_eq!(lines[0]["foldstream.service"], "parcels-projection");
        assert_eq!((&lines[0]["error.message"], &lines[0]["foldstream.reason"]), (&"halted".into(), &"halted".into()));
        assert_eq!((&lines[1]["labels.service"], &lines[1]["labels.event"]), (&"of a library".into(), &1.into()));
        assert!(lines.iter().all(|line| line.get("service").is_none() && line.get("event").is_none()));
    }

    #[test]
    fn hostile_values_stay_one_line_of_json() {
        let lines = lines(|| {
            let text = "two\nlines \"quoted\" \u{0} \u{1f600}";
            info!(key = text, log.level = "fake", service.name = "fake", otel.kind = "server", r#type = 1, "{text}");
            info!(nothing = f64::NAN);
            info!(name = "Export.Failed");
        });
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[0]["labels.key"], lines[0]["message"]);
        assert_eq!(lines[0]["log.level"], "info");
        assert_eq!(lines[0]["service.name"], "parcels-projection");
        assert_eq!(lines[0]["labels.type"], 1);
        assert!(lines[0].get("otel.kind").is_none());
        assert_eq!(lines[1]["message"], "");
        assert_eq!(lines[2]["message"], "Export.Failed");
    }
}
