//! Medians and other percentiles, and how figures are written.

/// The value below which this share (0 to 1) of the values lies, by nearest rank; 0 without values.
pub(crate) fn percentile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rank within the values")]
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1).min(sorted.len().saturating_sub(1))).copied().unwrap_or(0.0)
}

pub(crate) fn median(values: &[f64]) -> f64 {
    percentile(values, 0.5)
}

/// Least, median and greatest, written by `write`.
pub(crate) fn spread(values: &[f64], write: impl Fn(f64) -> String) -> [String; 3] {
    [0.0, 0.5, 1.0].map(|share| write(percentile(values, share)))
}

/// 123456.7 -> "123,457".
pub(crate) fn whole(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// With one digit behind the point.
pub(crate) fn tenths(value: f64) -> String {
    format!("{value:.1}")
}

/// 0.567 -> "57 %".
pub(crate) fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let values = [5.0, 1.0, 4.0, 2.0, 3.0];
        assert_eq!(median(&values), 3.0);
        assert_eq!((percentile(&values, 0.0), percentile(&values, 0.99), percentile(&values, 1.0)), (1.0, 5.0, 5.0));
        assert_eq!(median(&[]), 0.0);
        assert_eq!(spread(&values, tenths), ["1.0", "3.0", "5.0"]);
    }

    #[test]
    fn figures_are_readable() {
        assert_eq!([whole(7.0), whole(123.4), whole(1_234_567.8)], ["7", "123", "1,234,568"]);
        assert_eq!(percent(0.567), "57 %");
    }
}
