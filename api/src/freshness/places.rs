//! Where a processor may have written because of a record: told by its edges, nothing is looked up.

use foldstream_events::CATALOGUE;
use foldstream_log::{Flow, TopicPartition};

/// Partitions of the topics a processor writes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Places {
    /// Those of the same number, on topics that are keyed alike: what it decides on a record lies in them.
    pub(crate) near: Vec<TopicPartition>,
    /// All partitions of the others.
    pub(crate) far: Vec<TopicPartition>,
}

/// Where this processor may have written because of a record of that partition.
pub(crate) fn places(flow: &Flow, topic: &str, partition: i32) -> Places {
    let key = CATALOGUE.topic(topic).map(|topic| topic.key);
    let written = flow.writes.iter().filter_map(|written| CATALOGUE.topic(written));
    let (mut near, mut far) = (Vec::new(), Vec::new());
    for topic in written {
        let place = |partition| TopicPartition { topic: topic.name, partition };
        if flow.keeps_keys && Some(topic.key) == key {
            near.push(place(partition));
        } else {
            far.extend((0..topic.partitions).map(place));
        }
    }
    Places { near, far }
}

#[cfg(test)]
mod tests {
    use super::*;
    use foldstream_events::{PeopleEvent, PersonCommandsEvent};
    use foldstream_log::{DeadLettersEvent, ServiceKind};

    #[test]
    fn what_is_keyed_alike_lies_in_the_partition_of_the_same_number() {
        let flow = Flow::of("people-processor", ServiceKind::Processor)
            .reading::<PersonCommandsEvent>()
            .writing::<PeopleEvent>()
            .writing::<DeadLettersEvent>()
            .keeping_keys(true);
        let Places { near, far } = places(&flow, "person-commands", 3);
        assert_eq!(near, [TopicPartition { topic: "people", partition: 3 }]);
        assert_eq!(far.len(), 6);
        assert!(far.iter().all(|place| place.topic == "dead-letters"));
        let Places { near, far } = places(&Flow { keeps_keys: false, ..flow }, "person-commands", 3);
        assert_eq!((near.len(), far.len()), (0, 12));
    }
}
