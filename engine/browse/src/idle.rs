//! Partitions to which nothing is appended.

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
}
