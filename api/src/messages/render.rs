//! Records as people read them, and as they travel: JSON in pages, a line each in exports, events in a live tail.
//!
//! A value takes many times as much decoded as it does in the log, so each is decoded when it is written, and goes then. Where
//! that is much work at once, it leaves the threads that answer others (`at_length`).

use bytes::{BufMut, BytesMut};
use foldstream_browse::{Record, look_up};
use foldstream_log::{Message, Schemas, Showing};
use serde::{Serialize, Serializer};
use std::{fmt::Display, sync::Arc};

/// Messages that are decoded while they are written.
pub(super) struct Shown<'a> {
    records: &'a [Arc<Record>],
    schemas: &'a Schemas,
    showing: &'a Showing,
}

impl<'a> Shown<'a> {
    pub(super) async fn new(records: &'a [Arc<Record>], schemas: &'a Schemas, showing: &'a Showing) -> Self {
        look_up(records.iter().map(AsRef::as_ref), schemas).await;
        Self { records, schemas, showing }
    }

    /// How much the records take; what becomes of them may be more.
    pub(super) fn bytes(&self) -> u64 {
        self.records.iter().map(|record| record.bytes() as u64).sum()
    }

    /// Fields that were asked for and that none of them has.
    pub(super) fn unknown_fields(&self) -> Vec<String> {
        if self.showing.has_fields() {
            // Each tells it while it is decoded, and none is kept for that.
            self.each().for_each(drop);
        }
        self.showing.unknown_fields()
    }

    pub(super) fn each(&self) -> impl Iterator<Item = Message> {
        self.records.iter().map(|record| record.describe(self.schemas, self.showing))
    }
}

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.each())
    }
}

/// A value as a line (NDJSON).
pub(super) fn put_line(lines: &mut BytesMut, value: &impl serde::Serialize) {
    put(lines, value);
    lines.put_u8(b'\n');
}

/// An event as `text/event-stream` has it. JSON holds no line break, so one line of data is enough.
pub(super) fn put_event(event: &mut BytesMut, name: &str, id: Option<&dyn Display>, data: &impl serde::Serialize) {
    if let Some(id) = id {
        event.extend_from_slice(format!("id: {id}\n").as_bytes());
    }
    event.extend_from_slice(format!("event: {name}\ndata: ").as_bytes());
    put(event, data);
    event.extend_from_slice(b"\n\n");
}

fn put(buffer: &mut BytesMut, value: &impl serde::Serialize) {
    // Shapes of ours always serialise, and a buffer in memory takes everything.
    let _ = serde_json::to_writer(buffer.writer(), value);
}
