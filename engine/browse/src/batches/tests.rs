//! Batches as another implementation writes them, whole, cut off at every byte, and with what was aborted beside them.

use super::*;
use bytes::BytesMut;
use kafka_protocol::{
    indexmap::IndexMap,
    messages::ProducerId,
    protocol::StrBytes,
    records::{Compression, Record, RecordBatchEncoder, RecordEncodeOptions, TimestampType},
};
use lz4_flex::frame::FrameEncoder;
use proptest::{collection::vec, option, prelude::*};
use std::io::Write;

/// More than any of these hold.
const MOST_BYTES: usize = 1 << 20;

pub(crate) fn record(offset: i64, producer_id: i64) -> Record {
    Record {
        transactional: producer_id >= 0,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: 0,
        producer_id,
        producer_epoch: 0,
        timestamp_type: TimestampType::Creation,
        offset,
        sequence: i32::try_from(offset).unwrap(),
        timestamp: 1_000 + offset,
        key: Some(format!("k{offset}").into_bytes().into()),
        value: Some(vec![7; 40].into()),
        headers: IndexMap::new(),
    }
}

pub(crate) fn encoded(records: &[Record], compression: Compression) -> Bytes {
    let mut bytes = BytesMut::new();
    let lz4 = |plain: &mut BytesMut, out: &mut BytesMut, _| {
        let mut encoder = FrameEncoder::new(Vec::new());
        encoder.write_all(plain)?;
        out.extend_from_slice(&encoder.finish()?);
        Ok(())
    };
    let options = RecordEncodeOptions { version: 2, compression };
    match compression {
        Compression::Lz4 => {
            RecordBatchEncoder::encode_with_custom_compression(&mut bytes, records, &options, Some(lz4))
        }
        _ => RecordBatchEncoder::encode(&mut bytes, records, &options),
    }
    .unwrap();
    bytes.freeze()
}

/// The mark of a transaction's end: version 0, then 0 for aborted or 1 for committed.
fn mark(offset: i64, producer_id: i64, kind: u8) -> Bytes {
    let marker = Record {
        control: true,
        key: Some(vec![0, 0, 0, kind].into()),
        value: Some(vec![0; 6].into()),
        ..record(offset, producer_id)
    };
    encoded(&[marker], Compression::None)
}

fn read(bytes: Bytes, aborted: &[(i64, i64)], stable_end: i64) -> (Vec<(i64, Option<Transaction>)>, Option<i64>) {
    let aborted = aborted.iter().map(|(producer_id, first_offset)| {
        AbortedTransaction::default().with_producer_id(ProducerId(*producer_id)).with_first_offset(*first_offset)
    });
    let batches = Batches { bytes, aborted: aborted.collect(), stable_end, most_bytes: MOST_BYTES };
    let mut seen = Vec::new();
    let next = batches.read(0, i64::MAX, |record| seen.push((record.offset, record.transaction)), |_| {}).unwrap();
    (seen, next)
}

#[test]
fn who_stamped_a_batch_is_told_by_its_header() {
    // Bit 3 of the attributes, which stand in bytes 21 and 22.
    let of = |bit: u8| {
        let mut bytes = BytesMut::from(encoded(&[record(0, -1)], Compression::None));
        bytes[22] |= bit;
        bytes.freeze()
    };
    let begins =
        |bytes| Batches { bytes, aborted: Vec::new(), stable_end: 9, most_bytes: MOST_BYTES }.begin_stamped().unwrap();
    let (created, stamped) = (of(0), of(8));
    assert_eq!((begins(created.clone()), begins(stamped.clone())), (Some(false), Some(true)));
    // Switched later on: the beginning counts.
    assert_eq!(begins([created, stamped.clone()].concat().into()), Some(false));
    assert_eq!(
        (begins(Bytes::new()), begins(stamped.slice(..60)), begins(stamped.slice(..61))),
        (None, None, Some(true))
    );
}

