//! What is asked about dead letters, done by the owner of their partition between its batches.
//!
//! A piece of a queue is one transaction. A piece that the store refuses for its data is tried again half as long, until
//! the one record is found. Why none is lost or applied twice is told in `projection.rs`.

use super::{
    contract::{Advance, Projection, RedriveRequest, Settled, Settlement, Store, StoreError},
    parking::KeyChange,
    refolding::{Refolded, refold},
    session::{Session, refusal},
};
use crate::{
    dead_letter::DeadLetter,
    decoding::{Decoded, decode_one},
    fetching::{headers, schemas_of_ids},
    sessions::SessionError,
};
use foldstream_log::{RawRecord, TopicPartition};
use foldstream_telemetry::names;
use std::time::{Duration, Instant};

const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Batches and rebalances wait no longer than this for a long queue.
const BUDGET: Duration = Duration::from_secs(1);
/// A transaction takes at most this many records.
const MOST_RECORDS: usize = 5_000;

/// Whether a request has more to be done.
enum Progress {
    Continues,
    Over,
}

impl<P, S> Session<'_, P, S>
where
    P: Projection,
    S: Store<P::Changes>,
{
    /// Looks once a second whether something is asked, and does it.
    pub(super) async fn serve_requests(&mut self) -> Result<(), SessionError> {
        if self.looked.elapsed() < LOOK_EVERY || self.next.is_empty() {
            return Ok(());
        }
        let started = Instant::now();
        let mut most_records = MOST_RECORDS;
        while started.elapsed() < BUDGET
            && !self.service.shutdown.is_cancelled()
            && let Some(request) = self.next_request(most_records).await?
        {
            most_records = self.answer(&request).await?;
        }
        self.looked = Instant::now();
        Ok(())
    }

    async fn next_request(&self, most_records: usize) -> Result<Option<RedriveRequest>, SessionError> {
        let mut waiting = self.waiting();
        let partitions: Vec<TopicPartition> = self.next.keys().copied().collect();
        loop {
            match self.store.next_request(Self::NAME, &partitions, most_records).await {
                Err(error @ StoreError::Unavailable { .. }) => waiting.for_store(&error).await?,
                other => return Ok(other?),
            }
        }
    }

    /// Does what is asked; gives how many records the next piece may have.
    async fn answer(&mut self, request: &RedriveRequest) -> Result<usize, SessionError> {
        let decoded = self.decode(request).await?;
        match self.settle(request, refold::<P>(request, &decoded)).await {
            Err(SessionError::Store(StoreError::BadData { .. })) if request.records.len() > 1 => {
                Ok(request.records.len() / 2)
            }
            Err(SessionError::Store(StoreError::BadData { code, source })) => {
                let reason = refusal(&code, source.as_ref());
                self.settle(request, Refolded::refused(reason)).await?;
                Ok(MOST_RECORDS)
            }
            Err(SessionError::Store(StoreError::Unparked { .. })) => {
                self.load_parked().await?;
                Ok(MOST_RECORDS)
            }
            // As short as it was: a bad record may still be ahead.
            Ok(Progress::Continues) => Ok(request.records.len().max(1)),
            Ok(Progress::Over) => Ok(MOST_RECORDS),
            Err(error) => Err(error),
        }
    }

    async fn decode(&self, request: &RedriveRequest) -> Result<Vec<Decoded<P::Event>>, SessionError> {
        let raw = |index: usize| {
            let record = request.records.get(index)?;
            Some(RawRecord {
                partition: request.partition,
                offset: record.offset,
                timestamp_ms: record.appended_at_ms,
                key: request.key.as_deref(),
                value: record.value.as_deref(),
                header: None,
                reply_to: None,
            })
        };
        let records: Vec<RawRecord<'_>> = (0..request.records.len()).filter_map(raw).collect();
        let ids = records.iter().filter_map(|record| record.schema_id()?.ok()).collect();
        let schemas = schemas_of_ids(&self.service.registry, ids, &mut self.waiting()).await?;
        Ok(records.iter().map(|record| decode_one(record, &schemas)).collect())
    }

    /// One transaction, tried again while the store is away.
    async fn settle(
        &mut self,
        request: &RedriveRequest,
        refolded: Refolded<P::Changes>,
    ) -> Result<Progress, SessionError> {
        let Some(stands) = self.next.get(&request.partition).copied() else { return Ok(Progress::Over) };
        let settled = match refolded.failed {
            Some(reason) => Settled::Failed(self.dead_letter(request, refolded.leaving, reason).await?),
            None if request.more => Settled::Continues,
            None => Settled::Emptied,
        };
        let fence = Advance { partition: request.partition, start: stands, end: stands, appended_at_ms: None };
        let Refolded { changes, leaving, applied, erased, .. } = refolded;
        let settlement = Settlement { request, changes, fence, leaving, erased, settled };
        let mut waiting = self.waiting();
        loop {
            match self.store.settle(Self::NAME, &settlement).await {
                Err(error @ StoreError::Unavailable { .. }) => waiting.for_store(&error).await?,
                Err(error) => return Err(error.into()),
                Ok(()) => break,
            }
        }
        self.settled(&settlement, applied);
        Ok(if settlement.settled == Settled::Continues { Progress::Continues } else { Progress::Over })
    }

    fn settled(&mut self, settlement: &Settlement<'_, P::Changes>, applied: usize) {
        let Settlement { request, settled, .. } = settlement;
        metrics::counter!(names::PROJECTION_RECORDS_TOTAL, "projection" => Self::NAME).increment(applied as u64);
        match settled {
            Settled::Continues => {}
            Settled::Emptied => {
                if let Some(key) = request.key.clone().filter(|_| request.parks) {
                    self.parked.change(&KeyChange { partition: request.partition, key, parked: false });
                    self.show_parked();
                }
                foldstream_telemetry::info!(
                    projection = Self::NAME,
                    dead_letter = request.dead_letter,
                    action = ?request.action,
                    "what was asked about a dead letter is done"
                );
            }
            Settled::Failed(letter) => foldstream_telemetry::warn!(
                projection = Self::NAME,
                dead_letter = request.dead_letter,
                kafka.topic = letter.partition.topic,
                kafka.partition = letter.partition.partition,
                kafka.offset = letter.offset,
                reason = letter.reason,
                "a record failed again"
            ),
        }
        self.report_health();
    }

    /// The record that failed, with its headers where it was parked without them.
    async fn dead_letter(
        &self,
        request: &RedriveRequest,
        leaving: usize,
        reason: String,
    ) -> Result<DeadLetter, SessionError> {
        let failed = leaving.checked_sub(1).and_then(|index| request.records.get(index));
        let offset = failed.map_or(request.offset, |record| record.offset);
        let headers = match offset == request.offset {
            true => Vec::new(),
            false => headers(&self.service.brokers, request.partition, offset, &mut self.waiting()).await?,
        };
        Ok(DeadLetter {
            partition: request.partition,
            offset,
            appended_at_ms: failed.map_or(0, |record| record.appended_at_ms),
            key: request.key.clone(),
            value: failed.and_then(|record| record.value.clone()),
            headers,
            reason,
        })
    }
}
