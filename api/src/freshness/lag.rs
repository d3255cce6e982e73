//! How far the read models are behind the log, as time.
//!
//! The ends of a topic are read at most every 100 ms, by one task for all requests, and only while somebody asks. A
//! request waits for them a tenth of a second at most, so brokers that are away cost readers nothing but the figure.
//!
//! Lag is an upper bound of the age of the oldest record that is acknowledged and not applied, be it that an open transaction
//! holds it back: zero when every partition is applied to its high watermark;
//! else the time since the newest applied record of the furthest lagging partition, or since that partition was last
//! seen at its end, whichever is later.

use chrono::{DateTime, Utc};
use foldstream_browse::{Brokers, Range};
use foldstream_events::CATALOGUE;
use foldstream_log::Topic;
use foldstream_store::Checkpoint;
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

/// How old ends may be before they are read again.
const FRESH: Duration = Duration::from_millis(100);
/// How long a request waits for ends.
const PATIENCE: Duration = Duration::from_millis(100);
/// How old ends may be and still say something.
const USABLE: Duration = Duration::from_secs(1);
/// How long brokers that did not answer are left alone.
const PAUSE: Duration = Duration::from_secs(1);

/// The ends of the topics; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct LogEnds {
    brokers: Brokers,
    tails: Arc<HashMap<&'static str, Tail>>,
}

#[derive(Debug)]
struct Tail {
    look: watch::Sender<Look>,
    /// When each partition was last seen applied to its end. Held for a few instructions, never across an await.
    level_at: Mutex<HashMap<i32, DateTime<Utc>>>,
}

/// What is known of a topic's ends.
#[derive(Debug, Clone, Default)]
struct Look {
    ends: Option<Ends>,
    /// A look is under way since then.
    looking_since: Option<Instant>,
    not_before: Option<Instant>,
}

#[derive(Debug, Clone)]
struct Ends {
    ranges: Arc<BTreeMap<i32, Range>>,
    /// When the brokers were asked, so that everything appended before is counted.
    asked_at: Instant,
    asked_at_utc: DateTime<Utc>,
}

impl LogEnds {
    pub(crate) fn new(brokers: &Brokers) -> Self {
        let tail = || Tail { look: watch::Sender::new(Look::default()), level_at: Mutex::default() };
        Self {
            brokers: brokers.clone(),
            tails: Arc::new(CATALOGUE.topics.iter().map(|topic| (topic.name, tail())).collect()),
        }
    }

    /// Has the ends read, unless they are fresh or being read.
    pub(crate) fn look(&self, topic: &'static Topic) {
        let Some(tail) = self.tails.get(topic.name) else { return };
        let now = Instant::now();
        let due = tail.look.send_if_modified(|look| {
            let due = look.looking_since.is_none() && look.not_before.is_none_or(|instant| instant <= now);
            if due {
                look.looking_since = Some(now);
            }
            due
        });
        if !due {
            return;
        }
        let all = self.clone();
        tokio::spawn(async move {
            let asked_at_utc = Utc::now();
            let found = all.brokers.ranges_of(topic.name).await;
            let Some(tail) = all.tails.get(topic.name) else { return };
            tail.look.send_modify(|look| {
                look.looking_since = None;
                match found {
                    Ok(ranges) => {
                        look.not_before = Some(now + FRESH);
                        look.ends = Some(Ends { ranges: Arc::new(ranges), asked_at: now, asked_at_utc });
                    }
                    Err(error) => {
                        foldstream_telemetry::debug!(kafka.topic = topic.name, error.message = %error, "the log's ends are unknown");
                        look.not_before = Some(Instant::now() + PAUSE);
                    }
                }
            });
        });
    }

    /// How far these checkpoints are behind the topic, in milliseconds; none when that cannot be known.
    pub(crate) async fn lag_ms(&self, topic: &'static Topic, checkpoints: &[Checkpoint]) -> Option<u64> {
        self.look(topic);
        let tail = self.tails.get(topic.name)?;
        let mut looks = tail.look.subscribe();
        let looking_since = looks.borrow().looking_since;
        if let Some(since) = looking_since {
            // Late or not, what is known then is used.
            let _ = timeout_at(since + PATIENCE, looks.wait_for(|look| look.looking_since.is_none())).await;
        }
        let ends = looks.borrow().ends.clone().filter(|ends| ends.asked_at.elapsed() < USABLE)?;
        let mut level_at = tail.level_at.lock().unwrap_or_else(PoisonError::into_inner);
        lag(topic.name, &ends, checkpoints, &mut level_at)
            .map(|since| since.map_or(0, |since| u64::try_from((Utc::now() - since).num_milliseconds()).unwrap_or(0)))
    }
}

