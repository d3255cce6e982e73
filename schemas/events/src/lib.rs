//! foldstream-events.
