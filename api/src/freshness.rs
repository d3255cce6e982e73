//! How fresh an answer is: `?after=` waits until the read model holds what the caller wrote, and every read says how
//! far it is (`Foldstream-Applied`, `Foldstream-Lag-Ms`).
//!
//! What is said is looked up before the rows are read, so the rows are never older than the headers claim. How a
//! position is followed over processors to a read model is told in `arrival.rs` and `following.rs`.

pub(crate) mod arrival;
pub(crate) mod following;
pub(crate) mod held_back;
pub(crate) mod lag;
pub(crate) mod lookups;
pub(crate) mod places;

use crate::{
    freshness::{
        arrival::NotArrived,
        following::{Following, NotFollowed},
    },
    http::{
        names::{AFTER, APPLIED, DEFAULT_WAIT_MS, LAG_MS, MAX_WAIT_MS, WAIT_MS},
        parameters::Parameters,
        problem::{DeadLetterId, Problem},
    },
    state::Api,
};
use axum::{http::HeaderValue, response::Response};
use foldstream_events::CATALOGUE;
use foldstream_log::{Position, PositionRange, Positions, Topic, Violation};
use foldstream_store::{Checkpoint, Database, Late, View};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;
use utoipa::IntoParams;

/// How many positions one answer can be asked to wait for: more than any answer of ours names.
const MOST_ASKED: usize = 200;
/// How many records of a range are followed over processors, each to what it led to.
const MOST_FOLLOWED: i64 = 1000;

/// For the documentation: the parameters of every read.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "read by the derive only")]
pub(crate) struct FreshnessParameters {
    /// Answer only when the read model holds everything each of these records led to: `topic:partition:offset`, or
    /// `topic:partition:first-last`, up to 200 joined by commas, as a `Foldstream-Position` header has them. 503 `parked`
    /// where one of them, or what it led to, waits behind a dead letter or is one
    #[param(example = "locations:3:1729")]
    after: Option<String>,
    /// How long to wait for that, in milliseconds
    #[param(minimum = 0, maximum = 30000, default = 2000)]
    wait_ms: Option<u32>,
}

/// A read model as a reader knows it: the projection that keeps it, and the topic it is folded from.
#[derive(Debug)]
pub(crate) struct ReadModel {
    pub(crate) projection: &'static str,
    pub(crate) topic: &'static Topic,
}

/// What an answer stands on.
pub(crate) type Reads = &'static [&'static ReadModel];
/// How fresh an answer is asked to be.
#[derive(Debug)]
pub(crate) struct Freshness {
    reads: Reads,
    after: Vec<PositionRange>,
    wait: Duration,
}

/// How far the read models of an answer are, and the tables that are so far.
#[derive(Debug)]
pub(crate) struct Standing {
    found: Vec<(&'static ReadModel, Arc<Vec<Checkpoint>>)>,
    pub(crate) database: Database,
}

impl Freshness {
    pub(crate) fn read(parameters: &mut Parameters, api: &Api, reads: Reads) -> Self {
        let checked = parameters.text(AFTER).map(|text| asked(text, &api.arrival.following, reads));
        Self {
            reads,
            after: checked.and_then(|checked| parameters.check(checked)).unwrap_or_default(),
            wait: Duration::from_millis(parameters.number(WAIT_MS, 0..=MAX_WAIT_MS, DEFAULT_WAIT_MS)),
        }
    }