/// Since when something is not applied; `Some(None)` when everything is; none when it cannot be known.
fn lag(
    topic: &str,
    ends: &Ends,
    checkpoints: &[Checkpoint],
    level_at: &mut HashMap<i32, DateTime<Utc>>,
) -> Option<Option<DateTime<Utc>>> {
    let mut oldest: Option<DateTime<Utc>> = None;
    for (partition, range) in ends.ranges.iter() {
        let checkpoint = checkpoints.iter().find(|found| found.topic == topic && found.partition == *partition);
        if range.low == range.high_watermark
            || checkpoint.is_some_and(|checkpoint| checkpoint.next_offset >= range.high_watermark)
        {
            level_at.insert(*partition, ends.asked_at_utc);
            continue;
        }
        let applied = checkpoint.and_then(|checkpoint| checkpoint.appended_at);
        let since = applied.max(level_at.get(partition).copied())?;
        oldest = Some(oldest.map_or(since, |oldest| oldest.min(since)));
    }
    Some(oldest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(second, 0).unwrap()
    }

    fn ends(asked_at: i64, ends: &[i64]) -> Ends {
        let range = |end: i64| Range { low: 0, stable_end: end, high_watermark: end };
        let ranges = (0..).zip(ends).map(|(partition, end)| (partition, range(*end))).collect();
        Ends { ranges: Arc::new(ranges), asked_at: Instant::now(), asked_at_utc: second(asked_at) }
    }

    fn at(partition: i32, next_offset: i64, appended_at: Option<i64>) -> Checkpoint {
        Checkpoint {
            projection: "p".to_owned(),
            topic: "t".to_owned(),
            partition,
            next_offset,
            appended_at: appended_at.map(second),
        }
    }

    #[test]
    fn at_every_end_there_is_no_lag() {
        let mut level_at = HashMap::new();
        let checkpoints = [at(0, 5, Some(1)), at(1, 9, None)];
        assert_eq!(lag("t", &ends(100, &[5, 7, 0]), &checkpoints, &mut level_at), Some(None));
    }

    #[test]
    fn lag_counts_from_the_oldest_of_the_lagging_partitions() {
        let mut level_at = HashMap::new();
        let checkpoints = [at(0, 4, Some(50)), at(1, 6, Some(40)), at(2, 3, Some(10))];
        assert_eq!(lag("t", &ends(100, &[5, 7, 3]), &checkpoints, &mut level_at), Some(Some(second(40))));
    }

    #[test]
    fn a_partition_long_idle_lags_since_it_was_last_seen_level() {
        let mut level_at = HashMap::new();
        let checkpoints = [at(0, 5, Some(1))];
        lag("t", &ends(1000, &[5]), &checkpoints, &mut level_at);
        assert_eq!(lag("t", &ends(1001, &[6]), &checkpoints, &mut level_at), Some(Some(second(1000))));
    }

    #[test]
    fn what_an_open_transaction_holds_back_is_lag() {
        let mut level_at = HashMap::new();
        lag("t", &ends(1000, &[5]), &[at(0, 5, Some(1))], &mut level_at);
        let mut held_back = ends(1001, &[5]);
        let range = Range { low: 0, stable_end: 5, high_watermark: 7 };
        held_back.ranges = Arc::new([(0, range)].into());
        assert_eq!(lag("t", &held_back, &[at(0, 5, Some(1))], &mut level_at), Some(Some(second(1000))));
    }

    #[test]
    fn nothing_applied_yet_is_no_figure() {
        assert_eq!(lag("t", &ends(100, &[5]), &[at(0, 0, None)], &mut HashMap::new()), None);
        assert_eq!(lag("t", &ends(100, &[5]), &[], &mut HashMap::new()), None);
    }
}
