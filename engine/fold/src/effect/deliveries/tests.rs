//! A faked outside, and a clock that stands still until everybody waits.

use super::*;
use crate::effect::Retry;
use chrono::{DateTime, Utc};
use foldstream_log::{RecordType, Topic, Violation};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard},
};
use uuid::Uuid;

const PARTITION: TopicPartition = TopicPartition { topic: "wishes", partition: 0 };

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Wish {
    event_id: Uuid,
    key: String,
}

static WISH: RecordType = RecordType { topic: "wishes", full_name: "test.Wish", key: "wish", schema: "", rules: &[] };

impl TopicEvent for Wish {
    fn topics() -> &'static [&'static Topic] {
        &[]
    }

    fn record_types() -> Vec<&'static RecordType> {
        vec![&WISH]
    }

    fn record_type(&self) -> &'static RecordType {
        &WISH
    }

    fn key(&self) -> &str {
        &self.key
    }

    fn event_id(&self) -> Uuid {
        self.event_id
    }

    fn occurred_at(&self) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH
    }

    fn check(&self) -> Result<(), Violation> {
        Ok(())
    }

    fn deserialize<'de, D: Deserializer<'de>>(_: &str, _: &str, from: D) -> Option<Result<Self, D::Error>> {
        Some(Deserialize::deserialize(from))
    }

    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        Serialize::serialize(self, to)
    }
}

/// What the outside is to do with the next requests for a key; with those beyond, it is content.
#[derive(Debug, Clone)]
enum Reaction {
    Fail,
    FailFor(Duration),
    Refuse,
    Hang,
    Panic,
    Take(Duration),
}

#[derive(Debug, Default)]
struct Seen {
    /// Offset, number of the attempt, idempotency key, milliseconds since the beginning.
    requests: Vec<(i64, u32, Uuid, u128)>,
    reactions: HashMap<String, VecDeque<Reaction>>,
    at_once: usize,
    most_at_once: usize,
}

#[derive(Debug, Clone)]
struct Outside(Arc<Mutex<Seen>>, Instant);

impl Outside {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap()
    }
}

struct Granting(Outside);

impl Effect for Granting {
    type Event = Wish;
    type Answer = Wish;

    const NAME: &'static str = "granting";
    const RETRY: Retry = Retry {
        attempts: 3,
        first_pause: Duration::from_secs(1),
        longest_pause: Duration::from_secs(60),
        patience: Duration::from_secs(10),
    };

    async fn deliver(&self, record: &Recorded<Wish>, attempt: Attempt) -> Delivery<Wish> {
        let reaction = {
            let mut seen = self.0.seen();
            let since = self.0.1.elapsed().as_millis();
            seen.requests.push((record.offset, attempt.number, attempt.idempotency_key, since));
            seen.at_once += 1;
            seen.most_at_once = seen.most_at_once.max(seen.at_once);
            seen.reactions.get_mut(&record.key).and_then(VecDeque::pop_front)
        };
        let delivery = match reaction {
            Some(Reaction::Fail) => Delivery::Again { after: None, reason: "not now".to_owned() },
            Some(Reaction::FailFor(after)) => Delivery::Again { after: Some(after), reason: "busy".to_owned() },
            Some(Reaction::Refuse) => Delivery::Never("no such thing".to_owned()),
            Some(Reaction::Hang) => std::future::pending().await,
            Some(Reaction::Panic) => panic!("a fault of the effect"),
            Some(Reaction::Take(time)) => {
                tokio::time::sleep(time).await;
                Delivery::Done(None)
            }
            None => Delivery::Done(Some(Wish { event_id: attempt.answer_id, key: record.key.clone() })),
        };
        self.0.seen().at_once -= 1;
        delivery
    }
}

/// Deliveries of one partition, and an outside.
struct World {
    deliveries: Deliveries<Granting>,
    outside: Outside,
    next_offset: i64,
}

impl World {
    fn new(at_once: usize) -> Self {
        let outside = Outside(Arc::default(), Instant::now());
        let effect = Arc::new(Granting(outside.clone()));
        let at_once = NonZeroUsize::new(at_once).unwrap();
        let mut deliveries = Deliveries::new(effect, at_once, Clock::start(1_000_000));
        deliveries.resume(PARTITION, Progress::at(0));
        Self { deliveries, outside, next_offset: 0 }
    }

    fn react(&self, key: &str, reactions: impl IntoIterator<Item = Reaction>) {
        self.outside.seen().reactions.insert(key.to_owned(), reactions.into_iter().collect());
    }

    fn item(&mut self, key: &str, work: impl FnOnce(Recorded<Wish>) -> Work<Wish>) -> Item<Wish> {
        let TopicPartition { topic, partition } = PARTITION;
        let offset = self.next_offset;
        self.next_offset += 1;
        let event = Wish { event_id: Uuid::from_u128(u128::try_from(offset).unwrap()), key: key.to_owned() };
        let key = key.to_owned();
        let bytes = key.clone().into_bytes();
        let record = Recorded { topic, partition, offset, appended_at_ms: 0, key, event: Some(event) };
        let work = work(record);
        Item { partition: PARTITION, offset, appended_at_ms: 0, key: Some(bytes), value: None, traceparent: None, work }
    }

