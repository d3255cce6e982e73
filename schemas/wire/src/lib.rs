//! foldstream-wire.
