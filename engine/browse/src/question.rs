//! What is looked for, and in which partitions it can be.

use crate::{
    brokers::{BrowseError, Layout},
    filter::{Filter, PathsSeen},
    offsets::Isolation,
    order::Order,
    place::Place,
};
use foldstream_log::{Topic, partition_of};
use std::{collections::BTreeSet, sync::Arc};

/// What is looked for.
#[derive(Debug, Clone)]
pub struct Question {
    pub topic: String,
    /// None: all, or those that can hold the key that is asked for.
    pub partitions: Option<BTreeSet<i32>>,
    pub filter: Filter,
    pub order: Order,
    pub isolation: Isolation,
    pub limit: usize,
    /// Where the page before ended.
    pub after: Option<Place>,
    /// What was met of the filter's paths, on all pages of this question.
    pub paths_seen: Arc<PathsSeen>,
}

impl Question {
    /// The newest committed records of a topic.
    #[must_use]
    pub fn newest(topic: &str, limit: usize) -> Self {
        Self {
            topic: topic.to_owned(),
            partitions: None,
            filter: Filter::default(),
            order: Order::Newest,
            isolation: Isolation::Committed,
            limit,
            after: None,
            paths_seen: Arc::default(),
        }
    }

    /// Whether it leaves partitions out. `declared` is the topic as it was declared, if it was.
    pub(crate) fn is_of_some(&self, declared: Option<&Topic>) -> bool {
        self.partitions.is_some() || self.filter.key_bytes().is_some() && declared.is_some()
    }

    /// The partitions to look into.
    pub(crate) fn wanted(&self, layout: &Layout, declared: Option<&Topic>) -> Result<BTreeSet<i32>, BrowseError> {
        // Also of a topic that has grown since.
        if let Some(after) = &self.after {
            return Ok(after.partitions.keys().copied().collect());
        }
        let all = || layout.leaders.keys().copied().collect();
        let Some(wanted) = &self.partitions else {
            return Ok(homes(&self.filter, declared, layout).unwrap_or_else(all));
        };
        match wanted.iter().find(|partition| !layout.leaders.contains_key(partition)) {
            Some(unknown) => Err(BrowseError::UnknownPartition {
                topic: layout.topic.clone(),
                partition: *unknown,
                partitions: layout.leaders.len(),
            }),
            None => Ok(wanted.clone()),
        }
    }
}

/// Where the key lives that is asked for, if that can be told: of a declared topic with as many partitions as it was
/// declared with, since all its writers place keys alike. Elsewhere each client has a way of its own, and where partitions
/// were added a key lives in two.
fn homes(filter: &Filter, declared: Option<&Topic>, layout: &Layout) -> Option<BTreeSet<i32>> {
    let (keys, partitions) = (filter.key_bytes()?, layout.leaders.len());
    declared.filter(|topic| usize::try_from(topic.partitions) == Ok(partitions))?;
    Some(keys.iter().map(|key| partition_of(key, partitions)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use foldstream_log::DEAD_LETTERS;

    fn layout(partitions: i32) -> Layout {
        let name = kafka_protocol::messages::TopicName::default();
        let leaders = (0..partitions).map(|partition| (partition, 1)).collect();
        Layout { topic: DEAD_LETTERS.name.to_owned(), name, id: uuid::Uuid::nil(), leaders }
    }

    #[test]
    fn a_key_has_a_home_only_where_all_place_keys_alike() {
        let (key, as_declared) = ("354afe16-939a-4ea8-8e17-8bb0840b6886", DEAD_LETTERS.partitions);
        let mut filter = Filter::default();
        assert_eq!(homes(&filter, Some(&DEAD_LETTERS), &layout(as_declared)), None);
        filter.set_key(key, None).unwrap();
        let home = partition_of(key.as_bytes(), layout(as_declared).leaders.len());
        assert_eq!(homes(&filter, Some(&DEAD_LETTERS), &layout(as_declared)), Some([home].into()));
        // It has grown, or nobody knows who writes to it: CRC32 puts this key into 9 of 10, murmur2 into 4.
        assert_eq!(homes(&filter, Some(&DEAD_LETTERS), &layout(as_declared + 1)), None);
        assert_eq!(homes(&filter, None, &layout(10)), None);
        // What may be text and base64 has two homes.
        filter.set_key("YWRh", None).unwrap();
        let both = ["YWRh", "ada"].map(|key| partition_of(key.as_bytes(), layout(as_declared).leaders.len()));
        assert_eq!(homes(&filter, Some(&DEAD_LETTERS), &layout(as_declared)), Some(both.into()));
    }
}
