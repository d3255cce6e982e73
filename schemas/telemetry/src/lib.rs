//! foldstream-telemetry.
