//! The parameters of a request: query string and path, read one by one and judged together.
//!
//! A parameter that breaks its rule is noted, and reading goes on with a stand-in; [`Parameters::finish`] then refuses
//! the request with everything that was noted. A name the route does not know is refused too: a mistyped filter must
//! not answer with everything. Nothing may be asked of a dependency before `finish`.

use crate::http::{
    names::MISSING,
    problem::Problem,
    times::{TIME_RULE, time},
};
use axum::{
    extract::{FromRequestParts, Path},
    http::{Uri, request},
};
use chrono::{DateTime, NaiveDate, Utc};
use foldstream_log::{Violation, generated::rules};
use std::{fmt, ops::RangeInclusive, str::FromStr};
use url::form_urlencoded;

/// The id in the path, not yet checked.
pub(crate) struct PathId(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for PathId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut request::Parts, state: &S) -> Result<Self, Problem> {
        let id = Path::<String>::from_request_parts(parts, state).await;
        id.map(|Path(id)| Self(id)).map_err(|_| {
            let violation = Violation::new("id", parts.uri.path(), "an id in a path is UTF-8, percent-encoded");
            Problem::InvalidRequest(vec![violation])
        })
    }
}

#[derive(Debug)]
pub(crate) struct Parameters {
    path: String,
    given: Vec<(String, String)>,
    violations: Vec<Violation>,
}

impl Parameters {
    /// The parameters of a route that knows these names.
    pub(crate) fn read(uri: &Uri, known: &[&str]) -> Self {
        Self::read_repeating(uri, known, &[])
    }

    /// The same, where some of the names may be given several times.
    pub(crate) fn read_repeating(uri: &Uri, known: &[&str], repeating: &[&str]) -> Self {
        let query = uri.query().unwrap_or_default();
        let given: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let mut violations = Vec::new();
        for (index, (name, value)) in given.iter().enumerate() {
            if !known.contains(&name.as_str()) {
                let rule = match known.is_empty() {
                    true => "this path takes no parameters".to_owned(),
                    false => format!("this path takes the parameters {}", known.join(", ")),
                };
                violations.push(Violation::new(shortened(name), value, rule));
            } else if !repeating.contains(&name.as_str()) && given[..index].iter().any(|(earlier, _)| earlier == name) {
                violations.push(Violation::new(name, value, "a parameter is given once"));
            }
        }
        Self { path: uri.path().to_owned(), given, violations }
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Everything given but these.
    pub(crate) fn without<'a>(&'a self, names: &'a [&str]) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.given
            .iter()
            .filter(|(name, _)| !names.contains(&name.as_str()))
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.given.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// The value, or what was noted against it.
    pub(crate) fn check<T>(&mut self, checked: Result<T, Violation>) -> Option<T> {
        checked.map_err(|violation| self.violations.push(violation)).ok()
    }

    /// The id of the path.
    pub(crate) fn id(&mut self, id: &str) {
        let checked = rules::ID.text("id", id).map(drop);
        self.check(checked);
    }

    /// A number in a range, or what holds when it is not given.
    pub(crate) fn number<T>(&mut self, name: &str, range: RangeInclusive<T>, default: T) -> T
    where
        T: FromStr + PartialOrd + fmt::Display,
    {
        let Some(text) = self.text(name) else { return default };
        let number = text.parse().ok().filter(|number| range.contains(number));
        let (start, end) = range.into_inner();
        let checked =
            number.ok_or_else(|| Violation::new(name, text, format!("{name} is a whole number from {start} to {end}")));
        self.check(checked).unwrap_or(default)
    }

    /// A day, `YYYY-MM-DD`.
    pub(crate) fn day(&mut self, name: &str) -> Option<NaiveDate> {
        let text = self.text(name)?;
        let checked = day(text)
            .ok_or_else(|| Violation::new(name, text, format!("{name} is a day that exists, written YYYY-MM-DD")));
        self.check(checked)
    }

    /// A moment, as in a body.
    pub(crate) fn time(&mut self, name: &str) -> Option<DateTime<Utc>> {
        let text = self.text(name)?;
        let checked = time(text).ok_or_else(|| Violation::new(name, text, TIME_RULE));
        self.check(checked)
    }

    /// Notes that a parameter must be given, unless it is.
    pub(crate) fn require(&mut self, name: &str, what: &str) {
        if self.text(name).is_none() {
            self.violations.push(Violation::new(name, MISSING, format!("{name} must be given: {what}")));
        }
    }

    pub(crate) fn refuse(&mut self, violation: Violation) {
        self.violations.push(violation);
    }

    /// Refuses the request if anything was noted.
    pub(crate) fn finish(self) -> Result<(), Problem> {
        match self.violations.is_empty() {
            true => Ok(()),
            false => Err(Problem::InvalidRequest(self.violations)),
        }
    }
}

/// Years 1 to 9999 and exactly ten characters: the parser alone would take `+12345-1-1`.
fn day(text: &str) -> Option<NaiveDate> {
    let shaped = text.len() == 10
        && text.bytes().enumerate().all(|(index, byte)| match index {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    if !shaped || text.starts_with("0000") {
        return None;
    }
    NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()
}

fn shortened(name: &str) -> String {
    name.chars().take(100).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parameters(query: &str) -> Parameters {
        Parameters::read(&format!("/api/persons?{query}").parse().unwrap(), &["limit", "start_date", "cursor"])
    }

    fn refused(parameters: Parameters) -> Vec<Violation> {
        match parameters.finish() {
            Err(Problem::InvalidRequest(violations)) => violations,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn numbers_out_of_range_and_other_words_are_refused() {
        for bad in ["0", "-5", "1000000000", "abc", "", "1.5", "99999999999999999999999", "1001", "%00"] {
            let mut parameters = parameters(&format!("limit={bad}"));
            assert_eq!(parameters.number("limit", 1..=1000, 100), 100, "{bad}");
            let violations = refused(parameters);
            assert_eq!(violations[0].field, "limit");
            assert_eq!(violations[0].rule, "limit is a whole number from 1 to 1000");
        }
        let mut good = parameters("limit=1000");
        assert_eq!(good.number("limit", 1..=1000u32, 100), 1000);
        assert!(good.finish().is_ok());
    }

    #[test]
    fn unknown_and_repeated_names_are_refused() {
        let violations = refused(parameters("limti=5&limit=1&limit=2"));
        assert_eq!(violations[0].field, "limti");
        assert!(violations[0].rule.contains("limit, start_date, cursor"), "{violations:?}");
        assert_eq!((violations[1].field.as_str(), violations[1].value.as_str()), ("limit", "2"));
    }

    #[test]
    fn days_that_are_none_are_refused() {
        for bad in ["2026-02-30", "2026-2-3", "02/03/2026", "0000-01-01", "2026-01-01T00:00:00Z", "", "tomorrow"] {
            let mut parameters = parameters(&format!("start_date={bad}"));
            assert_eq!(parameters.day("start_date"), None);
            assert_eq!(refused(parameters)[0].field, "start_date", "{bad}");
        }
        assert!(parameters("start_date=2024-02-29").day("start_date").is_some());
    }

    proptest! {
        #[test]
        fn no_query_panics(query in "[ -~]{0,80}") {
            let uri = Uri::builder().path_and_query(format!("/?{}", query.replace([' ', '#'], "+"))).build();
            if let Ok(uri) = uri {
                let mut parameters = Parameters::read(&uri, &["limit"]);
                parameters.number("limit", 1..=10u32, 1);
                parameters.day("limit");
                let _ = parameters.finish();
            }
        }
    }
}
