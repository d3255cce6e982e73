//! Process managers: sagas, one for each key, that send commands step by step and take back what was done where one fails.
//!
//! An event begins a saga. Each of its [`Step`]s is one command; the next follows when the one before is accepted (or was so
//! already). The outcome comes back by request and reply: every command names, in its header, the manager's own topic
//! ([`ProcessManager::REPLIES`]) and the saga, and the aggregate writes the outcome there in the very transaction that holds
//! what was decided. So a saga hears of each command exactly once, whoever is killed.
//!
//! - **Command ids** are of the saga and the step (UUID version 5). Whatever is sent again bears the same id, and the
//!   aggregate's memory of commands answers it as the first time.
//! - **Rejected**: the steps that were done are compensated, the last one first.
//! - **No answer in time**: nobody knows whether the step was done, so it is compensated too, before the others. What
//!   compensates must therefore be harmless where nothing was done. The limit is on the machine's clock; a manager that was
//!   away past it compensates.
//! - **Compensations** are named commands with the time limit of their step; without an answer they are sent again, as often
//!   as it takes. One that is rejected is named when the saga ends, and the others go on.
//!
//! A saga that has ended is gone, and what is still said about it is left alone. An event that begins one while it runs
//! begins none.
//!
//! A saga outlives versions: steps are kept by name and [`ProcessManager::Data`] as JSON, so whatever was kept once must be
//! readable. A saga that waits for a step that is no more halts its partition until a version runs that knows it.
//!
//! Not here: the loop it runs in, and why that is exactly once (`processor.rs`).

use crate::{
    processor::{
        Anew, Arrival, Cells, Decision, Due, EventTime, KeptCell, Processor, TimerFired, run_processor, state_record,
    },
    sessions::Service,
};
use chrono::{DateTime, TimeDelta, Utc};
use foldstream_log::{
    DeadLettersEvent, Fact, Flow, Recorded, ReplyTo, ServiceKind, Topic, TopicEvent, derived_event_id,
    generated::{CommandDecided, StateKept},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{marker::PhantomData, time::Duration};
use uuid::Uuid;

/// Leads sagas. All pure: no clock, no I/O, no randomness, no log.
pub trait ProcessManager: Send + Sync + 'static {
    /// The events that begin sagas, and the replies to commands: all keyed by saga.
    type Input: TopicEvent;
    /// Commands, and what is said of sagas that have ended.
    type Output: TopicEvent;
    /// Those of the output that are commands.
    type Command: TopicEvent + Into<Self::Output>;
    /// What a saga remembers.
    type Data: Clone + Serialize + DeserializeOwned + Send + Sync + 'static;
    /// The topic that keeps the sagas. It carries [`StateKept`] and nothing else.
    type Changelog: TopicEvent + From<StateKept>;

    /// Names the consumer group and the transactions; it never changes.
    const NAME: &'static str;
    /// Where the outcomes of its commands come back: one of the inputs' topics, with the engine's [`CommandDecided`].
    const REPLIES: &'static Topic;
    /// In their order.
    const STEPS: &'static [Step];

    /// What the saga that an event begins remembers; none where it begins none.
    fn begin(event: &Recorded<Self::Input>) -> Option<Self::Data>;

    /// The outcome that an input is.
    fn outcome(input: &Self::Input) -> Option<&CommandDecided>;

    /// The command of a step, or of a compensation. It must bear the id it is given.
    fn command(data: &Self::Data, request: &Request<'_>) -> Self::Command;

    /// What is said when a saga has ended, under this event id.
    fn ended(data: &Self::Data, end: &SagaEnd<'_>) -> Option<Self::Output>;

    /// The engine's record in a record of the changelog.
    fn kept(record: Self::Changelog) -> StateKept;
}

/// A step of a saga.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// It never changes.
    pub name: &'static str,
    /// How long its command, or its compensation, may go without an answer; a hundred years at most.
    pub time_limit: Duration,
    /// The name of what takes it back.
    pub compensation: Option<&'static str>,
}

/// A command that is to be made.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    pub saga: &'a str,
    /// Of a step, or of a compensation.
    pub name: &'static str,
    pub command_id: Uuid,
    pub at: DateTime<Utc>,
}

/// How a saga ended.
#[derive(Debug, Clone, Copy)]
pub struct SagaEnd<'a> {
    pub saga: &'a str,
    pub event_id: Uuid,
    pub at: DateTime<Utc>,
    /// None where every step was done.
    pub failure: Option<&'a Failure>,
}

/// Why a saga went back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    pub step: String,
    /// The rule it was rejected by; none where there was no answer in time.
    pub rule: Option<String>,
    pub reason: String,
    /// Compensations that were rejected.
    pub refused: Vec<String>,
}

