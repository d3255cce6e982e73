//! The record that says nothing: brokers close a segment only when something is appended, and compact closed ones only.
//!
//! It ends a key that nobody has, so compaction takes it out again as well. Readers of events are not shown it.

/// Its key. No id has a blank in it, and no state is kept of an empty key.
pub(crate) const SEGMENT_END: &str = " segment end";

/// Whether a record of this key and value is one.
#[must_use]
pub fn is_segment_end(key: Option<&[u8]>, value: Option<&[u8]>) -> bool {
    value.is_none() && key == Some(SEGMENT_END.as_bytes())
}
