//! What is asked, from the flags.
//!
//! Every flag but the switches is a text that is read here, not by clap, so that whatever is wrong with them is said
//! at once, in the words of the API.

use chrono::{DateTime, Utc};
use foldstream_browse::{
    self as browse, Isolation,
    words::{
        CONTAINS, FIELDS, HEADER, ISOLATION, KEY, KEY_AS, KEY_ENCODING, ORDER, PARTITION, SINCE, TOPIC, TYPE,
        UNDECODABLE, UNTIL, VALUE, VALUE_AS, WHERE,
    },
};
use foldstream_log::{Position, Showing, Violation};
use std::{fmt, time::Duration};

const LIMIT: &str = "limit";
const MOST_RECORDS: usize = 100_000;
const TIMEOUT: &str = "timeout";
const POSITION: &str = "position";

const WHICH: &str = "Which records";
const HOW: &str = "How they are read";

/// Which records: a filter, or the position of one.
#[derive(clap::Args, Debug)]
pub(super) struct WhichOptions {
    /// This one record, shown in full, or what became of it; none of the flags goes with it that choose records
    #[arg(
        value_name = "TOPIC:PARTITION:OFFSET",
        conflicts_with_all = [
            TOPIC, PARTITION, KEY, KEY_ENCODING, SINCE, UNTIL, TYPE, CONTAINS, WHERE, HEADER, UNDECODABLE,
        ]
    )]
    position: Option<String>,
    /// The topic to look into
    #[arg(long, short, help_heading = WHICH, required_unless_present = POSITION)]
    topic: Option<String>,
    /// Only of these partitions, joined by commas: 0,3
    #[arg(long, help_heading = WHICH, value_name = "NUMBERS", allow_negative_numbers = true)]
    partition: Option<String>,
    /// Only of this key, as it is shown: text, base64, or the JSON of an Avro key. Of topics of ours only the partition it
    /// lives in is read, of others all
    #[arg(long, help_heading = WHICH, allow_hyphen_values = true)]
    key: Option<String>,
    /// Of keys that are shown alike only those shown so: avro, json, text, long, hex or base64
    #[arg(long = "key-encoding", id = KEY_ENCODING, help_heading = WHICH, value_name = "ENCODING", requires = KEY)]
    key_encoding: Option<String>,
    /// Only as old as this or younger: 2026-11-21T10:00:00Z, '2026-11-21 10:00' (UTC), a day 2026-11-21, milliseconds since
    /// 1970, or an age 90s, 15m, 2h, 7d
    #[arg(long, help_heading = WHICH, value_name = "TIME", allow_hyphen_values = true)]
    since: Option<String>,
    /// Only older than this; written as --since
    #[arg(long, help_heading = WHICH, value_name = "TIME", allow_hyphen_values = true)]
    until: Option<String>,
    /// Only of this record type: LocationReported, or its full name with dots
    #[arg(long = "type", id = TYPE, help_heading = WHICH, value_name = "NAME", allow_hyphen_values = true)]
    record_type: Option<String>,
    /// Only those that hold this text: in the key, a header's value, or the JSON of the value
    #[arg(long, help_heading = WHICH, value_name = "TEXT", allow_hyphen_values = true)]
    contains: Option<String>,
    /// Only those that meet this condition: a path into the value, one of = != > >= < <= and ~ (holds the text), and a
    /// value, such as 'latitude>=60' or 'occurred_at>=2h'; may be given several times, and all must hold
    #[arg(long = "where", id = WHERE, help_heading = WHICH, value_name = "CONDITION", allow_hyphen_values = true)]
    conditions: Vec<String>,
    /// Only those with a header that meets this condition: its name, one of = != ~ and a value, or one of > >= < <= and a
    /// number or a time, such as 'ce_type=order.placed' or 'ce_time>=2h'; names may repeat, and any of them meets; bytes are
    /// asked for as 'name=base64:AP8='; may be given several times, and all must hold
    #[arg(long = "header", id = HEADER, help_heading = WHICH, value_name = "CONDITION", allow_hyphen_values = true)]
    headers: Vec<String>,
    /// Only those whose value cannot be decoded
    #[arg(long, help_heading = WHICH)]
    undecodable: bool,
    /// Read keys so, whatever they seem to be: auto (the default), avro, json, text, long (eight bytes), hex or base64; --key is
    /// then of what is shown
    #[arg(long = "key-as", id = KEY_AS, help_heading = HOW, value_name = "ENCODING")]
    key_as: Option<String>,
    /// Read values so; what cannot be is told
    #[arg(long = "value-as", id = VALUE_AS, help_heading = HOW, value_name = "ENCODING")]
    value_as: Option<String>,
}

