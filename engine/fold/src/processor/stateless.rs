//! What is kept by those who keep nothing: there is no such value, and no topic of it.

use chrono::{DateTime, Utc};
use foldstream_log::{RecordType, Topic, TopicEvent, Violation, serde};
use serde::{Deserializer, Serializer};
use uuid::Uuid;

#[derive(Debug, Clone, Copy)]
pub(crate) enum Stateless {}

impl TopicEvent for Stateless {
    fn topics() -> &'static [&'static Topic] {
        &[]
    }

    fn record_types() -> Vec<&'static RecordType> {
        Vec::new()
    }

    fn record_type(&self) -> &'static RecordType {
        match *self {}
    }

    fn key(&self) -> &str {
        match *self {}
    }

    fn event_id(&self) -> Uuid {
        match *self {}
    }

    fn occurred_at(&self) -> DateTime<Utc> {
        match *self {}
    }

    fn check(&self) -> Result<(), Violation> {
        match *self {}
    }

    fn deserialize<'de, D: Deserializer<'de>>(_: &str, _: &str, _: D) -> Option<Result<Self, D::Error>> {
        None
    }

    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        match *self {}
    }
}
