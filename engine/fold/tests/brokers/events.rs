//! The events of these tests: nobody's but the tests'.

use chrono::{DateTime, Utc};
use foldstream_log::{
    Cleanup, MAX_RECORD_BYTES, RecordType, Topic, TopicEvent, Violation, Writers,
    generated::{
        COMMAND_DECIDED_RULES, COMMAND_DECIDED_SCHEMA, CommandDecided, STATE_KEPT_RULES, STATE_KEPT_SCHEMA, StateKept,
    },
    topic_events,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

/// A topic with one record type that has a key, and a text in which the tests say what they want.
macro_rules! topic {
    ($topic:ident = $name:literal carries $event:ident = $full_name:literal) => {
        pub(crate) static $topic: Topic = Topic {
            name: $name,
            key: "parcel",
            partitions: 3,
            cleanup: Cleanup::KeepAll,
            max_record_bytes: MAX_RECORD_BYTES,
            writers: Writers::Services(&["tests"]),
        };

        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        pub(crate) struct $event {
            pub(crate) event_id: Uuid,
            pub(crate) parcel: String,
            #[serde(with = "chrono::serde::ts_microseconds")]
            pub(crate) occurred_at: DateTime<Utc>,
            pub(crate) text: String,
        }

        impl $event {
            pub(crate) const RECORD_TYPE: RecordType = RecordType {
                topic: $name,
                full_name: concat!("foldstream.tests.", $full_name),
                key: "parcel",
                rules: &[],
                schema: concat!(
                    r#"{"type": "record", "namespace": "foldstream.tests", "name": ""#,
                    $full_name,
                    r#"", "fields": [
                    {"name": "event_id", "type": {"type": "string", "logicalType": "uuid"}},
                    {"name": "parcel", "type": "string"},
                    {"name": "occurred_at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
                    {"name": "text", "type": "string"}]}"#
                ),
            };
        }

        impl TopicEvent for $event {
            fn topics() -> &'static [&'static Topic] {
                static TOPICS: &[&Topic] = &[&$topic];
                TOPICS
            }

            fn record_types() -> Vec<&'static RecordType> {
                vec![&Self::RECORD_TYPE]
            }

            fn record_type(&self) -> &'static RecordType {
                &Self::RECORD_TYPE
            }

            fn key(&self) -> &str {
                &self.parcel
            }

            fn event_id(&self) -> Uuid {
                self.event_id
            }

            fn occurred_at(&self) -> DateTime<Utc> {
                self.occurred_at
            }

            fn check(&self) -> Result<(), Violation> {
                Ok(())
            }

            fn deserialize<'de, D: Deserializer<'de>>(
                _: &str,
                full_name: &str,
                from: D,
            ) -> Option<Result<Self, D::Error>> {
                (full_name == Self::RECORD_TYPE.full_name).then(|| Deserialize::deserialize(from))
            }

            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                Serialize::serialize(self, to)
            }
        }
    };
}

/// A compacted topic that carries the engine's record of states.
macro_rules! state_topic {
    ($topic:ident = $name:literal carries $events:ident) => {
        pub(crate) static $topic: Topic = Topic {
            name: $name,
            key: "state_key",
            partitions: 3,
            cleanup: Cleanup::Compact { max_lag_ms: 86_400_000 },
            max_record_bytes: MAX_RECORD_BYTES,
            writers: Writers::Services(&["tests"]),
        };

        topic_events! {
            $events on $topic {
                StateKept keyed by state_key: "foldstream.engine.StateKept", STATE_KEPT_SCHEMA, STATE_KEPT_RULES;
            }
        }
    };
}

/// A topic that carries the engine's record of outcomes.
macro_rules! outcome_topic {
    ($topic:ident = $name:literal carries $events:ident) => {
        pub(crate) static $topic: Topic = Topic {
            name: $name,
            key: "aggregate_id",
            partitions: 3,
            cleanup: Cleanup::KeepAll,
            max_record_bytes: MAX_RECORD_BYTES,
            writers: Writers::Services(&["tests"]),
        };

        topic_events! {
            $events on $topic {
                CommandDecided keyed by aggregate_id:
                    "foldstream.engine.CommandDecided", COMMAND_DECIDED_SCHEMA, COMMAND_DECIDED_RULES;
            }
        }
    };
}

topic!(PARCELS = "parcels" carries Parcel = "Parcel");
topic!(RECEIPTS = "receipts" carries Receipt = "Receipt");
topic!(VISITS = "visits" carries Visit = "Visit");
topic!(COUNTS = "counts" carries Count = "Count");
state_topic!(COUNTS_STATE = "counts-state" carries CountsStateEvent);
topic!(SCANS = "scans" carries Scan = "Scan");
topic!(STOPS = "stops" carries Stop = "Stop");
topic!(LOCKER_COMMANDS = "locker-commands" carries LockerCommand = "LockerCommand");
topic!(LOCKERS = "lockers" carries Locker = "Locker");
state_topic!(LOCKERS_STATE = "lockers-state" carries LockersStateEvent);

topic!(TRIPS = "trips" carries Trip = "Trip");
topic!(TRIP_ENDS = "trip-ends" carries TripEnd = "TripEnd");
state_topic!(TRIPS_STATE = "trips-state" carries TripsStateEvent);
topic!(ORDERS = "orders" carries Order = "Order");
topic!(LOST_ORDERS = "lost-orders" carries Lost = "Lost");
topic!(TICKETS = "tickets" carries Ticket = "Ticket");
state_topic!(TICKETS_STATE = "tickets-state" carries TicketsStateEvent);
outcome_topic!(LOCKER_OUTCOMES = "locker-outcomes" carries LockerOutcomesEvent);
outcome_topic!(TICKET_OUTCOMES = "ticket-outcomes" carries TicketOutcomesEvent);
outcome_topic!(TRIP_REPLIES = "trip-replies" carries TripRepliesEvent);

pub(crate) static TOPICS: &[&Topic] = &[
    &PARCELS,
    &RECEIPTS,
    &VISITS,
    &COUNTS,
    &COUNTS_STATE,
    &SCANS,
    &STOPS,
    &LOCKER_COMMANDS,
    &LOCKERS,
    &LOCKERS_STATE,
    &LOCKER_OUTCOMES,
    &TRIPS,
    &TRIP_ENDS,
    &TRIPS_STATE,
    &ORDERS,
    &LOST_ORDERS,
    &TICKETS,
    &TICKETS_STATE,
    &TICKET_OUTCOMES,
    &TRIP_REPLIES,
];

/// All that these topics carry.
pub(crate) fn record_types() -> Vec<&'static RecordType> {
    [
        Parcel::record_types(),
        Receipt::record_types(),
        Visit::record_types(),
        Count::record_types(),
        CountsStateEvent::record_types(),
        Scan::record_types(),
        Stop::record_types(),
        LockerCommand::record_types(),
        Locker::record_types(),
        LockersStateEvent::record_types(),
        LockerOutcomesEvent::record_types(),
        Trip::record_types(),
        TripEnd::record_types(),
        TripsStateEvent::record_types(),
        Order::record_types(),
        Lost::record_types(),
        Ticket::record_types(),
        TicketsStateEvent::record_types(),
        TicketOutcomesEvent::record_types(),
        TripRepliesEvent::record_types(),
    ]
    .concat()
}
