//! Watermarks of tasks that are fed by two topics.

use super::*;
use proptest::prelude::*;

const RULES: EventTime = EventTime {
    lateness: Duration::from_millis(10),
    idle_after: Duration::from_secs(30),
    most_ahead: Duration::from_millis(100),
};
const LEFT: TopicPartition = TopicPartition { topic: "left", partition: 0 };
const RIGHT: TopicPartition = TopicPartition { topic: "right", partition: 0 };
const OTHER: TopicPartition = TopicPartition { topic: "left", partition: 1 };
const NONE_PAUSED: &BTreeSet<TopicPartition> = &BTreeSet::new();

fn of(partitions: &[TopicPartition]) -> Watermarks {
    let mut watermarks = Watermarks::new(Some(RULES));
    partitions.iter().for_each(|partition| watermarks.resume(*partition, None));
    watermarks
}

#[test]
fn the_watermark_of_a_task_is_the_least_of_its_partitions_less_the_lateness() {
    let mut watermarks = of(&[LEFT, RIGHT, OTHER]);
    watermarks.observe(LEFT, 500, 1000);
    assert_eq!(watermarks.of_task(0), None, "the other topic has said nothing yet");
    watermarks.observe(RIGHT, 300, 1000);
    assert_eq!(watermarks.of_task(0), Some(290));
    watermarks.observe(RIGHT, 900, 1000);
    assert_eq!(watermarks.of_task(0), Some(490));
    assert_eq!(watermarks.of_task(1), None, "another task has its own time");
}

#[test]
fn who_is_idle_drops_out_and_holds_back_again_when_it_speaks() {
    let mut watermarks = of(&[LEFT, RIGHT]);
    watermarks.observe(LEFT, 500, 1000);
    watermarks.wait(Duration::from_secs(29), NONE_PAUSED);
    assert_eq!(watermarks.until_idle(NONE_PAUSED), Some(Duration::from_secs(1)));
    watermarks.observe(LEFT, 600, 1000);
    watermarks.wait(Duration::from_secs(1), NONE_PAUSED);
    assert_eq!(watermarks.of_task(0), Some(590));
    watermarks.observe(RIGHT, 100, 1000);
    watermarks.observe(LEFT, 700, 1000);
    assert_eq!(watermarks.of_task(0), Some(590), "it never goes back");
    watermarks.observe(RIGHT, 650, 1000);
    assert_eq!(watermarks.of_task(0), Some(640));
}

#[test]
fn when_all_are_idle_the_watermark_stays() {
    let mut watermarks = of(&[LEFT, RIGHT]);
    watermarks.observe(LEFT, 500, 1000);
    watermarks.observe(RIGHT, 300, 1000);
    watermarks.wait(Duration::from_secs(60), NONE_PAUSED);
    assert_eq!((watermarks.of_task(0), watermarks.until_idle(NONE_PAUSED)), (Some(290), None));
}

#[test]
fn who_is_paused_or_halted_is_not_idle() {
    let mut watermarks = of(&[LEFT, RIGHT]);
    watermarks.observe(LEFT, 500, 1000);
    watermarks.halt(RIGHT);
    watermarks.wait(Duration::from_secs(60), &BTreeSet::from([LEFT]));
    watermarks.observe(LEFT, 600, 1000);
    assert_eq!(watermarks.of_task(0), None, "what waits in a halted partition is not to be late one day");
    assert_eq!(watermarks.until_idle(&BTreeSet::from([LEFT])), None);
}

#[test]
fn no_event_is_younger_than_its_append() {
    let mut watermarks = of(&[LEFT]);
    watermarks.observe(LEFT, i64::MAX, 1000);
    assert_eq!(watermarks.of_task(0), Some(990));
}

#[test]
fn who_is_far_ahead_waits_for_the_slowest_that_is_awake() {
    let mut watermarks = of(&[LEFT, RIGHT, OTHER]);
    watermarks.observe(LEFT, 1000, 9000);
    assert!(watermarks.ahead().is_empty(), "nobody waits for one that has said nothing yet");
    watermarks.observe(OTHER, 899, 9000);
    assert_eq!(watermarks.ahead(), BTreeSet::from([LEFT]));
    watermarks.observe(OTHER, 900, 9000);
    assert!(watermarks.ahead().is_empty());
    watermarks.observe(LEFT, 2000, 9000);
    watermarks.wait(RULES.idle_after, &BTreeSet::from([LEFT]));
    assert!(watermarks.ahead().is_empty(), "nobody waits for who is idle");
    watermarks.observe(OTHER, 950, 9000);
    watermarks.halt(OTHER);
    assert!(watermarks.ahead().is_empty(), "nor for who goes no further");
}

#[test]
fn who_does_not_follow_time_has_none() {
    let mut watermarks = Watermarks::new(None);
    watermarks.resume(LEFT, None);
    watermarks.observe(LEFT, 500, 1000);
    watermarks.wait(Duration::from_secs(60), NONE_PAUSED);
    assert_eq!((watermarks.of_task(0), watermarks.until_idle(NONE_PAUSED)), (None, None));
    assert_eq!(watermarks.times(LEFT), None);
}

#[derive(Debug, Clone)]
enum Happens {
    Event { left: bool, at_ms: i64 },
    Waited { seconds: u64 },
    Restart,
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        8 => (any::<bool>(), 0..1000i64).prop_map(|(left, at_ms)| Happens::Event { left, at_ms }),
        2 => (0..40u64).prop_map(|seconds| Happens::Waited { seconds }),
        1 => Just(Happens::Restart),
    ]
}

proptest! {
    /// Whatever comes, whoever is idle, and whenever a new owner takes up what was committed.
    #[test]
    fn a_watermark_never_goes_back(all in prop::collection::vec(happens(), 0..60)) {
        let mut watermarks = of(&[LEFT, RIGHT]);
        let mut before = None;
        for happening in all {
            match happening {
                Happens::Event { left, at_ms } => {
                    watermarks.observe(if left { LEFT } else { RIGHT }, at_ms, 1000);
                }
                Happens::Waited { seconds } => watermarks.wait(Duration::from_secs(seconds), NONE_PAUSED),
                Happens::Restart => {
                    let committed = [LEFT, RIGHT].map(|partition| (partition, watermarks.times(partition)));
                    watermarks = Watermarks::new(Some(RULES));
                    committed.into_iter().for_each(|(partition, times)| watermarks.resume(partition, times));
                }
            }
            let now = watermarks.of_task(0);
            prop_assert!(now >= before, "{now:?} after {before:?}");
            before = now;
        }
    }
}
