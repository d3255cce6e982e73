//! The one file of names: every metric and every log field of Foldstream, with its unit and its labels.
//!
//! A metric is declared here once; its constant, its documentation and the HELP line of `/metrics` come from that
//! one declaration. Other crates write `metrics::counter!(names::RETRIES_TOTAL, "projection" => …)`.
//! Nothing here records anything, and no name may be spelled out anywhere else.

use ::metrics::Unit;

/// What a metric's value means over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows; read its rate.
    Counter,
    /// Goes up and down; read its value.
    Gauge,
    /// A distribution; read its quantiles. Buckets are chosen by suffix, see [`crate::metrics`].
    Histogram,
}

/// One metric: what stands on `/metrics` and in the documentation.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// The name on `/metrics`, unit included.
    pub name: &'static str,
    /// Counter, gauge or histogram.
    pub kind: Kind,
    /// The unit of the value.
    pub unit: Unit,
    /// The labels every sample carries. None of them may be unbounded: no ids, no keys, no raw paths.
    pub labels: &'static [&'static str],
    /// One sentence.
    pub help: &'static str,
}

/// Declares metrics: a documented constant each, and the table [`METRICS`] of all of them.
macro_rules! metrics {
    ($($kind:ident $constant:ident = $name:literal {$($label:ident),*} $unit:ident $help:literal;)+) => {
        $(
            #[doc = $help]
            #[doc = concat!("\n\n", stringify!($kind), " `", $name, "` {", stringify!($($label),*), "}, unit: ", stringify!($unit))]
            pub const $constant: &str = $name;
        )+

        /// Every metric Foldstream records, in the order of this file.
        pub const METRICS: &[Metric] = &[$(Metric {
            name: $name,
            kind: Kind::$kind,
            unit: Unit::$unit,
            labels: &[$(stringify!($label)),*],
            help: $help,
        }),+];
    };
}