/// Leads sagas until shutdown.
pub async fn run_process_manager<M: ProcessManager>(service: Service) {
    run_processor::<Leading<M>>(service).await;
}

/// What a process manager reads and writes, as its types say.
#[must_use]
pub fn process_manager_flow<M: ProcessManager>() -> Flow {
    Flow::of(M::NAME, ServiceKind::Processor)
        .reading::<M::Input>()
        .writing::<M::Output>()
        .writing::<M::Changelog>()
        .writing::<DeadLettersEvent>()
}

/// Where a saga stands.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Saga<D> {
    data: D,
    /// The steps that are to be compensated where one fails, oldest first; while it goes back, those that are left, and the
    /// last of them is under way.
    done: Vec<String>,
    /// The step that is under way; none while it goes back.
    step: Option<String>,
    failure: Option<Failure>,
    /// When what is under way has no answer in time.
    deadline: DateTime<Utc>,
}

/// No calendar ends within it.
const LONGEST_LIMIT: TimeDelta = TimeDelta::days(36_525);

fn deadline(at: DateTime<Utc>, time_limit: Duration) -> DateTime<Utc> {
    let limit = TimeDelta::from_std(time_limit).unwrap_or(LONGEST_LIMIT).min(LONGEST_LIMIT);
    at.checked_add_signed(limit).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// What becomes of a saga, and what is written.
type Moved<M> = (Option<Saga<<M as ProcessManager>::Data>>, Vec<Fact<<M as ProcessManager>::Output>>);

/// A process manager as the loop runs it: one cell for each saga.
struct Leading<M>(PhantomData<fn() -> M>);

const ONLY_CELL: &str = "";

impl<M: ProcessManager> Leading<M> {
    fn step(name: &str) -> Result<&'static Step, String> {
        let step = M::STEPS.iter().find(|step| step.name == name);
        step.ok_or_else(|| format!("a saga waits for the step {name:?}, and there is none"))
    }

    /// The id of a command, or of what is said of a saga.
    fn id(saga: &str, name: &str) -> Uuid {
        derived_event_id(&format!("{}/{saga}/{name}", M::NAME))
    }

    /// The name of what is under way, and how long it may take.
    fn under_way(saga: &Saga<M::Data>) -> Result<Option<(&'static str, Duration)>, String> {
        let (step, goes_back) = match (&saga.step, saga.done.last()) {
            (Some(step), _) => (Self::step(step)?, false),
            (None, Some(step)) => (Self::step(step)?, true),
            (None, None) => return Ok(None),
        };
        let name = if goes_back { step.compensation.unwrap_or(step.name) } else { step.name };
        Ok(Some((name, step.time_limit)))
    }

    /// Sends what is under way now, or ends the saga.
    fn send(key: &str, mut saga: Saga<M::Data>, at: DateTime<Utc>) -> Result<Moved<M>, String> {
        if let Some((name, time_limit)) = Self::under_way(&saga)? {
            saga.deadline = deadline(at, time_limit);
            let request = Request { saga: key, name, command_id: Self::id(key, name), at };
            let command = M::command(&saga.data, &request);
            return Ok((Some(saga), vec![Fact::Event(command.into())]));
        }
        let end = SagaEnd { saga: key, event_id: Self::id(key, "ended"), at, failure: saga.failure.as_ref() };
        Ok((None, M::ended(&saga.data, &end).map(Fact::Event).into_iter().collect()))
    }

    /// Takes the outcome of what is under way.
    fn answered(
        key: &str,
        mut saga: Saga<M::Data>,
        outcome: &CommandDecided,
        at: DateTime<Utc>,
    ) -> Result<Moved<M>, String> {
        let decision = outcome.first_decision.as_ref().unwrap_or(&outcome.decision);
        let is_done = decision != "rejected";
        match (saga.step.take(), is_done) {
            (Some(step), true) => {
                let next = M::STEPS.iter().skip_while(|other| other.name != step).nth(1);
                saga.step = next.map(|next| next.name.to_owned());
                saga.done.push(step);
                if saga.step.is_none() {
                    saga.done.clear();
                }
            }
            (Some(step), false) => {
                let (rule, reason) = (outcome.rule.clone(), outcome.reason.clone().unwrap_or_default());
                saga.failure = Some(Failure { step, rule, reason, refused: Vec::new() });
                Self::keep_compensated(&mut saga)?;
            }
            (None, _) => {
                let compensated = saga.done.pop();
                if let (false, Some(failure), Some(step)) = (is_done, &mut saga.failure, compensated) {
                    failure.refused.extend(Self::step(&step)?.compensation.map(str::to_owned));
                }
            }
        }
        Self::send(key, saga, at)
    }

    /// What is under way has no answer in time.
    fn late(key: &str, mut saga: Saga<M::Data>, at: DateTime<Utc>) -> Result<Moved<M>, String> {
        if let Some(step) = saga.step.take() {
            let reason = format!("no answer within {:?}", Self::step(&step)?.time_limit);
            saga.failure = Some(Failure { step: step.clone(), rule: None, reason, refused: Vec::new() });
            saga.done.push(step);
            Self::keep_compensated(&mut saga)?;
        }
        Self::send(key, saga, at)
    }

    /// Of the steps that were done, only those have to be taken back that can be.
    fn keep_compensated(saga: &mut Saga<M::Data>) -> Result<(), String> {
        let mut kept = Vec::new();
        for step in saga.done.drain(..) {
            if Self::step(&step)?.compensation.is_some() {
                kept.push(step);
            }
        }
        saga.done = kept;
        Ok(())
    }

    /// Takes what a saga has become.
    fn moved(cells: &mut Cells<'_, Saga<M::Data>>, moved: Result<Moved<M>, String>) -> Decision<M::Output> {
        let (saga, facts) = match moved {
            Ok(moved) => moved,
            Err(reason) => return Decision::Halt(reason),
        };
        match saga {
            Some(saga) => cells.set(ONLY_CELL, saga),
            None => cells.end(ONLY_CELL),
        }
        Decision::Emit(facts)
    }
}

