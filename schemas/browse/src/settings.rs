//! The settings of a topic that decide how it can be read.

use crate::brokers::{Brokers, BrowseError};
use crate::settled::refusal;
use kafka_protocol::{
    messages::{DescribeConfigsRequest, describe_configs_request::DescribeConfigsResource},
    protocol::StrBytes,
};

/// As the protocol numbers the kinds of things that have settings.
const TOPIC: i8 = 2;
const CLEANUP_POLICY: &str = "cleanup.policy";
const TIMESTAMP_TYPE: &str = "message.timestamp.type";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Settings {
    /// Records that were superseded go away.
    pub(crate) compacted: bool,
    /// Timestamps are those of the brokers, so within a partition they follow the offsets.
    pub(crate) append_time: bool,
}

impl Brokers {
    pub(crate) async fn settings(&self, topic: &str) -> Result<Settings, BrowseError> {
        let name = |name| StrBytes::from_static_str(name);
        let resource = DescribeConfigsResource::default()
            .with_resource_type(TOPIC)
            .with_resource_name(StrBytes::from_string(topic.to_owned()))
            .with_configuration_keys(Some(vec![name(CLEANUP_POLICY), name(TIMESTAMP_TYPE)]));
        let request = DescribeConfigsRequest::default().with_resources(vec![resource]);
        let answer = self.ask_any(&request).await?;
        let mut settings = Settings { compacted: false, append_time: false };
        for described in answer.results {
            if let Some(error) = refusal(topic, "to describe a topic's settings", described.error_code) {
                return Err(error);
            }
            for setting in described.configs {
                let value = setting.value.as_ref().map_or("", |value| value.as_str());
                match setting.name.as_str() {
                    CLEANUP_POLICY => settings.compacted = value.contains("compact"),
                    TIMESTAMP_TYPE => settings.append_time = value == "LogAppendTime",
                    _ => {}
                }
            }
        }
        Ok(settings)
    }
}
