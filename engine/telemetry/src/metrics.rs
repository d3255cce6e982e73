//! The process's metrics as Prometheus text. Other crates record through the `metrics` facade with [`crate::names`];
//! whoever serves `/metrics` answers with [`render`].
//!
//! Histogram samples queue up until somebody folds them into buckets: rendering does, and so does the upkeep thread,
//! so an unscraped process does not grow. There is no HTTP here: see [`crate::listener`] and the API.

use crate::{names, process};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use std::{
    io,
    sync::{OnceLock, mpsc},
    thread,
    time::Duration,
};

/// The content type of [`render`]'s answer.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Bounds of `*_seconds`: dense where produce -> visible is promised (p50 8 ms, p99 25 ms), sparse up to a minute.
const SECONDS_BUCKETS: &[f64] = &[
    0.000_5, 0.001, 0.002, 0.003, 0.005, 0.008, 0.012, 0.018, 0.025, 0.04, 0.06, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0,
    30.0, 60.0,
];

/// Bounds of `*_records`: one record when idle, tens of thousands when catching up.
const RECORDS_BUCKETS: &[f64] =
    &[1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5];

/// How long samples may queue: at 500,000 a second this is 4 MB.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(1);

/// The recorder of this process, once installed.
static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();

/// Everything recorded so far, and the process's own memory, processor time and start, as Prometheus text.
/// Without a recorder (a test, a command that ends at once) the answer is one comment.
pub fn render() -> String {
    let Some(recorder) = RECORDER.get() else {
        return "# no metrics: telemetry is not initialised in this process\n".to_owned();
    };
    recorder.run_upkeep();
    let mut text = recorder.render();
    text.push_str(&process::render());
    text
}

/// Keeps the sample queues short for as long as it lives.
#[derive(Debug)]
pub(crate) struct Upkeep {
    /// Never sent on: dropping it ends the thread.
    _alive: mpsc::Sender<()>,
}

/// Why metrics cannot be recorded in this process.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// The bucket bounds are refused.
    #[error("the histogram buckets are not valid")]
    Buckets(#[source] BuildError),
    /// Somebody installed a recorder before.
    #[error("another metrics recorder is already installed")]
    Installed,
    /// No thread for the upkeep.
    #[error("the metrics upkeep thread cannot be started")]
    Upkeep(#[source] io::Error),
}

/// Makes the recorder the one of the process and describes every metric to it.
pub(crate) fn install() -> Result<Upkeep, InstallError> {
    let recorder = recorder().map_err(InstallError::Buckets)?;
    let handle = recorder.handle();
    ::metrics::set_global_recorder(recorder).map_err(|_| InstallError::Installed)?;
    names::describe();
    RECORDER.set(handle.clone()).map_err(|_| InstallError::Installed)?;
    let (alive, ended) = mpsc::channel::<()>();
    thread::Builder::new()
        .name("metrics-upkeep".to_owned())
        .spawn(move || {
            while ended.recv_timeout(UPKEEP_INTERVAL) == Err(mpsc::RecvTimeoutError::Timeout) {
                handle.run_upkeep();
            }
        })
        .map_err(InstallError::Upkeep)?;
    Ok(Upkeep { _alive: alive })
}

fn recorder() -> Result<PrometheusRecorder, BuildError> {
    Ok(PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), SECONDS_BUCKETS)?
        .set_buckets_for_metric(Matcher::Suffix("_records".to_owned()), RECORDS_BUCKETS)?
        .build_recorder())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::{Kind, METRICS};

    #[test]
    fn every_declared_metric_renders_with_its_help_and_kind() {
        let recorder = recorder().unwrap();
        ::metrics::with_local_recorder(&recorder, || {
            names::describe();
            for metric in METRICS {
                let labels: Vec<_> = metric.labels.iter().map(|&label| ::metrics::Label::new(label, "x")).collect();
                match metric.kind {
                    Kind::Counter => ::metrics::counter!(metric.name, labels).increment(1),
                    Kind::Gauge => ::metrics::gauge!(metric.name, labels).set(1.0),
                    Kind::Histogram => ::metrics::histogram!(metric.name, labels).record(1.0),
                }
            }
        });
        let text = recorder.handle().render();
        for metric in METRICS {
            let kind = format!("{:?}", metric.kind).to_lowercase();
            assert!(text.contains(&format!("# TYPE {} {kind}\n", metric.name)), "{} in:\n{text}", metric.name);
            assert!(text.contains(&format!("# HELP {} {}\n", metric.name, metric.help)), "{}", metric.name);
            if metric.kind == Kind::Histogram {
                assert!(text.contains(&format!("{}_bucket{{", metric.name)), "{} has no buckets", metric.name);
            }
        }
    }

    #[test]
    fn latencies_fall_into_the_buckets_of_their_promise() {
        let recorder = recorder().unwrap();
        ::metrics::with_local_recorder(&recorder, || {
            ::metrics::histogram!(names::PROJECTION_VISIBLE_SECONDS, "projection" => "parcels").record(0.007);
            ::metrics::histogram!(names::PROJECTION_BATCH_RECORDS, "projection" => "parcels").record(300.0);
        });
        let text = recorder.handle().render();
        for line in [
            "foldstream_projection_visible_seconds_bucket{projection=\"parcels\",le=\"0.005\"} 0",
            "foldstream_projection_visible_seconds_bucket{projection=\"parcels\",le=\"0.008\"} 1",
            "foldstream_projection_batch_records_bucket{projection=\"parcels\",le=\"200\"} 0",
            "foldstream_projection_batch_records_bucket{projection=\"parcels\",le=\"500\"} 1",
        ] {
            assert!(text.contains(line), "{line} in:\n{text}");
        }
    }
}
