//! How far a replay is: a bar on a terminal, elsewhere a log line every few seconds.

use foldstream_store::versions::Progress;
use indicatif::{ProgressBar, ProgressStyle};
use std::{
    future::Future,
    io::{self, IsTerminal},
    pin::pin,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

const REDRAW_EVERY: Duration = Duration::from_millis(100);
const LINE_EVERY: Duration = Duration::from_secs(5);
const BAR: &str = "{msg:30} {bar:30} {human_pos} of {human_len} records, {per_sec}, {eta} left";

/// Shows progress while this is done.
pub(super) async fn shown<T>(progress: &Progress, doing: impl Future<Output = T>) -> T {
    let bar = io::stderr().is_terminal().then(|| {
        let style = ProgressStyle::with_template(BAR).unwrap_or_else(|_| ProgressStyle::default_bar());
        ProgressBar::new(0).with_style(style)
    });
    let mut doing = pin!(doing);
    let mut ticks = tokio::time::interval(REDRAW_EVERY);
    let mut line = (Instant::now(), 0);
    let done = loop {
        tokio::select! {
            done = &mut doing => break done,
            _ = ticks.tick() => {}
        }
        let (passed, total) = (progress.passed.load(Ordering::Relaxed), progress.total.load(Ordering::Relaxed));
        let stage = progress.stage.borrow().clone();
        if let Some(bar) = &bar {
            bar.set_message(stage);
            bar.set_length(total);
            bar.set_position(passed);
        } else if line.0.elapsed() >= LINE_EVERY {
            let rate = seconds_rate(passed - line.1, line.0.elapsed());
            foldstream_telemetry::info!("{stage}: {passed} of {total} records, {rate:.0}/s");
            line = (Instant::now(), passed);
        }
    };
    if let Some(bar) = &bar {
        bar.finish_and_clear();
    }
    done
}

#[expect(clippy::cast_precision_loss, reason = "a rate is shown to people")]
fn seconds_rate(records: u64, over: Duration) -> f64 {
    records as f64 / over.as_secs_f64()
}
