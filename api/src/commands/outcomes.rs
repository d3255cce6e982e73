//! Outcomes as they are decided: whoever sent a command waits here for its answer.
//!
//! Every process follows the outcomes from their end on, outside any consumer group. An outcome names the position of its
//! command in the header `cause`; that is what is waited for. It may come before the sender knows the position, so the
//! last few are kept.

use foldstream_browse::{Brokers, Follower, Ready, Record};
use foldstream_events::{PERSON_OUTCOMES, PersonCommandDecided, PersonOutcomesEvent};
use foldstream_log::{CAUSE, RecordError, Registry};
use foldstream_log::{Position, Topic};
use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};
use tokio_util::sync::{CancellationToken, DropGuard};

/// How many outcomes nobody has asked for yet are kept: several seconds' worth.
const KEPT: usize = 20_000;
static TOPICS: &[&Topic] = &[&PERSON_OUTCOMES];

/// Cheap to clone; stops to follow with the last clone.
#[derive(Debug, Clone)]
pub struct Outcomes {
    known: Arc<Known>,
    ready: Ready,
    _stop: Arc<DropGuard>,
}

#[derive(Debug, Default)]
struct Known(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    waiting: HashMap<Position, oneshot::Sender<PersonCommandDecided>>,
    outcomes: HashMap<Position, PersonCommandDecided>,
    order: VecDeque<Position>,
}

impl Outcomes {
    /// Starts to follow.
    #[must_use]
    pub fn follow(brokers: &Brokers, registry: &Registry) -> Self {
        let mut follower = Follower::start(brokers, TOPICS);
        let (known, ready) = (Arc::new(Known::default()), follower.ready());
        let stop = CancellationToken::new();
        let (stopped, registry, learns) = (stop.clone(), registry.clone(), known.clone());
        tokio::spawn(stopped.run_until_cancelled_owned(async move {
            while let Some(chunk) = follower.next().await {
                for (position, outcome) in decoded(&chunk.records, &registry).await {
                    learns.learn(position, outcome);
                }
            }
        }));
        Self { known, ready, _stop: Arc::new(stop.drop_guard()) }
    }

    /// Waits until every outcome decided from now on will be seen; false when it takes too long.
    pub(crate) async fn ready(&self, deadline: Instant) -> bool {
        let mut ready = self.ready.clone();
        timeout_at(deadline, ready.wait()).await.unwrap_or(false)
    }

    /// The outcome of the command at this position, if it comes in time.
    pub(crate) async fn of(&self, command: &Position, deadline: Instant) -> Option<PersonCommandDecided> {
        let decided = self.known.wait_for(command)?;
        let outcome = timeout_at(deadline, decided).await;
        if outcome.is_err() {
            self.known.forget(command);
        }
        outcome.ok()?.ok()
    }
}

impl Known {
    fn learn(&self, position: Position, outcome: PersonCommandDecided) {
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

    fn wait_for(&self, position: &Position) -> Option<oneshot::Receiver<PersonCommandDecided>> {
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
async fn decoded(records: &[Record], registry: &Registry) -> Vec<(Position, PersonCommandDecided)> {
    let mut outcomes = Vec::new();
    for record in records.iter().map(|record| &record.fetched) {
        let Some(cause) = record.text_header(CAUSE).and_then(|cause| cause.parse().ok()) else { continue };
        match record.event(registry).await {
            Ok(PersonOutcomesEvent::PersonCommandDecided(outcome)) => outcomes.push((cause, outcome)),
            Err(RecordError::NoValue) => {}
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                foldstream_telemetry::warn!(error, "an outcome cannot be read");
            }
        }
    }
    outcomes
}
