//! Times as clients write and read them.

use chrono::{DateTime, Datelike, NaiveDateTime, SecondsFormat, Utc};

pub(crate) const TIME_RULE: &str =
    "a time is ISO 8601, as in 2026-01-01T12:00:00Z, in the years 1 to 9999; without an offset it is UTC";

/// Days have years from 1 on.
pub(crate) const DAY_PATTERN: &str = "^(?!0000)";

/// A time, to the microsecond; [`TIME_RULE`] says which texts are one.
pub(crate) fn time(text: &str) -> Option<DateTime<Utc>> {
    let with_offset = DateTime::parse_from_rfc3339(text).ok().map(|time| time.with_timezone(&Utc));
    let without = || {
        ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"]
            .iter()
            .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok().map(|time| time.and_utc()))
    };
    let time = with_offset.or_else(without)?;
    // What events and tables hold: microseconds, no leap second.
    DateTime::from_timestamp_micros(time.timestamp_micros()).filter(|time| (1..=9999).contains(&time.year()))
}

/// A time as answers show it.
pub(crate) fn shown(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_with_and_without_offset() {
        let noon = "2026-01-01T12:00:00Z".parse::<DateTime<Utc>>().unwrap();
        for text in ["2026-01-01T12:00:00Z", "2026-01-01T13:00:00+01:00", "2026-01-01T12:00:00", "2026-01-01 12:00:00"]
        {
            assert_eq!(time(text), Some(noon), "{text}");
        }
        assert_eq!(time("2026-01-01T12:00:00.123456789Z").unwrap().timestamp_subsec_nanos(), 123_456_000);
        for text in ["2026-02-30T00:00:00Z", "2026-01-01", "noon", "", "0000-01-01T00:00:00Z", "+12026-01-01T00:00:00Z"]
        {
            assert_eq!(time(text), None, "{text}");
        }
    }
}
