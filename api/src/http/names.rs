//! The names of headers and parameters that all routes share, and the bounds of the latter.

pub(crate) const AFTER: &str = "after";
pub(crate) const WAIT_MS: &str = "wait_ms";
/// What was asked for is meant: a token of the answer without it.
pub(crate) const CONFIRM: &str = "confirm";
pub(crate) const POSITION: &str = "foldstream-position";
pub(crate) const APPLIED: &str = "foldstream-applied";
pub(crate) const LAG_MS: &str = "foldstream-lag-ms";
pub(crate) const DEFAULT_WAIT_MS: u64 = 2000;
pub(crate) const MAX_WAIT_MS: u64 = 30_000;
/// Stands for a value that was not given.
pub(crate) const MISSING: &str = "(missing)";