#[test]
fn what_was_aborted_ends_at_its_marker() {
    let parts = [
        encoded(&[record(0, 5), record(1, 5)], Compression::None),
        encoded(&[record(2, -1)], Compression::None),
        encoded(&[record(3, 6)], Compression::None),
        mark(4, 5, 0),
        // The same producer again, and this time it commits.
        encoded(&[record(5, 5)], Compression::None),
        mark(6, 6, 1),
        mark(7, 5, 1),
        encoded(&[record(8, 6)], Compression::None),
    ];
    let (seen, next) = read(parts.concat().into(), &[(5, 0)], 8);
    let aborted = Some(Transaction::Aborted);
    let undecided = Some(Transaction::Undecided);
    assert_eq!(seen, [(0, aborted), (1, aborted), (2, None), (3, None), (5, None), (8, undecided)]);
    assert_eq!(next, Some(9));
}

#[test]
fn a_stretch_holds_what_lies_in_it_and_says_how_far_it_came() {
    let bytes: Bytes = [
        encoded(&[record(3, -1), record(4, -1), record(5, -1)], Compression::Zstd),
        encoded(&[record(9, -1), record(10, -1)], Compression::None),
    ]
    .concat()
    .into();
    let batches = Batches { bytes, aborted: Vec::new(), stable_end: i64::MAX, most_bytes: MOST_BYTES };
    let mut seen = Vec::new();
    let next = batches.read(4, 10, |record| seen.push(record.offset), |_| {});
    assert_eq!((seen, next), (vec![4, 5, 9], Ok(Some(11))));
}

#[test]
fn markers_are_no_records() {
    let batches = Batches { bytes: mark(4, 5, 1), aborted: Vec::new(), stable_end: i64::MAX, most_bytes: MOST_BYTES };
    let mut markers = Vec::new();
    let read = batches.read(0, 9, |record| panic!("{record:?}"), |marker| markers.push(marker));
    assert_eq!((read, markers), (Ok(Some(5)), vec![Marker { offset: 4, commits: true }]));
}

/// The first byte of a batch's attributes that says how it is compressed.
const ATTRIBUTES: usize = 22;

#[test]
fn what_is_not_known_is_named() {
    for (at, byte, reason) in
        [(16, 1, "its format is 1"), (ATTRIBUTES, 7, "its compression is 7"), (8, 0xff, "its length is")]
    {
        let mut bytes = encoded(&[record(3, -1)], Compression::None).to_vec();
        bytes[at] = byte;
        if at > UNCHECKED_BYTES {
            let checksum = crc32c::crc32c(&bytes[UNCHECKED_BYTES..]);
            bytes[UNCHECKED_BYTES - 4..UNCHECKED_BYTES].copy_from_slice(&checksum.to_be_bytes());
        }
        let error = Batches { bytes: bytes.into(), aborted: Vec::new(), stable_end: 0, most_bytes: MOST_BYTES }.read(
            0,
            9,
            |_| {},
            |_| {},
        );
        let error = error.unwrap_err();
        assert!(error.offset == 3 && error.reason.contains(reason), "{error}");
    }
}

#[test]
fn a_batch_whose_bytes_changed_is_refused_and_those_before_it_are_read() {
    let first = encoded(&[record(3, -1)], Compression::None);
    for at in UNCHECKED_BYTES..first.len() {
        let mut damaged = encoded(&[record(4, -1), record(5, -1)], Compression::None).to_vec();
        damaged[at] ^= 4;
        let bytes = [&first[..], &damaged].concat().into();
        let batches = Batches { bytes, aborted: Vec::new(), stable_end: i64::MAX, most_bytes: MOST_BYTES };
        let mut seen = Vec::new();
        let error = batches.read(0, 9, |record| seen.push(record.offset), |_| {}).unwrap_err();
        assert_eq!((seen, error.offset), (vec![3], 4), "byte {at}: {error}");
    }
}

fn compressions() -> impl Strategy<Value = Compression> {
    prop_oneof![
        Just(Compression::None),
        Just(Compression::Gzip),
        Just(Compression::Snappy),
        Just(Compression::Lz4),
        Just(Compression::Zstd)
    ]
}

