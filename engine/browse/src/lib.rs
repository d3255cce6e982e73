//! Looking into topics without being a consumer: exact, quick, and cheap for the brokers.
//!
//! | to do | use |
//! |---|---|
//! | the newest or oldest records that pass a filter, page by page | [`Browse::page`] |
//! | the records of a page once more, exactly | [`Browse::select`] |
//! | what is appended from now on, for many readers at once | [`Browse::listen`] |
//! | one record, or why there is none | [`Brokers::single`] |
//! | the records at some offsets, the last of a key | [`Brokers::records`], [`Brokers::last_of_key`] |
//! | which offsets there are | [`Brokers::ranges_of`] |
//! | which open transaction holds a partition back | [`Brokers::held_back`] |
//! | how a topic takes records | [`Browse::target`] |
//! | how far a processor is | [`Brokers::committed`] |
//! | what a record led to | [`Brokers::caused_by`] |
//! | every record that is appended from now on, without delay | [`Follower`] |
//!
//! It speaks the Kafka protocol itself, read only: no consumer group is joined, no offset committed, no topic created,
//! because the requests for it are not here. A client library could not do this: it answers with an approximation of
//! the end, drops what it fetched with every change of assignment, and does not tell an aborted record from another.

pub mod asking;
mod at_length;
mod batches;
mod brokers;
mod browse;
mod budget;
mod caused;
mod committed;
mod connection;
mod described;
mod feed;
mod fetch;
mod filter;
mod follower;
mod following;
mod held_back;
mod idle;
mod lane;
mod live;
mod memory;
mod offsets;
mod open;
mod order;
mod page;
mod place;
mod question;
mod record;
mod scan;
mod selection;
mod settings;
mod settled;
mod single;
mod stretch;
mod tail;
mod tails;
mod target;
mod topics;
mod uncompared;
mod undecided;
pub mod words;

pub use at_length::at_length;
pub use batches::{BatchError, RecordView, Transaction};
pub use brokers::{Brokers, BrowseError, Layout};
pub use browse::Browse;
pub use budget::{Budget, LookedAt, Spent};
pub use caused::Caused;
pub use connection::ConnectionError;
pub use described::look_up;
pub use feed::{Chunk, News, Offsets, TakenUp};
pub use filter::{Condition, Filter, PathsSeen, instant};
pub use follower::{Follower, Ready};
pub use held_back::HeldBack;
pub use lane::Covered;
pub use memory::Memory;
pub use offsets::{Isolation, Range};
pub use order::Order;
pub use page::{Expired, Page, PageError};
pub use place::{Place, PlaceIn, Times};
pub use question::Question;
pub use record::Record;
pub use selection::{Selected, Selection, SelectionError, Tally};
pub use single::Found;
pub use stretch::Gap;
pub use tail::{Back, Tail};
pub use target::{ANYWAY, TO, Target};
pub use topics::{
    Bytes, Counts, Group, GroupKind, GroupMember, GroupPartition, Groups, PartitionState, Setting, SettingSource,
    TopicState, TypeCount,
};
pub use uncompared::{Reason, Uncompared, Verdict, not_told};
pub use undecided::Undecided;
