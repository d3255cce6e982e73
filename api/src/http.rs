//! HTTP with no noun of ours: what every route reads, refuses and answers with.

pub(crate) mod answer;
pub(crate) mod body;
pub(crate) mod cursor;
pub(crate) mod fields;
pub(crate) mod limits;
pub(crate) mod names;
pub(crate) mod observe;
pub(crate) mod paging;
pub(crate) mod parameters;
pub(crate) mod place;
pub(crate) mod problem;
pub(crate) mod times;