/// Key, value, headers.
type Content = (Option<Vec<u8>>, Option<Vec<u8>>, Vec<(String, Option<Vec<u8>>)>);

fn contents() -> impl Strategy<Value = Vec<Content>> {
    let bytes = || option::of(vec(any::<u8>(), 0..40));
    vec((bytes(), bytes(), vec(("[a-z]{1,8}", bytes()), 0..3)), 1..12)
}

proptest! {
    #[test]
    fn reads_what_another_wrote(contents in contents(), compression in compressions(), first in 0..1_000_000i64) {
        let records: Vec<Record> = contents.iter().zip(first..).map(|((key, value, headers), offset)| Record {
            key: key.clone().map(Bytes::from),
            value: value.clone().map(Bytes::from),
            headers: headers
                .iter()
                .map(|(name, value)| (StrBytes::from_string(name.clone()), value.clone().map(Bytes::from)))
                .collect(),
            sequence: i32::try_from(offset - first).unwrap(),
            ..record(offset, -1)
        }).collect();
        let bytes = encoded(&records, compression);
        let mut seen = Vec::new();
        let batches = Batches { bytes: bytes.clone(), aborted: Vec::new(), stable_end: i64::MAX, most_bytes: MOST_BYTES };
        let next = batches.read(0, i64::MAX, |record| seen.push(record.to_fetched("t", 0)), |_| {});
        prop_assert_eq!(next, Ok(Some(first + contents.len() as i64)));
        for (seen, record) in seen.iter().zip(&records) {
            prop_assert_eq!((seen.offset, seen.timestamp_ms), (record.offset, record.timestamp));
            prop_assert_eq!(seen.key.as_deref(), record.key.as_deref());
            prop_assert_eq!(seen.value.as_deref(), record.value.as_deref());
            let headers: Vec<_> = record.headers.iter().map(|(name, value)| (name.to_string(), value.as_deref().map(<[u8]>::to_vec))).collect();
            prop_assert_eq!(&seen.headers, &headers);
            // Looked at once more, a record that was kept is the same.
            let again = RecordView::of(seen, None);
            prop_assert_eq!(&again.to_fetched("t", 0), seen);
        }
        prop_assert_eq!(seen.len(), records.len());
        // Cut off anywhere, it is a batch that has not wholly arrived.
        for length in 0..bytes.len() {
            let cut = Batches { bytes: bytes.slice(..length), aborted: Vec::new(), stable_end: 0, most_bytes: MOST_BYTES };
            prop_assert_eq!(cut.read(0, i64::MAX, |record| panic!("{record:?}"), |_| {}), Ok(None));
        }
    }

    #[test]
    fn no_bytes_panic(mut bytes in vec(any::<u8>(), 0..300), at in 0..61usize, length in 0..300u32) {
        // Also such as look like a batch at first.
        if bytes.len() > 61 {
            bytes[8..12].copy_from_slice(&length.to_be_bytes());
            bytes[16] = 2;
            bytes[at] ^= 1;
        }
        let _ = Batches { bytes: bytes.into(), aborted: Vec::new(), stable_end: 0, most_bytes: MOST_BYTES }.read(0, i64::MAX, |_| {}, |_| {});
    }

    #[test]
    fn damaged_batches_do_not_panic(contents in 1..5i64, at: proptest::sample::Index, byte: u8, compression in compressions()) {
        let records: Vec<_> = (0..contents).map(|offset| record(offset, -1)).collect();
        let mut bytes = encoded(&records, compression).to_vec();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if at > UNCHECKED_BYTES {
            let checksum = crc32c::crc32c(&bytes[UNCHECKED_BYTES..]);
            bytes[UNCHECKED_BYTES - 4..UNCHECKED_BYTES].copy_from_slice(&checksum.to_be_bytes());
        }
        let _ = Batches { bytes: bytes.into(), aborted: Vec::new(), stable_end: 0, most_bytes: MOST_BYTES }
            .read(0, i64::MAX, |record| assert!(record.headers().count() < 1_000_000), |_| {});
    }
}
