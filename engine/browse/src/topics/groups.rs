//! Consumer groups that have to do with a topic: those that committed offsets on it, and those with a member on it.
//!
//! A broker lists the groups it coordinates, so it is asked for their offsets and members too: two questions after one
//! another, for all groups together. Lag is what `kafka-consumer-groups` calls so: the high watermark less the
//! committed offset; unknown where nothing is committed. Share groups commit no offsets: what they are at is the start of
//! their share of a partition, before which every record is settled; behind it some are settled too, so that their lag is not
//! known until all are. Streams groups commit as others do; of their members
//! nothing is known here, since the protocol library has no request for them.

mod members;

use super::state::{PATIENCE, TopicState};
use crate::{brokers::Brokers, connection::ConnectionError};
use foldstream_log::Prefix;
use futures::future::{join_all, try_join5};
use kafka_protocol::{
    ResponseError,
    messages::{
        ConsumerGroupDescribeRequest, DescribeGroupsRequest, DescribeShareGroupOffsetsRequest, GroupId,
        ListGroupsRequest, OffsetFetchRequest, ShareGroupDescribeRequest,
        describe_share_group_offsets_request::{
            DescribeShareGroupOffsetsRequestGroup, DescribeShareGroupOffsetsRequestTopic,
        },
        list_groups_response::ListedGroup,
        offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics},
    },
    protocol::Request,
};
use members::{Member, of_classic, of_consumer, of_share};

pub use members::GroupMember;
use serde::{Serialize, Serializer};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
};

/// How a group shares a topic among its members. Each kind is described by a request of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupKind {
    Classic,
    /// KIP-848.
    Consumer,
    /// KIP-932: records are handed out one by one.
    Share,
    /// KIP-1071.
    Streams,
    /// One that came later.
    Other,
}

/// The groups of a topic.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Groups {
    pub groups: Vec<Group>,
    /// False when a broker did not tell, or not yet, of all the groups it coordinates.
    pub complete: bool,
    /// What the groups of services are called by.
    #[serde(skip)]
    pub prefix: Prefix,
}

impl Groups {
    /// That of a service; none where it has nothing to do with the topic.
    #[must_use]
    pub fn of_service(&self, service: &str) -> Option<&Group> {
        let name = self.prefix.group_of(service);
        self.groups.iter().find(|group| group.group == name)
    }
}

/// A consumer group, as far as it concerns a topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Group {
    pub group: String,
    pub kind: GroupKind,
    pub state: String,
    /// Those that subscribed to the topic or were given partitions of it.
    pub members: Vec<GroupMember>,
    /// Those that were committed or given to a member.
    pub partitions: Vec<GroupPartition>,
    /// The sum; none when one of them is not known.
    pub lag_records: Option<i64>,
}

/// Where a group stands in a partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GroupPartition {
    pub partition: i32,
    /// None where nothing was committed. Of a share group where its share begins: what lies before is settled.
    pub committed_offset: Option<i64>,
    /// The high watermark less that. Of a share group 0 or not known: what lies behind may be settled as well.
    pub lag_records: Option<i64>,
}

/// What a coordinator tells of its groups, by their names.
#[derive(Debug, Default)]
struct Told {
    listed: Vec<ListedGroup>,
    committed: HashMap<String, BTreeMap<i32, i64>>,
    members: HashMap<String, Vec<Member>>,
    /// It still reads what it coordinates, or hands it over.
    refused: bool,
}

/// Of a described group its name, an error and its members.
type ToldOf = (GroupId, i16, Vec<Member>);

/// What was asked of groups, by their names, and whether some of it was refused.
type Answer<T> = Result<(HashMap<String, T>, bool), ConnectionError>;

impl Brokers {
    /// The groups that have to do with a topic, in the order of their names.
    pub async fn groups(&self, topic: &TopicState) -> Groups {
        let brokers = self.known();
        let told = join_all(brokers.iter().map(async |broker| {
            let told = self.coordinated(*broker, topic).await;
            let silent =
                |error: &_| foldstream_telemetry::debug!(broker, error.message = %error, "a broker tells no groups");
            told.inspect_err(silent).ok()
        }));
        let told = told.await;
        let complete = !told.is_empty() && told.iter().all(|told| told.as_ref().is_some_and(|told| !told.refused));
        let mut groups: Vec<Group> =
            told.into_iter().flatten().flat_map(|told| told.groups(topic, &self.physical(&topic.name))).collect();
        groups.sort_by(|a, b| a.group.cmp(&b.group));
        Groups { groups, complete, prefix: self.prefix().clone() }
    }

