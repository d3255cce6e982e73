//! Outcomes as they are decided: whoever sent a command waits here for its answer.
//!
//! Every process follows the outcomes from their end on, outside any consumer group. An outcome names the position of its
//! command in the header `cause`; that is what is waited for, by any number of readers: the sender, and whoever polls the
//! link it was given. It may come before they know the position, so the last few are kept.

use crate::commands::aggregate::Aggregate;
use foldstream_browse::{Brokers, Follower, Ready, Record};
use foldstream_fold::CommandDecided;
use foldstream_log::{CAUSE, Position, RecordError, Registry};
use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    slice::from_ref,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};
use tokio_util::sync::{CancellationToken, DropGuard};

/// How many of the last outcomes are kept: several seconds' worth.
const KEPT: usize = 20_000;

/// Cheap to clone; stops to follow with the last clone.
#[derive(Debug, Clone)]
pub(crate) struct Outcomes {
    aggregates: Arc<[&'static Aggregate]>,
    known: Arc<Known>,
    /// Of each aggregate.
    ready: Vec<Ready>,
    _stop: Arc<DropGuard>,
}

/// A reader who goes away, before or after its answer, leaves nothing behind.
struct Forgets<'a> {
    known: &'a Known,
    command: &'a Position,
}

impl Drop for Forgets<'_> {
    fn drop(&mut self) {
        self.known.forget(self.command);
    }
}

#[derive(Debug, Default)]
struct Known(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    waiting: HashMap<Position, Vec<oneshot::Sender<CommandDecided>>>,
    outcomes: HashMap<Position, CommandDecided>,
    order: VecDeque<Position>,
}

impl Outcomes {
    /// Starts to follow what is decided about these aggregates.
    pub(crate) fn follow(aggregates: Vec<&'static Aggregate>, brokers: &Brokers, registry: &Registry) -> Self {
        let (known, stop) = (Arc::new(Known::default()), CancellationToken::new());
        let follow = |aggregate: &&'static Aggregate| {
            let mut follower = Follower::start(brokers, from_ref(&aggregate.outcomes));
            let ready = follower.ready();
            let (aggregate, registry, learns) = (*aggregate, registry.clone(), known.clone());
            tokio::spawn(stop.clone().run_until_cancelled_owned(async move {
                while let Some(chunk) = follower.next().await {
                    for (position, outcome) in decoded(aggregate, &chunk.records, &registry).await {
                        learns.learn(position, outcome);
                    }
                }
            }));
            ready
        };
        let ready = aggregates.iter().map(follow).collect();
        Self { aggregates: aggregates.into(), known, ready, _stop: Arc::new(stop.drop_guard()) }
    }

    /// The aggregates whose outcomes are followed: those that can be asked.
    pub(crate) fn aggregates(&self) -> &[&'static Aggregate] {
        &self.aggregates
    }

    /// Waits until every outcome decided from now on will be seen; false when it takes too long.
    pub(crate) async fn ready(&self, deadline: Instant) -> bool {
        for ready in &self.ready {
            let mut ready = ready.clone();
            if !timeout_at(deadline, ready.wait()).await.unwrap_or(false) {
                return false;
            }
        }
        true
    }

    /// The outcome of the command at this position, if it comes in time.
    pub(crate) async fn of(&self, command: &Position, deadline: Instant) -> Option<CommandDecided> {
        let _forgets = Forgets { known: &self.known, command };
        let decided = self.known.wait_for(command)?;
        timeout_at(deadline, decided).await.ok()?.ok()
    }
}

impl Known {
    fn learn(&self, position: Position, outcome: CommandDecided) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for waiting in state.waiting.remove(&position).unwrap_or_default() {
            // Given up meanwhile when this fails.
            let _ = waiting.send(outcome.clone());
        }
        if state.outcomes.insert(position.clone(), outcome).is_none() {
            state.order.push_back(position);
        }
        if state.order.len() > KEPT
            && let Some(oldest) = state.order.pop_front()
        {
            state.outcomes.remove(&oldest);
        }
    }

    fn wait_for(&self, position: &Position) -> Option<oneshot::Receiver<CommandDecided>> {
        let (sender, decided) = oneshot::channel();
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match state.outcomes.get(position).cloned() {
            Some(outcome) => sender.send(outcome).ok()?,
            None => state.waiting.entry(position.clone()).or_default().push(sender),
        }
        Some(decided)
    }

    /// Forgets those who have given up waiting for this one.
    fn forget(&self, position: &Position) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut waiting) = state.waiting.entry(position.clone()) {
            waiting.get_mut().retain(|waiting| !waiting.is_closed());
            if waiting.get().is_empty() {
                waiting.remove();
            }
        }
    }
}

/// What cannot be read is nobody's answer; it shows in `/messages`.
async fn decoded(aggregate: &Aggregate, records: &[Record], registry: &Registry) -> Vec<(Position, CommandDecided)> {
    let mut outcomes = Vec::new();
    for record in records.iter().map(|record| &record.fetched) {
        let Some(cause) = record.text_header(CAUSE).and_then(|cause| cause.parse().ok()) else { continue };
        match (aggregate.read_outcome)(record, registry).await {
            Ok(Some(outcome)) => outcomes.push((cause, outcome)),
            Ok(None) | Err(RecordError::NoValue) => {}
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                foldstream_telemetry::warn!(error, "an outcome cannot be read");
            }
        }
    }
    outcomes
}

#[cfg(test)]
mod tests {
    use super::*;
    use foldstream_fold::Verdict;
    use uuid::Uuid;

    fn command(offset: i64) -> Position {
        Position { topic: "wishes".to_owned(), partition: 0, offset }
    }

    fn outcome() -> CommandDecided {
        CommandDecided {
            event_id: Uuid::nil(),
            key: "k".to_owned(),
            occurred_at: chrono::DateTime::UNIX_EPOCH,
            command_id: Uuid::nil(),
            command: "Wish".to_owned(),
            content_hash: Uuid::nil(),
            verdict: Verdict { decision: "accepted".to_owned(), rule: None, reason: None, first_decision: None },
        }
    }

    #[tokio::test]
    async fn everybody_who_waits_is_told_and_whoever_asks_later_too() {
        let known = Known::default();
        let waiting: Vec<_> = (0..3).map(|_| known.wait_for(&command(7)).unwrap()).collect();
        known.learn(command(8), outcome());
        known.learn(command(7), outcome());
        for decided in waiting {
            assert_eq!(decided.await.unwrap(), outcome());
        }
        for _ in 0..2 {
            assert_eq!(known.wait_for(&command(7)).unwrap().await.unwrap(), outcome());
        }
    }

    #[tokio::test]
    async fn one_who_gives_up_takes_nothing_from_the_others() {
        let known = Known::default();
        let patient = known.wait_for(&command(7)).unwrap();
        drop(known.wait_for(&command(7)));
        known.forget(&command(7));
        known.learn(command(7), outcome());
        assert_eq!(patient.await.unwrap(), outcome());
        drop(known.wait_for(&command(9)));
        known.forget(&command(9));
        assert!(known.0.lock().unwrap().waiting.is_empty());
    }
}