metrics! {
    // Looking into topics.
    Counter BROWSE_REQUESTS_TOTAL = "foldstream_browse_requests_total" {request} Count
        "Requests to brokers made for looking into topics, by the request's name in the Kafka protocol.";
    Gauge BROWSE_TAILS = "foldstream_browse_tails" {} Count
        "Live tails that are open.";
    Counter BROWSE_GAPS_TOTAL = "foldstream_browse_gaps_total" {} Count
        "How often a reader of a live tail was too slow, or away too long, and was told of a gap.";

    // Projections: topics -> tables.
    Gauge PROJECTION_LAG_RECORDS = "foldstream_projection_lag_records" {projection, topic, partition} Count
        "Records between the projection's next offset and what is acknowledged: the partition's high watermark.";
    Gauge PROJECTION_LAG_SECONDS = "foldstream_projection_lag_seconds" {projection, topic, partition} Seconds
        "Age of the oldest record that is appended but not yet visible; 0 when caught up.";
    Gauge PROJECTION_HELD_BACK_SECONDS = "foldstream_projection_held_back_seconds" {projection, topic, partition} Seconds
        "For how long an open transaction of whomever has held the partition back; 0 where none does.";
    Histogram PROJECTION_BATCH_RECORDS = "foldstream_projection_batch_records" {projection} Count
        "Records folded in one SQL transaction.";
    Histogram PROJECTION_TRANSACTION_SECONDS = "foldstream_projection_transaction_seconds" {projection} Seconds
        "Duration of one SQL transaction, begin to commit.";
    Counter PROJECTION_RECORDS_TOTAL = "foldstream_projection_records_total" {projection} Count
        "Records whose effect is committed to the tables.";
    Histogram PROJECTION_VISIBLE_SECONDS = "foldstream_projection_visible_seconds" {projection} Seconds
        "Produce to visible: from a record's append to the log to the commit that shows it.";
    Gauge PROJECTION_PARKED_KEYS = "foldstream_projection_parked_keys" {projection} Count
        "Keys whose records wait behind a dead letter, in the partitions this instance folds.";
    Counter FENCE_REFUSALS_TOTAL = "foldstream_fence_refusals_total" {projection} Count
        "Transactions rolled back because another owner of the partition was ahead.";
    Counter RETRIES_TOTAL = "foldstream_retries_total" {projection, sqlstate} Count
        "Transactions tried again after a passing database failure.";

    // Processors: topics -> topics.
    Gauge PROCESSOR_LAG_RECORDS = "foldstream_processor_lag_records" {processor, topic, partition} Count
        "Records between the processor's next offset and what is acknowledged: the partition's high watermark.";
    Gauge PROCESSOR_LAG_SECONDS = "foldstream_processor_lag_seconds" {processor, topic, partition} Seconds
        "Age of the oldest record that is appended but not yet decided; 0 when caught up.";
    Gauge PROCESSOR_HELD_BACK_SECONDS = "foldstream_processor_held_back_seconds" {processor, topic, partition} Seconds
        "For how long an open transaction of whomever has held the partition back; 0 where none does.";
    Histogram PROCESSOR_BATCH_RECORDS = "foldstream_processor_batch_records" {processor} Count
        "Inputs decided in one Kafka transaction.";
    Histogram PROCESSOR_TRANSACTION_SECONDS = "foldstream_processor_transaction_seconds" {processor} Seconds
        "Duration of one Kafka transaction, begin to commit.";
    Counter PROCESSOR_RECORDS_TOTAL = "foldstream_processor_records_total" {processor} Count
        "Inputs whose consequences are committed.";
    Histogram PROCESSOR_DECIDED_SECONDS = "foldstream_processor_decided_seconds" {processor} Seconds
        "From an input's append to the log to the commit of what follows from it.";
    Gauge PROCESSOR_PARKED_KEYS = "foldstream_processor_parked_keys" {processor} Count
        "Keys whose timer failed: what comes for them is put aside until a version that can fire it runs.";
    Counter PROCESSOR_LATE_RECORDS_TOTAL = "foldstream_processor_late_records_total" {processor, topic} Count
        "Inputs whose event is older than the watermark; each processor declares whether they are skipped or correct.";
    Gauge PROCESSOR_PAUSED_PARTITIONS = "foldstream_processor_paused_partitions" {processor} Count
        "Input partitions that wait until others have caught up in event time.";
    Histogram PROCESSOR_RESTORE_SECONDS = "foldstream_processor_restore_seconds" {processor} Seconds
        "Time to restore the state of newly assigned partitions.";

    // Effects: topics -> the outside world.
    Gauge EFFECT_LAG_RECORDS = "foldstream_effect_lag_records" {effect, topic, partition} Count
        "Records between the oldest record that is not settled and what is acknowledged: the partition's high watermark.";
    Gauge EFFECT_LAG_SECONDS = "foldstream_effect_lag_seconds" {effect, topic, partition} Seconds
        "Age of the oldest record that is not settled; 0 when caught up.";
    Gauge EFFECT_HELD_BACK_SECONDS = "foldstream_effect_held_back_seconds" {effect, topic, partition} Seconds
        "For how long an open transaction of whomever has held the partition back; 0 where none does.";
    Gauge EFFECT_OPEN_KEYS = "foldstream_effect_open_keys" {effect} Count
        "Keys with records that are not settled, in the partitions of this instance.";
    Counter EFFECT_DELIVERIES_TOTAL = "foldstream_effect_deliveries_total" {effect, result} Count
        "Attempts to deliver a record, by what came of them: done, again, never.";
    Histogram EFFECT_DELIVERY_SECONDS = "foldstream_effect_delivery_seconds" {effect} Seconds
        "Duration of one attempt to deliver a record.";
    Histogram EFFECT_TRANSACTION_SECONDS = "foldstream_effect_transaction_seconds" {effect} Seconds
        "Duration of one Kafka transaction, begin to commit.";

    // All of them.
    Counter DEAD_LETTERS_TOTAL = "foldstream_dead_letters_total" {service, topic} Count
        "Records set aside as dead letters.";

    // Producers and consumers: the wire.
    Counter PRODUCER_RECORDS_TOTAL = "foldstream_producer_records_total" {topic} Count
        "Records acknowledged by the brokers.";
    Counter MESSAGES_SCANNED_RECORDS_TOTAL = "foldstream_messages_scanned_records_total" {} Count
        "Records read from the brokers to answer /messages.";

    // HTTP.
    Counter HTTP_REQUESTS_TOTAL = "foldstream_http_requests_total" {method, route, status} Count
        "HTTP requests answered; route is the pattern, never the raw path.";
    Histogram HTTP_REQUEST_SECONDS = "foldstream_http_request_seconds" {method, route} Seconds
        "Duration of one HTTP request, head received to head sent.";

    // The process as a whole.
    Gauge COMPONENT_READY = "foldstream_component_ready" {component} Count
        "1 while the component says it is ready, else 0.";
}

/// Tells the recorder in place the help text and unit of every metric.
pub(crate) fn describe() {
    for metric in METRICS {
        match metric.kind {
            Kind::Counter => ::metrics::describe_counter!(metric.name, metric.unit, metric.help),
            Kind::Gauge => ::metrics::describe_gauge!(metric.name, metric.unit, metric.help),
            Kind::Histogram => ::metrics::describe_histogram!(metric.name, metric.unit, metric.help),
        }
    }
}

