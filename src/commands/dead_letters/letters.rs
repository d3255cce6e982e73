//! Dead letters from both places they lie in, looked at alike.

use super::sources::Sources;
use anyhow::{Context, Result, bail};
use chrono::{DateTime, Utc};
use foldstream_browse::{Budget, Question, Spent};
use foldstream_log::{DEAD_LETTERS, DeadLettersEvent, Position, RecordRefused};
use foldstream_log::{FetchedRecord, Schemas, shown_key};
use foldstream_store::{
    Database,
    dead_letters::{self, DeadLetterSummary, Filter},
};
use serde::Serialize;
use std::{str::FromStr, time::Duration};

const PAGE: u32 = 1000;
const BUDGET: Duration = Duration::from_secs(10);

/// Names a dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Id {
    /// Of a projection: the number of its row.
    Stored(i64),
    /// Of a processor: where it lies on the topic of dead letters.
    OnTopic(Position),
}

impl FromStr for Id {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(number) = text.parse() {
            return Ok(Self::Stored(number));
        }
        let position = text.parse::<Position>().ok().filter(|position| position.topic == DEAD_LETTERS.name);
        position
            .map(Self::OnTopic)
            .ok_or_else(|| format!("an id is a number, or {}:partition:offset", DEAD_LETTERS.name))
    }
}

/// A dead letter, wherever it lies.
pub(crate) struct Letter {
    pub(crate) id: Id,
    service: String,
    reason: String,
    failed_at: DateTime<Utc>,
    parked: i64,
    state: String,
    /// Bytes and headers are there where one was asked for, and of those on the topic.
    record: FetchedRecord,
}

/// A dead letter as it is printed.
#[derive(Debug, Serialize)]
pub(crate) struct Shown {
    pub(crate) id: String,
    /// `database` for those of projections, `topic` for those of processors.
    pub(crate) source: &'static str,
    pub(crate) service: String,
    pub(crate) position: String,
    /// Text, or base64 where it is none.
    pub(crate) key: Option<String>,
    pub(crate) reason: String,
    pub(crate) parked: i64,
    pub(crate) age_seconds: i64,
    /// What is asked, or why what was asked failed.
    pub(crate) state: String,
}

impl Letter {
    pub(crate) async fn find(id: &Id, sources: &Sources) -> Result<Self> {
        match id {
            Id::Stored(number) => {
                let stored = dead_letters::find(&sources.database, *number).await?;
                let stored = stored.with_context(|| format!("there is no dead letter {number}"))?;
                let headers = stored.headers();
                let mut letter = Self::from(stored.summary);
                letter.record.value = stored.value;
                letter.record.headers = headers;
                Ok(letter)
            }
            Id::OnTopic(position) => {
                let Position { partition, offset, .. } = *position;
                let mut found = sources.browse.brokers().records(DEAD_LETTERS.name, partition, vec![offset]).await?;
                let record = found.remove(&offset).with_context(|| format!("there is no record at {position}"))?;
                Self::on_topic(&record, sources).await
            }
        }
    }

    async fn on_topic(record: &FetchedRecord, sources: &Sources) -> Result<Self> {
        let place = Position { topic: record.topic.clone(), partition: record.partition, offset: record.offset };
        let event = record.event::<DeadLettersEvent>(&sources.registry).await;
        let DeadLettersEvent::RecordRefused(refused) = event.with_context(|| format!("{place} is no dead letter"))?;
        let RecordRefused { service, topic, partition, offset, key, value, headers, reason, .. } = refused;
        let failed_at = DateTime::from_timestamp_millis(record.timestamp_ms).unwrap_or_default();
        Ok(Self {
            id: Id::OnTopic(place),
            service,
            reason,
            failed_at,
            parked: 0,
            state: String::new(),
            record: FetchedRecord {
                topic,
                partition,
                offset,
                timestamp_ms: refused.occurred_at.timestamp_millis(),
                key,
                value,
                headers: headers.into_iter().map(|header| (header.name, header.value)).collect(),
            },
        })
    }

    pub(crate) fn record(&self) -> &FetchedRecord {
        &self.record
    }

    pub(crate) fn position(&self) -> Position {
        let FetchedRecord { topic, partition, offset, .. } = &self.record;
        Position { topic: topic.clone(), partition: *partition, offset: *offset }
    }

