//! What each command does; one file a command.

pub(crate) mod dead_letters;
pub(crate) mod messages;
pub(crate) mod processors;
pub(crate) mod projections;
pub(crate) mod replay;
pub(crate) mod run;
pub(crate) mod schemas;
pub(crate) mod topics;
