//! foldstream-api.
