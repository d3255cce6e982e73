//! `foldstream messages`: the twin of `GET /messages`.

use crate::output::{Format, Output, line};
use anyhow::Result;
use foldstream_wire::{Browser, Config, Message, Registry, describe};
use std::time::Duration;

const BUDGET: Duration = Duration::from_secs(10);

#[derive(clap::Args, Debug)]
pub(crate) struct Options {
    /// The topic to look into
    #[arg(long, short)]
    topic: String,
    /// How many records
    #[arg(long, short = 'n', default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
    #[command(flatten)]
    output: Output,
}

pub(crate) async fn run(options: &Options, config: &Config) -> Result<()> {
    let (browser, registry) = (Browser::new(config), Registry::new(config)?);
    let page = browser.newest(&options.topic, usize::from(options.limit), BUDGET).await?;
    let mut messages = Vec::with_capacity(page.records.len());
    for record in &page.records {
        messages.push(describe(record, &registry).await);
    }
    if options.output.output == Format::Json {
        // A message a line, so that the output can be read while it comes.
        return messages.iter().try_for_each(|message| line(&serde_json::to_string(message)?));
    }
    let rows = messages.iter().map(row).collect();
    options.output.print(&messages, &["time", "position", "key", "value"], rows)?;
    if !page.complete {
        tracing::warn!("time ran out: newer records than these may be missing");
    }
    Ok(())
}

fn row(message: &Message) -> Vec<String> {
    let value = match (&message.error, &message.value) {
        (Some(error), _) => format!("! {}", error.reason),
        (None, serde_json::Value::Null) => "(tombstone)".to_owned(),
        (None, value) => value.to_string(),
    };
    vec![message.timestamp.clone(), message.position.clone(), message.key.clone().unwrap_or_default(), value]
}
