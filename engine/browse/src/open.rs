//! A stretch on its way: what the brokers answer is taken in, as far as there is room for it.
//!
//! Read oldest first, a stretch ends before what there was no room for. Read newest first, that would be its newest end; so it
//! is begun again, as a shorter one, and what was kept of it goes. Either way what is kept of it is all that is wanted there,
//! and never more than its room, or one record.

use crate::{
    batches::{BatchError, Batches, RecordView},
    brokers::BrowseError,
    offsets::Isolation,
    order::Order,
    record::Record,
    settled::refusal,
    stretch::{Gap, Intake, Read, Stretch, Times, Untold},
    uncompared::{Reason, Verdict},
};
use kafka_protocol::{ResponseError, messages::fetch_response::PartitionData};
use std::sync::atomic::Ordering;

/// Answers in a row that bring nothing of what must be there.
const FRUITLESS: u32 = 5;

pub(crate) struct Open {
    pub(crate) stretch: Stretch,
    /// What comes next of it.
    pub(crate) at: i64,
    times: Option<Times>,
    records: Vec<Record>,
    untold: Vec<Untold>,
    removed: Vec<Gap>,
    /// What the records take.
    kept: u64,
    /// What the brokers have sent of it.
    answered: u64,
    pub(crate) fruitless: u32,
}

/// Where there was no more room: behind how many offsets, and which part of them would have had it.
#[derive(Debug, Clone, Copy)]
struct Full {
    at: i64,
    room: u64,
    bytes: u64,
}

impl Open {
    pub(crate) fn at_the_start_of(stretch: Stretch) -> Self {
        let (records, untold, removed) = (Vec::new(), Vec::new(), Vec::new());
        Self { stretch, at: stretch.start, times: None, records, untold, removed, kept: 0, answered: 0, fruitless: 0 }
    }

    pub(crate) fn is_read(&self) -> bool {
        self.at >= self.stretch.end
    }

    pub(crate) fn into_read(self) -> Read {
        let Self { stretch, times, records, untold, removed, .. } = self;
        Read { stretch, times, records, untold, removed }
    }

    /// The stable part is fetched as committed, for only then a broker lists what was aborted.
    pub(crate) fn isolation(&self) -> Isolation {
        if self.at < self.stretch.stable_end { Isolation::Committed } else { Isolation::Uncommitted }
    }

    /// What was removed before it could be read: whoever reads on, reads on behind it.
    fn skip_to(&mut self, low: i64) {
        self.removed.push(Gap { partition: self.stretch.partition, from: self.at, to: low.min(self.stretch.end) });
        self.at = low;
    }

    /// Takes in what a broker answered; gives how many records were looked at.
    fn take_in(&mut self, topic: &str, batches: Batches, intake: &Intake) -> Result<u64, BatchError> {
        let (start, end, partition) = (self.at, self.stretch.end, self.stretch.partition);
        self.answered += batches.bytes.len() as u64;
        let (mut looked_at, mut full) = (0, None);
        let take = |record: RecordView<'_>| {
            looked_at += 1;
            if full.is_none() {
                full = self.take(&record, (topic, partition), intake);
            }
        };
        let read = batches.read(start, end, take, |_| {});
        match (full, read) {
            (Some(full), _) => self.cut(full, intake.room.order),
            (None, Ok(Some(next))) if next > start => {
                (self.at, self.fruitless) = (next, 0);
                let full = Full { at: next, room: intake.room.answered(), bytes: self.answered };
                if full.bytes > full.room && !self.is_read() {
                    self.cut(full, intake.room.order);
                }
            }
            (None, Ok(_)) => self.fruitless += 1,
            (None, Err(error)) => self.pass(&error).ok_or(error)?,
        }
        Ok(looked_at)
    }

    fn take(&mut self, record: &RecordView<'_>, (topic, partition): (&str, i32), intake: &Intake) -> Option<Full> {
        let verdict = (intake.keep)(record);
        if verdict == Verdict::Wanted {
            let record = Record { fetched: record.to_fetched(topic, partition), transaction: record.transaction };
            let (at, bytes) = (record.fetched.offset, self.kept.saturating_add(record.bytes() as u64));
            if bytes > intake.room.bytes && !self.records.is_empty() {
                return Some(Full { at, room: intake.room.bytes, bytes });
            }
            intake.looked.kept.fetch_add(bytes - self.kept, Ordering::Relaxed);
            self.kept = bytes;
            self.records.push(record);
        }
        let time = Times::at(record.timestamp_ms);
        self.times = Some(self.times.map_or(time, |times| times.and(time)));
        if let Verdict::Uncompared(reason) = verdict {
            let RecordView { offset, timestamp_ms, .. } = *record;
            self.untold.push(Untold { from: offset, to: offset + 1, timestamp_ms, reason });
        }
        None
    }

    fn cut(&mut self, full: Full, order: Order) {
        let Stretch { start, end, .. } = self.stretch;
        match order {
            Order::Oldest => (self.stretch.end, self.at) = (full.at, full.at),
            Order::Newest => {
                // About as many as there would have been room for; what lies at the other end may weigh more.
                let came = u128::from(full.at.abs_diff(start));
                let fits = u64::try_from(came * u128::from(full.room) / u128::from(full.bytes)).unwrap_or(u64::MAX);
                let length = i64::try_from(fits.min(end.abs_diff(start) / 2)).unwrap_or(i64::MAX).max(1);
                *self = Self::at_the_start_of(Stretch { start: end - length, ..self.stretch });
            }
        }
    }

    /// Goes on behind a batch that cannot be read, where it is known where that is: of its offsets nobody can tell what they
    /// hold.
    fn pass(&mut self, error: &BatchError) -> Option<()> {
        let to = error.next_offset.filter(|next| *next > self.at)?;
        let from = error.offset.max(self.at);
        // Some of its records may have been handed over before it was cut off.
        self.records.retain(|record| record.fetched.offset < from);
        self.untold.retain(|untold| untold.from < from);
        let timestamp_ms = self.times.map_or(0, |times| times.newest);
        let untold = Untold { from, to, timestamp_ms, reason: Reason::Unreadable };
        self.untold.extend(untold.within(&(from..self.stretch.end)));
        (self.at, self.fruitless) = (to, 0);
        Some(())
    }
}

/// Takes the answers into the stretches they belong to.
pub(crate) fn take_in(
    (topic, most_bytes): (&str, usize),
    mut open: Vec<Open>,
    answers: Vec<PartitionData>,
    intake: &Intake,
) -> Result<Vec<Open>, BrowseError> {
    for answer in answers {
        let partition = answer.partition_index;
        let Some(open) = open.iter_mut().find(|open| open.stretch.partition == partition) else { continue };
        if ResponseError::try_from_code(answer.error_code) == Some(ResponseError::OffsetOutOfRange) {
            let low = answer.log_start_offset;
            if low <= open.at {
                return Err(BrowseError::Moved { topic: topic.to_owned() });
            }
            open.skip_to(low);
            continue;
        }
        if let Some(error) = refusal(topic, "to give records", answer.error_code) {
            return Err(error);
        }
        let batches = Batches::of(answer, open.stretch.stable_end, most_bytes);
        let bytes = batches.bytes.len() as u64;
        let records = open.take_in(topic, batches, intake)?;
        intake.looked.records.fetch_add(records, Ordering::Relaxed);
        intake.looked.bytes.fetch_add(bytes, Ordering::Relaxed);
        if open.fruitless >= FRUITLESS {
            return Err(BrowseError::Moved { topic: topic.to_owned() });
        }
    }
    Ok(open)
}

#[cfg(test)]
mod tests;
