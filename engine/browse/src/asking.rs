//! A question in words (`words.rs`), read: the same on the command line and in the query string of `/messages`.

use crate::{
    filter::Filter,
    offsets::Isolation,
    order::Order,
    question::Question,
    words::{
        CONTAINS, FIELDS, HEADER, ISOLATION, KEY, KEY_AS, KEY_ENCODING, ORDER, PARTITION, SINCE, TOPIC, TYPE,
        UNDECODABLE, UNTIL, VALUE, VALUE_AS, WHERE,
    },
};
use chrono::{DateTime, Utc};
use foldstream_log::{Encoding, Extent, FieldPath, MOST_FIELDS, ReadAs, Reading, Showing, Violation};
use std::collections::BTreeSet;

/// Reads the question; what breaks a rule is noted, and a stand-in takes its place.
pub fn question<'a>(
    given: impl Iterator<Item = (&'a str, &'a str)>,
    (limit, now): (usize, DateTime<Utc>),
) -> (Question, Vec<Violation>) {
    let mut reading = Words { violations: Vec::new(), now, key: None, key_encoding: None, read_as: Reading::default() };
    let mut question = Question::newest("", limit);
    for (word, text) in given {
        reading.take(word, text, &mut question);
    }
    reading.take_key(&mut question.filter);
    let read_as = reading.read_as;
    reading.note(question.filter.set_reading(read_as));
    if question.topic.is_empty() && !reading.violations.iter().any(|violation| violation.field == TOPIC) {
        reading.violations.push(Violation::new(TOPIC, "(missing)", "topic must be given: the topic to look into"));
    }
    (question, reading.violations)
}

/// How records are shown; what breaks a rule is noted, and then everything is, as what it is.
#[must_use]
pub fn showing<'a>(said: impl Fn(&str) -> Option<&'a str>) -> (Showing, Vec<Violation>) {
    let extents = [("full", Extent::Full), ("preview", Extent::Preview), ("none", Extent::None)];
    let extent = said(VALUE).map_or(Ok(Extent::default()), |text| word_of(VALUE, text, &extents));
    let paths = said(FIELDS).map_or(Ok(Vec::new()), fields_of);
    let read = |word| said(word).map_or(Ok(ReadAs::default()), |text| read_as(word, text));
    let (extent, paths, key, value) = match (extent, paths, read(KEY_AS), read(VALUE_AS)) {
        (Ok(extent), Ok(paths), Ok(key), Ok(value)) => (extent, paths, key, value),
        (extent, paths, key, value) => {
            let violations = [extent.err(), paths.err(), key.err(), value.err()].into_iter().flatten();
            return (Showing::default(), violations.collect());
        }
    };
    let refused = match extent {
        Extent::None => Some("fields are those of a value that is shown, and value=none shows none"),
        _ if !value.has_fields() => {
            Some("values have no fields when they are read as text, a number or bytes: see value_as")
        }
        _ => None,
    };
    match refused.filter(|_| !paths.is_empty()) {
        Some(rule) => (Showing::default(), vec![Violation::new(FIELDS, said(FIELDS).unwrap_or_default(), rule)]),
        None => (Showing::new(extent, paths).for_reading(Reading { key, value }), Vec::new()),
    }
}

fn fields_of(text: &str) -> Result<Vec<FieldPath>, Violation> {
    let paths: Result<Vec<FieldPath>, _> = text.split(',').map(str::parse).collect();
    let paths =
        paths.map_err(|error| Violation::new(FIELDS, text, format!("fields are paths joined by commas: {error}")))?;
    match paths.len() <= MOST_FIELDS {
        true => Ok(paths),
        false => Err(Violation::new(FIELDS, text, format!("there are at most {MOST_FIELDS} fields"))),
    }
}

struct Words<'a> {
    violations: Vec<Violation>,
    now: DateTime<Utc>,
    /// Two words that say one thing.
    key: Option<&'a str>,
    key_encoding: Option<&'a str>,
    read_as: Reading,
}

