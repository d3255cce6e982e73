//! The settings of topics, of all topics by one question.

use crate::brokers::{Brokers, BrowseError};
use kafka_protocol::{
    ResponseError,
    messages::{
        DescribeConfigsRequest,
        describe_configs_request::DescribeConfigsResource,
        describe_configs_response::{DescribeConfigsResourceResult, DescribeConfigsResult},
    },
};
use serde::Serialize;
use std::collections::HashMap;

/// The protocol's number for a topic among the things that have settings.
const TOPIC: i8 = 2;
/// Told even where they are at their defaults.
const ALWAYS_TOLD: &[&str] =
    &["cleanup.policy", "retention.ms", "min.insync.replicas", "message.timestamp.type", "max.message.bytes"];

/// A setting in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Setting {
    pub name: String,
    /// None for a secret.
    pub value: Option<String>,
    pub source: SettingSource,
}

/// Who set it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SettingSource {
    /// On the topic itself.
    Topic,
    /// For all topics of a broker or of the cluster.
    Broker,
    /// Nobody.
    Default,
}

impl Setting {
    pub(crate) fn is_told(&self) -> bool {
        self.source != SettingSource::Default || ALWAYS_TOLD.contains(&self.name.as_str())
    }
}

impl Brokers {
    /// What a topic is set to; none where the brokers know no such setting.
    pub async fn setting(&self, topic: &str, name: &str) -> Result<Option<String>, BrowseError> {
        let settings = self.settings_of_topics(&[topic]).await?;
        let settings = settings.get(topic).ok_or_else(|| BrowseError::UnknownTopic { topic: topic.to_owned() })?;
        Ok(settings.iter().find(|setting| setting.name == name).and_then(|setting| setting.value.clone()))
    }

    /// Every setting by topic, in the order of their names; a topic that is gone is missing.
    pub(crate) async fn settings_of_topics(
        &self,
        topics: &[&str],
    ) -> Result<HashMap<String, Vec<Setting>>, BrowseError> {
        let resources = topics.iter().map(|topic| {
            DescribeConfigsResource::default()
                .with_resource_type(TOPIC)
                .with_resource_name(self.physical(topic).0)
                .with_configuration_keys(None)
        });
        let request = DescribeConfigsRequest::default().with_resources(resources.collect());
        let answer = self.ask_any(&request).await?;
        let mut settings = HashMap::new();
        for DescribeConfigsResult { error_code, resource_name, configs, .. } in answer.results {
            let Some(topic) = self.logical(&resource_name) else { continue };
            match ResponseError::try_from_code(error_code) {
                None => {}
                Some(ResponseError::UnknownTopicOrPartition) => continue,
                Some(error) => return Err(BrowseError::Refused { doing: "to tell the settings of a topic", error }),
            }
            let mut of_topic: Vec<Setting> = configs.iter().map(setting).collect();
            of_topic.sort_by(|a, b| a.name.cmp(&b.name));
            settings.insert(topic, of_topic);
        }
        Ok(settings)
    }
}

fn setting(found: &DescribeConfigsResourceResult) -> Setting {
    let source = match found.config_source {
        1 => SettingSource::Topic,
        5 => SettingSource::Default,
        _ => SettingSource::Broker,
    };
    Setting { name: found.name.to_string(), value: found.value.as_ref().map(ToString::to_string), source }
}