#[derive(clap::Args, Debug)]
pub(super) struct QuestionOptions {
    #[command(flatten)]
    which: WhichOptions,
    /// How many records, from 1 to 100000
    #[arg(long, short = 'n', help_heading = WHICH, default_value = "50", conflicts_with = POSITION, allow_negative_numbers = true)]
    limit: String,
    /// Newest or oldest first: newest (the default) or oldest
    #[arg(long, help_heading = HOW, conflicts_with_all = ["follow", POSITION])]
    order: Option<String>,
    /// read_committed (the default), or read_uncommitted: aborted and undecided records, too
    #[arg(long, help_heading = HOW, value_name = "LEVEL", conflicts_with = "follow")]
    isolation: Option<String>,
    /// How much of each value is shown: full (the default); preview, the beginnings of long texts, arrays and objects; none
    #[arg(long, help_heading = HOW, value_name = "EXTENT")]
    value: Option<String>,
    /// Only these fields of each value, joined by commas: paths as in --where
    #[arg(long, help_heading = HOW, value_name = "PATHS")]
    fields: Option<String>,
    /// Oldest first, then go on with what is appended, until Ctrl-C
    #[arg(long, short, help_heading = HOW, conflicts_with_all = [UNTIL, POSITION])]
    follow: bool,
    /// Print what was found at the latest after this time and read on: 500ms, 10s, 2m; with --follow, look back no
    /// longer than this
    #[arg(long, help_heading = HOW, value_name = "DURATION", default_value = "10s", allow_negative_numbers = true,
        conflicts_with = POSITION)]
    timeout: String,
}

#[derive(Debug)]
pub(super) enum Question {
    Single { position: Position, isolation: Isolation },
    Pages { question: browse::Question, timeout: Duration },
    Follow { question: browse::Question, timeout: Duration },
}

/// Values that break rules, all of them.
#[derive(Debug)]
pub(crate) struct Refused(Vec<Violation>);

