//! foldstream-stack.
