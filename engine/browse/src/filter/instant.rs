//! Points in time as people write them: one reader for `since`, `until` and conditions on times, so that all take the same
//! forms. What could be meant in two ways is no point in time: ten digits would be seconds, and are no milliseconds of a
//! time that Kafka has seen.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};
use foldstream_log::Violation;
use std::borrow::Cow;

pub(super) const FORMS: &str = "a time is written 2026-11-21T10:00:00Z, with an offset from UTC or without one, to the minute or \
                                finer, or as a day, 2026-11-21 or 20261121, as milliseconds since 1970, 12 digits or more, \
                                or as an age: 90s, 15m, 2h, 7d";
/// From `20261121T100000` it is told by its length.
const DAY_DIGITS: usize = 8;
/// With fewer it would lie before March 1973.
const LEAST_MILLISECOND_DIGITS: usize = 12;

/// A point in time, or one that moves with the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    At(NaiveDateTime),
    /// So long ago.
    Age(TimeDelta),
}

impl Moment {
    pub(super) fn parse(text: &str) -> Option<Self> {
        match age(text) {
            Some(age) => Some(Self::Age(age)),
            None => written(text).map(Self::At),
        }
    }

    /// In UTC; none when it lies before all time.
    pub(super) fn at(self, now: DateTime<Utc>) -> Option<NaiveDateTime> {
        match self {
            Self::At(at) => Some(at),
            Self::Age(age) => now.naive_utc().checked_sub_signed(age),
        }
    }
}

/// Milliseconds since 1970. Whole ones: a record is at or behind the instant exactly when its own time is not less.
pub fn instant(field: &str, text: &str, now: DateTime<Utc>) -> Result<i64, Violation> {
    let at = Moment::parse(text).and_then(|moment| moment.at(now)).filter(|at| (1970..=9999).contains(&at.year()));
    let rule = || format!("{FORMS}; it lies in the years 1970 to 9999");
    let at = at.ok_or_else(|| Violation::new(field, text, rule()))?.and_utc();
    Ok(at.timestamp_millis() + i64::from(at.timestamp_subsec_nanos() % 1_000_000 != 0))
}

/// A time of day: `10:00`, `10:00:00.5`.
pub(super) fn time_of_day(text: &str) -> Option<NaiveTime> {
    let shape: String =
        text.chars().map(|character| if character.is_ascii_digit() { '0' } else { character }).collect();
    match shape.split_once('.') {
        None if shape == "00:00" => NaiveTime::parse_from_str(text, "%H:%M").ok(),
        None if shape == "00:00:00" => NaiveTime::parse_from_str(text, "%H:%M:%S").ok(),
        Some(("00:00:00", fraction)) if !fraction.is_empty() && fraction.bytes().all(|byte| byte == b'0') => {
            NaiveTime::parse_from_str(text, "%H:%M:%S%.f").ok()
        }
        _ => None,
    }
}

/// A time or a day in words of ISO 8601, or in milliseconds, in UTC; without an offset it is UTC already.
fn written(text: &str) -> Option<NaiveDateTime> {
    if let Some(digits) = digits(text) {
        return match text.len() {
            DAY_DIGITS => midnight(text, "%Y%m%d"),
            1 if digits == 0 => Some(DateTime::UNIX_EPOCH.naive_utc()),
            LEAST_MILLISECOND_DIGITS.. => Some(DateTime::from_timestamp_millis(digits)?.naive_utc()),
            _ => None,
        };
    }
    let text = with_sign(text);
    let (day, rest) = text.split_at_checked(10).unwrap_or((&text, ""));
    let midnight = day_or_month(day)?;
    if rest.is_empty() {
        return Some(midnight);
    }
    let (time, offset_s) = without_offset(rest.strip_prefix(['T', 't', ' '])?)?;
    midnight.date().and_time(time_of_day(time)?).checked_sub_signed(TimeDelta::seconds(offset_s))
}

/// Exactly ten characters, or seven of a month: the parser alone would take `+12345-1-1`.
fn day_or_month(text: &str) -> Option<NaiveDateTime> {
    let is_digit = |(index, byte): (usize, u8)| byte.is_ascii_digit() != matches!(index, 4 | 7);
    if !text.bytes().enumerate().all(is_digit) {
        return None;
    }
    match text.len() {
        7 => midnight(&format!("{text}-01"), "%Y-%m-%d"),
        10 => midnight(text, "%Y-%m-%d"),
        _ => None,
    }
}

