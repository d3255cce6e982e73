//! Cells as the engine's own record, [`StateKept`]: their keys, their bound, and back.
//!
//! A record key is the key of the cell, or that, a blank and the name of the cell. Invariant: the two part again.

use super::contract::KeptCell;
use foldstream_log::generated::{StateKept, rules::STATE_KEY};

/// The largest state of a cell, as it is kept.
pub const MAX_CELL_BYTES: usize = 65_536;

/// Why a cell of so many bytes cannot be kept.
pub(crate) fn refusal(key: &str, cell: &str, size: usize) -> Option<String> {
    if key.is_empty() || key.contains(' ') {
        return Some(format!("no state is kept of the key {key:?}: it is empty or has a blank"));
    }
    if size > MAX_CELL_BYTES {
        return Some(format!("its cell {cell:?} would have {size} bytes, more than the {MAX_CELL_BYTES} it may have"));
    }
    STATE_KEY.text("state_key", &record_key(key, cell)).err().map(|violation| violation.to_string())
}

pub(crate) fn record_key(key: &str, cell: &str) -> String {
    if cell.is_empty() { key.to_owned() } else { format!("{key} {cell}") }
}

pub(crate) fn key_and_cell(record_key: &str) -> (&str, &str) {
    record_key.split_once(' ').unwrap_or((record_key, ""))
}

pub(crate) fn record(kept: &KeptCell<'_>, state: Vec<u8>) -> StateKept {
    StateKept {
        event_id: kept.change.event_id,
        state_key: record_key(kept.key, kept.cell),
        occurred_at: kept.change.occurred_at,
        answered: Vec::new(),
        state,
    }
}
