//! foldstream-consume-loop.
