//! Deliveries that are out: starts what the lanes allow, at most so many at once, and takes what comes back.
//!
//! Tokio and the effect itself, but neither brokers nor a wall clock that could jump. Invariant: a record is out at most
//! once at a time, and whatever came of it is in `settled` or in its lane.

use super::{
    contract::{Attempt, Delivery, Effect},
    lane::{Arrival, Lane},
    progress::{Key, LONGEST_PAUSE_MS, Progress},
};
use foldstream_log::{Cause, Recorded, TopicPartition};
use foldstream_log::{Position, TopicEvent, derived_event_id};
use foldstream_telemetry::{names, trace_context::set_parent};
use std::{
    collections::{BTreeMap, HashMap},
    num::NonZeroUsize,
    sync::Arc,
    time::Duration,
};
use tokio::{
    task::{AbortHandle, Id, JoinError, JoinSet},
    time::{Instant, sleep_until, timeout},
};
use tracing::Instrument;

/// A record, and what is to be done with it.
#[derive(Debug)]
pub(crate) struct Item<E> {
    pub(crate) partition: TopicPartition,
    pub(crate) offset: i64,
    pub(crate) appended_at_ms: i64,
    pub(crate) key: Key,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) traceparent: Option<String>,
    pub(crate) work: Work<E>,
}

#[derive(Debug)]
pub(crate) enum Work<E> {
    Deliver(Recorded<E>),
    /// It is no event; the reason. It waits for its turn, so that the progress of its key stays one number.
    Refuse(String),
}

impl<E> Item<E> {
    pub(crate) fn position(&self) -> Position {
        let TopicPartition { topic, partition } = self.partition;
        Position { topic: topic.to_owned(), partition, offset: self.offset }
    }
}

/// What is to be committed.
#[derive(Debug)]
pub(crate) struct Settled<E, A> {
    pub(crate) answers: Vec<(A, Cause)>,
    pub(crate) dead: Vec<(Arc<Item<E>>, String)>,
}

impl<E, A> Default for Settled<E, A> {
    fn default() -> Self {
        Self { answers: Vec::new(), dead: Vec::new() }
    }
}

/// Milliseconds since 1970 that advance with the runtime's clock, whatever is done to the machine's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    began_ms: i64,
    began: Instant,
}

impl Clock {
    pub(crate) fn start(now_ms: i64) -> Self {
        Self { began_ms: now_ms, began: Instant::now() }
    }

    fn now_ms(&self) -> i64 {
        self.began_ms + i64::try_from(self.began.elapsed().as_millis()).unwrap_or(i64::MAX / 2)
    }

    fn instant(&self, at_ms: i64) -> Instant {
        self.began + Duration::from_millis(u64::try_from(at_ms - self.began_ms).unwrap_or(0))
    }
}

pub(crate) struct Deliveries<F: Effect> {
    effect: Arc<F>,
    at_once: usize,
    clock: Clock,
    lanes: BTreeMap<TopicPartition, Lane<Arc<Item<F::Event>>>>,
    /// Whose turn it was last.
    turn: Option<TopicPartition>,
    tasks: JoinSet<Delivery<F::Answer>>,
    out: HashMap<Id, Out<F::Event>>,
    settled: Settled<F::Event, F::Answer>,
    /// Whether something was settled since the last commit began.
    has_settled: bool,
}

/// A delivery that is out.
struct Out<E> {
    item: Arc<Item<E>>,
    attempt: u32,
    began: Instant,
    abort: AbortHandle,
}

impl<F: Effect> Deliveries<F> {
    pub(crate) fn new(effect: Arc<F>, at_once: NonZeroUsize, clock: Clock) -> Self {
        Self {
            effect,
            at_once: at_once.get(),
            clock,
            lanes: BTreeMap::new(),
            turn: None,
            tasks: JoinSet::new(),
            out: HashMap::new(),
            settled: Settled::default(),
            has_settled: false,
        }
    }

    /// Takes a partition up where its last owner left it.
    pub(crate) fn resume(&mut self, partition: TopicPartition, progress: Progress) {
        self.lanes.insert(partition, Lane::resume(progress));
    }

