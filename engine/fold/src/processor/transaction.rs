//! One Kafka transaction: facts, states, dead letters and offsets.
//!
//! A transactional id cannot begin anew before the markers of its last transaction are written everywhere, which takes
//! longer than the transaction itself. So two ids take turns: while the markers of one are being written the other one
//! works. A transaction is begun only when the one before it is committed, so what they write lies in their order, and
//! readers of committed records wait at the first that has no marker yet. Of the offsets the brokers keep the one that
//! was written last, whichever marker comes first.

use super::{contract::Processor, states::Written};
use crate::{
    dead_letter::{DeadLetter, refused},
    sessions::{Service, SessionError},
};
use foldstream_log::{
    Cause, Committed, Membership, TopicPartition, TransactionError, TransactionalOptions, TransactionalWriter,
};
use foldstream_log::{DEAD_LETTERS, DeadLettersEvent, Fact, Position, Positions, TopicEvent};
use std::{collections::HashMap, time::Duration};
use tokio::{task::spawn_blocking, time::timeout};

/// How long a transaction may take with everything that belongs to it. The client's calls have time-outs of their own,
/// but not all of them heed them.
const STUCK_AFTER: Duration = Duration::from_secs(90);

/// Writes transactions, each on a blocking thread.
pub(crate) struct Transactions {
    /// The one whose turn it is.
    writer: TransactionalWriter,
    other: TransactionalWriter,
}

/// What goes into a transaction.
pub(crate) struct Content<P: Processor> {
    pub(crate) facts: Vec<(Fact<P::Output>, Cause)>,
    pub(crate) states: Vec<Written<P::Changelog>>,
    pub(crate) dead_letters: Vec<DeadLetter>,
    /// Offsets to move, never none: they are the fence. With them, where what was read before has led to.
    pub(crate) offsets: HashMap<TopicPartition, Committed>,
    pub(crate) membership: Membership,
}

impl Transactions {
    /// Takes the transactional ids over; what their last holder left open is settled when this returns.
    pub(crate) async fn begin<P: Processor>(service: &Service) -> Result<Self, SessionError> {
        Ok(Self { writer: take_over::<P>(service, "a").await?, other: take_over::<P>(service, "b").await? })
    }

    /// Commits; gives the offsets with what they have led to now. After a failure nothing is known, and this is of no use
    /// any more.
    pub(crate) async fn commit<P: Processor>(
        self,
        content: Content<P>,
    ) -> Result<(Self, HashMap<TopicPartition, Committed>), SessionError> {
        let Self { mut writer, other } = self;
        let write = spawn_blocking(move || {
            let committed = write(&mut writer, content);
            (writer, committed)
        });
        let (writer, committed) = timeout(STUCK_AFTER, write).await.map_err(|_| SessionError::TransactionStuck)??;
        Ok((Self { writer: other, other: writer }, committed?))
    }
}

async fn take_over<P: Processor>(service: &Service, turn: &str) -> Result<TransactionalWriter, SessionError> {
    let mut record_types = P::Output::record_types();
    record_types.extend(P::Changelog::record_types());
    record_types.extend(DeadLettersEvent::RECORD_TYPES);
    let options = TransactionalOptions {
        source: P::NAME,
        transactional_id: format!("foldstream-{}-{}-{turn}", P::NAME, service.wire.instance),
        record_types,
        linger_ms: 0,
    };
    let writer = TransactionalWriter::connect(&service.wire, &service.registry, options).await?;
    Ok(spawn_blocking(move || writer.fence().map(|()| writer)).await??)
}

fn write<P: Processor>(
    writer: &mut TransactionalWriter,
    content: Content<P>,
) -> Result<HashMap<TopicPartition, Committed>, TransactionError> {
    writer.begin()?;
    for (fact, cause) in &content.facts {
        match fact {
            Fact::Event(event) => writer.append(event, cause)?,
            Fact::Tombstone { topic, key } => writer.append_tombstone(topic, key, cause)?,
        }
    }
    for Written { partition, record_key, record } in &content.states {
        match (record, P::Changelog::topics()) {
            (Some(record), _) => writer.append_state_to(*partition, record, P::FOLD_VERSION)?,
            (None, topics) => topics.iter().try_for_each(|topic| writer.end_state(topic, *partition, record_key))?,
        }
    }
    for letter in &content.dead_letters {
        let origin = Position {
            topic: letter.partition.topic.to_owned(),
            partition: letter.partition.partition,
            offset: letter.offset,
        };
        let refused = refused(P::NAME, letter, &origin);
        writer.append(&refused, &Cause { position: Some(origin), ..Cause::default() })?;
    }
    let mut offsets = content.offsets;
    lead_on::<P>(&mut offsets, &writer.written());
    writer.move_offsets(offsets.iter().map(|(partition, committed)| (*partition, committed)), &content.membership)?;
    writer.commit()?;
    Ok(offsets)
}

/// Notes with each offset where what was written lies: readers who wait for what they wrote follow it.
fn lead_on<P: Processor>(offsets: &mut HashMap<TopicPartition, Committed>, written: &Positions) {
    let states = P::Changelog::topics();
    for (partition, committed) in offsets {
        let follows = |position: &Position| {
            // A dead letter has a key of its own.
            let may_lie_elsewhere = !P::KEEPS_KEYS || position.topic == DEAD_LETTERS.name;
            !states.iter().any(|topic| topic.name == position.topic)
                && (may_lie_elsewhere || position.partition == partition.partition)
        };
        committed.led_to.extend(written.iter().filter(follows));
    }
}
