//! The table of topics, for people; and how what is made stands between two lines of a file that is not.

use crate::catalogue::{Cleanup, Root, Topic};
use anyhow::{Context, Result};

const BEGIN: &str = "<!-- made by `make generate` -->\n";
const END: &str = "<!-- end of what is made -->\n";

/// The page with its table made anew.
pub(crate) fn with_topics(page: &str, domains: &Root, engine: &Root) -> Result<String> {
    let mut table =
        String::from("| topic | key | partitions | kept | written by | events |\n|---|---|---|---|---|---|\n");
    for topic in &domains.topics {
        let carried = topic.carries.iter().map(String::as_str);
        let events = domains.records_of(&topic.name).iter().map(|record| record.full_name.as_str()).chain(carried);
        table.push_str(&row(
            topic,
            &events.collect::<Vec<_>>(),
            &topic.writers.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
        )?);
    }
    for topic in &engine.topics {
        let events: Vec<_> = engine.records_of(&topic.name).iter().map(|record| record.full_name.as_str()).collect();
        table.push_str(&row(topic, &events, "every processor")?);
    }
    between(page, BEGIN, END, table)
}

/// The text with what stands between two of its lines made anew.
pub(crate) fn between(text: &str, begin: &str, end: &str, made: String) -> Result<String> {
    let (before, rest) = text.split_once(begin).with_context(|| format!("there is no line {begin}"))?;
    let (_, after) = rest.split_once(end).with_context(|| format!("there is no line {end}"))?;
    Ok([before, begin, &made, end, after].concat())
}

fn row(topic: &Topic, events: &[&str], writers: &str) -> Result<String> {
    let kept = match topic.cleanup()? {
        Cleanup::Keep => "for ever".to_owned(),
        Cleanup::Expire { days } => format!("{days} days"),
        Cleanup::Compact { days: 1 } => "newest of each key; older bytes are gone within a day".to_owned(),
        Cleanup::Compact { days } => format!("newest of each key; older bytes are gone within {days} days"),
    };
    let events: Vec<_> = events.iter().map(|event| format!("`{event}`")).collect();
    let note = topic.note.iter().map(|note| format!("; {note}")).collect::<String>();
    Ok(format!(
        "| `{}` | `{}` | {} | {kept} | {writers} | {}{note} |\n",
        topic.name,
        topic.key,
        topic.partitions,
        events.join(", ")
    ))
}