    /// Gives a partition up; what is still out is given up with it.
    pub(crate) fn give_up(&mut self, partition: TopicPartition) {
        self.lanes.remove(&partition);
        self.out.retain(|_, out| {
            let stays = out.item.partition != partition;
            if !stays {
                out.abort.abort();
            }
            stays
        });
    }

    /// Takes a record in; one of a partition that is not ours is left out.
    pub(crate) fn take(&mut self, item: Item<F::Event>) {
        if let Some(lane) = self.lanes.get_mut(&item.partition) {
            let bytes = item.key.as_ref().map_or(0, Vec::len) + item.value.as_ref().map_or(0, Vec::len);
            // The record itself is there twice, as bytes and as an event; what surrounds it counts too.
            let bytes = 2 * bytes + 256;
            lane.take(Arrival { offset: item.offset, key: item.key.clone(), bytes, record: Arc::new(item) });
        }
    }

    pub(crate) fn stand(&mut self, partition: TopicPartition, end: i64) {
        if let Some(lane) = self.lanes.get_mut(&partition) {
            lane.stand(end);
        }
    }

    /// Starts what may go out, a record of each partition in turn.
    pub(crate) fn start(&mut self) {
        let now_ms = self.clock.now_ms();
        let mut idle = 0;
        while self.out.len() < self.at_once && idle < self.lanes.len() {
            let next = self.turn.and_then(|turn| self.lanes.range(turn..).map(|(at, _)| *at).find(|at| *at > turn));
            let Some(partition) = next.or_else(|| self.lanes.keys().next().copied()) else { return };
            self.turn = Some(partition);
            match self.lanes.get_mut(&partition).and_then(|lane| lane.start(now_ms)) {
                Some(start) => {
                    idle = 0;
                    self.send(&start.record, start.attempt);
                }
                None => idle += 1,
            }
        }
    }

    fn send(&mut self, item: &Arc<Item<F::Event>>, number: u32) {
        let record = match &item.work {
            Work::Deliver(record) => record,
            Work::Refuse(reason) => return self.refuse(item, reason.clone()),
        };
        let attempt = attempt::<F>(record, number);
        let span = foldstream_telemetry::info_span!(
            "deliver",
            effect = F::NAME,
            attempt = number,
            kafka.topic = item.partition.topic,
            kafka.partition = item.partition.partition,
            kafka.offset = item.offset
        );
        item.traceparent.iter().for_each(|traceparent| set_parent(&span, traceparent));
        let (effect, sent) = (self.effect.clone(), item.clone());
        let deliver = async move {
            let Work::Deliver(record) = &sent.work else { return Delivery::Done(None) };
            let late = |_| Delivery::Again { after: None, reason: format!("no answer within {:?}", F::RETRY.patience) };
            timeout(F::RETRY.patience, effect.deliver(record, attempt)).await.unwrap_or_else(late)
        };
        let abort = self.tasks.spawn(deliver.instrument(span));
        self.out.insert(abort.id(), Out { item: item.clone(), attempt: number, began: Instant::now(), abort });
    }

    /// Waits until something has come back, and takes it, or until something is due that there is room for.
    pub(crate) async fn next(&mut self) {
        let due = self.lanes.values().filter_map(Lane::next_due_ms).min().filter(|_| self.out.len() < self.at_once);
        let due_at = self.clock.instant(due.unwrap_or_default());
        tokio::select! {
            () = self.back() => {}
            () = sleep_until(due_at), if due.is_some() => {}
        }
    }

    /// Waits until something has come back, and takes it; for ever where nothing is out.
    pub(crate) async fn back(&mut self) {
        match self.tasks.join_next_with_id().await {
            Some(back) => self.take_back(back),
            None => std::future::pending().await,
        }
        while let Some(back) = self.tasks.try_join_next_with_id() {
            self.take_back(back);
        }
    }

