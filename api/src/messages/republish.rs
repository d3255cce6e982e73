//! `POST /messages/republish`: records that pass a filter, or one by its position, appended once more as they were; to the
//! topic they lie on, or to another.
//!
//! In two steps. Without `confirm` nothing is written: the answer says what would be, and gives a token for exactly these
//! records, this question and this target. With it they are written, in one Kafka transaction, once however often it is
//! sent. The token is checked against mistakes and not against attackers, as cursors are: whoever could forge one could
//! as well ask for it. It is off unless a setting says so.

use super::{problem, question, single::record_at};
use crate::{
    config,
    http::{
        answer::json,
        cursor,
        limits::Client,
        names::CONFIRM,
        paging::{CURSOR, PageRequest},
        parameters::Parameters,
        place::PathPlace,
        problem::Problem,
    },
    state::Api,
};
use axum::{
    extract::State,
    http::{StatusCode, Uri},
    response::Response,
};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use foldstream_browse::{
    ANYWAY, BrowseError, Budget, Isolation, Order, Place, Question, Selection, SelectionError, Spent, TO, Tally,
    Target, Uncompared, Undecided, asking, words::Door,
};
use foldstream_log::{PositionRange, Republication, RepublishError, Republished, Republisher, Schemas, Violation};
use serde::Serialize;
use std::{sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

const MOST: u32 = 1000;
/// How long a confirmation is taken.
const TAKEN_FOR: TimeDelta = TimeDelta::minutes(10);
/// Only when no clock takes it any more it is forgotten that it was done.
const REMEMBERED_FOR: Duration = Duration::from_secs(4200);
const AS_GIVEN: &str = "is taken unchanged from an answer to the same question with the same target";

/// For the documentation: where to, and whether it is meant.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "read by the derive only")]
pub(crate) struct TargetParameters {
    /// The topic they are appended to; when not given the one they lie on
    to: Option<String>,
    /// `true`: also to a compacted topic, where an old record takes the place of what came since; and what is personal to
    /// another topic, where no erasure reaches it
    #[param(default = false)]
    anyway: Option<bool>,
    /// `confirm` of the answer without it: now it is done
    confirm: Option<String>,
}

/// For the documentation: which page.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "read by the derive only")]
pub(crate) struct PageParameters {
    /// How many at most
    #[param(minimum = 1, maximum = 1000, default = 1000)]
    limit: Option<u32>,
    /// Where to go on: `next` of the answer before
    cursor: Option<String>,
}

/// What would be written, or what was.
#[derive(Serialize, ToSchema)]
pub(crate) struct Answer {
    /// Absent when it was done
    #[serde(skip_serializing_if = "Option::is_none")]
    would: Option<Would>,
    /// Absent as long as it was not
    #[serde(skip_serializing_if = "Option::is_none")]
    written: Option<Written>,
}

/// What would be written.
#[derive(Serialize, ToSchema)]
pub(crate) struct Would {
    #[serde(flatten)]
    records: Records,
    /// Whether these are all that were asked for of what was looked at. If not, they cannot be republished: see `uncompared` and
    /// `unknown_paths`
    complete: bool,
    /// Which budget ended the look before its end: `next` goes on
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    spent: Option<Spent>,
    /// As in a page: records that the filter could not be held against
    #[serde(skip_serializing_if = "Uncompared::is_empty")]
    #[schema(value_type = Option<Object>)]
    uncompared: Uncompared,
    /// As in a page: paths that no schema on the way has
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    unknown_paths: Vec<String>,
    /// As in a page: offsets whose transaction is undecided. They are not republished
    #[schema(value_type = Vec<Object>)]
    undecided: Vec<Undecided>,
    /// Sent as the parameter `confirm`, with the same question, has it done. Null where there is nothing, or not all of it
    confirm: Option<String>,
    /// As long as that is taken
    confirm_until: Option<String>,
    /// The `cursor` of what follows; null when there is nothing more. It is republished by itself
    next: Option<String>,
}

/// What was written.
#[derive(Serialize, ToSchema)]
pub(crate) struct Written {
    #[serde(flatten)]
    records: Records,
    /// Where, in each partition from the first to the last; what others appended meanwhile may lie between. Empty where that was
    /// too much to remember, and it was done before
    #[schema(example = json!(["locations:3:1801-1834"]))]
    positions: Vec<String>,
    /// Whether it was done by an earlier request with this `confirm`, and not again
    before: bool,
}

/// Records, and where they go.
#[derive(Serialize, ToSchema)]
pub(crate) struct Records {
    #[schema(example = "locations")]
    from: String,
    #[schema(example = "locations")]
    to: String,
    count: u64,
    /// Of keys and values
    bytes: u64,
    /// The position of the first of them, by time
    #[schema(example = "locations:3:1729")]
    first: Option<String>,
    last: Option<String>,
}

/// Records appended once more, in two steps
///
/// Off unless `FOLDSTREAM_REPUBLISH=true`: 403. First without `confirm`: nothing is written, and the answer says what would
/// be, oldest first, at most 1,000 records a call. Then with it, within ten minutes: these records are appended in one Kafka
/// transaction, all or none; sent again, it answers what was done and does nothing. If one of them is gone by then, or
/// the target was made anew, it is 409. Bytes, keys and headers stay as they are, and a header `redrive_of` says where the
/// original lies. On the same topic a record goes to its own partition, on another where its key belongs. Only committed
/// records are republished.
#[utoipa::path(post, path = "/messages/republish", tag = "log", params(TargetParameters, PageParameters),
    responses((status = 200, description = "What would be written, or what was", body = Answer)))]
