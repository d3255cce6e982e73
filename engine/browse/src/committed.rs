//! How far the group of a service is: offsets and what is noted with them, as the broker that looks after the group has
//! them.
//!
//! Offsets of open transactions are not shown, and that is right: what they stand for is not decided.

use crate::{
    brokers::{Brokers, BrowseError, PATIENCE},
    settled::{SETTLING, until_settled},
};
use foldstream_log::{Committed, Noted, Topic};
use kafka_protocol::{
    ResponseError,
    messages::{
        GroupId, OffsetFetchRequest,
        offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics},
    },
    protocol::StrBytes,
};
use std::collections::HashMap;

impl Brokers {
    /// Where the group of a processor stands in each partition of a topic: past everything whose consequences are
    /// committed.
    pub async fn committed(&self, service: &str, topic: &Topic) -> Result<Vec<Committed>, BrowseError> {
        let group = self.prefix().group_of(service);
        let asked = async || {
            let found = self.committed_of_group(&group, topic).await;
            if found.is_err() {
                self.forget_coordinator(&group);
            }
            found
        };
        until_settled(SETTLING, asked).await
    }

    async fn committed_of_group(&self, group: &str, topic: &Topic) -> Result<Vec<Committed>, BrowseError> {
        let coordinator = self.coordinator(group).await?;
        let partitions = 0..topic.partitions;
        let of_topic = OffsetFetchRequestTopics::default()
            .with_name(self.physical(topic.name))
            .with_partition_indexes(partitions.clone().collect());
        let of_group = OffsetFetchRequestGroup::default()
            .with_group_id(GroupId(StrBytes::from_string(group.to_owned())))
            .with_topics(Some(vec![of_topic]));
        let request = OffsetFetchRequest::default().with_groups(vec![of_group]);
        let answer = self.ask(coordinator, &request, PATIENCE).await?;
        let refused = |code| match ResponseError::try_from_code(code) {
            Some(error) => Err(BrowseError::Refused { doing: "to say how far a group is", error }),
            None => Ok(()),
        };
        let mut committed = HashMap::new();
        for group in answer.groups {
            refused(group.error_code)?;
            for partition in group.topics.into_iter().flat_map(|topic| topic.partitions) {
                refused(partition.error_code)?;
                let note = partition.metadata.map(|note| note.to_string()).unwrap_or_default();
                let noted = Noted { next_offset: partition.committed_offset, note };
                committed.insert(partition.partition_index, Committed::from(noted));
            }
        }
        // Where nothing was committed, that is told as an offset of -1.
        let of = |partition| committed.remove(&partition).filter(|found| found.next_offset >= 0).unwrap_or_default();
        Ok(partitions.map(of).collect())
    }
}
