//! Two hundred live tails of one topic that grows by five thousand records a second: what they cost, and whether the
//! brokers notice how many they are.

use super::filled::{Filled, TOPIC};
use crate::{
    figures::{tenths, whole},
    processor_time::Meter,
    service::Service,
    table::{Table, line, title},
    world::{World, tell},
};
use anyhow::{Context, Result, ensure};
use foldstream_telemetry::names;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::sleep,
};

const A_SECOND: u64 = 5_000;
const SECONDS: u64 = 20;
/// After the last record was written, until no tail has received anything for so long.
const QUIET: Duration = Duration::from_secs(1);
/// How the names of events begin: as long as each other, so that what lies across two reads is counted once.
const LISTENING: &[u8] = b"\nevent: l";
const MESSAGE: &[u8] = b"\nevent: m";
const GAP: &[u8] = b"\nevent: g";

/// What the tails received.
#[derive(Debug, Default)]
struct Received {
    listening: AtomicU64,
    messages: AtomicU64,
    gaps: AtomicU64,
    bytes: AtomicU64,
}

pub(super) async fn measure(world: &World, filled: &Filled, address: &str, mut service: Service) -> Result<()> {
    let mut table = Table::new(&[
        "tails",
        "written/s",
        "received, of all",
        "gaps",
        "MB/s",
        "foldstream cores",
        "readers",
        "brokers",
        "fetches/s",
        "peak MB",
    ]);
    for tails in [1, 50, 200] {
        tell(&format!("{tails} tails"));
        let received = Arc::new(Received::default());
        let mut readers = JoinSet::new();
        for _ in 0..tails {
            readers.spawn(listen(address.to_owned(), received.clone()));
        }
        until(|| received.listening.load(Ordering::Relaxed) == tails).await;
        let fetches = || service.counter(&format!("{}{{request=\"Fetch\"}}", names::BROWSE_REQUESTS_TOTAL));
        let (before, processor) = (fetches()?, service.processor_seconds()?);
        let meter = Meter::start(&world.stack)?;
        let writing = filled.keep_writing(A_SECOND)?;
        sleep(Duration::from_secs(SECONDS)).await;
        let written = tokio::task::spawn_blocking(|| writing.stop()).await?;
        settle(&received).await;
        let spent = meter.stop()?;
        let foldstream = service.processor_seconds()? - processor;
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed) as f64;
        let (messages, bytes) = (count(&received.messages), count(&received.bytes));
        table.row(vec![
            tails.to_string(),
            whole(written as f64 / SECONDS as f64),
            format!("{} %", tenths(100.0 * messages / (written * tails) as f64)),
            whole(count(&received.gaps)),
            whole(bytes / 1e6 / spent.seconds),
            tenths(foldstream / spent.seconds),
            tenths(spent.bench / spent.seconds),
            tenths(spent.brokers / spent.seconds),
            whole((fetches()? - before) / spent.seconds),
            whole(service.peak_memory()? / 1e6),
        ]);
        readers.abort_all();
        while readers.join_next().await.is_some() {}
        service.check()?;
    }
    title(&format!("Live tails, {A_SECOND} records a second for {SECONDS} s"), "foldstream-bench looking")?;
    table.print()?;
    line("cores are those kept busy by foldstream, by the readers with the writer, and by the brokers")?;
    service.stop()
}

async fn listen(address: String, received: Arc<Received>) -> Result<()> {
    let mut stream = TcpStream::connect(&address).await?;
    let request = format!("GET /messages/stream?topic={TOPIC} HTTP/1.1\r\nhost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut buffer = vec![0; 256 * 1024];
    let mut kept = 0;
    loop {
        let read = stream.read(buffer.get_mut(kept..).context("no room")?).await?;
        ensure!(read > 0, "a tail ended");
        let seen = buffer.get(..kept + read).unwrap_or_default();
        received.bytes.fetch_add(read as u64, Ordering::Relaxed);
        received.listening.fetch_add(count(seen, LISTENING), Ordering::Relaxed);
        received.messages.fetch_add(count(seen, MESSAGE), Ordering::Relaxed);
        received.gaps.fetch_add(count(seen, GAP), Ordering::Relaxed);
        let end = seen.len();
        kept = end.min(MESSAGE.len() - 1);
        buffer.copy_within(end - kept..end, 0);
    }
}

fn count(text: &[u8], needle: &[u8]) -> u64 {
    text.windows(needle.len()).filter(|window| *window == needle).count() as u64
}

async fn until(reached: impl Fn() -> bool) {
    while !reached() {
        sleep(Duration::from_millis(10)).await;
    }
}

/// Waits until nothing arrives any more.
async fn settle(received: &Received) {
    let mut before = u64::MAX;
    loop {
        let now = received.bytes.load(Ordering::Relaxed);
        if now == before {
            return;
        }
        before = now;
        sleep(QUIET).await;
    }
}