impl fmt::Display for Refused {
    /// A line each: flag, value, rule.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, Violation { field, value, rule }) in self.0.iter().enumerate() {
            let flag = if field == POSITION { "" } else { "--" };
            let separator = if number == 0 { "" } else { "\n" };
            let field = field.replace('_', "-");
            write!(f, "{separator}{flag}{field} '{value}' is refused: {rule}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Refused {}

impl From<Violation> for Refused {
    fn from(violation: Violation) -> Self {
        Self(vec![violation])
    }
}

impl From<Vec<Violation>> for Refused {
    fn from(violations: Vec<Violation>) -> Self {
        Self(violations)
    }
}

impl QuestionOptions {
    /// What is asked, and how values are shown.
    pub(super) fn read(&self, now: DateTime<Utc>) -> Result<(Question, Showing), Refused> {
        let question = match self.which.position() {
            Some(position) => self.single(position),
            None => self.records(now),
        };
        match (question, browse::asking::showing(|word| self.how_shown(word))) {
            (Ok(question), (showing, violations)) if violations.is_empty() => Ok((question, showing)),
            (question, (_, violations)) => {
                let refused = question.err().into_iter().flat_map(|refused| refused.0);
                Err(Refused(refused.chain(violations).collect()))
            }
        }
    }

    fn single(&self, position: Result<Position, Violation>) -> Result<Question, Refused> {
        let isolation = self.isolation.as_deref().map_or(Ok(Isolation::default()), browse::asking::isolation);
        match (position, isolation) {
            (Ok(position), Ok(isolation)) => Ok(Question::Single { position, isolation }),
            (position, isolation) => Err(Refused(position.err().into_iter().chain(isolation.err()).collect())),
        }
    }

    fn records(&self, now: DateTime<Utc>) -> Result<Question, Refused> {
        let (limit, timeout) = (limit(&self.limit), timeout(&self.timeout));
        let wanted = limit.as_ref().copied().unwrap_or_default();
        let (question, mut violations) = browse::asking::question(self.words(), (wanted, now));
        violations.extend(limit.err());
        match timeout {
            Ok(timeout) if violations.is_empty() && self.follow => Ok(Question::Follow { question, timeout }),
            Ok(timeout) if violations.is_empty() => Ok(Question::Pages { question, timeout }),
            timeout => {
                violations.extend(timeout.err());
                Err(Refused(violations))
            }
        }
    }

    fn how_shown(&self, word: &str) -> Option<&str> {
        let said = [
            (VALUE, &self.value),
            (FIELDS, &self.fields),
            (KEY_AS, &self.which.key_as),
            (VALUE_AS, &self.which.value_as),
        ];
        said.into_iter().find(|(name, _)| *name == word)?.1.as_deref()
    }

    fn words(&self) -> impl Iterator<Item = (&str, &str)> {
        let once = [(ORDER, &self.order), (ISOLATION, &self.isolation)];
        self.which.words().chain(once.into_iter().filter_map(|(word, text)| Some((word, text.as_deref()?))))
    }
}

impl WhichOptions {
    /// The position of one record, if that is given.
    pub(super) fn position(&self) -> Option<Result<Position, Violation>> {
        let rule = "a position is topic:partition:offset, such as locations:3:1729; a whole topic is named by --topic";
        let text = self.position.as_deref()?;
        Some(text.parse().map_err(|_| Violation::new(POSITION, text, rule)))
    }

    pub(super) fn words(&self) -> impl Iterator<Item = (&str, &str)> {
        let once = [
            (TOPIC, &self.topic),
            (PARTITION, &self.partition),
            (KEY, &self.key),
            (KEY_ENCODING, &self.key_encoding),
            (SINCE, &self.since),
            (UNTIL, &self.until),
            (TYPE, &self.record_type),
            (CONTAINS, &self.contains),
            (KEY_AS, &self.key_as),
            (VALUE_AS, &self.value_as),
        ];
        let once = once.into_iter().filter_map(|(word, text)| Some((word, text.as_deref()?)));
        let conditions = self.conditions.iter().map(|condition| (WHERE, condition.as_str()));
        let headers = self.headers.iter().map(|header| (HEADER, header.as_str()));
        once.chain(conditions).chain(headers).chain(self.undecodable.then_some((UNDECODABLE, "true")))
    }
}

/// How many records at most.
pub(super) fn limit(text: &str) -> Result<usize, Violation> {
    let limit = text.parse().ok().filter(|limit| (1..=MOST_RECORDS).contains(limit));
    limit.ok_or_else(|| Violation::new(LIMIT, text, format!("limit is a whole number from 1 to {MOST_RECORDS}")))
}

fn timeout(text: &str) -> Result<Duration, Violation> {
    let rule = "timeout is a time from 1ms to 1h, such as 500ms, 10s or 1m 30s";
    let bounds = Duration::from_millis(1)..=Duration::from_secs(3600);
    let timeout = humantime::parse_duration(text).ok().filter(|timeout| bounds.contains(timeout));
    timeout.ok_or_else(|| Violation::new(TIMEOUT, text, rule))
}

#[cfg(test)]
mod tests;