    async fn coordinated(&self, broker: i32, topic: &TopicState) -> Result<Told, ConnectionError> {
        let answer = self.ask(broker, &ListGroupsRequest::default(), PATIENCE).await?;
        let refused = answer.error_code != 0;
        let listed = answer.groups;
        let of = |wanted: &dyn Fn(GroupKind) -> bool| -> Vec<GroupId> {
            let groups = listed.iter().filter(|group| wanted(GroupKind::of(group)));
            groups.map(|group| group.group_id.clone()).collect()
        };
        let ((committed, unread), (shares, unshared), (classic, undescribed), (consumer, unknown), (share, untold)) =
            try_join5(
                self.committed_by(broker, of(&|kind| kind != GroupKind::Share), topic),
                self.shares_of(broker, of(&|kind| kind == GroupKind::Share), topic),
                self.members(
                    broker,
                    of(&|kind| kind == GroupKind::Classic),
                    |groups| DescribeGroupsRequest::default().with_groups(groups),
                    |answer| {
                        let groups = answer.groups.into_iter();
                        groups.map(|group| (group.group_id.clone(), group.error_code, of_classic(group))).collect()
                    },
                ),
                self.members(
                    broker,
                    of(&|kind| kind == GroupKind::Consumer),
                    |groups| ConsumerGroupDescribeRequest::default().with_group_ids(groups),
                    |answer| {
                        let groups = answer.groups.into_iter();
                        groups.map(|group| (group.group_id.clone(), group.error_code, of_consumer(group))).collect()
                    },
                ),
                self.members(
                    broker,
                    of(&|kind| kind == GroupKind::Share),
                    |groups| ShareGroupDescribeRequest::default().with_group_ids(groups),
                    |answer| {
                        let groups = answer.groups.into_iter();
                        groups.map(|group| (group.group_id.clone(), group.error_code, of_share(group))).collect()
                    },
                ),
            )
            .await?;
        let refused = refused || unread || unshared || undescribed || unknown || untold;
        let committed = committed.into_iter().chain(shares).collect();
        Ok(Told { listed, committed, members: classic.into_iter().chain(consumer).chain(share).collect(), refused })
    }

    async fn committed_by(&self, broker: i32, groups: Vec<GroupId>, topic: &TopicState) -> Answer<BTreeMap<i32, i64>> {
        if groups.is_empty() {
            return Ok((HashMap::new(), false));
        }
        let of_topic = OffsetFetchRequestTopics::default()
            .with_name(self.physical(&topic.name))
            .with_partition_indexes(topic.partitions.iter().map(|partition| partition.partition).collect());
        let of_group =
            |group| OffsetFetchRequestGroup::default().with_group_id(group).with_topics(Some(vec![of_topic.clone()]));
        let request = OffsetFetchRequest::default().with_groups(groups.into_iter().map(of_group).collect());
        let answer = self.ask(broker, &request, PATIENCE).await?;
        let codes = answer.groups.iter().flat_map(|group| {
            let partitions = group.topics.iter().flat_map(|topic| &topic.partitions);
            partitions.map(|partition| partition.error_code).chain([group.error_code])
        });
        let refused = is_refused(codes);
        let committed = answer.groups.into_iter().map(|group| {
            let partitions = group.topics.iter().flat_map(|topic| &topic.partitions);
            // Nothing committed is told as an offset of -1.
            let known = partitions.filter(|partition| partition.error_code == 0 && partition.committed_offset >= 0);
            let offsets = known.map(|partition| (partition.partition_index, partition.committed_offset)).collect();
            (group.group_id.to_string(), offsets)
        });
        Ok((committed.collect(), refused))
    }

    /// Where the shares of these groups begin.
    async fn shares_of(&self, broker: i32, groups: Vec<GroupId>, topic: &TopicState) -> Answer<BTreeMap<i32, i64>> {
        if groups.is_empty() {
            return Ok((HashMap::new(), false));
        }
        let of_topic = DescribeShareGroupOffsetsRequestTopic::default()
            .with_topic_name(self.physical(&topic.name))
            .with_partitions(topic.partitions.iter().map(|partition| partition.partition).collect());
        let of_group = |group| {
            let group = DescribeShareGroupOffsetsRequestGroup::default().with_group_id(group);
            group.with_topics(Some(vec![of_topic.clone()]))
        };
        let request = DescribeShareGroupOffsetsRequest::default();
        let request = request.with_groups(groups.into_iter().map(of_group).collect());
        let answer = self.ask(broker, &request, PATIENCE).await?;
        let refused = is_refused(answer.groups.iter().map(|group| group.error_code));
        let shares = answer.groups.into_iter().map(|group| {
            let partitions = group.topics.iter().flat_map(|topic| &topic.partitions);
            // A share that has not begun is told as an offset of -1, or is an error of its partition.
            let known = partitions.filter(|partition| partition.error_code == 0 && partition.start_offset >= 0);
            let offsets = known.map(|partition| (partition.partition_index, partition.start_offset)).collect();
            (group.group_id.to_string(), offsets)
        });
        Ok((shares.collect(), refused))
    }

