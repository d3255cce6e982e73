//! A process manager: a trip is a seat and a meal. The meal of some trips is ordered where nobody listens.

use crate::{
    events::{Lost, Order, TRIP_REPLIES, Trip, TripEnd, TripRepliesEvent, TripsStateEvent},
    tickets::SOLD_OUT,
};
use foldstream_fold::{ProcessManager, Request, SagaEnd, SagaStep};
use foldstream_log::{
    Recorded, Topic, events_of,
    generated::{CommandDecided, StateKept},
};
use std::time::Duration;

/// What the text of a trip is whose meal cannot be had, or whose order for one is lost.
pub(crate) const NO_MEAL: &str = "no meal";
pub(crate) const LOST_ORDER: &str = "lost order";

events_of! {
    pub(crate) enum TripInput { Began(Trip), Replied(TripRepliesEvent) }
}

events_of! {
    pub(crate) enum TripCommand { Order(Order), Lost(Lost) }
}

events_of! {
    pub(crate) enum TripOutput { Order(Order), Lost(Lost), Ended(TripEnd) }
}

impl From<TripCommand> for TripOutput {
    fn from(command: TripCommand) -> Self {
        match command {
            TripCommand::Order(order) => Self::Order(order),
            TripCommand::Lost(lost) => Self::Lost(lost),
        }
    }
}

pub(crate) struct Trips;

impl ProcessManager for Trips {
    type Input = TripInput;
    type Output = TripOutput;
    type Command = TripCommand;
    /// The text of the trip.
    type Data = String;
    type Changelog = TripsStateEvent;

    const NAME: &'static str = "trips";
    const REPLIES: &'static Topic = &TRIP_REPLIES;
    const STEPS: &'static [SagaStep] = &[
        SagaStep { name: "seat", time_limit: Duration::from_secs(120), compensation: Some("cancel-seat") },
        SagaStep { name: "meal", time_limit: Duration::from_secs(8), compensation: Some("cancel-meal") },
    ];

    fn begin(event: &Recorded<TripInput>) -> Option<String> {
        match &event.event {
            Some(TripInput::Began(trip)) => Some(trip.text.clone()),
            _ => None,
        }
    }

    fn outcome(input: &TripInput) -> Option<&CommandDecided> {
        match input {
            TripInput::Replied(TripRepliesEvent::CommandDecided(decided)) => Some(decided),
            TripInput::Began(_) => None,
        }
    }

    fn command(data: &String, request: &Request<'_>) -> TripCommand {
        let (event_id, occurred_at) = (request.command_id, request.at);
        let (text, of) = match request.name.split_once('-') {
            Some((cancel, of)) => (cancel.to_owned(), of),
            None => ("book".to_owned(), request.name),
        };
        let parcel = match data.as_str() {
            NO_MEAL if of == "meal" => format!("{SOLD_OUT}-{}-{of}", request.saga),
            _ => format!("{}-{of}", request.saga),
        };
        if data == LOST_ORDER && request.name == "meal" {
            return Lost { event_id, parcel, occurred_at, text }.into();
        }
        Order { event_id, parcel, occurred_at, text }.into()
    }

    fn ended(_: &String, end: &SagaEnd<'_>) -> Option<TripOutput> {
        let text = match end.failure {
            None => "done".to_owned(),
            Some(failure) => format!("{} {}", failure.step, failure.rule.as_deref().unwrap_or("late")),
        };
        Some(TripEnd { event_id: end.event_id, parcel: end.saga.to_owned(), occurred_at: end.at, text }.into())
    }

    fn kept(record: TripsStateEvent) -> StateKept {
        let TripsStateEvent::StateKept(kept) = record;
        kept
    }
}