pub(crate) async fn republish(State(api): State<Api>, client: Client, uri: Uri) -> Result<Response, Problem> {
    let republisher = switched_on(&api)?;
    let mut parameters = question::parameters(&uri, Door::Republish);
    let mut question = question::read(&mut parameters);
    let page: PageRequest<Place> = PageRequest::read(&mut parameters, 1..=MOST, MOST);
    let target = TargetAsked::read(&mut parameters, &question.topic);
    let (scope, confirm) = (page.scope().to_owned(), Confirmation::read(&mut parameters, page.scope()));
    let cursor = parameters.text(CURSOR).map(str::to_owned);
    parameters.finish()?;
    (question.limit, question.order) = (page.limit as usize, Order::Oldest);
    question.after.clone_from(&page.after);
    let budget = api.clients.budget(&client)?;
    let asked = Asked { api, republisher, question, target, scope };
    match confirm {
        Some(confirmed) => asked.write(confirmed, &budget).await,
        None => asked.would(&budget, cursor.as_deref(), |next| page.cursor(next)).await,
    }
}

/// One record appended once more, in two steps
///
/// As `/messages/republish` does it with many.
#[utoipa::path(post, path = "/messages/{topic}/{partition}/{offset}/republish", tag = "log",
    params(("topic" = String, Path, example = "locations"), ("partition" = i32, Path, example = 3),
        ("offset" = i64, Path, example = 1729), TargetParameters),
    responses((status = 200, description = "What would be written, or what was", body = Answer)))]
pub(crate) async fn republish_one(
    State(api): State<Api>,
    client: Client,
    place: PathPlace,
    uri: Uri,
) -> Result<Response, Problem> {
    let republisher = switched_on(&api)?;
    let mut parameters = Parameters::read(&uri, question::TARGET);
    let position = place.read(&mut parameters);
    let target = TargetAsked::read(&mut parameters, &position.topic);
    let scope = format!("{}?{}&{}", parameters.path(), target.topic, target.anyway);
    let confirm = Confirmation::read(&mut parameters, &scope);
    parameters.finish()?;
    let budget = api.clients.budget(&client)?;
    let mut question = Question::newest(&position.topic, 1);
    (question.order, question.partitions) = (Order::Oldest, Some([position.partition].into()));
    if confirm.is_none() {
        record_at(&api, &budget, &position, Isolation::Committed).await?;
        let layout = api.parts.browse.brokers().layout(&position.topic).await?;
        question.after = Some(Place::of_one(layout.id, &position));
    }
    let asked = Asked { api, republisher, question, target, scope };
    match confirm {
        Some(confirmed) => asked.write(confirmed, &budget).await,
        // Of one record there is no next.
        None => asked.would(&budget, None, |_| String::new()).await,
    }
}