    /// The members of groups of one kind: how they are asked for, and what is told of each group.
    async fn members<R: Request>(
        &self,
        broker: i32,
        groups: Vec<GroupId>,
        asked: impl FnOnce(Vec<GroupId>) -> R,
        told: impl FnOnce(R::Response) -> Vec<ToldOf>,
    ) -> Answer<Vec<Member>> {
        if groups.is_empty() {
            return Ok((HashMap::new(), false));
        }
        let groups = told(self.ask(broker, &asked(groups), PATIENCE).await?);
        let refused = is_refused(groups.iter().map(|(_, error_code, _)| *error_code));
        Ok((groups.into_iter().map(|(group, _, members)| (group.to_string(), members)).collect(), refused))
    }
}

impl GroupKind {
    fn of(group: &ListedGroup) -> Self {
        match group.group_type.to_lowercase().as_str() {
            // Brokers before 3.8 know one kind only and do not name it.
            "classic" | "" => Self::Classic,
            "consumer" => Self::Consumer,
            "share" => Self::Share,
            "streams" => Self::Streams,
            _ => Self::Other,
        }
    }
}

impl fmt::Display for GroupKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Classic => "classic",
            Self::Consumer => "consumer",
            Self::Share => "share",
            Self::Streams => "streams",
            Self::Other => "other",
        })
    }
}

impl Serialize for GroupKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A group that is gone since it was listed is no refusal.
fn is_refused(codes: impl IntoIterator<Item = i16>) -> bool {
    codes.into_iter().filter_map(ResponseError::try_from_code).any(|error| error != ResponseError::GroupIdNotFound)
}

impl Told {
    /// Of its groups, those that have to do with the topic.
    fn groups(mut self, topic: &TopicState, name_of_topic: &str) -> Vec<Group> {
        let mut groups = Vec::new();
        for listed in std::mem::take(&mut self.listed) {
            let name = listed.group_id.to_string();
            let committed = self.committed.remove(&name).unwrap_or_default();
            let members = self.members.remove(&name).unwrap_or_default();
            let members: Vec<GroupMember> =
                members.into_iter().filter_map(|member| member.on_topic(name_of_topic)).collect();
            if committed.is_empty() && members.is_empty() {
                continue;
            }
            let kind = GroupKind::of(&listed);
            let partitions = standing(topic, kind, &committed, &members);
            groups.push(Group {
                group: name,
                kind,
                state: listed.group_state.to_string(),
                lag_records: partitions.iter().map(|partition| partition.lag_records).sum(),
                members,
                partitions,
            });
        }
        groups
    }
}

fn standing(
    topic: &TopicState,
    kind: GroupKind,
    committed: &BTreeMap<i32, i64>,
    members: &[GroupMember],
) -> Vec<GroupPartition> {
    let given = members.iter().flat_map(|member| &member.partitions);
    let partitions: BTreeSet<i32> = committed.keys().chain(given).copied().collect();
    let high_watermark = |number: i32| {
        topic.partitions.iter().find(|partition| partition.partition == number).and_then(|found| found.high_watermark)
    };
    let standing = partitions.into_iter().map(|partition| {
        let committed_offset = committed.get(&partition).copied();
        let lag_records = committed_offset.and_then(|committed| Some(high_watermark(partition)? - committed));
        let lag_records = lag_records.filter(|lag| kind != GroupKind::Share || *lag <= 0);
        GroupPartition { partition, committed_offset, lag_records }
    });
    standing.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topics::tests::{dead_letters, partition};

    #[test]
    fn lag_is_the_high_watermark_less_what_is_committed() {
        let topic = dead_letters(vec![partition(0, Some((0, 10))), partition(1, Some((0, 5))), partition(2, None)]);
        // Partition 3 is no more; what was committed of it is still there. Truncation may leave a lag below zero.
        let committed = BTreeMap::from([(0, 4), (1, 7), (2, 1), (3, 1)]);
        let lags = standing(&topic, GroupKind::Classic, &committed, &[]);
        let lags: Vec<_> = lags.iter().map(|found| (found.partition, found.lag_records)).collect();
        assert_eq!(lags, [(0, Some(6)), (1, Some(-2)), (2, None), (3, None)]);
        // Of a share only that nothing is left can be told.
        let shares = standing(&topic, GroupKind::Share, &BTreeMap::from([(0, 4), (1, 5)]), &[]);
        assert_eq!(shares.iter().map(|found| found.lag_records).collect::<Vec<_>>(), [None, Some(0)]);
    }

    #[test]
    fn a_partition_that_is_given_and_not_committed_is_named_without_lag() {
        let topic = dead_letters(vec![partition(0, Some((0, 10))), partition(1, Some((0, 5)))]);
        let member = GroupMember {
            member: "m1".to_owned(),
            instance: None,
            client: "c1".to_owned(),
            host: "/127.0.0.1".to_owned(),
            partitions: vec![0, 1],
        };
        let found = standing(&topic, GroupKind::Consumer, &BTreeMap::from([(1, 5)]), &[member]);
        let found: Vec<_> = found.iter().map(|found| (found.committed_offset, found.lag_records)).collect();
        assert_eq!(found, [(None, None), (Some(5), Some(0))]);
    }
}