    fn arrive(&mut self, key: &str) {
        let item = self.item(key, Work::Deliver);
        self.deliveries.take(item);
    }

    /// Runs until nothing is to be done, committing after each thing that came back.
    async fn run(&mut self) -> Settled<Wish, Wish> {
        let mut all = Settled::default();
        loop {
            self.deliveries.start();
            let (settled, _) = self.deliveries.commit();
            all.answers.extend(settled.answers);
            all.dead.extend(settled.dead);
            self.deliveries.committed();
            let is_over = self.deliveries.lanes().all(|(_, lane)| lane.open_keys() == 0);
            if is_over {
                return all;
            }
            self.deliveries.start();
            if !self.deliveries.has_settled() {
                self.deliveries.next().await;
            }
        }
    }

    fn requests(&self) -> Vec<(i64, u32)> {
        self.outside.seen().requests.iter().map(|(offset, attempt, ..)| (*offset, *attempt)).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn a_record_that_fails_is_tried_again_with_the_same_key_and_holds_back_its_own_key_alone() {
    let mut world = World::new(8);
    world.react("a", [Reaction::Fail, Reaction::FailFor(Duration::from_secs(30))]);
    ["a", "a", "b", "b"].into_iter().for_each(|key| world.arrive(key));
    let settled = world.run().await;
    assert_eq!(world.requests(), [(0, 1), (2, 1), (3, 1), (0, 2), (0, 3), (1, 1)]);
    let seen = world.outside.seen();
    let of_first: Vec<_> = seen.requests.iter().filter(|(offset, ..)| *offset == 0).collect();
    assert!(of_first.iter().all(|(_, _, key, _)| *key == of_first[0].2));
    let keys: std::collections::BTreeSet<Uuid> = seen.requests.iter().map(|(_, _, key, _)| *key).collect();
    assert_eq!(keys.len(), 4, "a key for each record");
    let pauses = [of_first[1].3 - of_first[0].3, of_first[2].3 - of_first[1].3];
    assert!((1000..=2010).contains(&pauses[0]), "{pauses:?}");
    assert!((30_000..=30_010).contains(&pauses[1]), "the outside said when: {pauses:?}");
    assert_eq!(settled.answers.len(), 4);
    assert!(settled.dead.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_never_works_and_what_failed_too_often_is_a_dead_letter_and_its_key_goes_on() {
    let mut world = World::new(8);
    world.react("never", [Reaction::Refuse]);
    world.react("often", [Reaction::Fail, Reaction::Panic, Reaction::Hang]);
    ["never", "never", "often", "often"].into_iter().for_each(|key| world.arrive(key));
    let refused = world.item("poison", |_| Work::Refuse("no event".to_owned()));
    world.deliveries.take(refused);
    let settled = world.run().await;
    let mut dead: Vec<(i64, &str)> = settled.dead.iter().map(|(item, why)| (item.offset, why.as_str())).collect();
    dead.sort_unstable();
    assert_eq!(
        dead,
        [(0, "no such thing"), (2, "attempt 3 failed, and it was the last: no answer within 10s"), (4, "no event")]
    );
    let mut answered: Vec<String> =
        settled.answers.iter().map(|(_, cause)| cause.position.clone().unwrap().to_string()).collect();
    answered.sort_unstable();
    assert_eq!(answered, ["wishes:0:1", "wishes:0:3"]);
}

#[tokio::test(start_paused = true)]
async fn never_more_at_once_than_allowed_and_every_partition_has_its_turn() {
    let mut world = World::new(3);
    for key in 0..20 {
        let key = key.to_string();
        world.react(&key, [Reaction::Take(Duration::from_millis(100))]);
        world.arrive(&key);
    }
    let other = TopicPartition { partition: 1, ..PARTITION };
    world.deliveries.resume(other, Progress::at(20));
    let item = world.item("other", Work::Deliver);
    world.deliveries.take(Item { partition: other, ..item });
    world.run().await;
    let seen = world.outside.seen();
    assert_eq!(seen.most_at_once, 3);
    let turn = seen.requests.iter().position(|(offset, ..)| *offset == 20).unwrap();
    assert!(turn < 3, "the other partition came after {turn} of the first");
}

#[tokio::test(start_paused = true)]
async fn what_is_out_when_its_partition_is_given_up_says_nothing_any_more() {
    let mut world = World::new(8);
    world.react("a", [Reaction::Take(Duration::from_secs(1))]);
    world.arrive("a");
    world.deliveries.start();
    assert!(timeout(Duration::from_millis(500), world.deliveries.back()).await.is_err(), "it takes longer");
    assert!(world.deliveries.is_any_out());
    let (_, progress) = world.deliveries.commit();
    world.deliveries.give_up(PARTITION);
    assert!(!world.deliveries.is_any_out());
    // It comes back as one that was stopped, and tells nobody.
    world.deliveries.back().await;
    assert!(!world.deliveries.has_settled());
    // The next owner delivers it again.
    world.deliveries.resume(PARTITION, progress[&PARTITION].clone());
    world.next_offset = 0;
    world.arrive("a");
    let settled = world.run().await;
    assert_eq!(settled.answers.len(), 1);
    assert_eq!(world.requests(), [(0, 1), (0, 1)]);
    let seen = world.outside.seen();
    assert_eq!(seen.requests[0].2, seen.requests[1].2);
}