fn switched_on(api: &Api) -> Result<Republisher, Problem> {
    let setting = config::REPUBLISH;
    api.parts.republisher.clone().ok_or(Problem::SwitchedOff { what: "republishing", setting })
}

/// Where to.
struct TargetAsked {
    topic: String,
    anyway: bool,
}

impl TargetAsked {
    fn read(parameters: &mut Parameters, from: &str) -> Self {
        let to = parameters
            .text(TO)
            .map(|to| asking::topic(to).map_err(|found| Violation { field: TO.to_owned(), ..found }));
        let to = to.and_then(|to| parameters.check(to));
        let anyway = parameters.text(ANYWAY).map(|text| {
            text.parse().map_err(|_| Violation::new(ANYWAY, text, format!("{ANYWAY} is one of: true, false")))
        });
        let anyway = anyway.and_then(|anyway| parameters.check(anyway)).unwrap_or_default();
        Self { topic: to.unwrap_or_else(|| from.to_owned()), anyway }
    }
}

/// What is asked.
struct Asked {
    api: Api,
    republisher: Republisher,
    question: Question,
    target: TargetAsked,
    /// What a confirmation is for, besides the records.
    scope: String,
}

impl Asked {
    async fn would(
        self,
        budget: &Budget,
        cursor: Option<&str>,
        next: impl Fn(&Place) -> String,
    ) -> Result<Response, Problem> {
        let target = self.target().await?;
        let from = self.question.topic.clone();
        let schemas = Schemas::new(self.api.parts.registry.clone());
        let page = self.api.parts.browse.page(self.question, &schemas, budget).await;
        let page = page.map_err(|error| problem::of_page(error, cursor))?;
        let selection = Selection::of(&page);
        // A part would be taken for the whole.
        let is_whole = page.uncompared.is_empty() && page.unknown_paths.is_empty();
        let until = Utc::now() + TAKEN_FOR;
        let confirm = (is_whole && selection.count() > 0).then(|| {
            let confirmation =
                Confirmation { id: Uuid::new_v4(), until_ms: until.timestamp_millis(), target: target.id, selection };
            cursor::seal(&confirmation_scope(&self.scope), &confirmation)
        });
        let would = Would {
            records: Records::of(from, target.topic, page.tally()),
            complete: page.is_complete(),
            confirm_until: confirm.is_some().then(|| shown(until)),
            confirm,
            next: page.next.as_ref().map(next),
            spent: page.spent,
            uncompared: page.uncompared,
            unknown_paths: page.unknown_paths,
            undecided: page.undecided,
        };
        json(StatusCode::OK, &Answer { would: Some(would), written: None })
    }

    async fn write(self, confirmed: Confirmation, budget: &Budget) -> Result<Response, Problem> {
        confirmed.check(Utc::now())?;
        let target = self.target().await?;
        let changed = |what: String| Problem::Rejected(Violation::new(CONFIRM, confirmed.id, what));
        if target.id != confirmed.target {
            return Err(changed(format!("{} was made anew since: ask again without it", target.topic)));
        }
        let schemas = Schemas::new(self.api.parts.registry.clone());
        let selected = self.api.parts.browse.select(&self.question, &confirmed.selection, (&schemas, budget)).await;
        let selected = selected.map_err(|error| match error {
            SelectionError::Changed => changed(format!("{error}: ask again without it")),
            SelectionError::Page(error) => problem::of_page(error, None),
        })?;
        let tally = Tally::of(selected.records());
        // Whether that was too much is told to the next question.
        let _ = (budget.client)(tally.bytes);
        let Target { topic, partitions, max_batch_bytes, .. } = target;
        let republication = Republication { id: confirmed.id, topic: topic.clone(), partitions, max_batch_bytes };
        let republisher = self.republisher.clone();
        // It goes on to its end when the client does not wait for it.
        let done = tokio::task::spawn_blocking(move || republisher.republish(&republication, selected.records()));
        let done = done.await.map_err(|error| Problem::Internal { cause: Arc::new(error) })?;
        let Republished { ranges, before, .. } = done.map_err(of_republishing)?;
        if !before {
            tokio::spawn(forget(self.republisher, confirmed.id, self.api.parts.shutdown.clone()));
        }
        let written = Written {
            records: Records::of(self.question.topic, topic, tally),
            positions: ranges.iter().map(PositionRange::to_string).collect(),
            before,
        };
        json(StatusCode::OK, &Answer { would: None, written: Some(written) })
    }

