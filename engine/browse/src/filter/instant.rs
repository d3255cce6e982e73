//! Points in time as people write them.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, TimeDelta, Utc};
use foldstream_log::Violation;

const RULE: &str = "a time is written 2026-11-21T10:00:00Z, with an offset from UTC, or as a day, 2026-11-21, as \
                    milliseconds since 1970, or as an age: 90s, 15m, 2h, 7d; it lies in the years 1970 to 9999";

/// Milliseconds since 1970. Whole ones: a record is at or behind the instant exactly when its own time is not less.
pub fn instant(field: &str, text: &str, now: DateTime<Utc>) -> Result<i64, Violation> {
    let at = milliseconds(text).or_else(|| age(text, now)).or_else(|| written(text).map(|at| at.and_utc()));
    let at = at.filter(|at| (1970..=9999).contains(&at.year()));
    let at = at.ok_or_else(|| Violation::new(field, text, RULE))?;
    Ok(at.timestamp_millis() + i64::from(at.timestamp_subsec_nanos() % 1_000_000 != 0))
}

/// A time or a day in words of ISO 8601, in UTC; without an offset it is UTC already.
pub(super) fn written(text: &str) -> Option<NaiveDateTime> {
    let with_offset = || DateTime::parse_from_rfc3339(text).ok().map(|at| at.naive_utc());
    let without = || NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").ok();
    day(text).or_else(with_offset).or_else(without)
}

/// Exactly ten characters: the parser alone would take `+12345-1-1`.
fn day(text: &str) -> Option<NaiveDateTime> {
    let is_digit = |(index, byte): (usize, u8)| byte.is_ascii_digit() != matches!(index, 4 | 7);
    let shaped = text.len() == 10 && text.bytes().enumerate().all(is_digit);
    NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|_| shaped)?.and_hms_opt(0, 0, 0)
}

fn milliseconds(text: &str) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_millis(digits(text)?)
}

fn age(text: &str, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let unit_at = text.len().checked_sub(1).filter(|at| text.is_char_boundary(*at))?;
    let (count, unit) = text.split_at(unit_at);
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    now.checked_sub_signed(TimeDelta::try_seconds(digits(count)?.checked_mul(seconds)?)?)
}

/// Digits and nothing else: parsing alone would take a sign.
fn digits(text: &str) -> Option<i64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn now() -> DateTime<Utc> {
        "2026-11-21T10:00:00.250Z".parse().unwrap()
    }

    fn ms(text: &str) -> i64 {
        instant("since", text, now()).unwrap_or_else(|violation| panic!("{violation}"))
    }

    #[test]
    fn one_point_in_time_in_many_writings() {
        let ten = 1_795_255_200_000;
        for text in ["2026-11-21T10:00:00Z", "2026-11-21T12:00:00+02:00", "2026-11-21T10:00:00", "1795255200000"] {
            assert_eq!(ms(text), ten, "{text}");
        }
        assert_eq!(ms("2026-11-21"), ten - 10 * 3_600_000);
        assert_eq!(ms("2026-11-21T10:00:00.123Z"), ten + 123);
        assert_eq!(ms("2026-11-21T10:00:00.123001Z"), ten + 124);
        assert_eq!(ms("0"), 0);
    }

    #[test]
    fn ages_count_back_from_now() {
        let now = now().timestamp_millis();
        for (text, seconds) in [("0s", 0), ("90s", 90), ("15m", 900), ("2h", 7_200), ("7d", 604_800)] {
            assert_eq!(ms(text), now - seconds * 1_000, "{text}");
        }
    }

    #[test]
    fn what_is_no_point_in_time_is_refused() {
        for bad in [
            "",
            "s",
            "-1",
            "+5",
            "-5m",
            "1w",
            "5 m",
            "yesterday",
            "2026-02-30",
            "2026-2-3",
            "1969-12-31",
            "99999999999999999",
            "9999999999999999999999",
            "99999999999d",
            "30000d",
            "9223372036854775807d",
            "ü",
            "5ü",
        ] {
            let violation = instant("until", bad, now()).unwrap_err();
            assert_eq!((violation.field.as_str(), violation.value.as_str()), ("until", bad));
            assert_eq!(violation.rule, RULE);
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,40}") {
            let _ = instant("since", &text, now());
        }

        #[test]
        fn no_shaped_text_panics(text in "[0-9TZ:.smhd+-]{0,30}") {
            let _ = instant("since", &text, now());
        }

        #[test]
        fn every_millisecond_comes_back(at in 0..253_402_300_799_999i64) {
            let written = DateTime::from_timestamp_millis(at).unwrap().to_rfc3339();
            prop_assert_eq!(instant("since", &written, now()).unwrap(), at);
            prop_assert_eq!(instant("since", &at.to_string(), now()).unwrap(), at);
        }
    }
}
