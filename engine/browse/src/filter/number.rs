//! Numbers compared exactly, however they are written: `12.50` is `12.5`, and no digit of a long one is lost.

use std::cmp::Ordering;

/// With a greater one the digits would be more than anyone writes.
const MAX_EXPONENT: u64 = 10_000;

/// `0.digits`, times ten to the `point`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Number {
    negative: bool,
    /// Without zeros at either end; none for zero.
    digits: String,
    point: i64,
}

impl Number {
    /// A number as JSON writes it; a leading plus and leading zeros are allowed, too.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
            None => (text, 0),
        };
        let unsigned = mantissa.strip_prefix(['-', '+']).unwrap_or(mantissa);
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let has_point = unsigned.len() > whole.len();
        if whole.is_empty() || has_point == fraction.is_empty() || !is_digits(whole) || !is_digits(fraction) {
            return None;
        }
        if exponent.unsigned_abs() > MAX_EXPONENT {
            return None;
        }
        let all = format!("{whole}{fraction}");
        let digits = all.trim_start_matches('0');
        let leading_zeros = i64::try_from(all.len() - digits.len()).ok()?;
        let digits = digits.trim_end_matches('0').to_owned();
        let zero = digits.is_empty();
        let point = if zero { 0 } else { i64::try_from(whole.len()).ok()? - leading_zeros + exponent };
        Some(Self { negative: mantissa.starts_with('-') && !zero, digits, point })
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        // A zero is the smallest in magnitude, whatever its point.
        let magnitude = |number: &Self| (!number.digits.is_empty(), number.point);
        let by_magnitude = || magnitude(self).cmp(&magnitude(other)).then_with(|| self.digits.cmp(&other.digits));
        match (self.negative, other.negative) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, false) => by_magnitude(),
            (true, true) => by_magnitude().reverse(),
        }
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn number(text: &str) -> Number {
        Number::parse(text).unwrap_or_else(|| panic!("{text} is a number"))
    }

    #[test]
    fn equal_however_written() {
        for same in [
            &["12.50", "12.5", "+12.5", "012.5", "1.25e1", "1250E-2", "125e-1"][..],
            &["0", "-0", "0.0", "0e5", "-0.000"],
            &["9007199254740993", "9007199254740993.0"],
        ] {
            for (one, other) in same.iter().zip(&same[1..]) {
                assert_eq!(number(one), number(other), "{one} {other}");
            }
        }
    }

    #[test]
    fn the_order_of_numbers() {
        let rising = ["-1e300", "-12.5", "-12.4999", "-0.01", "0", "1e-300", "0.009", "0.01", "9", "10", "10.0000001"];
        for (one, next) in rising.iter().zip(&rising[1..]) {
            assert!(number(one) < number(next), "{one} {next}");
        }
        assert!(number("9007199254740992") < number("9007199254740993"));
    }

    #[test]
    fn words_are_no_numbers() {
        for bad in [
            "",
            "-",
            ".",
            ".5",
            "5.",
            "1e",
            "e5",
            "1e1.5",
            "--1",
            "NaN",
            "inf",
            "1 ",
            "0x1",
            "1e99999",
            "1e-9223372036854775808",
            "1_000",
        ] {
            assert_eq!(Number::parse(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,30}", shaped in "[-+0-9.eE]{0,30}") {
            let _ = (Number::parse(&text), Number::parse(&shaped));
        }

        #[test]
        fn orders_like_whole_numbers(a: i64, b: i64) {
            prop_assert_eq!(number(&a.to_string()).cmp(&number(&b.to_string())), a.cmp(&b));
        }

        #[test]
        fn orders_like_hundredths(a in -100_000..100_000i32, b in -100_000..100_000i32) {
            let text = |number: i32| format!("{:.2}", f64::from(number) / 100.0);
            prop_assert_eq!(number(&text(a)).cmp(&number(&text(b))), a.cmp(&b));
        }
    }
}
