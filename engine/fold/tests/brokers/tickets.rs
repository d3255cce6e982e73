//! An aggregate that is asked by others: a ticket is booked and cancelled, and whoever asked is told on a topic of its own.

use crate::events::{
    Order, TICKET_OUTCOMES, TICKETS, TRIP_REPLIES, Ticket, TicketOutcomesEvent, TicketsStateEvent, TripRepliesEvent,
};
use chrono::{DateTime, Utc};
use foldstream_fold::{Aggregate, Answer, CommandDecided, Kept, Received, Rejection};
use foldstream_log::{Fact, Topic, events_of};
use std::borrow::Cow;
use uuid::Uuid;

/// What the name of a ticket begins with that cannot be had.
pub(crate) const SOLD_OUT: &str = "sold-out";

events_of! {
    pub(crate) enum TicketOutput {
        Happened(Ticket),
        Decided(TicketOutcomesEvent),
        Replied(TripRepliesEvent),
    }
}

pub(crate) struct Tickets;

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct State {
    is_booked: bool,
    last: (Uuid, DateTime<Utc>),
}

impl Aggregate for Tickets {
    type Command = Order;
    type Event = TicketOutput;
    type State = State;
    type Changelog = TicketsStateEvent;

    const NAME: &'static str = "tickets";
    const FOLD_VERSION: u32 = 1;
    const FACTS: &'static [&'static Topic] = &[&TICKETS, &TICKET_OUTCOMES];

    fn decide(state: &State, received: &Received<'_, Order>) -> Answer<TicketOutput> {
        let Order { parcel, occurred_at, text, .. } = received.command;
        match (text.as_str(), state.is_booked) {
            ("book", _) if parcel.starts_with(SOLD_OUT) => {
                Answer::Rejected(Rejection { rule: "sold_out", reason: Cow::Borrowed("there is none left") })
            }
            ("book", true) | ("cancel", false) => Answer::Unchanged,
            _ => {
                let (event_id, parcel, occurred_at) = (received.event_id(0), parcel.clone(), *occurred_at);
                Answer::Accepted(vec![Fact::Event(Ticket { event_id, parcel, occurred_at, text: text.clone() }.into())])
            }
        }
    }

    fn evolve(state: &mut State, event: &Fact<TicketOutput>) {
        let Fact::Event(TicketOutput::Happened(event)) = event else { return };
        state.last = (event.event_id, event.occurred_at);
        state.is_booked = event.text == "book";
    }

    fn content(command: &Order) -> String {
        command.text.clone()
    }

    fn outcome(decided: CommandDecided) -> TicketOutput {
        TicketOutcomesEvent::CommandDecided(decided.into()).into()
    }

    fn outcome_of(event: &TicketOutput) -> Option<CommandDecided> {
        match event {
            TicketOutput::Decided(TicketOutcomesEvent::CommandDecided(decided)) => Some(decided.clone().into()),
            TicketOutput::Happened(_) | TicketOutput::Replied(_) => None,
        }
    }

    fn reply(topic: &str, decided: CommandDecided) -> Option<TicketOutput> {
        (topic == TRIP_REPLIES.name).then(|| TripRepliesEvent::CommandDecided(decided.into()).into())
    }

    fn save(key: &str, kept: &Kept<State>) -> TicketsStateEvent {
        let State { is_booked, last } = &kept.state;
        kept.record(key, *last, vec![u8::from(*is_booked)]).into()
    }

    fn load(record: TicketsStateEvent) -> Kept<State> {
        let TicketsStateEvent::StateKept(record) = record;
        let last = (record.event_id, record.occurred_at);
        Kept::of(record, |bytes| State { is_booked: bytes == [1], last })
    }
}
