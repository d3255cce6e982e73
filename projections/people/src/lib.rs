//! foldstream-people-projection.
