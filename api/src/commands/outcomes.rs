//! Outcomes as they are decided: whoever sent a command waits here for its answer.
//!
//! Every process follows the outcomes from their end on, outside any consumer group. An outcome names the position of its
//! command in the header `cause`; that is what is waited for. It may come before the sender knows the position, so the
//! last few are kept.

use crate::commands::aggregate::Aggregate;
use foldstream_browse::{Brokers, Follower, Ready, Record};
use foldstream_fold::CommandDecided;
use foldstream_log::{CAUSE, Position, RecordError, Registry};
use std::{
    collections::{HashMap, VecDeque},
    slice::from_ref,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};
use tokio_util::sync::{CancellationToken, DropGuard};

/// How many outcomes nobody has asked for yet are kept: several seconds' worth.
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

#[derive(Debug, Default)]
struct Known(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    waiting: HashMap<Position, oneshot::Sender<CommandDecided>>,
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
        let decided = self.known.wait_for(command)?;
        let outcome = timeout_at(deadline, decided).await;
        if outcome.is_err() {
            self.known.forget(command);
        }
        outcome.ok()?.ok()
    }
}

impl Known {
    fn learn(&self, position: Position, outcome: CommandDecided) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(waiting) = state.waiting.remove(&position) {
            // Given up meanwhile when this fails.
            let _ = waiting.send(outcome);
            return;
        }
        state.order.push_back(position.clone());
        state.outcomes.insert(position, outcome);
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
            None => drop(state.waiting.insert(position.clone(), sender)),
        }
        Some(decided)
    }

    fn forget(&self, position: &Position) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).waiting.remove(position);
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
