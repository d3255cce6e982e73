//! Whom the edges, the groups and the tables make readers, and how far each then is.

use super::*;
use chrono::DateTime;
use foldstream_browse::{Bytes, Group, GroupKind, GroupPartition, PartitionState};
use foldstream_events::{LocationsEvent, PeopleEvent, PersonCommandsEvent};
use foldstream_log::Prefix;
use foldstream_store::versions::{Version, VersionState};
use uuid::Uuid;

fn processor() -> Flow {
    Flow::of("p", ServiceKind::Processor).reading::<LocationsEvent>().writing::<PeopleEvent>()
}

fn projection() -> Flow {
    Flow::of("t", ServiceKind::Projection).reading::<LocationsEvent>().writing_tables(["person"])
}

fn other() -> Flow {
    Flow::of("o", ServiceKind::Producer).reading::<LocationsEvent>().writing::<PersonCommandsEvent>()
}

fn none() -> Flow {
    Flow::of("n", ServiceKind::Projection).reading::<PeopleEvent>().writing_tables(["person"])
}

fn locations() -> TopicState {
    let partition = |partition, (first, stable, high)| PartitionState {
        partition,
        leader: Some(1),
        replicas: vec![1],
        in_sync: vec![1],
        first_offset: Some(first),
        last_stable_offset: Some(stable),
        high_watermark: Some(high),
        bytes: Bytes::default(),
    };
    TopicState {
        name: "locations".to_owned(),
        id: Uuid::nil(),
        asked_at: DateTime::UNIX_EPOCH,
        internal: false,
        partitions: vec![partition(0, (2, 10, 12)), partition(1, (0, 5, 5))],
        bytes: Bytes::default(),
        settings: Vec::new(),
        differences: Vec::new(),
    }
}

fn groups() -> Groups {
    // Nothing was committed in partition 0; in another group something was, which is only a hint.
    let committed = GroupPartition { partition: 1, committed_offset: Some(4), lag_records: Some(1) };
    let group = |service: &str| Group {
        group: Prefix::default().group_of(service),
        kind: GroupKind::Classic,
        state: "Empty".to_owned(),
        members: Vec::new(),
        partitions: vec![committed.clone()],
        lag_records: Some(1),
    };
    Groups { groups: vec![group("p"), group("t")], complete: true, prefix: Prefix::default() }
}

fn position(version: i32, topic: &str, partition: i32, next_offset: i64) -> VersionPosition {
    VersionPosition {
        version: Version {
            projection: "t".to_owned(),
            version,
            schema_name: "public".to_owned(),
            state: VersionState::Folding,
            is_active: version == 1,
            tables_digest: None,
        },
        topic: Some(topic.to_owned()),
        partition: Some(partition),
        next_offset: Some(next_offset),
        appended_at: None,
    }
}

#[test]
fn every_reader_is_asked_where_it_keeps_its_position() {
    let positions = [
        position(1, "locations", 0, 10),
        position(1, "locations", 1, 3),
        position(2, "locations", 0, 4),
        position(2, "people", 1, 1),
    ];
    let found = readers(&locations(), &[processor(), projection(), other(), none()], &groups(), Some(&positions));
    let short: Vec<_> = found
        .iter()
        .map(|reader| (reader.service, reader.version, reader.active, reader.kept_in, reader.lag_records))
        .collect();
    assert_eq!(
        short,
        [
            ("p", None, None, KeptIn::Kafka, Some(10 + 1)),
            ("t", Some(1), Some(true), KeptIn::Tables, Some(4)),
            ("t", Some(2), Some(false), KeptIn::Tables, Some(8)),
            ("o", None, None, KeptIn::Nothing, None),
        ]
    );
    assert_eq!(found[0].partitions[0], ReaderPosition { partition: 0, next_offset: 2, lag_records: Some(10) });
}

#[test]
fn what_the_database_does_not_tell_is_not_taken_from_a_hint() {
    let found = readers(&locations(), &[projection()], &groups(), None);
    assert_eq!((found[0].kept_in, found[0].lag_records), (KeptIn::Tables, None));
}
