//! foldstream-bench.
