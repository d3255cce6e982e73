//! foldstream-replay.
