//! What is asked, from the query string.

use crate::http::{
    names::CONFIRM,
    paging::{CURSOR, LIMIT},
    parameters::Parameters,
};
use axum::http::Uri;
use chrono::Utc;
use foldstream_browse::{
    ANYWAY, Question, TO, asking,
    words::{Door, SINCE, UNTIL, words_of},
};
use foldstream_log::Showing;

/// Where records are republished to, and whether it is meant.
pub(super) const TARGET: &[&str] = &[TO, ANYWAY, CONFIRM];

/// The parameters of a door: its words, and which page where it has pages.
pub(super) fn parameters(uri: &Uri, door: Door) -> Parameters {
    let paging: &[&str] = if matches!(door, Door::Page | Door::Republish) { &[LIMIT, CURSOR] } else { &[] };
    let target = if door == Door::Republish { TARGET } else { &[] };
    let known: Vec<&str> = words_of(door).map(|word| word.name).chain(paging.iter().chain(target).copied()).collect();
    let repeating: Vec<&str> = words_of(door).filter(|word| word.most > 1).map(|word| word.name).collect();
    Parameters::read_repeating(uri, &known, &repeating)
}

/// How values are shown; what breaks a rule is noted in the parameters.
pub(super) fn showing(parameters: &mut Parameters) -> Showing {
    let (showing, violations) = asking::showing(|word| parameters.text(word));
    for violation in violations {
        parameters.refuse(violation);
    }
    showing
}

/// What breaks a rule is noted in the parameters.
pub(super) fn read(parameters: &mut Parameters) -> Question {
    let given: Vec<(String, String)> =
        parameters.without(&[LIMIT, CURSOR]).map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let given = given.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let (question, violations) = asking::question(given, (1000, Utc::now()));
    // A cursor, or a confirmation, belongs to the words it was given for and holds what they meant then: that an age has
    // passed a time since is no mistake.
    let is_settled = [CURSOR, CONFIRM].iter().any(|name| parameters.text(name).is_some());
    for violation in violations.into_iter().filter(|found| !is_settled || ![SINCE, UNTIL].contains(&&*found.field)) {
        parameters.refuse(violation);
    }
    question
}
