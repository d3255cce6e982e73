//! What records led to: the records that name them as their cause.
//!
//! A processor takes the records of a partition in order and writes in that order what follows from them, so wherever it
//! writes, the causes of one partition stand in rising order. The place is found as in a book: by looking at a few causes,
//! the newest first, and halving what is left; no clock is asked. From there the log is read up to the first later cause.

use crate::{
    batches::RecordView,
    brokers::{Brokers, BrowseError},
    budget::LookedAt,
    order::Order,
    scan::{STEP, Scan},
    stretch::Keep,
};
use foldstream_log::{CAUSE, FOLD_VERSION, FetchedRecord, Position, PositionRange, SOURCE, TopicPartition};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

/// How many records one search reads at most.
const MOST_RECORDS: i64 = 20_000;

/// The records found, in the order of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caused {
    pub records: Vec<FetchedRecord>,
    /// False when there may be more: time was up, or too much lies between.
    pub complete: bool,
    /// What was read from the brokers for it.
    pub looked_at: LookedAt,
}

impl Brokers {
    /// The records of a partition that this service wrote because of `causes`. What is in a transaction that is being
    /// finished is waited for.
    pub async fn caused_by(
        &self,
        service: &str,
        place: TopicPartition,
        causes: &PositionRange,
        patience: Duration,
    ) -> Result<Caused, BrowseError> {
        let TopicPartition { topic, partition } = place;
        let scan = Scan::new(self, (topic, partition), patience);
        let wanted = Wanted { source: format!("/foldstream/{service}"), causes: causes.clone() };
        let mut records = Vec::new();
        let complete = wanted.find(&scan, &mut records).await?;
        Ok(Caused { records, complete, looked_at: scan.looked.as_ref().into() })
    }
}

impl Wanted {
    /// Adds what is wanted; false when there may be more.
    async fn find(&self, scan: &Scan<'_>, found: &mut Vec<FetchedRecord>) -> Result<bool, BrowseError> {
        let mut range = scan.range().await?;
        // Where a transaction is not finished yet, a reader of committed records is told less.
        let end = range.high_watermark;
        let mut search = Search { wanted: self, log: scan, deadline: scan.deadline, left: MOST_RECORDS };
        let Some(mut start) = search.start(range.low, range.stable_end).await? else { return Ok(false) };
        loop {
            let stable = end.min(range.stable_end);
            match search.collect(start, stable, found).await? {
                Told::Later => return Ok(true),
                Told::Wanted | Told::Earlier if search.is_over() => return Ok(false),
                _ => start = stable,
            }
            if start >= end {
                return Ok(true);
            }
            range = scan.stable_up_to(end).await?;
            if range.stable_end <= start {
                return Ok(false);
            }
        }
    }
}

/// What is looked for.
struct Wanted {
    /// As `ce_source` has it.
    source: String,
    causes: PositionRange,
}

/// What the cause of a record tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    /// What is looked for lies behind it.
    Earlier,
    Wanted,
    /// What is looked for lies before it.
    Later,
}

impl Wanted {
    /// Nothing where the cause lies elsewhere.
    fn compare(&self, record: &FetchedRecord) -> Option<Told> {
        if record.text_header(SOURCE) != Some(&self.source) {
            return None;
        }
        // A state is of many records, and a topic of states holds nothing else.
        if record.text_header(FOLD_VERSION).is_some() {
            return Some(Told::Later);
        }
        let cause: Position = record.text_header(CAUSE)?.parse().ok()?;
        if cause.topic != self.causes.topic || cause.partition != self.causes.partition {
            return None;
        }
        Some(match cause.offset {
            offset if offset < self.causes.first => Told::Earlier,
            offset if offset > self.causes.last => Told::Later,
            _ => Told::Wanted,
        })
    }
}

/// The committed records of a partition.
trait Records {
    /// Those from `start` on, and where they end: at `end`, or before it where they are heavy.
    async fn between(&self, start: i64, end: i64) -> Result<(Vec<FetchedRecord>, i64), BrowseError>;
}

impl Records for Scan<'_> {
    async fn between(&self, start: i64, end: i64) -> Result<(Vec<FetchedRecord>, i64), BrowseError> {
        let keep: Keep = Arc::new(|record: &RecordView<'_>| record.transaction.is_none().into());
        let piece = self.read((start, end), Order::Oldest, keep).await?;
        Ok((piece.records, piece.end))
    }
}

struct Search<'a, R> {
    wanted: &'a Wanted,
    log: &'a R,
    deadline: Instant,
    /// How many records may still be read.
    left: i64,
}

