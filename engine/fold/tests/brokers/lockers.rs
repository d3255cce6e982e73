//! An aggregate with a timer on event time: a locker is open for a while, takes parcels while it is, and closes by the time
//! of the commands, never by the clock.

use crate::events::{LOCKERS, Locker, LockerCommand, LockerOutcomesEvent, LockersStateEvent};
use chrono::{DateTime, TimeDelta, Utc};
use foldstream_fold::{Aggregate, Answer, CommandDecided, Due, EventTime, Kept, Received, Rejection, TimerFired};
use foldstream_log::{Fact, Topic, events_of};
use std::{borrow::Cow, time::Duration};
use uuid::Uuid;

pub(crate) const LATENESS_MS: i64 = 200;
/// What the name of a locker begins with whose timer fails.
pub(crate) const JAMMED: &str = "jammed";

events_of! {
    pub(crate) enum LockerOutput { Happened(Locker), Decided(LockerOutcomesEvent) }
}

pub(crate) struct Lockers;

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct State {
    open_until: Option<DateTime<Utc>>,
    parcels: u32,
    last: (Uuid, DateTime<Utc>),
}

impl Aggregate for Lockers {
    type Command = LockerCommand;
    type Event = LockerOutput;
    type State = State;
    type Changelog = LockersStateEvent;

    const NAME: &'static str = "lockers";
    const FOLD_VERSION: u32 = 1;
    const FACTS: &'static [&'static Topic] = &[&LOCKERS];
    const EVENT_TIME: Option<EventTime> = Some(EventTime::with_lateness(Duration::from_millis(LATENESS_MS as u64)));

    fn decide(state: &State, received: &Received<'_, LockerCommand>) -> Answer<LockerOutput> {
        let LockerCommand { parcel, occurred_at, text, .. } = received.command;
        let happened = |text: &str| {
            let (event_id, parcel, occurred_at) = (received.event_id(0), parcel.clone(), *occurred_at);
            Answer::Accepted(vec![Fact::Event(Locker { event_id, parcel, occurred_at, text: text.to_owned() }.into())])
        };
        match (text.as_str(), state.open_until) {
            ("put", Some(_)) => happened("put"),
            ("put", None) => Answer::Rejected(Rejection { rule: "closed", reason: Cow::Borrowed("it is closed") }),
            (open, None) => happened(open),
            (_, Some(_)) => Answer::Unchanged,
        }
    }

    fn due(state: &State) -> Due {
        Due { event_time: state.open_until, ..Due::default() }
    }

    fn wake(state: &State, timer: &TimerFired) -> Result<Vec<Fact<LockerOutput>>, String> {
        if timer.key.starts_with(JAMMED) {
            return Err("it is jammed".to_owned());
        }
        let (event_id, parcel, occurred_at) = (timer.fact_id(0), timer.key.clone(), timer.due_at);
        let text = format!("closed {}", state.parcels);
        Ok(vec![Fact::Event(Locker { event_id, parcel, occurred_at, text }.into())])
    }

    fn evolve(state: &mut State, event: &Fact<LockerOutput>) {
        let Fact::Event(LockerOutput::Happened(event)) = event else { return };
        state.last = (event.event_id, event.occurred_at);
        match event.text.split_once(' ') {
            Some(("open", ms)) => {
                state.open_until = Some(event.occurred_at + TimeDelta::milliseconds(ms.parse().unwrap()));
                state.parcels = 0;
            }
            Some(_) => state.open_until = None,
            None => state.parcels += 1,
        }
    }

    fn content(command: &LockerCommand) -> String {
        command.text.clone()
    }

    fn outcome(decided: CommandDecided) -> LockerOutput {
        LockerOutcomesEvent::CommandDecided(decided.into()).into()
    }

    fn outcome_of(event: &LockerOutput) -> Option<CommandDecided> {
        match event {
            LockerOutput::Happened(_) => None,
            LockerOutput::Decided(LockerOutcomesEvent::CommandDecided(decided)) => Some(decided.clone().into()),
        }
    }

    fn save(key: &str, kept: &Kept<State>) -> LockersStateEvent {
        let State { open_until, parcels, last } = &kept.state;
        let until = open_until.map(|until| until.timestamp_micros().to_string()).unwrap_or_default();
        kept.record(key, *last, format!("{until},{parcels}").into_bytes()).into()
    }

    fn load(record: LockersStateEvent) -> Kept<State> {
        let LockersStateEvent::StateKept(record) = record;
        let last = (record.event_id, record.occurred_at);
        Kept::of(record, |bytes| {
            let (until, parcels) = std::str::from_utf8(bytes).unwrap().split_once(',').unwrap();
            let open_until = until.parse().ok().and_then(DateTime::from_timestamp_micros);
            State { open_until, parcels: parcels.parse().unwrap(), last }
        })
    }
}