impl<'a> Words<'a> {
    fn check<T>(&mut self, checked: Result<T, Violation>) -> Option<T> {
        checked.map_err(|violation| self.violations.push(violation)).ok()
    }

    fn note(&mut self, checked: Result<(), Violation>) {
        self.violations.extend(checked.err());
    }

    fn take(&mut self, word: &str, text: &'a str, question: &mut Question) {
        let filter = &mut question.filter;
        match word {
            TOPIC => question.topic = self.check(topic(text)).unwrap_or_default(),
            PARTITION => question.partitions = self.check(partitions(text)),
            KEY => self.key = Some(text),
            KEY_ENCODING => self.key_encoding = Some(text),
            SINCE => self.note(filter.set_since(text, self.now)),
            UNTIL => self.note(filter.set_until(text, self.now)),
            TYPE => self.note(filter.set_type(text)),
            CONTAINS => self.note(filter.set_contains(text)),
            WHERE => self.note(filter.add_condition(text, self.now)),
            // What is none of them is told with how records are shown: `showing`.
            KEY_AS => self.read_as.key = read_as(KEY_AS, text).unwrap_or_default(),
            VALUE_AS => self.read_as.value = read_as(VALUE_AS, text).unwrap_or_default(),
            HEADER => self.note(filter.add_header(text, self.now)),
            UNDECODABLE => {
                let undecodable = self.check(word_of(UNDECODABLE, text, &[("true", true), ("false", false)]));
                filter.set_undecodable(undecodable.unwrap_or_default());
            }
            ORDER => {
                let orders = [("newest", Order::Newest), ("oldest", Order::Oldest)];
                question.order = self.check(word_of(ORDER, text, &orders)).unwrap_or_default();
            }
            ISOLATION => question.isolation = self.check(isolation(text)).unwrap_or_default(),
            _ => {}
        }
    }

    fn take_key(&mut self, filter: &mut Filter) {
        let encoding = |text| Encoding::parse(text).ok_or_else(|| none_of(KEY_ENCODING, text, Encoding::NAMES));
        let encoding = self.key_encoding.and_then(|text| self.check(encoding(text)));
        match (self.key, self.key_encoding) {
            (Some(key), _) => self.note(filter.set_key(key, encoding)),
            (None, Some(text)) => {
                let rule = "key_encoding says how the key is shown that is asked for by key";
                self.violations.push(Violation::new(KEY_ENCODING, text, rule));
            }
            (None, None) => {}
        }
    }
}

/// What a broker would accept as a name, so that it need not be asked about others.
pub fn topic(name: &str) -> Result<String, Violation> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    match (1..=249).contains(&name.len()) && name != "." && name != ".." && name.bytes().all(allowed) {
        true => Ok(name.to_owned()),
        false => Err(Violation::new(
            TOPIC,
            name,
            "the name of a topic has 1 to 249 characters: letters, digits, dot, underscore, hyphen",
        )),
    }
}

pub fn isolation(text: &str) -> Result<Isolation, Violation> {
    let isolations = [("read_committed", Isolation::Committed), ("read_uncommitted", Isolation::Uncommitted)];
    word_of(ISOLATION, text, &isolations)
}

/// How keys or values are to be read.
pub fn read_as(word: &str, text: &str) -> Result<ReadAs, Violation> {
    ReadAs::parse(text).ok_or_else(|| none_of(word, text, ReadAs::NAMES))
}

/// Numbers of partitions, joined by commas.
fn partitions(text: &str) -> Result<BTreeSet<i32>, Violation> {
    let number = |text: &str| text.parse().ok().filter(|number: &i32| *number >= 0);
    let numbers: Option<BTreeSet<i32>> = text.split(',').map(number).collect();
    numbers.filter(|numbers| numbers.len() <= 1000).ok_or_else(|| {
        Violation::new(
            PARTITION,
            text,
            "partition is the number of a partition, from 0 on; several are joined by commas",
        )
    })
}

