//! Decimals of any size as exact text.

use bigdecimal::{BigDecimal, Zero, num_bigint::BigInt};
use integer_encoding::VarInt;
use std::fmt;

/// Wider numbers are no amounts of anything, and writing them out costs the square of their width.
const MAX_BYTES: usize = 256;
const MAX_SCALE: u64 = 1_000;

/// A whole number in two's complement, big endian, with the point `scale` digits from the right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decimal<'a> {
    unscaled: &'a [u8],
    scale: i64,
}

impl<'a> Decimal<'a> {
    /// None for bytes that are no number, or too long a one.
    pub(crate) fn new(unscaled: &'a [u8], scale: i64) -> Option<Self> {
        let is_number = (1..=MAX_BYTES).contains(&unscaled.len()) && scale.unsigned_abs() <= MAX_SCALE;
        is_number.then_some(Self { unscaled, scale })
    }

    /// A big-decimal carries its scale: the number behind its length in bytes, then the scale.
    pub(crate) fn with_its_scale(bytes: &'a [u8]) -> Option<Self> {
        let (length, rest) = varint(bytes)?;
        let (unscaled, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
        let (scale, rest) = varint(rest)?;
        rest.is_empty().then(|| Self::new(unscaled, scale))?
    }
}

impl fmt::Display for Decimal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unscaled = BigInt::from_signed_bytes_be(self.unscaled);
        // Zeros behind a zero are no digits.
        let scale = if unscaled.is_zero() { self.scale.max(0) } else { self.scale };
        f.write_str(&BigDecimal::new(unscaled, scale).to_plain_string())
    }
}

/// A number and what follows it.
fn varint(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let (number, size) = i64::decode_var(bytes)?;
    Some((number, &bytes[size..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(unscaled: &[u8], scale: i64) -> String {
        Decimal::new(unscaled, scale).unwrap().to_string()
    }

    #[test]
    fn signs_and_scales() {
        assert_eq!(text(&[0xff, 0x85], 2), "-1.23");
        assert_eq!(text(&[5], 3), "0.005");
        assert_eq!(text(&[0xfb], 3), "-0.005");
        assert_eq!(text(&[0], 2), "0.00");
        assert_eq!(text(&[0x80], 0), "-128");
        assert_eq!(text(&[12], -3), "12000");
        assert_eq!(text(&[0], -3), "0");
        assert_eq!(text(&[0x04, 0xe2], 2), "12.50");
    }

    #[test]
    fn a_scale_of_its_own() {
        let decimal = |bytes| Decimal::with_its_scale(bytes).map(|decimal| decimal.to_string());
        assert_eq!(decimal(&[4, 0xff, 0x85, 4]), Some("-1.23".to_owned()));
        assert_eq!(decimal(&[2, 12, 5]), Some("12000".to_owned()));
        for bad in
            [&[][..], &[4, 1], &[2, 1], &[2, 1, 4, 0], &[1, 1, 1], &[0, 0], &[2, 1, 0xff, 0xff, 0xff, 0xff, 0xff]]
        {
            assert_eq!(decimal(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn wider_than_any_machine_word() {
        let mut two_to_the_160 = vec![1];
        two_to_the_160.extend([0; 20]);
        assert_eq!(text(&two_to_the_160, 1), "146150163733090291820368483271628301965593254297.6");
        let mut its_negative = vec![0xff];
        its_negative.extend([0; 20]);
        assert_eq!(text(&its_negative, 0), "-1461501637330902918203684832716283019655932542976");
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        assert_eq!(Decimal::new(&[], 2), None);
        assert_eq!(Decimal::new(&[1], i64::from(u32::MAX)), None);
        assert_eq!(Decimal::new(&[1; 257], 0), None);
    }

    proptest! {
        #[test]
        fn shows_as_many_digits_behind_the_point_as_it_has(number: i128, scale in 1i64..60) {
            let written = text(&number.to_be_bytes(), scale);
            let (whole, rest) = written.split_once('.').unwrap();
            prop_assert_eq!(rest.len() as i64, scale);
            let digits = format!("{whole}{rest}").parse::<i128>();
            prop_assert_eq!(digits.unwrap(), number);
        }

        #[test]
        fn agrees_with_whole_numbers(number: i128) {
            prop_assert_eq!(text(&number.to_be_bytes(), 0), number.to_string());
        }
    }
}
