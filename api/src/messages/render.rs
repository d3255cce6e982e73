//! Records as people read them, and as they travel: JSON in pages, a line each in exports, events in a live tail.

use bytes::{BufMut, BytesMut};
use foldstream_browse::{Record, look_up};
use foldstream_log::{Message, Schemas};
use std::fmt::Display;

pub(super) async fn messages<'a>(records: impl Iterator<Item = &'a Record> + Clone, schemas: &Schemas) -> Vec<Message> {
    look_up(records.clone(), schemas).await;
    records.map(|record| record.describe(schemas)).collect()
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