    async fn target(&self) -> Result<Target, Problem> {
        let target = self.api.parts.browse.target(&self.target.topic, &self.question.topic).await;
        let target = target.map_err(|error| match error {
            BrowseError::UnknownTopic { topic } => {
                Problem::NotFound(Violation::new(TO, topic, "must be the name of a topic that exists"))
            }
            error => error.into(),
        })?;
        target.check(self.target.anyway).map_err(Problem::Rejected)?;
        Ok(target)
    }
}

impl Records {
    fn of(from: String, to: String, tally: Tally) -> Self {
        let Tally { count, bytes, first, last } = tally;
        let shown = |position: Option<foldstream_log::Position>| position.map(|position| position.to_string());
        Self { from, to, count, bytes, first: shown(first), last: shown(last) }
    }
}

/// What is asked for once more, and until when.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Confirmation {
    id: Uuid,
    until_ms: i64,
    /// The topic's id.
    target: Uuid,
    selection: Selection,
}

impl Confirmation {
    /// What was given, if anything was; what breaks a rule is noted.
    fn read(parameters: &mut Parameters, scope: &str) -> Option<Self> {
        let text = parameters.text(CONFIRM)?;
        let opened = cursor::open(&confirmation_scope(scope), text);
        let opened = opened.map_err(|_| Violation::new(CONFIRM, text, AS_GIVEN));
        parameters.check(opened)
    }

    fn check(&self, now: DateTime<Utc>) -> Result<(), Problem> {
        if now.timestamp_millis() <= self.until_ms {
            return Ok(());
        }
        let until = DateTime::from_timestamp_millis(self.until_ms).map(shown).unwrap_or_default();
        let rule = format!("was to be sent until {until}: ask again without it");
        Err(Problem::Gone(Violation::new(CONFIRM, self.id, rule)))
    }
}

