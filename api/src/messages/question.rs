//! What is asked, from the query string.

use crate::http::{
    paging::{CURSOR, LIMIT},
    parameters::Parameters,
};
use axum::http::Uri;
use chrono::Utc;
use foldstream_browse::{
    Question,
    asking::{
        self, CONTAINS, FIELDS, ISOLATION, KEY, KEY_ENCODING, ORDER, PARTITION, SINCE, TOPIC, TYPE, UNDECODABLE, UNTIL,
        VALUE, WHERE,
    },
};
use foldstream_log::Showing;

pub(super) const PAGE: &[&str] = &[
    TOPIC,
    LIMIT,
    PARTITION,
    KEY,
    KEY_ENCODING,
    SINCE,
    UNTIL,
    TYPE,
    CONTAINS,
    WHERE,
    UNDECODABLE,
    ORDER,
    ISOLATION,
    VALUE,
    FIELDS,
    CURSOR,
];
/// A live tail goes on from now.
pub(super) const TAIL: &[&str] =
    &[TOPIC, PARTITION, KEY, KEY_ENCODING, TYPE, CONTAINS, WHERE, UNDECODABLE, VALUE, FIELDS];
/// An export runs from the oldest record to the newest.
pub(super) const EXPORT: &[&str] =
    &[TOPIC, PARTITION, KEY, KEY_ENCODING, SINCE, UNTIL, TYPE, CONTAINS, WHERE, UNDECODABLE, ISOLATION, VALUE, FIELDS];
pub(super) const SINGLE: &[&str] = &[ISOLATION, VALUE, FIELDS];

pub(super) fn parameters(uri: &Uri, known: &[&str]) -> Parameters {
    Parameters::read_repeating(uri, known, &[WHERE])
}

/// How values are shown; what breaks a rule is noted in the parameters.
pub(super) fn showing(parameters: &mut Parameters) -> Showing {
    let (showing, violations) = asking::showing(parameters.text(VALUE), parameters.text(FIELDS));
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
    // A cursor belongs to the words it was given for and holds what they meant then: that an age has passed a time since
    // is no mistake.
    let is_settled = parameters.text(CURSOR).is_some();
    for violation in violations.into_iter().filter(|found| !is_settled || ![SINCE, UNTIL].contains(&&*found.field)) {
        parameters.refuse(violation);
    }
    question
}
