//! Spans: where their ids come from and where they go. With an endpoint they are exported in batches by OTLP over HTTP;
//! without one they are dropped at their end, but ids still flow into logs and headers, so one search finds every step.
//!
//! Only spans of level info and above are traced. Exporting runs on threads of its own, never on an async worker.

use crate::config::OtlpEndpoint;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig};
use opentelemetry_sdk::{
    Resource,
    trace::{Sampler, SdkTracer, SdkTracerProvider},
};
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::{
    Layer,
    filter::{LevelFilter, filter_fn},
    registry::LookupSpan,
};

/// Spans of the exporter's own HTTP client would make every export cause another one.
const EXPORTER_TARGETS: [&str; 4] = ["opentelemetry", "hyper", "reqwest", "h2"];

/// A provider that exports to the endpoint, or one that only hands out ids.
pub(crate) fn provider(
    endpoint: Option<&OtlpEndpoint>,
    service_name: &str,
) -> Result<SdkTracerProvider, ExporterBuildError> {
    let builder = SdkTracerProvider::builder()
        // A caller's decision not to sample is kept; what begins here is sampled.
        .with_sampler(Sampler::ParentBased(Box::new(Sampler::AlwaysOn)))
        .with_resource(Resource::builder().with_service_name(service_name.to_owned()).build());
    let Some(endpoint) = endpoint else { return Ok(builder.build()) };
    let exporter = SpanExporter::builder().with_http().with_endpoint(endpoint.traces_url()).build()?;
    Ok(builder.with_batch_exporter(exporter).build())
}

/// The layer that turns tracing's spans into the provider's; log events inside them are attached only when exported.
pub(crate) fn layer<S>(provider: &SdkTracerProvider, exporting: bool) -> impl Layer<S> + use<S>
where
    S: Subscriber + for<'lookup> LookupSpan<'lookup>,
{
    let traced = filter_fn(move |metadata| is_traced(metadata) && (exporting || metadata.is_span()))
        .with_max_level_hint(LevelFilter::INFO);
    tracing_opentelemetry::layer::<S>()
        .with_tracer::<SdkTracer>(provider.tracer("foldstream"))
        // Source lines, thread ids and busy/idle times cost time and space in every span, and nobody searches by them.
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false)
        .with_filter(traced)
}

fn is_traced(metadata: &Metadata<'_>) -> bool {
    *metadata.level() <= Level::INFO && !EXPORTER_TARGETS.iter().any(|target| metadata.target().starts_with(target))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::info_span;
    use std::{
        io::{BufRead, BufReader, Read, Write},
        net::TcpListener,
        thread,
        time::{Duration, Instant},
    };
    use tracing_subscriber::{Registry, layer::SubscriberExt};

    /// Takes one HTTP request and answers 200: head and body as they came.
    fn take_one_request(listener: &TcpListener) -> (String, Vec<u8>) {
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut reader = BufReader::new(&stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(reader.read_line(&mut head).unwrap(), 0, "the exporter hung up after {head:?}");
        }
        let length = head
            .lines()
            .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok())
            .unwrap();
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        (&stream).write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
        (head, body)
    }

    fn holds(body: &[u8], text: &str) -> bool {
        body.windows(text.len()).any(|window| window == text.as_bytes())
    }

    #[test]
    fn spans_arrive_at_the_collector_when_the_provider_is_shut_down() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint: OtlpEndpoint = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let collector = thread::spawn(move || take_one_request(&listener));

        let provider = provider(Some(&endpoint), "parcels-projection").unwrap();
        let subscriber = Registry::default().with(layer(&provider, true));
        tracing::subscriber::with_default(subscriber, || {
            info_span!("fold_batch", kafka.topic = "parcels").in_scope(|| crate::info!("batch committed"));
            tracing::debug_span!("too_detailed").in_scope(|| ());
        });
        provider.shutdown().unwrap();

        let (head, body) = collector.join().unwrap();
        assert!(head.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{head}");
        assert!(head.to_ascii_lowercase().contains("content-type: application/x-protobuf"), "{head}");
        for text in ["service.name", "parcels-projection", "fold_batch", "kafka.topic", "batch committed"] {
            assert!(holds(&body, text), "{text} is missing in {:?}", String::from_utf8_lossy(&body));
        }
        assert!(!holds(&body, "too_detailed"));
    }

    #[test]
    fn spans_without_an_exporter_are_cheap() {
        let provider = provider(None, "test").unwrap();
        let subscriber = Registry::default().with(layer(&provider, false));
        let count = 20_000;
        let elapsed = tracing::subscriber::with_default(subscriber, || {
            let start = Instant::now();
            for partition in 0..count {
                info_span!("fold_batch", kafka.topic = "parcels", kafka.partition = partition).in_scope(|| ());
            }
            start.elapsed()
        });
        // A batch takes milliseconds; its span may take microseconds, unoptimised and on a busy machine too.
        let per_span = elapsed / count;
        eprintln!("one span: {per_span:?}");
        assert!(per_span < Duration::from_micros(200), "{per_span:?} a span");
    }
}