impl<M: ProcessManager> Processor for Leading<M> {
    type Input = M::Input;
    type Output = M::Output;
    type State = Saga<M::Data>;
    type Changelog = M::Changelog;

    const NAME: &'static str = M::NAME;
    const KEEPS_KEYS: bool = false;
    // A saga goes on under every version.
    const FOLD_VERSION: u32 = 1;
    const EVENT_TIME: Option<EventTime> = None;
    const ANEW: Anew = Anew::Cut;

    fn take(cells: &mut Cells<'_, Saga<M::Data>>, input: &Arrival<'_, M::Input>) -> Decision<M::Output> {
        let (key, at) = (cells.key(), input.record.appended_at());
        let outcome = input.record.event.as_ref().and_then(M::outcome);
        let moved = match (cells.get(ONLY_CELL).cloned(), outcome) {
            (Some(saga), Some(outcome)) => match Self::under_way(&saga) {
                Ok(Some((name, _))) if outcome.command_id == Self::id(key, name) => {
                    Self::answered(key, saga, outcome, at)
                }
                Ok(_) => return Decision::Skip,
                Err(reason) => Err(reason),
            },
            (None, None) => match (M::begin(input.record), M::STEPS.first()) {
                (Some(data), Some(first)) => {
                    let step = Some(first.name.to_owned());
                    Self::send(key, Saga { data, done: Vec::new(), step, failure: None, deadline: at }, at)
                }
                _ => return Decision::Skip,
            },
            _ => return Decision::Skip,
        };
        Self::moved(cells, moved)
    }

    fn fire(cells: &mut Cells<'_, Saga<M::Data>>, timer: &TimerFired) -> Decision<M::Output> {
        let Some(saga) = cells.get(ONLY_CELL).cloned() else { return Decision::Skip };
        let moved = Self::late(cells.key(), saga, timer.due_at);
        Self::moved(cells, moved)
    }

    fn due(saga: &Saga<M::Data>) -> Due {
        Due::at_wall_time(saga.deadline)
    }

    fn reply_to(key: &str, fact: &Fact<M::Output>) -> Option<ReplyTo> {
        let Fact::Event(event) = fact else { return None };
        let topic = event.record_type().topic;
        let is_command = M::Command::topics().iter().any(|of_commands| of_commands.name == topic);
        is_command.then(|| ReplyTo { topic: M::REPLIES.name.to_owned(), key: key.to_owned() })
    }

    fn refusal(key: &str, cell: &str, saga: &Saga<M::Data>) -> Option<String> {
        match serde_json::to_vec(saga) {
            Ok(bytes) => state_record::refusal(key, cell, bytes.len()),
            Err(error) => Some(format!("the saga cannot be kept: {error}")),
        }
    }

    fn save(kept: &KeptCell<'_>, saga: &Saga<M::Data>) -> M::Changelog {
        // One that could not be written was refused.
        state_record::record(kept, serde_json::to_vec(saga).unwrap_or_default()).into()
    }

    fn load(record: M::Changelog) -> Result<Saga<M::Data>, String> {
        let StateKept { state_key, state, .. } = M::kept(record);
        serde_json::from_slice(&state).map_err(|error| format!("the saga {state_key:?}: {error}"))
    }
}

#[cfg(test)]
mod tests;
