//! A topic that records are to be appended to, and what speaks against it.

use crate::{brokers::BrowseError, browse::Browse};
use foldstream_log::Violation;
use kafka_protocol::ResponseError;
use uuid::Uuid;

/// The word for it, at every door.
pub const TO: &str = "to";
/// The word that makes light of what speaks against it.
pub const ANYWAY: &str = "anyway";
/// Brokers' default, where they do not tell.
const MAX_MESSAGE_BYTES: usize = 1_048_588;

/// A topic as those see it who append to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub topic: String,
    /// Another one after the topic was deleted and made again.
    pub id: Uuid,
    pub partitions: usize,
    /// What a batch may take.
    pub max_batch_bytes: usize,
    is_internal: bool,
    is_compacted: bool,
    /// What comes is personal, and lies on a topic of ours where erasures reach it.
    is_out_of_reach: bool,
}

impl Browse {
    /// How a topic takes records now that lie on the topic `from`. Asking creates nothing.
    pub async fn target(&self, topic: &str, from: &str) -> Result<Target, BrowseError> {
        let brokers = self.brokers();
        let unknown = || BrowseError::UnknownTopic { topic: topic.to_owned() };
        let found = brokers.metadata(Some(&[topic])).await?.topics.pop().ok_or_else(unknown)?;
        match ResponseError::try_from_code(found.error_code) {
            None => {}
            Some(ResponseError::UnknownTopicOrPartition | ResponseError::InvalidTopicException) => {
                return Err(unknown());
            }
            Some(error) => return Err(BrowseError::Refused { doing: "to describe a topic", error }),
        }
        let settings = brokers.settings_of_topics(&[topic]).await?.remove(topic).ok_or_else(unknown)?;
        let value =
            |name| settings.iter().find(|setting| setting.name == name).and_then(|found| found.value.as_deref());
        Ok(Target {
            topic: topic.to_owned(),
            id: found.topic_id,
            partitions: found.partitions.len(),
            max_batch_bytes: value("max.message.bytes")
                .and_then(|bytes| bytes.parse().ok())
                .unwrap_or(MAX_MESSAGE_BYTES),
            is_internal: found.is_internal || topic.starts_with("__"),
            is_compacted: value("cleanup.policy").is_some_and(|policy| policy.contains("compact")),
            is_out_of_reach: topic != from && self.catalogue().is_personal(from),
        })
    }
}

impl Target {
    /// What speaks against appending old records to it; `anyway` makes light of what is only dangerous.
    pub fn check(&self, anyway: bool) -> Result<(), Violation> {
        let refused = |rule: String| Err(Violation::new(TO, &self.topic, rule));
        if self.is_internal {
            return refused("must be a topic that Kafka does not keep for itself".to_owned());
        }
        if self.is_compacted && !anyway {
            return refused(format!(
                "is compacted: of each key the newest record stays, so an old one that is appended again takes the place of \
                 what came since; `{ANYWAY}` does it nevertheless"
            ));
        }
        if self.is_out_of_reach && !anyway {
            return refused(format!(
                "must be where erasures reach what is personal, as these records are, and that is the topic they lie on; \
                 `{ANYWAY}` copies them nevertheless"
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dangerous_is_refused_unless_it_is_meant() {
        for (is_internal, is_compacted, is_out_of_reach, anyway, taken) in [
            (false, false, false, false, true),
            (false, true, false, false, false),
            (false, false, true, false, false),
            (false, true, true, true, true),
            (true, false, false, true, false),
        ] {
            let (topic, id) = ("parcels".to_owned(), Uuid::nil());
            let (partitions, max_batch_bytes) = (6, 1);
            let target = Target { topic, id, partitions, max_batch_bytes, is_internal, is_compacted, is_out_of_reach };
            assert_eq!(target.check(anyway).is_ok(), taken, "{target:?}");
        }
    }
}