/// Declares fields: a documented constant each, whose value is the name on the line, and [`DECLARED`](field::DECLARED).
macro_rules! fields {
    ($prefix:literal $($name:ident $help:literal;)+) => {
        $(
            #[doc = $help]
            #[doc = concat!("\n\nWritten as `", $prefix, stringify!($name), "`.")]
            pub const $name: &str = concat!($prefix, stringify!($name));
        )+

        pub(crate) const DECLARED: &[&str] = &[$($name),+];
    };
}

/// The fields of log lines and spans. Those of the Elastic Common Schema bear its names, so that one search finds every
/// step; those of our own stand under `foldstream.`, where they meet nobody else's.
///
/// Write them as they are nested here: `warn!(projection = name, kafka.topic = topic, "record set aside")`. No field ever
/// carries personal data (names, coordinates): logs are not erased when a person is.
#[expect(non_upper_case_globals, reason = "they are written as fields are, in the macros that take them")]
pub mod field {
    fields! { "foldstream."
        action "What somebody wants done.";
        address "Where something listens, or is.";
        applied "Records whose effect is committed.";
        attempt "The number of an attempt.";
        broker "A broker's number.";
        connections "How many connections.";
        dead_letter "The number of a dead letter.";
        dependency "What is waited for.";
        effect "The effect's name.";
        index "An index of a table.";
        key "A record's key.";
        keys "How many keys.";
        leader "The broker that leads a partition.";
        open_keys "How many keys have deliveries that are not settled.";
        partitions "How many partitions.";
        pause_ms "How long it waits before it tries again.";
        paused "Whether partitions are paused.";
        processor "The processor's name.";
        projection "The projection's name.";
        reason "Why a record was put aside.";
        records "How many records.";
        schemas "Schemas of the database, joined by commas.";
        seconds "How long something took.";
        sequence "The number of a record in its source.";
        service "The name of a service of this process.";
        setting "The name of a setting.";
        table "A table.";
        traceparent "A trace context as it came in.";
        tried "How often something was tried.";
        value "The value of a setting, secrets masked.";
        version "The version of a projection.";
    }

    /// An error value, given as `error = &failure as &dyn std::error::Error`: it is written with every source, joined by
    /// ": ".
    pub const error: &str = error::message;

    pub mod error {
        fields! { "error."
            message "What failed, sources included.";
            stack_trace "Where a panic came from.";
        }
    }

    pub mod event {
        fields! { "event."
            duration "How long the thing took, nanoseconds.";
            id "The event's uuid.";
        }
    }

    pub mod http {
        fields! { "http."
            route "The route's pattern.";
        }

        pub mod request {
            fields! { "http.request."
                id "The request id.";
                method "The method.";
            }
        }

        pub mod response {
            fields! { "http.response."
                status_code "The status.";
            }
        }
    }

    pub mod kafka {
        fields! { "kafka."
            offset "Offset in the partition.";
            partition "Partition number.";
            topic "Topic.";
        }
    }

    /// They shape the exported span and are not logged.
    pub mod otel {
        fields! { "otel."
            kind "Server, client, producer, consumer.";
            name "The span's name.";
            status_code "How the span ended.";
        }
    }

    /// Whether a name on a line is one of ours. Libraries log fields of their own.
    pub(crate) fn is_declared(name: &str) -> bool {
        let all = [
            DECLARED,
            error::DECLARED,
            event::DECLARED,
            http::DECLARED,
            http::request::DECLARED,
            http::response::DECLARED,
            kafka::DECLARED,
        ];
        all.into_iter().flatten().any(|declared| *declared == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_and_follow_the_prometheus_rules() {
        let mut seen = BTreeSet::new();
        for metric in METRICS {
            assert!(seen.insert(metric.name), "{} is declared twice", metric.name);
            assert!(metric.name.starts_with("foldstream_"), "{} has no prefix", metric.name);
            assert!(metric.name.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{}", metric.name);
            assert_eq!(metric.kind == Kind::Counter, metric.name.ends_with("_total"), "{}", metric.name);
            assert_eq!(metric.unit == Unit::Seconds, metric.name.ends_with("_seconds"), "{}", metric.name);
        }
    }

    #[test]
    fn fields_of_ours_are_told_from_those_of_libraries() {
        for name in [field::projection, field::error, field::kafka::topic, field::http::request::id] {
            assert!(field::is_declared(name), "{name}");
        }
        for name in ["service", "projection", "otel.name", "hyper.state"] {
            assert!(!field::is_declared(name), "{name}");
        }
    }
}
