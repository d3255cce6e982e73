//! Partitions to which nothing is appended, and what a topic is set to.

use crate::brokers::{Brokers, BrowseError};
use chrono::Utc;
use std::time::Duration;

impl Brokers {
    /// The partitions of a topic that hold something, and to which nothing was appended for so long by this machine's clock.
    pub async fn idle_partitions(&self, topic: &str, idle: Duration) -> Result<Vec<i32>, BrowseError> {
        let since_ms = Utc::now().timestamp_millis() - i64::try_from(idle.as_millis()).unwrap_or(i64::MAX / 2);
        let layout = self.layout(topic).await?;
        let (ranges, since) = futures::try_join!(self.ranges(&layout), self.offsets_at(&layout, since_ms))?;
        let is_idle = |partition: &i32| since.get(partition).is_some_and(Option::is_none);
        let filled = ranges.into_iter().filter(|(_, range)| range.low < range.high_watermark);
        Ok(filled.map(|(partition, _)| partition).filter(is_idle).collect())
    }

    /// What a topic is set to; none where the brokers know no such setting.
    pub async fn setting(&self, topic: &str, name: &str) -> Result<Option<String>, BrowseError> {
        let settings = self.settings_of_topics(&[topic]).await?;
        let settings = settings.get(topic).ok_or_else(|| BrowseError::UnknownTopic { topic: topic.to_owned() })?;
        Ok(settings.iter().find(|setting| setting.name == name).and_then(|setting| setting.value.clone()))
    }
}
