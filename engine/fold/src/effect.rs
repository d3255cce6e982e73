//! The loop of an effect: topics -> the outside world, at least once.
//!
//! An effect hands each record to somebody who is not in our transactions: a mail server, a payment provider, a webhook.
//! Whether it arrived can be known only from the answer, so a record is delivered again until there is one. What comes
//! back is appended to a topic, as a command or a fact, for a fold to go on with.
//!
//! # Why nothing is lost
//!
//! One Kafka transaction holds, together: the answers, the dead letters, and the group's offsets with the progress of
//! each partition as their metadata. It is sent with the membership under which the partitions were assigned; that is
//! the fence, as for a decider. The progress says of every record whether it is settled: answered, or a dead letter. The
//! group's offset is the oldest record that is not. So:
//!
//! - **Killed before a delivery, or during it**: the record is not settled; the next owner delivers it.
//! - **Killed between the answer and the commit**: the same; the outside sees the record once more, with the same
//!   idempotency key, and its answer is appended once: of two transactions with it only one is committed.
//! - **Killed after the commit**: the record is settled and the answer is there. Neither happens again.
//! - **Commit answer lost**: the next session takes the transactional id over, which settles the transaction one way or
//!   the other before it asks for the progress.
//!
//! # Order, and who waits
//!
//! Of a key only the oldest unsettled record is out, and the next one goes out only when that is committed: no later
//! record of a key comes before an earlier one, and an earlier one does not come again after a later one, unless a
//! process lost its partitions without knowing. A key whose record waits for its next attempt holds back its own later
//! records and nobody else's; how often a record was tried, and when it is due, is part of the progress (what
//! was tried in the last second before a crash is not counted). What waits is
//! bounded per partition, in keys and in bytes. A partition that has no more room is read no further until there is
//! some, and the service says that it is degraded: the outside does not keep up, or is away.
//!
//! A topic of progress for each key was rejected: it would have to be restored, and it would carry a record for each
//! delivery, for the sake of more waiting keys than memory should hold anyhow.
//!
//! # What may be seen twice
//!
//! Every record that was out when its process died, lost its partitions or was stopped before the outside answered; and
//! every one whose attempt failed without it being known whether it had an effect. All of these bear the same
//! idempotency key each time: it is a function of the service and the event's id, so it is also the same when a dead
//! letter is redriven. A process that was frozen past its session may go on delivering until it asks the brokers for the
//! next thing; its commits are refused. An outside that heeds the key sees each record once.
//!
//! # Poison
//!
//! Bytes that are no event, a record the outside will never take, and one that failed as often as is declared go to the
//! topic `dead-letters` with their bytes and their origin, in the same transaction, and their key goes on. A record this
//! version does not know halts its partition.
//!
//! Not here: what is done outside (each effect's `deliver.rs`).

mod contract;
mod deliveries;
mod lane;
mod progress;
mod session;

pub use contract::{Attempt, Delivery, Effect, Retry, effect_flow};
pub use session::run_effect;
