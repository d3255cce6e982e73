//! What is made of the brokers' answers; that they are understood is shown on real brokers (`tests/whole/topics.rs`).

use super::*;
use foldstream_log::DEAD_LETTERS;
use uuid::Uuid;

pub(super) fn partition(number: i32, ends: Option<(i64, i64)>) -> PartitionState {
    PartitionState {
        partition: number,
        leader: Some(1),
        replicas: vec![1, 2, 3],
        in_sync: vec![1, 2, 3],
        first_offset: ends.map(|(first, _)| first),
        last_stable_offset: ends.map(|(_, end)| end),
        high_watermark: ends.map(|(_, end)| end),
        bytes: Bytes::default(),
    }
}

pub(super) fn dead_letters(partitions: Vec<PartitionState>) -> TopicState {
    TopicState {
        name: DEAD_LETTERS.name.to_owned(),
        id: Uuid::from_u128(1),
        asked_at: DateTime::UNIX_EPOCH,
        internal: false,
        partitions,
        bytes: Bytes::default(),
        settings: Vec::new(),
        differences: Vec::new(),
    }
}

#[test]
fn what_one_partition_hides_is_unknown_of_all() {
    assert_eq!(dead_letters(vec![partition(0, Some((3, 10))), partition(1, Some((0, 5)))]).offsets(), Some(12));
    assert_eq!(dead_letters(vec![partition(0, Some((3, 10))), partition(1, None)]).offsets(), None);
}

#[test]
fn a_topic_is_held_against_its_declaration() {
    let set =
        |name: &str, value: String| Setting { name: name.to_owned(), value: Some(value), source: SettingSource::Topic };
    let mut settings: Vec<Setting> =
        DEAD_LETTERS.settings().into_iter().map(|(name, value)| set(name, value)).collect();
    let as_declared = dead_letters((0..DEAD_LETTERS.partitions).map(|number| partition(number, None)).collect());
    let differing = |topic: &TopicState, settings: &[Setting]| -> Vec<String> {
        let found = differences(&DEAD_LETTERS, Some(&topic.found(settings)));
        found.into_iter().map(|difference| difference.property).collect()
    };
    assert_eq!(differing(&as_declared, &settings), Vec::<String>::new());
    settings.retain(|setting| setting.name != "retention.ms");
    settings.push(set("retention.ms", "3600000".to_owned()));
    let mut smaller = as_declared.clone();
    smaller.partitions.truncate(3);
    smaller.partitions[0].replicas.truncate(1);
    assert_eq!(differing(&smaller, &settings), ["partitions", "replication factor", "retention.ms"]);
}