    /// Waits until every read model is as far as asked.
    pub(crate) async fn reached(&self, api: &Api) -> Result<Standing, Problem> {
        // Preferences for now, so that it is there when the answer is made.
        self.reads.iter().for_each(|model| api.log_ends.look(model.topic));
        let deadline = Instant::now() + self.wait;
        loop {
            let mut found: Vec<(&'static ReadModel, View)> = Vec::with_capacity(self.reads.len());
            for model in self.reads {
                match api.arrival.wait(model.projection, &self.after, deadline).await {
                    Ok(view) => found.push((*model, view)),
                    Err(not_arrived) => return Err(self.late(api, problem(not_arrived, &self.after)).await),
                }
            }
            let Some(database) = found.last().map(|(_, view)| view.database.clone()) else {
                return Err(Problem::Internal {
                    cause: Arc::new(std::io::Error::other("an answer stands on nothing")),
                });
            };
            // Readers were shown other tables in the midst of it: what was waited for may not be in those.
            if found.iter().all(|(_, view)| view.database.sees_the_same(&database)) {
                let found = found.into_iter().map(|(model, view)| (model, view.checkpoints)).collect();
                return Ok(Standing { found, database });
            }
        }
    }

    /// Adds which open transactions hold back what is waited for, where any do.
    async fn late(&self, api: &Api, problem: Problem) -> Problem {
        let Problem::NotYetApplied { progress } = problem else { return problem };
        let own = self.reads.iter().map(|model| model.topic.name).collect();
        let held_back = held_back::told(api.parts.browse.brokers(), &self.after, &own).await;
        Problem::NotYetApplied { progress: progress + &held_back }
    }
}

impl Standing {
    /// Says on the answer how fresh it is.
    pub(crate) async fn tell(&self, api: &Api, mut response: Response) -> Response {
        let applied: Positions = self
            .found
            .iter()
            .flat_map(|(_, checkpoints)| applied_positions(checkpoints).iter().collect::<Vec<_>>())
            .collect();
        if let Ok(applied) = HeaderValue::from_str(&applied.to_string()) {
            response.headers_mut().insert(APPLIED, applied);
        }
        let mut lag_ms = Some(0);
        for (model, checkpoints) in &self.found {
            let lag = api.log_ends.lag_ms(model.topic, checkpoints).await;
            lag_ms = lag_ms.zip(lag).map(|(one, other)| u64::max(one, other));
        }
        // Not known while the brokers are away: better no figure than a wrong one.
        if let Some(lag_ms) = lag_ms {
            response.headers_mut().insert(LAG_MS, HeaderValue::from(lag_ms));
        }
        response
    }
}

/// How far it is, where it is merely late.
fn problem(not_arrived: NotArrived, asked: &[PositionRange]) -> Problem {
    match not_arrived {
        NotArrived::ReadModel(Late::Behind { checkpoints }) => {
            let asked = asked.iter().map(PositionRange::to_string).collect::<Vec<_>>().join(",");
            let applied = shown(&applied_positions(&checkpoints));
            Problem::NotYetApplied { progress: format!("asked for {asked}, applied is {applied}") }
        }
        NotArrived::ReadModel(late) => late.into(),
        NotArrived::Parked { record, id, dead_letter, reason } => {
            let (record, position) = (record.to_string(), dead_letter.to_string());
            Problem::Parked { record, dead_letter: DeadLetterId::Stored(id), position, reason }
        }
        NotArrived::NotFollowed(NotFollowed::Refused { record, service, dead_letter }) => Problem::Parked {
            record: record.clone(),
            dead_letter: DeadLetterId::OnTopic(dead_letter.to_string()),
            position: record,
            reason: format!("{service} could not use it"),
        },
        NotArrived::Database(error) => error.into(),
        NotArrived::NotFollowed(unknown @ NotFollowed::Unknown { .. }) => {
            Problem::Unavailable { what: "Kafka".into(), cause: Arc::new(unknown) }
        }
        NotArrived::NotFollowed(behind) => Problem::NotYetApplied { progress: behind.to_string() },
    }
}

/// Records this answer can be asked to wait for.
fn asked(text: &str, following: &Following, reads: Reads) -> Result<Vec<PositionRange>, Violation> {
    let refused = |rule: String| Violation::new(AFTER, text, rule);
    let ranges = PositionRange::parse_list(text).map_err(|_| {
        refused(
            "a position is topic:partition:offset or topic:partition:first-last, several joined by commas".to_owned(),
        )
    })?;
    if ranges.len() > MOST_ASKED {
        return Err(refused(format!("at most {MOST_ASKED} positions can be waited for at once")));
    }
    for PositionRange { topic, partition, first, last } in &ranges {
        let known = CATALOGUE.topic(topic).ok_or_else(|| refused(format!("there is no topic {topic}")))?;
        if !reads.iter().any(|model| following.leads(topic, model.projection)) {
            let mut topics: Vec<&str> = reads.iter().flat_map(|model| following.sources(model.projection)).collect();
            topics.sort_unstable();
            topics.dedup();
            return Err(refused(format!("this answer does not follow from {topic}, only from {}", topics.join(", "))));
        }
        if *partition >= known.partitions {
            return Err(refused(format!("{topic} has the partitions 0 to {}", known.partitions - 1)));
        }
        let leading = reads.iter().filter(|model| following.leads(topic, model.projection));
        let is_folded = leading.into_iter().all(|model| following.folds(model.projection, topic));
        if !is_folded && last - first >= MOST_FOLLOWED {
            return Err(refused(format!("of {topic}, at most {MOST_FOLLOWED} records are one range")));
        }
    }
    Ok(ranges)
}

/// The last applied position of each partition that has one.
fn applied_positions(checkpoints: &[Checkpoint]) -> Positions {
    checkpoints
        .iter()
        .filter(|checkpoint| checkpoint.next_offset > 0)
        .map(|checkpoint| Position {
            topic: checkpoint.topic.clone(),
            partition: checkpoint.partition,
            offset: checkpoint.next_offset - 1,
        })
        .collect()
}

fn shown(positions: &Positions) -> String {
    if positions.is_empty() { "nothing".to_owned() } else { positions.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_applied_position_lies_before_the_next() {
        let at = |partition, next_offset| Checkpoint {
            projection: "p".to_owned(),
            topic: "locations".to_owned(),
            partition,
            next_offset,
            appended_at: None,
        };
        assert_eq!(applied_positions(&[at(1, 5), at(0, 0)]).to_string(), "locations:1:4");
        assert_eq!(shown(&applied_positions(&[at(0, 0)])), "nothing");
    }
}
