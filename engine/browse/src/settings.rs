//! The settings of a topic that decide how it can be read.

use crate::brokers::{Brokers, BrowseError};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Settings {
    /// Records that were superseded go away.
    pub(crate) compacted: bool,
    /// Timestamps are those of the brokers, so within a partition they follow the offsets.
    pub(crate) append_time: bool,
}

impl Brokers {
    pub(crate) async fn settings(&self, topic: &str) -> Result<Settings, BrowseError> {
        let all = self.settings_of_topics(&[topic]).await?.remove(topic);
        // Deleted a moment ago: whoever asks for its layout again is told so.
        let all = all.ok_or_else(|| BrowseError::Moved { topic: topic.to_owned() })?;
        let value = |name| all.iter().find(|setting| setting.name == name).and_then(|found| found.value.as_deref());
        Ok(Settings {
            compacted: value("cleanup.policy").is_some_and(|policy| policy.contains("compact")),
            append_time: value("message.timestamp.type") == Some("LogAppendTime"),
        })
    }
}
