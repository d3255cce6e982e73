//! foldstream-read-models.
