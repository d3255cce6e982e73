//! One Kafka transaction: facts, states, dead letters and offsets.
//!
//! A transactional id cannot begin anew before the markers of its last transaction are written everywhere, which takes
//! longer than the transaction itself. So two ids take turns: while the markers of one are being written the other one
//! works. A transaction is begun only when the one before it is committed, so what they write lies in their order, and
//! readers of committed records wait at the first that has no marker yet. Of the offsets the brokers keep the one that
//! was written last, whichever marker comes first.

use super::{Decider, deciding::Decided};
use crate::{DeadLetter, sessions::SessionError};
use foldstream_log::{
    Cause, Committed, Membership, TopicPartition, TransactionError, TransactionalOptions, TransactionalWriter,
};
use foldstream_log::{
    DeadLetterHeader, DeadLettersEvent, Fact, Position, Positions, RecordRefused, TopicEvent, derived_event_id,
};
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

/// What goes into a transaction besides the decided.
pub(crate) struct Frame {
    pub(crate) dead_letters: Vec<DeadLetter>,
    /// Offsets to move, never none: they are the fence. With them, where what was read before has led to.
    pub(crate) offsets: HashMap<TopicPartition, Committed>,
    pub(crate) membership: Membership,
}

impl Transactions {
    /// Takes the transactional ids over; what their last holder left open is settled when this returns.
    pub(crate) async fn begin<D: Decider>(service: &crate::Service) -> Result<Self, SessionError> {
        Ok(Self { writer: take_over::<D>(service, "a").await?, other: take_over::<D>(service, "b").await? })
    }

    /// Commits. After a failure nothing is known, and this is of no use any more.
    pub(crate) async fn commit<D: Decider>(
        self,
        decided: Decided<D>,
        frame: Frame,
    ) -> Result<(Self, Decided<D>, HashMap<TopicPartition, Committed>), SessionError> {
        let Self { mut writer, other } = self;
        let write = spawn_blocking(move || {
            let committed = write(&mut writer, &decided, frame);
            (writer, decided, committed)
        });
        let (writer, decided, committed) =
            timeout(STUCK_AFTER, write).await.map_err(|_| SessionError::TransactionStuck)??;
        Ok((Self { writer: other, other: writer }, decided, committed?))
    }
}

async fn take_over<D: Decider>(service: &crate::Service, turn: &str) -> Result<TransactionalWriter, SessionError> {
    let mut record_types = D::Output::record_types();
    record_types.extend(D::Changelog::record_types());
    record_types.extend(DeadLettersEvent::RECORD_TYPES);
    let options = TransactionalOptions {
        source: D::NAME,
        transactional_id: format!("foldstream-{}-{}-{turn}", D::NAME, service.wire.instance),
        record_types,
        linger_ms: 0,
    };
    let writer = TransactionalWriter::connect(&service.wire, &service.registry, options).await?;
    Ok(spawn_blocking(move || writer.fence().map(|()| writer)).await??)
}

fn write<D: Decider>(
    writer: &mut TransactionalWriter,
    decided: &Decided<D>,
    frame: Frame,
) -> Result<HashMap<TopicPartition, Committed>, TransactionError> {
    writer.begin()?;
    for (fact, cause) in &decided.facts {
        match fact {
            Fact::Event(event) => writer.append(event, cause)?,
            Fact::Tombstone { topic, key } => writer.append_tombstone(topic, key, cause)?,
        }
    }
    for state in decided.states.values() {
        writer.append_state(&D::save(state), D::FOLD_VERSION)?;
    }
    for letter in &frame.dead_letters {
        let origin = Position {
            topic: letter.partition.topic.to_owned(),
            partition: letter.partition.partition,
            offset: letter.offset,
        };
        let refused = refused(D::NAME, letter, &origin);
        writer.append(&refused, &Cause { position: Some(origin), traceparent: None })?;
    }
    let mut offsets = frame.offsets;
    lead_on::<D>(&mut offsets, &writer.written());
    writer.move_offsets(offsets.iter().map(|(partition, committed)| (*partition, committed)), &frame.membership)?;
    writer.commit()?;
    Ok(offsets)
}

/// Notes with each offset where what was written lies: readers who wait for what they wrote follow it.
fn lead_on<D: Decider>(offsets: &mut HashMap<TopicPartition, Committed>, written: &Positions) {
    let states = D::Changelog::topics();
    for (partition, committed) in offsets {
        let follows = |position: &Position| {
            !states.iter().any(|topic| topic.name == position.topic)
                && (!D::KEEPS_KEYS || position.partition == partition.partition)
        };
        committed.led_to.extend(written.iter().filter(follows));
    }
}

/// A dead letter as a record.
pub(crate) fn refused(service: &'static str, letter: &DeadLetter, origin: &Position) -> DeadLettersEvent {
    let DeadLetter { partition, offset, appended_at_ms, key, value, headers, reason } = letter;
    RecordRefused {
        event_id: derived_event_id(&format!("{service}/{origin}")),
        origin: origin.to_string(),
        occurred_at: chrono::DateTime::from_timestamp_millis(*appended_at_ms).unwrap_or_default(),
        service: service.to_owned(),
        topic: partition.topic.to_owned(),
        partition: partition.partition,
        offset: *offset,
        key: key.clone(),
        value: value.clone(),
        headers: headers
            .iter()
            .map(|(name, value)| DeadLetterHeader { name: name.clone(), value: value.clone() })
            .collect(),
        reason: reason.clone(),
    }
    .into()
}
