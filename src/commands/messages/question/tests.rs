//! What the flags come to.

use super::*;
use crate::commands::messages::Options;
use clap::{Args, Command, FromArgMatches, error::ErrorKind};
use foldstream_browse::Order;
use foldstream_log::{Encoding, ReadAs, Reading};

fn command() -> Command {
    Options::augment_args(Command::new("messages"))
}

fn options(arguments: &[&str]) -> QuestionOptions {
    let matches = command().try_get_matches_from([&["messages"], arguments].concat());
    Options::from_arg_matches(&matches.unwrap_or_else(|error| panic!("{error}"))).unwrap().question
}

fn read(arguments: &[&str]) -> Result<Question, Refused> {
    let read = options(arguments).read(DateTime::UNIX_EPOCH + Duration::from_secs(86_400));
    read.map(|(question, _)| question)
}

#[test]
fn flags_are_the_words_of_the_api() {
    let arguments = "-t locations -n 7 --partition 0,3 --key ada --key-encoding text --since 2h --until 1h --type LocationReported \
                     --contains x --where a=1 --where b>2 --header c=3 --undecodable --key-as text --value-as avro --order oldest --isolation read_uncommitted";
    let Question::Pages { question, timeout } = read(&arguments.split_whitespace().collect::<Vec<_>>()).unwrap() else {
        panic!("no pages")
    };
    let mut expected = browse::Question::newest("locations", 7);
    let filter = &mut expected.filter;
    let now = DateTime::UNIX_EPOCH + Duration::from_secs(86_400);
    filter.set_key("ada", Some(Encoding::Text)).unwrap();
    filter.set_since("2h", now).unwrap();
    filter.set_until("1h", now).unwrap();
    filter.set_type("LocationReported").unwrap();
    filter.set_contains("x").unwrap();
    filter.add_condition("a=1", now).unwrap();
    filter.add_condition("b>2", now).unwrap();
    filter.add_header("c=3", now).unwrap();
    filter.set_undecodable(true);
    let reading = Reading { key: ReadAs::Only(Encoding::Text), value: ReadAs::Only(Encoding::Avro) };
    filter.set_reading(reading).unwrap();
    assert_eq!(question.filter, expected.filter);
    assert_eq!((question.topic.as_str(), question.limit, question.order), ("locations", 7, Order::Oldest));
    assert_eq!((question.partitions, question.isolation), (Some([0, 3].into()), Isolation::Uncommitted));
    assert_eq!(timeout, Duration::from_secs(10));
}

#[test]
fn everything_wrong_is_named_at_once() {
    let wrong =
        ["-t", "a b", "-n", "0", "--partition", "-1", "--since", "yesterday", "--key", "a", "--key-encoding", "octal"];
    let wrong = [&wrong[..], &["--timeout", "10"]].concat();
    let refused = read(&wrong).unwrap_err().to_string();
    let expected = "\
--topic 'a b' is refused: the name of a topic has 1 to 249 characters: letters, digits, dot, underscore, hyphen
--partition '-1' is refused: partition is the number of a partition, from 0 on; several are joined by commas
--since 'yesterday' is refused: a time is written 2026-11-21T10:00:00Z, with an offset from UTC or without one, to the \
                    minute or finer, or as a day, 2026-11-21 or 20261121, as milliseconds since 1970, 12 digits or more, \
                    or as an age: 90s, 15m, 2h, 7d; it lies in the years 1970 to 9999
--key-encoding 'octal' is refused: key_encoding is one of: avro, json, text, long, hex, base64
--limit '0' is refused: limit is a whole number from 1 to 100000
--timeout '10' is refused: timeout is a time from 1ms to 1h, such as 500ms, 10s or 1m 30s";
    assert_eq!(refused, expected);
}

#[test]
fn a_position_is_one_record() {
    let Question::Single { position, isolation } = read(&["locations:3:1729"]).unwrap() else { panic!("not one") };
    assert_eq!((position.to_string().as_str(), isolation), ("locations:3:1729", Isolation::Committed));
    let refused = read(&["locations", "--isolation", "dirty"]).unwrap_err().to_string();
    let expected = "\
position 'locations' is refused: a position is topic:partition:offset, such as locations:3:1729; a whole topic is \
                    named by --topic
--isolation 'dirty' is refused: isolation is one of: read_committed, read_uncommitted";
    assert_eq!(refused, expected);
}

#[test]
fn how_values_are_shown_is_said_in_the_words_of_the_api() {
    let (_, showing) = options(&["-t", "locations", "--value", "preview", "--fields", "a,b.c"])
        .read(DateTime::UNIX_EPOCH)
        .unwrap_or_else(|refused| panic!("{refused}"));
    assert!(showing.has_fields());
    let refused = read(&["-t", "..", "--value", "half", "--fields", "a,"]).unwrap_err().to_string();
    for flag in ["--topic '..'", "--value 'half'", "--fields 'a,'"] {
        assert!(refused.contains(flag), "{refused}");
    }
}

#[test]
fn what_does_not_go_together_is_refused() {
    let kind = |arguments: &[&str]| {
        command().try_get_matches_from([&["messages"], arguments].concat()).err().map(|error| error.kind())
    };
    assert_eq!(kind(&[]), Some(ErrorKind::MissingRequiredArgument));
    for arguments in [
        &["locations:0:1", "-t", "locations"] as &[_],
        &["locations:0:1", "-f"],
        &["-t", "locations", "-f", "--order", "oldest"],
        &["-t", "locations", "-f", "--until", "1h"],
        &["-t", "locations", "-f", "--isolation", "read_uncommitted"],
    ] {
        assert_eq!(kind(arguments), Some(ErrorKind::ArgumentConflict), "{arguments:?}");
    }
    assert!(matches!(read(&["-t", "locations", "-f", "--since", "1h"]), Ok(Question::Follow { .. })));
}

#[test]
fn times_out() {
    for (text, expected) in
        [("1ms", 1), ("500ms", 500), ("10s", 10_000), ("2m", 120_000), ("1h", 3_600_000), ("1m 30s", 90_000)]
    {
        assert_eq!(timeout(text), Ok(Duration::from_millis(expected)), "{text}");
    }
    for bad in ["", "s", "0s", "-1s", "10", "2h", "1d", "99999999999999999999s", "9999999999999999h"] {
        assert!(timeout(bad).is_err(), "{bad}");
    }
}