    fn take_back(&mut self, back: Result<(Id, Delivery<F::Answer>), JoinError>) {
        let (id, delivery) = match back {
            Ok(back) => back,
            Err(error) => (error.id(), Delivery::Again { after: None, reason: error.to_string() }),
        };
        // None where its partition was given up meanwhile.
        let Some(Out { item, attempt, began, .. }) = self.out.remove(&id) else { return };
        metrics::histogram!(names::EFFECT_DELIVERY_SECONDS, "effect" => F::NAME).record(began.elapsed().as_secs_f64());
        let counted = |result: &'static str| {
            metrics::counter!(names::EFFECT_DELIVERIES_TOTAL, "effect" => F::NAME, "result" => result).increment(1);
        };
        match delivery {
            Delivery::Done(Some(answer)) if let Some(fault) = fault::<F>(&item, &answer) => {
                counted("done");
                self.refuse(&item, fault);
            }
            Delivery::Done(answer) => {
                counted("done");
                let cause = Cause {
                    position: Some(item.position()),
                    traceparent: item.traceparent.clone(),
                    ..Cause::default()
                };
                self.settled.answers.extend(answer.map(|answer| (answer, cause)));
                self.settle(&item);
            }
            Delivery::Again { after, reason } if attempt < F::RETRY.attempts => {
                counted("again");
                let pause = after.unwrap_or_else(|| F::RETRY.pause(attempt));
                let pause_ms = i64::try_from(pause.as_millis()).unwrap_or(i64::MAX).min(LONGEST_PAUSE_MS);
                foldstream_telemetry::warn!(
                    effect = F::NAME,
                    kafka.topic = item.partition.topic,
                    kafka.partition = item.partition.partition,
                    kafka.offset = item.offset,
                    attempt,
                    pause_ms,
                    reason,
                    "a delivery failed and is tried again"
                );
                let due_ms = self.clock.now_ms() + pause_ms;
                self.lanes.entry(item.partition).and_modify(|lane| lane.retry(item.offset, due_ms));
            }
            Delivery::Again { reason, .. } => {
                counted("again");
                self.refuse(&item, format!("attempt {attempt} failed, and it was the last: {reason}"));
            }
            Delivery::Never(reason) => {
                counted("never");
                self.refuse(&item, reason);
            }
        }
    }

    fn refuse(&mut self, item: &Arc<Item<F::Event>>, reason: String) {
        self.settled.dead.push((item.clone(), reason));
        self.settle(item);
    }

    fn settle(&mut self, item: &Item<F::Event>) {
        self.has_settled = true;
        self.lanes.entry(item.partition).and_modify(|lane| lane.settle(item.offset));
    }

    pub(crate) fn is_any_out(&self) -> bool {
        !self.out.is_empty()
    }

    /// Whether something is to be committed that others wait for.
    pub(crate) fn has_settled(&self) -> bool {
        self.has_settled
    }

    /// What is to be committed now, with the progress of every partition that is ours.
    pub(crate) fn commit(&mut self) -> (Settled<F::Event, F::Answer>, BTreeMap<TopicPartition, Progress>) {
        self.has_settled = false;
        let progress = self.lanes.iter_mut().map(|(partition, lane)| (*partition, lane.commit())).collect();
        (std::mem::take(&mut self.settled), progress)
    }

    /// What [`Self::commit`] gave last is committed.
    pub(crate) fn committed(&mut self) {
        self.lanes.values_mut().for_each(Lane::committed);
    }

    pub(crate) fn lanes(&self) -> impl Iterator<Item = (TopicPartition, &Lane<Arc<Item<F::Event>>>)> {
        self.lanes.iter().map(|(partition, lane)| (*partition, lane))
    }
}

/// Why an answer must not be appended, though the outside has the record: a fault of the effect, or a value from outside
/// that is none.
fn fault<F: Effect>(item: &Item<F::Event>, answer: &F::Answer) -> Option<String> {
    let Work::Deliver(record) = &item.work else { return None };
    if answer.event_id() != attempt::<F>(record, 1).answer_id {
        return Some("it was delivered, but its answer does not bear the id it was given".to_owned());
    }
    answer.check().err().map(|violation| format!("it was delivered, but its answer cannot be used: {violation}"))
}

fn attempt<F: Effect>(record: &Recorded<F::Event>, number: u32) -> Attempt {
    // A tombstone has no id of its own.
    let of = record.event.as_ref().map_or_else(|| record.position().to_string(), |event| event.event_id().to_string());
    Attempt {
        number,
        idempotency_key: derived_event_id(&format!("{}/{of}", F::NAME)),
        answer_id: derived_event_id(&format!("{}/{of}/answer", F::NAME)),
    }
}

#[cfg(test)]
mod tests;
