//! `foldstream processors`: how far each processor is.

use crate::{output::Output, services::flows, settings::Settings};
use anyhow::{Context, Result};
use foldstream_browse::{Brokers, HeldBack};
use foldstream_events::CATALOGUE;
use foldstream_log::ServiceKind;
use serde::Serialize;

#[derive(clap::Subcommand, Debug)]
pub(crate) enum Action {
    /// Position, end of the log and lag of every partition it reads
    Status(Output),
}

#[derive(Debug, Serialize)]
struct Status {
    processor: &'static str,
    topic: &'static str,
    partition: i32,
    /// Everything before it is decided, and what follows from it is committed.
    next_offset: i64,
    /// The high watermark: what is acknowledged.
    end_offset: i64,
    lag_records: i64,
    /// The open transaction behind which nothing is read, where there is one.
    held_back: Option<HeldBack>,
}

pub(crate) async fn run(action: &Action, settings: &Settings) -> Result<()> {
    let Action::Status(output) = action;
    let brokers = Brokers::new(&settings.wire);
    let mut all = Vec::new();
    for flow in flows().iter().filter(|flow| matches!(flow.kind, ServiceKind::Processor | ServiceKind::Effect)) {
        for name in &flow.reads {
            let topic = CATALOGUE.topic(name).with_context(|| format!("{name} is no declared topic"))?;
            let committed = brokers.committed(flow.service, topic).await?;
            let ranges = brokers.ranges_of(name).await?;
            let held_back = brokers.held_back(name, &ranges).await?;
            all.extend(ranges.into_iter().zip(committed).map(|((partition, range), committed)| Status {
                processor: flow.service,
                topic: topic.name,
                partition,
                // A group that never committed starts with the oldest record there is.
                next_offset: committed.next_offset.max(range.low),
                end_offset: range.high_watermark,
                lag_records: (range.high_watermark - committed.next_offset.max(range.low)).max(0),
                held_back: held_back.iter().find(|held_back| held_back.partition == partition).cloned(),
            }));
        }
    }
    let rows = all.iter().map(|status| {
        vec![
            status.processor.to_owned(),
            format!("{}:{}", status.topic, status.partition),
            status.next_offset.to_string(),
            status.end_offset.to_string(),
            status.lag_records.to_string(),
            status.held_back.as_ref().map(HeldBack::told).unwrap_or_default(),
        ]
    });
    output.print(&all, &["processor", "partition", "next offset", "end", "lag (records)", "held back"], rows.collect())
}