fn word_of<T: Copy>(field: &str, text: &str, words: &[(&str, T)]) -> Result<T, Violation> {
    words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning).ok_or_else(|| {
        let known: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        none_of(field, text, &known)
    })
}

fn none_of(field: &str, text: &str, known: &[&str]) -> Violation {
    Violation::new(field, text, format!("{field} is one of: {}", known.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::{Shape, WORDS};

    fn shown(value: Option<&str>, fields: Option<&str>) -> (Showing, Vec<Violation>) {
        showing(|word| [(VALUE, value), (FIELDS, fields)].into_iter().find(|(name, _)| *name == word)?.1)
    }

    /// What a word may be is told where it is declared; this holds that it is read so.
    #[test]
    fn words_of_a_choice_are_taken_and_others_refused() {
        for word in WORDS {
            let choices = match word.shape {
                Shape::OneOf(choices) => choices,
                Shape::Flag => &["true", "false"],
                Shape::Text { .. } => continue,
            };
            let refused = |said| {
                let said = [(TOPIC, "parcels"), (KEY, ""), (word.name, said)];
                let (_, violations) = question(said.into_iter(), (50, DateTime::UNIX_EPOCH));
                let word_said = |word: &str| said.iter().find(|(name, _)| *name == word).map(|(_, said)| *said);
                violations.into_iter().chain(showing(word_said).1).map(|violation| violation.field).collect::<Vec<_>>()
            };
            for choice in choices {
                assert_eq!(refused(choice), [""; 0], "{} {choice}", word.name);
            }
            assert_eq!(refused("else"), [word.name]);
        }
    }

    #[test]
    fn names_of_topics() {
        for bad in ["", ".", "..", "a b", "a/b", "ü", "a\u{0}", &"x".repeat(250)] {
            assert!(topic(bad).is_err(), "{bad}");
        }
        assert!(topic("parcel-labels").is_ok());
    }

    #[test]
    fn everything_that_is_wrong_is_named() {
        let wrong = [(PARTITION, "-1"), (ORDER, "up"), (ISOLATION, "dirty"), (SINCE, "yesterday"), (WHERE, "nothing")];
        let (_, violations) = question(wrong.into_iter(), (50, DateTime::UNIX_EPOCH));
        let mut fields: Vec<_> = violations.iter().map(|violation| violation.field.as_str()).collect();
        fields.sort_unstable();
        assert_eq!(fields, [ISOLATION, ORDER, PARTITION, SINCE, TOPIC, WHERE]);
    }

    #[test]
    fn how_values_are_shown_is_asked_for_in_words() {
        assert!(shown(None, None).0.is_everything() && shown(Some("full"), None).0.is_everything());
        assert!(!shown(Some("preview"), Some("a,items[*].sku")).0.is_everything());
        let many = vec!["a"; MOST_FIELDS + 1].join(",");
        for (value, fields, expected) in [
            (Some("some"), None, vec![VALUE]),
            (None, Some(""), vec![FIELDS]),
            (None, Some("a,,b"), vec![FIELDS]),
            (None, Some("a, b"), vec![FIELDS]),
            (None, Some(many.as_str()), vec![FIELDS]),
            (Some("none"), Some("a"), vec![FIELDS]),
            (Some(""), Some("a..b"), vec![VALUE, FIELDS]),
        ] {
            let (_, violations) = shown(value, fields);
            let found: Vec<_> = violations.iter().map(|violation| violation.field.as_str()).collect();
            assert_eq!(found, expected, "{value:?} {fields:?}");
        }
    }

    #[test]
    fn partitions_are_a_set() {
        assert_eq!(partitions("3,1,3"), Ok([1, 3].into()));
        for bad in ["", "1,", "a", "1;2", "2147483648"] {
            assert!(partitions(bad).is_err(), "{bad}");
        }
    }
}