fn shown(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn of_republishing(error: RepublishError) -> Problem {
    match error {
        RepublishError::TooLarge { ref topic, .. } | RepublishError::NotTaken { ref topic, .. }
            if !error.is_retriable() =>
        {
            Problem::Rejected(Violation::new(TO, topic, error.to_string()))
        }
        error => Problem::NotConfirmed { cause: Arc::new(error) },
    }
}

/// When nobody can confirm it any more.
async fn forget(republisher: Republisher, id: Uuid, shutdown: CancellationToken) {
    let later = shutdown.run_until_cancelled(tokio::time::sleep(REMEMBERED_FOR)).await;
    if later.is_some()
        && let Err(error) = republisher.forget(id).await
    {
        let error = &error as &dyn std::error::Error;
        foldstream_telemetry::info!(error, "that a republication was done is forgotten later, by the brokers");
    }
}

/// No cursor is a confirmation.
fn confirmation_scope(scope: &str) -> String {
    format!("{CONFIRM} {scope}")
}

impl cursor::Place for Confirmation {
    fn to_bytes(&self) -> Vec<u8> {
        let Self { id, until_ms, target, selection } = self;
        [id.as_bytes(), target.as_bytes(), until_ms.to_be_bytes().as_slice(), &selection.to_bytes()].concat()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (id, bytes) = bytes.split_first_chunk::<16>()?;
        let (target, bytes) = bytes.split_first_chunk::<16>()?;
        let (until_ms, selection) = bytes.split_first_chunk::<8>()?;
        Some(Self {
            id: Uuid::from_bytes(*id),
            until_ms: i64::from_be_bytes(*until_ms),
            target: Uuid::from_bytes(*target),
            selection: Selection::from_bytes(selection)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn confirmation(until_ms: i64) -> Confirmation {
        let position = "locations:3:1729".parse().unwrap();
        let place = Place::of_one(Uuid::from_u128(9), &position);
        let bytes = [&[1][..], Uuid::from_u128(7).as_bytes(), &place.to_bytes()].concat();
        let selection = Selection::from_bytes(&bytes).unwrap();
        Confirmation { id: Uuid::from_u128(1), until_ms, target: Uuid::from_u128(2), selection }
    }

    /// As a request with these parameters reads it.
    fn read(query: &str, text: &str) -> Option<Confirmation> {
        let given = format!("/messages/republish?{query}&{CONFIRM}={text}");
        let mut parameters = question::parameters(&given.parse().unwrap(), Door::Republish);
        let page: PageRequest<Place> = PageRequest::read(&mut parameters, 1..=MOST, MOST);
        Confirmation::read(&mut parameters, page.scope()).filter(|_| parameters.finish().is_ok())
    }

    fn token(query: &str, confirmation: &Confirmation) -> String {
        let given = format!("/messages/republish?{query}");
        let mut parameters = question::parameters(&given.parse().unwrap(), Door::Republish);
        let page: PageRequest<Place> = PageRequest::read(&mut parameters, 1..=MOST, MOST);
        cursor::seal(&confirmation_scope(page.scope()), confirmation)
    }

    fn words() -> impl Strategy<Value = Vec<(&'static str, String)>> {
        let words = vec!["topic", "to", "anyway", "key", "where", "since", "type", "partition", "contains"];
        prop::sample::subsequence(words, 1..5)
            .prop_flat_map(|names| names.into_iter().map(|name| (Just(name), "[a-z0-9=]{1,6}")).collect::<Vec<_>>())
    }

    fn query(words: &[(&str, String)]) -> String {
        words.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
    }

    proptest! {
        #[test]
        fn a_confirmation_is_for_these_words_and_no_others(words in words(), other in words()) {
            let confirmation = confirmation(5);
            let token = token(&query(&words), &confirmation);
            prop_assert_eq!(read(&query(&words), &token), Some(confirmation));
            prop_assume!(words != other);
            prop_assert_eq!(read(&query(&other), &token), None);
        }

        #[test]
        fn one_that_was_altered_is_none(at: prop::sample::Index, other in "[A-Za-z0-9_-]") {
            let token = token("topic=locations", &confirmation(5));
            let at = at.index(token.len());
            let altered = format!("{}{other}{}", &token[..at], &token[at + 1..]);
            prop_assume!(altered != token);
            prop_assert_eq!(read("topic=locations", &altered), None);
        }
    }

    #[test]
    fn how_many_and_where_on_is_said_by_the_confirmation_and_a_cursor_is_none() {
        let confirmation = confirmation(5);
        let token = token("topic=locations&limit=5", &confirmation);
        assert_eq!(read("topic=locations&limit=7", &token), Some(confirmation));
        let place = Place::of_one(Uuid::from_u128(9), &"locations:3:1729".parse().unwrap());
        assert_eq!(read("topic=locations", &cursor::seal("/messages/republish?topic=locations", &place)), None);
    }

    #[test]
    fn it_is_taken_up_to_its_time() {
        let at = |ms| DateTime::from_timestamp_millis(ms).unwrap();
        assert!(confirmation(1000).check(at(1000)).is_ok());
        let late = confirmation(1000).check(at(1001)).unwrap_err();
        assert_eq!(late.status(), 410);
        assert!(late.to_string().contains("1970-01-01T00:00:01.000Z"), "{late}");
    }
}