    pub(crate) fn shown(&self, now: DateTime<Utc>) -> Shown {
        let (id, source) = match &self.id {
            Id::Stored(number) => (number.to_string(), "database"),
            Id::OnTopic(position) => (position.to_string(), "topic"),
        };
        let key = self.record.key.as_deref();
        Shown {
            id,
            source,
            service: self.service.clone(),
            position: self.position().to_string(),
            key: key.map(|key| shown_key(key).0),
            reason: self.reason.clone(),
            parked: self.parked,
            age_seconds: (now - self.failed_at).num_seconds().max(0),
            state: self.state.clone(),
        }
    }
}

impl From<DeadLetterSummary> for Letter {
    fn from(summary: DeadLetterSummary) -> Self {
        let state = match (summary.action, summary.failure) {
            (Some(action), Some(failure)) => format!("{action} failed: {failure}"),
            (Some(action), None) => action,
            (None, _) => String::new(),
        };
        Self {
            id: Id::Stored(summary.id),
            service: summary.projection,
            reason: summary.reason,
            failed_at: summary.failed_at,
            parked: summary.parked,
            state,
            record: FetchedRecord {
                topic: summary.topic,
                partition: summary.partition,
                offset: summary.offset,
                timestamp_ms: summary.appended_at.timestamp_millis(),
                key: summary.key,
                value: None,
                headers: Vec::new(),
            },
        }
    }
}

/// Those of the projections, newest first; all of them where there is no limit.
pub(crate) async fn of_projections(database: &Database, filter: &Filter, limit: Option<u32>) -> Result<Vec<Letter>> {
    let mut all = Vec::new();
    let mut after = None;
    loop {
        let left = limit.map_or(PAGE, |limit| limit.saturating_sub(u32::try_from(all.len()).unwrap_or(u32::MAX)));
        let rows = left.min(PAGE);
        let page = dead_letters::list(database, filter, after, rows).await;
        let page = page.context("cannot read the dead letters: is the database migrated?")?;
        after = page.last().map(|letter| letter.id);
        let is_last = page.len() < rows as usize || limit.is_some();
        all.extend(page.into_iter().map(Letter::from));
        if is_last {
            return Ok(all);
        }
    }
}

/// Those of the processors among the newest records of their topic.
pub(crate) async fn of_topic(sources: &Sources, filter: &Filter, limit: u32) -> Result<Vec<Letter>> {
    // Processors are no projections.
    if filter.projection.is_some() {
        return Ok(Vec::new());
    }
    let (mut question, schemas) =
        (Question::newest(DEAD_LETTERS.name, limit as usize), Schemas::new(sources.registry.clone()));
    let mut records = Vec::new();
    loop {
        let page = sources.browse.page(question.clone(), &schemas, &Budget::of_time(BUDGET)).await?;
        if page.spent.is_some_and(|spent| spent != Spent::Memory) {
            bail!("the brokers did not give the topic {} in time", DEAD_LETTERS.name);
        }
        question.limit -= page.records.len();
        question.after = page.next;
        records.extend(page.records);
        if question.limit == 0 || question.after.is_none() {
            break;
        }
    }
    let mut letters = Vec::new();
    for record in &records {
        let letter = Letter::on_topic(&record.fetched, sources).await?;
        let is_asked_for = filter.topic.as_ref().is_none_or(|topic| letter.record.topic == *topic)
            && filter.keys.as_ref().is_none_or(|keys| letter.record.key.as_ref().is_some_and(|key| keys.contains(key)))
            && filter.reason_contains.as_ref().is_none_or(|text| letter.reason.contains(text.as_str()));
        if is_asked_for {
            letters.push(letter);
        }
    }
    Ok(letters)
}

pub(crate) fn base64(bytes: &[u8]) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    STANDARD.encode(bytes)
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_number_or_a_place_on_the_topic() {
        assert_eq!("17".parse(), Ok(Id::Stored(17)));
        let place = Position { topic: "dead-letters".to_owned(), partition: 2, offset: 5 };
        assert_eq!("dead-letters:2:5".parse(), Ok(Id::OnTopic(place)));
        for text in ["", "x", "locations:2:5", "dead-letters:2"] {
            assert!(text.parse::<Id>().is_err(), "{text}");
        }
    }
}
