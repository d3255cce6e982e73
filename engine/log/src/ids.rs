//! How event ids are made.
//!
//! Ids of location reports are ordered by time, so that the index over a growing history grows at its right edge
//! only. Ids of replayed events are a function of their origin, so that a retry makes the same id.

use chrono::{DateTime, Utc};
use uuid::Uuid;

/// The namespace of all ids derived by Foldstream.
const NAMESPACE: Uuid = Uuid::from_u128(0x6b1d_52a4_93f7_4f0e_8f6e_0f1d_57e4_a701);

/// A fresh id for an event born here and now (UUID version 7).
#[must_use]
pub fn new_event_id() -> Uuid {
    Uuid::now_v7()
}

/// The id of an event that follows from something named (UUID version 5): same name, same id.
#[must_use]
pub fn derived_event_id(name: &str) -> Uuid {
    Uuid::new_v5(&NAMESPACE, name.as_bytes())
}

/// The id of record `sequence` of a replayed source: ordered by `occurred_at` like version 7, but with the hash of
/// the origin where version 7 is random (UUID version 8, RFC 9562 section 5.8).
#[must_use]
pub fn replayed_event_id(source: &str, sequence: u64, occurred_at: DateTime<Utc>) -> Uuid {
    let mut bytes = *derived_event_id(&format!("{source}/{sequence}")).as_bytes();
    let millis = occurred_at.timestamp_millis().to_be_bytes();
    bytes[..6].copy_from_slice(&millis[2..]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replayed_ids_repeat_and_follow_time() {
        let at = |millis| DateTime::from_timestamp_millis(millis).unwrap();
        let id = replayed_event_id("loader/aircraft", 7, at(1_633_608_773_000));
        assert_eq!(id, replayed_event_id("loader/aircraft", 7, at(1_633_608_773_000)));
        assert_ne!(id, replayed_event_id("loader/aircraft", 8, at(1_633_608_773_000)));
        assert!(id < replayed_event_id("loader/aircraft", 1, at(1_633_608_773_001)));
        assert_eq!(id.get_version_num(), 8);
        assert_eq!(id.get_variant(), uuid::Variant::RFC4122);
    }
}
