//! Members of groups of each kind, and the topics each is on.
//!
//! In the classic protocol members tell each other what they subscribe to and are given, in bytes that the brokers hand
//! on; where those are not of consumers, or not to be read, nothing is known of their topics.

use bytes::{Buf, Bytes};
use kafka_protocol::{
    messages::{
        ConsumerProtocolAssignment, ConsumerProtocolSubscription,
        consumer_group_describe_response::DescribedGroup as ConsumerGroup,
        describe_groups_response::DescribedGroup as ClassicGroup,
        share_group_describe_response::DescribedGroup as ShareGroup,
    },
    protocol::{Decodable, Message},
};
use serde::Serialize;

/// What the protocol of consumers is called among the users of groups.
const OF_CONSUMERS: &str = "consumer";

/// A member of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GroupMember {
    pub member: String,
    pub instance: Option<String>,
    pub client: String,
    pub host: String,
    /// The topic's partitions that it was given.
    pub partitions: Vec<i32>,
}

/// A member, and what it has to do with which topics.
#[derive(Debug)]
pub(super) struct Member {
    id: String,
    instance: Option<String>,
    client: String,
    host: String,
    subscribed: Vec<String>,
    given: Vec<(String, Vec<i32>)>,
}

impl Member {
    /// None for a member that has nothing to do with the topic.
    pub(super) fn on_topic(self, topic: &str) -> Option<GroupMember> {
        let of_topic = self.given.into_iter().filter(|(given, _)| given == topic);
        let mut partitions: Vec<i32> = of_topic.flat_map(|(_, partitions)| partitions).collect();
        partitions.sort_unstable();
        let concerned = !partitions.is_empty() || self.subscribed.iter().any(|subscribed| subscribed == topic);
        concerned.then_some(GroupMember {
            member: self.id,
            instance: self.instance,
            client: self.client,
            host: self.host,
            partitions,
        })
    }
}

pub(super) fn of_classic(group: ClassicGroup) -> Vec<Member> {
    if &*group.protocol_type != OF_CONSUMERS {
        return Vec::new();
    }
    let members = group.members.into_iter().map(|member| {
        let subscription: Option<ConsumerProtocolSubscription> = versioned(member.member_metadata);
        let assignment: Option<ConsumerProtocolAssignment> = versioned(member.member_assignment);
        let given = assignment.into_iter().flat_map(|assignment| assignment.assigned_partitions);
        Member {
            id: member.member_id.to_string(),
            instance: member.group_instance_id.map(|instance| instance.to_string()),
            client: member.client_id.to_string(),
            host: member.client_host.to_string(),
            subscribed: subscription.iter().flat_map(|found| &found.topics).map(ToString::to_string).collect(),
            given: given.map(|given| (given.topic.to_string(), given.partitions)).collect(),
        }
    });
    members.collect()
}

pub(super) fn of_consumer(group: ConsumerGroup) -> Vec<Member> {
    let members = group.members.into_iter().map(|member| Member {
        id: member.member_id.to_string(),
        instance: member.instance_id.map(|instance| instance.to_string()),
        client: member.client_id.to_string(),
        host: member.client_host.to_string(),
        subscribed: member.subscribed_topic_names.iter().map(|topic| topic.to_string()).collect(),
        given: member
            .assignment
            .topic_partitions
            .into_iter()
            .map(|given| (given.topic_name.to_string(), given.partitions))
            .collect(),
    });
    members.collect()
}

pub(super) fn of_share(group: ShareGroup) -> Vec<Member> {
    let members = group.members.into_iter().map(|member| Member {
        id: member.member_id.to_string(),
        instance: None,
        client: member.client_id.to_string(),
        host: member.client_host.to_string(),
        subscribed: member.subscribed_topic_names.iter().map(|topic| topic.to_string()).collect(),
        given: member
            .assignment
            .topic_partitions
            .into_iter()
            .map(|given| (given.topic_name.to_string(), given.partitions))
            .collect(),
    });
    members.collect()
}

/// A message behind its version. Of a newer version what is known is read: fields are only ever added at the end.
fn versioned<M: Message + Decodable>(mut bytes: Bytes) -> Option<M> {
    let version = bytes.try_get_i16().ok()?.min(M::VERSIONS.max);
    M::decode(&mut bytes, version).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::{BufMut, BytesMut};
    use kafka_protocol::{
        messages::{
            TopicName, consumer_protocol_assignment::TopicPartition, describe_groups_response::DescribedGroupMember,
        },
        protocol::{Encodable, StrBytes},
    };

    fn framed(version: i16, message: &impl Encodable) -> Bytes {
        let mut bytes = BytesMut::new();
        bytes.put_i16(version);
        message.encode(&mut bytes, version.min(3)).unwrap();
        bytes.freeze()
    }

    fn group(protocol: &'static str, metadata: Bytes, assignment: Bytes) -> ClassicGroup {
        let member = DescribedGroupMember::default()
            .with_member_id(StrBytes::from_static_str("m1"))
            .with_client_id(StrBytes::from_static_str("c1"))
            .with_member_metadata(metadata)
            .with_member_assignment(assignment);
        ClassicGroup::default().with_protocol_type(StrBytes::from_static_str(protocol)).with_members(vec![member])
    }

    #[test]
    fn members_are_on_the_topics_they_subscribed_to_or_were_given() {
        for version in [0, 1, 2, 3, 4] {
            let subscription =
                ConsumerProtocolSubscription::default().with_topics(vec![StrBytes::from_static_str("routes")]);
            let given = TopicPartition::default()
                .with_topic(TopicName(StrBytes::from_static_str("parcels")))
                .with_partitions(vec![5, 2]);
            let assignment = ConsumerProtocolAssignment::default().with_assigned_partitions(vec![given]);
            let on = |topic: &str| {
                let group = group("consumer", framed(version, &subscription), framed(version, &assignment));
                of_classic(group).pop().unwrap().on_topic(topic).map(|member| member.partitions)
            };
            assert_eq!(on("parcels"), Some(vec![2, 5]), "version {version}");
            assert_eq!(on("routes"), Some(vec![]));
            assert_eq!(on("orders"), None);
        }
    }

    #[test]
    fn bytes_that_say_nothing_are_no_topics() {
        for bytes in [&b""[..], b"\0", b"\0\0", b"\0\0\0\0\0\xff", b"\xff\xff\0\0\0\0"] {
            let bytes = Bytes::copy_from_slice(bytes);
            let member = of_classic(group("consumer", bytes.clone(), bytes)).pop().unwrap();
            assert_eq!(member.on_topic("parcels"), None);
        }
        assert!(of_classic(group("connect", Bytes::new(), Bytes::new())).is_empty());
    }
}
