//! Keys that do not tell whose they are: a hash in place of an id, so that somebody who was erased is known again by the
//! id, and the id stands nowhere.
//!
//! Invariant: a hidden key lies in the partition of the key it stands for, where any client that places by key looks for it.
//!
//! Not here: secrecy from those who have the id, for they can hash it as well. A secret salt was rejected: the facts hold the
//! ids for ever, so it would keep nothing from anybody who may read those, and be one more thing to lose.

use foldstream_log::{Topic, derived_event_id, partition_of};
use uuid::Uuid;

/// Stands for the key of somebody on this changelog of a service. With equal chances one in so many hashes as there are
/// partitions lies where the key does; numbers are tried until one does.
#[must_use]
pub fn hidden_key(service: &str, key: &str, changelog: &Topic) -> String {
    let partition = |key: &str| partition_of(key.as_bytes(), usize::try_from(changelog.partitions).unwrap_or(1));
    let home = partition(key);
    let mut number = 0_u32;
    loop {
        let hidden = derived_event_id(&format!("{service}/{key}/{number}"));
        if partition(hidden.hyphenated().encode_lower(&mut Uuid::encode_buffer())) == home {
            return hidden.to_string();
        }
        number += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use foldstream_log::{Cleanup, Writers};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_hidden_key_lies_where_its_key_does_and_tells_nothing_of_it(key in "[a-z0-9:-]{1,40}", partitions in 1..50_i32) {
            let changelog = Topic {
                name: "state",
                key: "key",
                partitions,
                cleanup: Cleanup::Compact { max_lag_ms: 1 },
                max_record_bytes: 1024,
                writers: Writers::EveryProcessor,
            };
            let hidden = hidden_key("processor", &key, &changelog);
            let count = usize::try_from(partitions).unwrap();
            prop_assert_eq!(partition_of(hidden.as_bytes(), count), partition_of(key.as_bytes(), count));
            prop_assert_eq!(&hidden, &hidden_key("processor", &key, &changelog));
            prop_assert_ne!(&hidden, &hidden_key("another", &key, &changelog));
            prop_assert!(key.len() < 4 || !hidden.contains(&key));
        }
    }
}
