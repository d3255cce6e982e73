//! `foldstream topics list` and `show`: the twins of `GET /topics` and `GET /topics/{name}`.

use crate::output::{Format, Output, line};
use anyhow::Result;
use foldstream_api::{TopicDetail, TopicSources};
use foldstream_browse::{Budget, SettingSource};
use std::time::Duration;

/// What stands in a table for what cannot be known.
const UNKNOWN: &str = "-";
/// For counting what was appended lately.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) async fn list(output: Output, sources: &TopicSources) -> Result<()> {
    let topics = sources.list().await?;
    let rows = topics.iter().map(|topic| {
        vec![
            topic.name.clone(),
            topic.partitions.to_string(),
            shown(topic.offsets),
            shown(topic.bytes.leaders),
            topic.writers.join(", "),
            topic.readers.join(", "),
            match (topic.declared, topic.differences.len()) {
                (false, _) if topic.internal => "Kafka's own".to_owned(),
                (false, _) => "not declared".to_owned(),
                (true, 0) => "as declared".to_owned(),
                (true, 1) => "1 difference".to_owned(),
                (true, several) => format!("{several} differences"),
            },
        ]
    });
    let headings = ["topic", "partitions", "offsets", "bytes", "writers", "readers", "declaration"];
    output.print(&topics, &headings, rows.collect())
}

pub(super) async fn show(name: &str, output: Output, sources: &TopicSources) -> Result<()> {
    let topic = sources.show(name, &Budget::of_time(PATIENCE)).await?;
    if output.output == Format::Json {
        return output.print(&topic, &[], Vec::new());
    }
    let key = topic.declaration.as_ref().map_or("not declared".to_owned(), |declared| format!("key {}", declared.key));
    line(&format!("{} ({}), {key}; written by {}", topic.name, topic.id, or_nobody(&topic.writers.join(", "))))?;
    line(&format!(
        "{} offsets, {} bytes, {} in all replicas",
        shown(topic.offsets),
        shown(topic.bytes.leaders),
        shown(topic.bytes.replicas)
    ))?;
    let tables =
        [partitions(&topic), differences(&topic), settings(&topic), readers(&topic), groups(&topic), appended(&topic)];
    for (headings, rows) in tables {
        if !rows.is_empty() {
            line("")?;
            output.print(&(), headings, rows)?;
        }
    }
    if let Some(appended) = &topic.appended {
        let lately = if appended.complete { "" } else { ", not the whole last hour" };
        line(&format!("\n{} records since {}{lately}", appended.records, appended.since.to_rfc3339()))?;
    }
    if !topic.groups_complete {
        foldstream_telemetry::warn!("a broker did not answer: groups may be missing");
    }
    Ok(())
}

type Table = (&'static [&'static str], Vec<Vec<String>>);

fn partitions(topic: &TopicDetail) -> Table {
    let rows = topic.partitions.iter().map(|partition| {
        vec![
            partition.partition.to_string(),
            shown(partition.leader),
            joined(&partition.replicas),
            joined(&partition.in_sync),
            shown(partition.first_offset),
            shown(partition.last_stable_offset),
            shown(partition.high_watermark),
            shown(partition.bytes.leaders),
        ]
    });
    let headings =
        &["partition", "leader", "replicas", "in sync", "first offset", "last stable", "high watermark", "bytes"];
    (headings, rows.collect())
}

fn differences(topic: &TopicDetail) -> Table {
    let row = |difference: &foldstream_log::Difference| {
        vec![difference.property.clone(), difference.declared.clone(), difference.found.clone()]
    };
    (&["differs", "declared", "found"], topic.differences.iter().map(row).collect())
}

fn settings(topic: &TopicDetail) -> Table {
    let rows = topic.settings.iter().map(|setting| {
        let source = match setting.source {
            SettingSource::Topic => "topic",
            SettingSource::Broker => "broker",
            SettingSource::Default => "default",
        };
        vec![setting.name.clone(), setting.value.clone().unwrap_or_else(|| UNKNOWN.to_owned()), source.to_owned()]
    });
    (&["setting", "value", "set by"], rows.collect())
}

fn readers(topic: &TopicDetail) -> Table {
    let rows = topic.readers.iter().map(|reader| {
        let version = reader.version.map(|version| match reader.active {
            Some(true) => format!("{version} (active)"),
            _ => version.to_string(),
        });
        vec![reader.service.to_owned(), shown(version), shown(reader.lag_records)]
    });
    (&["reader", "version", "lag (records)"], rows.collect())
}

fn groups(topic: &TopicDetail) -> Table {
    let rows = topic.groups.iter().map(|group| {
        vec![
            group.group.clone(),
            group.kind.to_string(),
            group.state.clone(),
            group.members.len().to_string(),
            shown(group.lag_records),
        ]
    });
    (&["consumer group", "kind", "state", "members", "lag (records)"], rows.collect())
}

fn appended(topic: &TopicDetail) -> Table {
    let counted = topic.appended.iter().flat_map(|appended| &appended.types);
    (
        &["appended", "records"],
        counted.map(|counted| vec![counted.r#type.clone(), counted.records.to_string()]).collect(),
    )
}

fn shown(value: Option<impl ToString>) -> String {
    value.map_or_else(|| UNKNOWN.to_owned(), |value| value.to_string())
}

fn joined(numbers: &[i32]) -> String {
    numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

fn or_nobody(names: &str) -> &str {
    if names.is_empty() { "nobody of ours" } else { names }
}
