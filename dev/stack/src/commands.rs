//! The verbs of the binary, one file each.

pub(crate) mod demo;
pub(crate) mod down;
pub(crate) mod status;
pub(crate) mod up;
