//! Effects: each record reaches the outside, whatever dies; its answer is there once; poison stops nobody.

use crate::{
    outside::UNANSWERED,
    world::{Printed, World, until, world},
};
use std::collections::{BTreeMap, BTreeSet};

/// How often each record of parcels whose names begin so was answered.
fn answers(world: &World, parcels: &str) -> BTreeMap<String, usize> {
    let mut answers = BTreeMap::new();
    for receipt in world.read("receipts").into_iter().filter(|receipt| receipt.key.starts_with(parcels)) {
        *answers.entry(receipt.headers["cause"].clone()).or_default() += 1;
    }
    answers
}

/// Waits until so many records are answered; each must be once.
fn until_answered(world: &World, parcels: &str, records: usize) -> BTreeSet<String> {
    let answers = until(&format!("{records} records of {parcels} are answered"), || {
        let found = answers(world, parcels);
        if found.len() >= records { Ok(found) } else { Err(format!("{} are: {found:?}", found.len())) }
    });
    assert!(answers.values().all(|times| *times == 1), "more than once: {answers:?}");
    answers.into_keys().collect()
}

/// The dead letter of a parcel in whose reason or bytes this text stands.
fn letter(world: &World, text: &str) -> Printed {
    until(&format!("there is a dead letter with {text:?}"), || {
        let letters = world.read("dead-letters").into_iter();
        let mut found: Vec<_> =
            letters.filter(|letter| String::from_utf8_lossy(&letter.value).contains(text)).collect();
        assert!(found.len() < 2, "{found:?}");
        found.pop().ok_or_else(|| "none".to_owned())
    })
}

#[test]
fn every_record_reaches_the_outside_though_its_process_is_killed() {
    let world = world();
    let _courier = world.courier();
    let mut sent = BTreeSet::new();
    let mut courier = world.spawn("courier", "0");
    for round in 1..=4 {
        for record in 0..25 {
            // The last one of each round is out when the process dies, and others wait for their next attempt.
            let text = match record {
                24 => "hang 1",
                _ if record % 6 == 5 => "fail 2",
                _ => "take",
            };
            sent.insert(world.send(&format!("killed-{}", (round + record) % 7), text).to_string());
        }
        until("a delivery is out that is not answered", || {
            let requests = world.outside.about("killed-");
            let hanging = requests.iter().filter(|request| request.status == UNANSWERED).count();
            if hanging == round { Ok(()) } else { Err(format!("{hanging} of {}", requests.len())) }
        });
        courier.kill_9();
        courier = world.spawn("courier", "0");
    }
    assert_eq!(until_answered(world, "killed-", sent.len()), sent);
    let reached: BTreeSet<String> =
        world.outside.about("killed-").into_iter().map(|request| request.position).collect();
    assert_eq!(reached, sent);
    world.outside.check("killed-");
    courier.kill_9();
}

#[test]
fn a_key_that_fails_holds_back_itself_alone_and_ends_as_a_dead_letter_that_can_be_redriven() {
    let world = world();
    let _courier = world.courier();
    let mut courier = world.spawn("courier", "0");
    let (patient, failing) = (world.send("failing-patient", "fail 2"), world.send("failing-ever", "fail 99"));
    let refused = world.send("failing-refused", "refuse");
    world.append("parcels", "failing-poison", b"no parcel", &[]);
    for parcel in ["failing-patient", "failing-ever", "failing-refused", "failing-poison"] {
        world.send(parcel, "take");
    }
    for record in 0..20 {
        world.send(&format!("failing-other-{record}"), "take");
    }
    until_answered(world, "failing-", 25);
    assert_eq!(letter(world, "attempt 4 failed, and it was the last: 503").key, failing.to_string());
    assert_eq!(letter(world, "refused: 422").key, refused.to_string());
    assert!(letter(world, "no parcel").key.starts_with("parcels:"));
    let attempts = |parcel: &str| -> Vec<(String, u16)> {
        world.outside.about(parcel).into_iter().map(|request| (request.position, request.status)).collect()
    };
    let statuses = |parcel: &str| attempts(parcel).into_iter().map(|(_, status)| status).collect::<Vec<_>>();
    assert_eq!(statuses("failing-patient"), [503, 503, 200, 200]);
    assert_eq!(attempts("failing-patient")[..3], [503, 503, 200].map(|status| (patient.to_string(), status)));
    assert_eq!(statuses("failing-ever"), [503, 503, 503, 503, 200]);
    assert_eq!(attempts("failing-ever")[..4], [503; 4].map(|status| (failing.to_string(), status)));
    world.outside.check("failing-");

    world.outside.be_kind_to("failing-ever");
    let original = world.read("parcels").into_iter().find(|parcel| parcel.key == "failing-ever").unwrap();
    world.append("parcels", "failing-ever", &original.value, &[("redrive_of", &failing.to_string())]);
    until_answered(world, "failing-ever", 2);
    let about = world.outside.about("failing-ever");
    assert_eq!(about[5].idempotency_key, about[0].idempotency_key, "{about:?}");
    courier.kill_9();
}

#[test]
fn more_keys_than_there_is_room_for_have_their_turn() {
    let world = world();
    let _courier = world.courier();
    // More in each partition than may be open at once, and all of them fail at first.
    let parcels = (0..900).map(|parcel| format!("many-{parcel}"));
    let sent: BTreeSet<String> =
        world.send_all(parcels, "fail 2").into_iter().map(|position| position.to_string()).collect();
    let mut courier = world.spawn("courier", "0");
    until("some are answered, and many wait", || {
        let done = world.outside.about("many-").iter().filter(|request| request.status == 200).count();
        if done > 50 { Ok(()) } else { Err(done.to_string()) }
    });
    courier.kill_9();
    let mut courier = world.spawn("courier", "0");
    assert_eq!(until_answered(world, "many-", sent.len()), sent);
    world.outside.check("many-");
    courier.kill_9();
}

#[test]
fn instances_share_the_work_and_one_that_was_frozen_commits_nothing_any_more() {
    let world = world();
    let _courier = world.courier();
    let mut sent = BTreeSet::new();
    let mut send = |records: std::ops::Range<usize>, text: &str| {
        for record in records {
            sent.insert(world.send(&format!("shared-{}", record % 9), text).to_string());
        }
        sent.clone()
    };
    let zombie = world.spawn("courier", "0");
    let all = send(0..40, "take");
    until_answered(world, "shared-", all.len());
    // Frozen with something in hand: an answer that it can only commit when it is thawed.
    send(40..41, "fail 1");
    until("the zombie has tried", || {
        let tried = world.outside.about("shared-").iter().filter(|request| request.status == 503).count();
        if tried == 1 { Ok(()) } else { Err(format!("{tried}")) }
    });
    zombie.freeze();
    let mut heir = world.spawn("courier", "heir");
    let all = send(41..80, "take");
    assert_eq!(until_answered(world, "shared-", all.len()), all);
    zombie.thaw();
    zombie.until_log_says("starting again from the stored positions");
    let all = send(80..120, "fail 1");
    assert_eq!(until_answered(world, "shared-", all.len()), all);
    // Killed while its records wait for their next attempt, one is followed by itself.
    send(120..140, "fail 2");
    heir.kill_9();
    let heir = world.spawn("courier", "heir");
    let all = send(140..160, "take");
    assert_eq!(until_answered(world, "shared-", all.len()), all);
    drop((zombie, heir));
}
