//! What is appended to a topic, as a row that any number of readers walk along.
//!
//! What comes is kept for a while as chunks in the order of arrival, and each reader walks that row by itself, so nothing is
//! kept for a reader. One that is too slow finds the row cut off behind it, and is told which offsets it missed.

use crate::{memory::Held, record::Record, stretch::Gap, undecided::Undecided};
use foldstream_telemetry::names;
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::sync::{OnceCell, watch};
use uuid::Uuid;

/// What is kept of a topic for readers that are behind, and of all topics together.
const ROW_BYTES: usize = 32 * 1024 * 1024;
const ROWS_BYTES: usize = 64 * 1024 * 1024;
/// Transactions are undecided while they are written; only of one that lasts longer than this readers are told.
const HELD_FOR: Duration = Duration::from_secs(2);

/// Where a reader stands: of each partition the offset that comes next. Of one whose leader could not be asked yet, it is the
/// time from which on it is followed, in milliseconds since 1970, negated.
pub type Offsets = BTreeMap<i32, i64>;

/// Where a partition is gone on with whose leader could not be asked when somebody began to listen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct TakenUp {
    pub partition: i32,
    pub from: i64,
}

/// What came together.
#[derive(Debug)]
pub struct Chunk {
    /// Of these, what follows is shown from now on.
    pub taken_up: Vec<TakenUp>,
    /// What was removed before it could be read, or cannot be read.
    pub missed: Vec<Gap>,
    pub records: Vec<Record>,
    /// Where a reader stands before the first of them.
    pub before: Offsets,
    bytes: usize,
    rendered: OnceCell<bytes::Bytes>,
    /// The memory it takes, where it is one reader's alone.
    _held: Option<Held>,
}

#[derive(Debug)]
pub enum News {
    Chunk(Arc<Chunk>),
    Gap(Vec<Gap>),
    /// What newer records wait, of all partitions; none any more where there are none.
    Undecided(Vec<Undecided>),
}

impl Chunk {
    pub(crate) fn new(arrived: Arrived, before: Offsets, held: Option<Held>) -> Self {
        let Arrived { taken_up, missed, records, .. } = arrived;
        let bytes = records.iter().map(Record::bytes).sum();
        Self { taken_up, missed, records, before, bytes, rendered: OnceCell::new(), _held: held }
    }

    /// The chunk as it is sent to every reader who wants all of it; made once.
    pub async fn rendered<F: Future<Output = bytes::Bytes>>(&self, render: impl FnOnce() -> F) -> bytes::Bytes {
        self.rendered.get_or_init(render).await.clone()
    }

    /// Where a reader stands behind the last of them.
    fn after(&self) -> Offsets {
        let mut at = self.begun();
        let missed = self.missed.iter().map(|gap| (gap.partition, gap.to));
        let shown = self.records.iter().map(|record| (record.fetched.partition, record.fetched.offset + 1));
        for (partition, behind) in missed.chain(shown) {
            let at = at.entry(partition).or_insert(behind);
            *at = behind.max(*at);
        }
        at
    }

    /// Each record with where a reader stands behind it.
    pub fn steps(&self) -> impl Iterator<Item = (&Record, Offsets)> {
        let mut at = self.begun();
        self.records.iter().map(move |record| {
            at.insert(record.fetched.partition, record.fetched.offset + 1);
            (record, at.clone())
        })
    }

    fn begun(&self) -> Offsets {
        let mut at = self.before.clone();
        at.extend(self.taken_up.iter().map(|taken_up| (taken_up.partition, taken_up.from)));
        at
    }
}

/// What one answer of a leader brought.
#[derive(Debug, Default)]
pub(crate) struct Arrived {
    pub(crate) taken_up: Vec<TakenUp>,
    pub(crate) missed: Vec<Gap>,
    pub(crate) records: Vec<Record>,
    /// Where those partitions are gone on with.
    pub(crate) moved: Offsets,
    /// Of each partition that was asked for, what waits behind its last stable offset; nothing where they are equal.
    pub(crate) stable: Vec<Undecided>,
}

/// How many rows there are in a process.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rows(Arc<AtomicUsize>);

impl Rows {
    fn bytes_each(&self) -> usize {
        ROW_BYTES.min(ROWS_BYTES / self.0.load(Ordering::Relaxed).max(1))
    }
}

/// A topic that is followed.
#[derive(Debug)]
pub(crate) struct Feed {
    pub(crate) topic_id: Uuid,
    rows: Rows,
    row: Mutex<Row>,
    /// The number of the next chunk.
    newest: watch::Sender<u64>,
    /// What has been undecided for long.
    undecided: watch::Sender<Vec<Undecided>>,
}

#[derive(Debug)]
struct Row {
    chunks: VecDeque<Arc<Chunk>>,
    /// The number of the first of them.
    first: u64,
    bytes: usize,
    /// Behind the last of them.
    at: Offsets,
    /// What waits behind the last stable offset of a partition, and since when it is there.
    undecided: BTreeMap<i32, (Undecided, Instant)>,
    /// The topic is gone, and nothing will follow.
    ended: bool,
}

/// A place in the row.
#[derive(Debug)]
pub(crate) struct Listener {
    feed: Arc<Feed>,
    newest: watch::Receiver<u64>,
    undecided: watch::Receiver<Vec<Undecided>>,
    next: u64,
    /// Where this reader stands.
    pub(crate) at: Offsets,
}

