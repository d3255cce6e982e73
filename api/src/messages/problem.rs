//! Why there is no page.

use crate::http::{paging::CURSOR, problem::Problem};
use foldstream_browse::{PageError, Uncompared};
use foldstream_log::Violation;
use std::{io, sync::Arc};

/// The cursor is what was given, if any was.
pub(super) fn of_page(error: PageError, cursor: Option<&str>) -> Problem {
    match error {
        PageError::Browse(error) => error.into(),
        PageError::Refused(violation) => Problem::InvalidRequest(vec![violation]),
        PageError::Crowded => Problem::Crowded,
        PageError::Expired(expired) => {
            let rule =
                format!("a cursor must lead to records that are still there: {expired}; begin again without one");
            Problem::Gone(Violation::new(CURSOR, cursor.unwrap_or_default(), rule))
        }
    }
}

/// Nothing is told where the registry would have to say what is wanted and is away.
pub(super) fn of_uncompared(uncompared: &Uncompared) -> Problem {
    Problem::Unavailable {
        what: "the schema registry".into(),
        cause: Arc::new(io::Error::other(uncompared.to_string())),
    }
}
