//! Rows as they are printed, to the character.

use super::*;
use anstream::adapter::strip_str;
use foldstream_log::{MessageError, MessageSchema};
use serde_json::{Value, json};

fn message(partition: i32, offset: i64, key: &str, value: Value) -> Message {
    let is_tombstone = value.is_null();
    let name = "foldstream.locations.LocationReported".to_owned();
    Message {
        topic: "locations".to_owned(),
        partition,
        offset,
        position: format!("locations:{partition}:{offset}"),
        timestamp: Some("2026-11-21T10:00:00.250Z".to_owned()),
        timestamp_ms: Some(1_795_255_200_250),
        key: key.into(),
        key_encoding: Some(Encoding::Text),
        key_error: None,
        key_schema: None,
        headers: Vec::new(),
        value,
        value_encoding: (!is_tombstone).then_some(Encoding::Avro),
        value_cut: false,
        value_masked: false,
        schema: (!is_tombstone).then_some(MessageSchema {
            id: Some(7),
            guid: None,
            r#type: "AVRO",
            subject: None,
            version: Some(1),
            name: Some(name),
        }),
        size: 40,
        error: None,
        transaction: None,
    }
}

pub(crate) fn located() -> Message {
    message(3, 1729, "ada", json!({"latitude": 48.5, "person_id": "ada"}))
}

pub(crate) fn tombstone() -> Message {
    message(0, 5, "grace", Value::Null)
}

pub(crate) fn undecodable() -> Message {
    let error = MessageError { reason: "the value has no frame".to_owned(), value_base64: Some("AAA=".to_owned()) };
    Message { error: Some(error), value_encoding: Some(Encoding::Base64), ..message(4, 9, "x", Value::Null) }
}

fn aborted() -> Message {
    Message { transaction: Some("aborted"), ..located() }
}

fn plain(table: &mut Table, messages: &[Message]) -> String {
    strip_str(&table.rows(messages)).to_string()
}

#[test]
fn columns_are_aligned() {
    let rows = plain(&mut Table::new(None), &[located(), tombstone(), undecodable(), aborted()]);
    let expected = r#"
time                      position          key    type              value
2026-11-21T10:00:00.250Z  locations:3:1729  ada    LocationReported  {"latitude":48.5,"person_id":"ada"}
2026-11-21T10:00:00.250Z  locations:0:5     grace                    (tombstone)
2026-11-21T10:00:00.250Z  locations:4:9     x                        ! the value has no frame
2026-11-21T10:00:00.250Z  locations:3:1729  ada    LocationReported  (aborted) {"latitude":48.5,"person_id":"ada"}
"#;
    assert_eq!(rows, expected.trim_start());
}

#[test]
fn colours_say_what_is_what() {
    let rows = Table::new(None).rows(&[located(), tombstone(), undecodable(), aborted()]);
    let expected = [
        "time                      position          key    type              value\n",
        "{dim}2026-11-21T10:00:00.250Z{off}  {cyan}locations:3:1729{off}  {bold}ada{off}    LocationReported  {json}\n",
        "{dim}2026-11-21T10:00:00.250Z{off}  {cyan}locations:0:5{off}     {bold}grace{off}                    {dim}(tombstone){off}\n",
        "{dim}2026-11-21T10:00:00.250Z{off}  {cyan}locations:4:9{off}     {bold}x{off}                        {red}! the value has no frame{off}\n",
        "{dim}2026-11-21T10:00:00.250Z{off}  {cyan}locations:3:1729{off}  {bold}ada{off}    LocationReported  {yellow}(aborted) {json}{off}\n",
    ];
    let expected = expected
        .concat()
        .replace("{json}", r#"{"latitude":48.5,"person_id":"ada"}"#)
        .replace("{dim}", "\x1b[2m")
        .replace("{bold}", "\x1b[1m")
        .replace("{cyan}", "\x1b[36m")
        .replace("{red}", "\x1b[31m")
        .replace("{yellow}", "\x1b[33m")
        .replace("{off}", "\x1b[0m");
    assert_eq!(rows, expected);
}

#[test]
fn the_headings_come_once_and_columns_never_shrink() {
    let mut table = Table::new(None);
    assert_eq!(plain(&mut table, &[]), "");
    let first = plain(&mut table, &[located()]);
    assert_eq!(first.lines().count(), 2);
    let second = plain(&mut table, &[message(1, 2, "b", json!(1))]);
    assert_eq!(second, "2026-11-21T10:00:00.250Z  locations:1:2     b    LocationReported  1\n");
}

#[test]
fn a_terminal_is_filled_and_not_overrun() {
    let wide = message(3, 1729, &"k".repeat(60), json!({"name": "漢字".repeat(50)}));
    for width in [120, 121, 160, 300] {
        let rows = plain(&mut Table::new(Some(width)), &[located(), wide.clone()]);
        let widths: Vec<usize> = rows.lines().map(UnicodeWidthStr::width).collect();
        assert!(widths.iter().all(|row| *row <= width), "{width}: {rows}");
    }
    let rows = plain(&mut Table::new(Some(100)), &[located()]);
    let row = rows.lines().nth(1).unwrap();
    assert_eq!(
        row,
        r#"2026-11-21T10:00:00.250Z  locations:3:1729  ada  LocationReported  {"latitude":48.5,"person_id":"ad…"#
    );
    // However narrow, something of the value is shown.
    let rows = plain(&mut Table::new(Some(20)), &[located()]);
    assert!(rows.ends_with("  {\"latitude\"…\n"), "{rows}");
}

#[test]
fn a_record_does_not_steer_the_terminal() {
    let key = "\u{1b}[2J\u{9b}31m\nx";
    let rows = Table::new(None).rows(&[message(0, 1, key, json!({"a": "\u{1b}]0;x\u{7}", "b": "\u{9b}1A\u{7f}"}))]);
    let left: Vec<char> = strip_str(&rows).to_string().chars().filter(|character| character.is_control()).collect();
    assert_eq!(left, ['\n', '\n'], "{rows}");
    assert!(rows.contains(r"\u{1b}[2J\u{9b}31m\nx"), "{rows}");
}

#[test]
fn texts_are_cut_to_columns() {
    for (text, columns, expected) in
        [("", 0, ""), ("abc", 3, "abc"), ("abcd", 3, "ab…"), ("漢字", 4, "漢字"), ("漢字", 3, "漢…"), ("漢字", 2, "…")]
    {
        assert_eq!(cut(text, columns), expected, "{text} {columns}");
    }
}