impl Feed {
    pub(crate) fn new(topic_id: Uuid, at: Offsets, rows: Rows) -> Arc<Self> {
        rows.0.fetch_add(1, Ordering::Relaxed);
        let undecided = BTreeMap::new();
        let row = Mutex::new(Row { chunks: VecDeque::new(), first: 0, bytes: 0, at, undecided, ended: false });
        Arc::new(Self { topic_id, rows, row, newest: watch::Sender::new(0), undecided: watch::Sender::default() })
    }

    fn row(&self) -> MutexGuard<'_, Row> {
        self.row.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.row().ended
    }

    /// Behind the last chunk.
    pub(crate) fn at(&self) -> Offsets {
        self.row().at.clone()
    }

    pub(crate) fn listener(self: Arc<Self>) -> Listener {
        let (newest, mut undecided) = (self.newest.subscribe(), self.undecided.subscribe());
        if !undecided.borrow().is_empty() {
            undecided.mark_changed();
        }
        let (next, at) = {
            let row = self.row();
            (row.first + row.chunks.len() as u64, row.at.clone())
        };
        metrics::gauge!(names::BROWSE_TAILS).increment(1);
        Listener { feed: self, newest, undecided, next, at }
    }

    /// Other leaders append meanwhile, to other partitions: so it begins where the row ends now.
    pub(crate) fn append(&self, mut arrived: Arrived) {
        let mut row = self.row();
        let before = row.at.clone();
        row.at.extend(std::mem::take(&mut arrived.moved));
        row.at.extend(arrived.taken_up.iter().map(|taken_up| (taken_up.partition, taken_up.from)));
        let undecided = row.note(std::mem::take(&mut arrived.stable), Instant::now());
        let is_news = !(arrived.records.is_empty() && arrived.missed.is_empty() && arrived.taken_up.is_empty());
        if is_news {
            let chunk = Chunk::new(arrived, before, None);
            row.bytes += chunk.bytes;
            row.chunks.push_back(Arc::new(chunk));
        }
        // What came last is never cut off at once: nobody would have had a chance to see it.
        while row.bytes > self.rows.bytes_each()
            && row.chunks.len() > 1
            && let Some(oldest) = row.chunks.pop_front()
        {
            row.bytes -= oldest.bytes;
            row.first += 1;
        }
        let next = row.first + row.chunks.len() as u64;
        drop(row);
        if is_news {
            self.newest.send_replace(next);
        }
        // How much waits is told when it begins or ends to.
        self.undecided.send_if_modified(|told| {
            let places = |undecided: &[Undecided]| -> Vec<_> {
                undecided.iter().map(|undecided| (undecided.partition, undecided.from)).collect()
            };
            let is_other = places(told) != places(&undecided);
            *told = undecided;
            is_other
        });
    }

    pub(crate) fn end(&self) {
        self.row().ended = true;
        self.newest.send_modify(|_| {});
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.rows.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Row {
    /// Takes note of what waits; gives what has been waiting for long.
    fn note(&mut self, stable: Vec<Undecided>, now: Instant) -> Vec<Undecided> {
        for found in stable {
            let known = self.undecided.get(&found.partition).filter(|(known, _)| known.from == found.from);
            let since = known.map_or(now, |(_, since)| *since);
            match found.from < found.to {
                true => drop(self.undecided.insert(found.partition, (found, since))),
                false => drop(self.undecided.remove(&found.partition)),
            }
        }
        let long = self.undecided.values().filter(|(_, since)| now.duration_since(*since) >= HELD_FOR);
        long.map(|(undecided, _)| *undecided).collect()
    }
}

impl Listener {
    /// What comes next; none when the topic is gone.
    pub(crate) async fn next(&mut self) -> Option<News> {
        loop {
            if let Some(news) = self.at_hand() {
                return Some(news);
            }
            if self.feed.has_ended() {
                return None;
            }
            tokio::select! {
                changed = self.newest.changed() => changed.ok()?,
                changed = self.undecided.changed() => {
                    changed.ok()?;
                    return Some(News::Undecided(self.undecided.borrow_and_update().clone()));
                }
            }
        }
    }

    fn at_hand(&mut self) -> Option<News> {
        self.newest.borrow_and_update();
        let row = self.feed.row();
        if self.next < row.first {
            // The row was cut off behind this reader. What it holds begins before its first chunk.
            let begins = row.chunks.front().map_or(&row.at, |chunk| &chunk.before).clone();
            let gaps = gaps(&self.at, &begins);
            self.next = row.first;
            self.at = begins;
            metrics::counter!(names::BROWSE_GAPS_TOTAL).increment(1);
            return Some(News::Gap(gaps));
        }
        let place = usize::try_from(self.next - row.first).ok()?;
        let chunk = row.chunks.get(place)?.clone();
        drop(row);
        self.next += 1;
        self.at = chunk.after();
        Some(News::Chunk(chunk))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        metrics::gauge!(names::BROWSE_TAILS).decrement(1);
    }
}

/// What lies between two places, as far as they are known.
pub(crate) fn gaps(from: &Offsets, to: &Offsets) -> Vec<Gap> {
    let gap = |(partition, to): (&i32, &i64)| {
        let from = from.get(partition).copied().unwrap_or(0);
        (0 <= from && from < *to).then_some(Gap { partition: *partition, from, to: *to })
    };
    to.iter().filter_map(gap).collect()
}
