//! What open transactions hold back of topics: said where something is waited for in vain, and in readiness.

use chrono::{DateTime, Utc};
use foldstream_browse::{Brokers, BrowseError, HeldBack};
use foldstream_log::PositionRange;
use futures::future::try_join_all;
use std::{collections::BTreeSet, time::Duration};
use tokio::time::timeout;

/// How long an answer that is late already may wait for this.
const PATIENCE: Duration = Duration::from_millis(500);

/// The partitions of these topics that are held back, longest first.
pub(crate) async fn held_back(brokers: &Brokers, topics: &BTreeSet<&str>) -> Result<Vec<HeldBack>, BrowseError> {
    let looks = topics.iter().map(async |topic| {
        let ranges = brokers.ranges_of(topic).await?;
        brokers.held_back(topic, &ranges).await
    });
    let mut found: Vec<HeldBack> = try_join_all(looks).await?.into_iter().flatten().collect();
    found.sort_by_key(|held_back| held_back.since.unwrap_or(DateTime::<Utc>::MAX_UTC));
    Ok(found)
}

/// In words, to be added to how far a read model is: of the topics asked for their partitions, of its own all. Nothing
/// where nothing is held back, or it cannot be known.
pub(crate) async fn told(brokers: &Brokers, asked: &[PositionRange], own: &BTreeSet<&str>) -> String {
    let topics = own.iter().copied().chain(asked.iter().map(|range| range.topic.as_str())).collect();
    let Ok(Ok(found)) = timeout(PATIENCE, held_back(brokers, &topics)).await else { return String::new() };
    found.iter().filter(|held_back| concerns(held_back, asked)).map(|held_back| format!("; {held_back}")).collect()
}

fn concerns(held_back: &HeldBack, asked: &[PositionRange]) -> bool {
    let mut of_topic = asked.iter().filter(|range| range.topic == held_back.topic).peekable();
    of_topic.peek().is_none() || of_topic.any(|range| range.partition == held_back.partition)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_topic_asked_for_the_partitions_asked_for_are_told() {
        let held_back = |partition| HeldBack {
            topic: "locations".to_owned(),
            partition,
            offset: 1,
            since: None,
            producer_id: 4001,
            waiting: 1,
        };
        let asked = PositionRange::parse_list("locations:3:7,locations:4:7-9,person-commands:1:5").unwrap();
        assert!(concerns(&held_back(3), &asked) && concerns(&held_back(4), &asked));
        assert!(!concerns(&held_back(1), &asked));
        assert!(concerns(&held_back(1), &asked[2..]), "what a command led to may lie anywhere");
    }
}