impl<R: Records> Search<'_, R> {
    fn is_over(&self) -> bool {
        self.left <= 0 || Instant::now() >= self.deadline
    }

    /// An offset before which everything has an earlier cause, and not far behind which nothing has; none when that took
    /// too long.
    async fn start(&mut self, mut low: i64, mut high: i64) -> Result<Option<i64>, BrowseError> {
        let (mut back, mut is_between) = (STEP, false);
        while high - low > STEP {
            if self.is_over() {
                return Ok(None);
            }
            let middle = if is_between { low + (high - low) / 2 } else { low.max(high - back) };
            match self.first_earlier(middle, high).await? {
                Some(offset) => (low, is_between) = (offset + 1, true),
                None => (high, back) = (middle, back * 2),
            }
        }
        Ok(Some(low))
    }

    /// The offset of the first record of a stretch whose cause lies in that partition, where that is an earlier one.
    async fn first_earlier(&mut self, start: i64, end: i64) -> Result<Option<i64>, BrowseError> {
        let mut next = start;
        while next < end && !self.is_over() {
            let records;
            (records, next) = self.read(next, end.min(next + STEP)).await?;
            for record in records {
                if let Some(told) = self.wanted.compare(&record) {
                    return Ok((told == Told::Earlier).then_some(record.offset));
                }
            }
        }
        Ok(None)
    }

    /// Adds what is wanted, up to the first later cause; gives what the last cause told.
    async fn collect(&mut self, start: i64, end: i64, found: &mut Vec<FetchedRecord>) -> Result<Told, BrowseError> {
        let (mut next, mut last) = (start, Told::Earlier);
        while next < end && !self.is_over() {
            let records;
            (records, next) = self.read(next, end.min(next + STEP)).await?;
            for record in records {
                match self.wanted.compare(&record) {
                    Some(Told::Later) => return Ok(Told::Later),
                    Some(told) => {
                        last = told;
                        if told == Told::Wanted {
                            found.push(record);
                        }
                    }
                    None => {}
                }
            }
        }
        Ok(last)
    }

    async fn read(&mut self, start: i64, end: i64) -> Result<(Vec<FetchedRecord>, i64), BrowseError> {
        let (records, next) = self.log.between(start, end).await?;
        self.left -= next - start;
        Ok((records, next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(headers: &[(&str, &str)]) -> FetchedRecord {
        FetchedRecord {
            topic: "parcels".to_owned(),
            partition: 0,
            offset: 9,
            timestamp_ms: 0,
            key: None,
            value: None,
            headers: headers
                .iter()
                .map(|(name, value)| ((*name).to_owned(), Some(value.as_bytes().to_vec())))
                .collect(),
        }
    }

    fn wanted(causes: &str) -> Wanted {
        Wanted { source: "/depot/sorter".to_owned(), causes: causes.parse().unwrap() }
    }

    #[test]
    fn a_search_ends_at_the_first_later_cause_of_the_same_partition() {
        let wanted = wanted("parcel-commands:1:7-8");
        let told = |cause: &str| wanted.compare(&record(&[(SOURCE, &wanted.source), (CAUSE, cause)]));
        assert_eq!(told("parcel-commands:1:7"), Some(Told::Wanted));
        assert_eq!(told("parcel-commands:1:8"), Some(Told::Wanted));
        assert_eq!(told("parcel-commands:1:6"), Some(Told::Earlier));
        assert_eq!(told("parcel-commands:1:9"), Some(Told::Later));
        assert_eq!(told("parcel-commands:2:9"), None);
        assert_eq!(told("other-commands:1:7"), None);
        assert_eq!(told("nonsense"), None);
        let of_another = [(SOURCE, "/depot/door"), (CAUSE, "parcel-commands:1:7")];
        assert_eq!(wanted.compare(&record(&of_another)), None);
        let state = [(SOURCE, wanted.source.as_str()), (FOLD_VERSION, "1")];
        assert_eq!(wanted.compare(&record(&state)), Some(Told::Later));
        assert_eq!(wanted.compare(&record(&[])), None);
    }

    /// The causes of what lies at each offset, nothing where a mark or a gap lies; and how many are so heavy that no more are
    /// read at once.
    struct Log(Vec<Option<(i32, i64)>>, i64);

    impl Records for Log {
        async fn between(&self, start: i64, end: i64) -> Result<(Vec<FetchedRecord>, i64), BrowseError> {
            let end = end.min(start + self.1);
            let of = |offset: i64| {
                let (partition, cause) = (*self.0.get(usize::try_from(offset).unwrap())?)?;
                let cause = format!("parcel-commands:{partition}:{cause}");
                Some(FetchedRecord { offset, ..record(&[(SOURCE, "/depot/sorter"), (CAUSE, &cause)]) })
            };
            Ok(((start..end).filter_map(of).collect(), end))
        }
    }

    proptest! {
        /// However sparse the log is, whoever else writes to it, wherever it lies: exactly what was caused is found, and
        /// little is read for it.
        #[test]
        fn what_a_record_led_to_is_found_wherever_it_lies(
            steps in prop::collection::vec((0..3i32, 0..3i64, 0..4usize), 1..4000),
            asked in 0.0..1.0f64,
            width in 0..3i64,
            at_once in 1..2 * STEP,
        ) {
            let (mut causes, mut log) = ([0i64; 3], Vec::new());
            for (partition, step, gap) in steps {
                let cause = &mut causes[usize::try_from(partition).unwrap()];
                *cause += step;
                log.extend(std::iter::repeat_n(None, if gap == 3 { 9 } else { 0 }));
                log.push(Some((partition, *cause)));
            }
            #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "an offset of a test")]
            let first = (asked * causes[1] as f64) as i64;
            let wanted = wanted(&format!("parcel-commands:1:{first}-{}", first + width));
            let brute: Vec<i64> = (0i64..).zip(&log)
                .filter(|(_, place)| place.is_some_and(|(partition, cause)| partition == 1 && (first..=first + width).contains(&cause)))
                .map(|(offset, _)| offset)
                .collect();
            let (end, log) = (i64::try_from(log.len()).unwrap(), Log(log, at_once));
            let deadline = Instant::now() + Duration::from_secs(60);
            let mut search = Search { wanted: &wanted, log: &log, deadline, left: MOST_RECORDS };
            let mut found = Vec::new();
            tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
                let start = search.start(0, end).await.unwrap().unwrap();
                search.collect(start, end, &mut found).await.unwrap();
            });
            let found: Vec<i64> = found.into_iter().map(|record| record.offset).collect();
            prop_assert_eq!(found, brute);
            prop_assert!(MOST_RECORDS - search.left < 20 * STEP, "{} read", MOST_RECORDS - search.left);
        }
    }
}