fn midnight(text: &str, format: &str) -> Option<NaiveDateTime> {
    Some(NaiveDate::parse_from_str(text, format).ok()?.and_time(NaiveTime::MIN))
}

/// The plus of an offset arrives as a blank where somebody did not encode it. Before a time of day a blank is a T.
fn with_sign(text: &str) -> Cow<'_, str> {
    match text.rsplit_once(' ') {
        Some((before, offset)) if before.len() > 10 && offset_s(offset).is_some() => {
            format!("{before}+{offset}").into()
        }
        _ => Cow::Borrowed(text),
    }
}

/// A time of day, and the seconds that its offset lies before UTC.
fn without_offset(text: &str) -> Option<(&str, i64)> {
    if let Some(time) = text.strip_suffix(['Z', 'z']) {
        return Some((time, 0));
    }
    match text.find(['+', '-']) {
        None => Some((text, 0)),
        Some(at) => {
            let (time, offset) = text.split_at(at);
            let seconds = offset_s(&offset[1..])?;
            Some((time, if offset.starts_with('-') { -seconds } else { seconds }))
        }
    }
}

/// `05:00` or `0500`.
fn offset_s(text: &str) -> Option<i64> {
    let (hours, minutes) = match text.len() {
        5 => text.split_once(':')?,
        4 => text.split_at_checked(2)?,
        _ => return None,
    };
    let (hours, minutes) = (digits(hours)?, digits(minutes)?);
    (hours < 24 && minutes < 60).then_some(hours * 3_600 + minutes * 60)
}

fn age(text: &str) -> Option<TimeDelta> {
    let unit_at = text.len().checked_sub(1).filter(|at| text.is_char_boundary(*at))?;
    let (count, unit) = text.split_at(unit_at);
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    TimeDelta::try_seconds(digits(count)?.checked_mul(seconds)?)
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
        for text in [
            "2026-11-21T10:00:00Z",
            "2026-11-21T12:00:00+02:00",
            "2026-11-21T10:00:00",
            "1795255200000",
            "2026-11-21 10:00:00",
            "2026-11-21T10:00Z",
            "2026-11-21 10:00",
            "2026-11-21t10:00:00z",
            "2026-11-21T15:00:00 05:00",
            "2026-11-21 15:00 05:00",
            "2026-11-21T15:00:00+0500",
            "2026-11-21T04:30:00-05:30",
        ] {
            assert_eq!(ms(text), ten, "{text}");
        }
        for day in ["2026-11-21", "20261121"] {
            assert_eq!(ms(day), ten - 10 * 3_600_000, "{day}");
        }
        assert_eq!(ms("2026-11"), ms("2026-11-01"));
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
            "1795255200",
            "20261131",
            "2026112",
            "2026-11-21T",
            "2026-11-21T1:00",
            "2026-11-21T10",
            "2026-11-21T10:00:00.",
            "2026-11-21T25:00",
            "2026-11-21T10:00:00+5",
            "2026-11-21T10:00:00+25:00",
            "2026-11-21 05:00:00 05:00 05:00",
            "T15:02Z",
            "10:00",
            "9,5",
            "9223372036854775807d",
            "ü",
            "5ü",
        ] {
            let violation = instant("until", bad, now()).unwrap_err();
            assert_eq!((violation.field.as_str(), violation.value.as_str()), ("until", bad));
            assert_eq!(violation.rule, format!("{FORMS}; it lies in the years 1970 to 9999"));
        }
    }

    proptest! {
        #[test]
        fn every_offset_gives_the_same_instant(
            at in 0..4_102_444_800i64,
            minutes in -1_439..1_440i64,
            separator in "[Tt ]",
            sign in "[+ ]",
            colon in ":?",
        ) {
            let local = DateTime::from_timestamp_secs(at + minutes * 60).unwrap().naive_utc();
            let sign = if minutes < 0 { "-" } else { &sign };
            let (hours, rest) = (minutes.abs() / 60, minutes.abs() % 60);
            let day = local.format("%Y-%m-%d");
            let time = local.format("%H:%M:%S");
            let text = format!("{day}{separator}{time}{sign}{hours:02}{colon}{rest:02}");
            prop_assert_eq!(instant("since", &text, now()).ok(), Some(at * 1_000), "{}", text);
        }

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
            let text = at.to_string();
            if text.len() >= LEAST_MILLISECOND_DIGITS {
                prop_assert_eq!(instant("since", &text, now()).unwrap(), at);
            }
        }
    }
}
