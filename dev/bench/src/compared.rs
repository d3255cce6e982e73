//! The figures of two executables that took turns, and how they are told.

use crate::{
    figures::{median, percentile, spread, tenths},
    table::Table,
};
use anyhow::Result;

/// One figure of each run, of this executable and of the other.
#[derive(Debug, Default)]
pub(crate) struct Compared {
    rows: Vec<(String, [Vec<f64>; 2])>,
}

impl Compared {
    /// What one run of a side measured: the median, and the 99th percentile where there are enough to have one.
    pub(crate) fn add(&mut self, what: &str, side: usize, measured: &[f64]) {
        let p99 = (measured.len() >= 100).then_some((" p99", 0.99));
        for (name, share) in [(if p99.is_some() { " p50" } else { "" }, 0.5)].into_iter().chain(p99) {
            let name = format!("{what}{name}");
            let at = self.rows.iter().position(|(known, _)| *known == name).unwrap_or(self.rows.len());
            if at == self.rows.len() {
                self.rows.push((name, Default::default()));
            }
            self.rows[at].1[side].push(percentile(measured, share));
        }
    }

    pub(crate) fn print(&self) -> Result<()> {
        let headings = ["", "this: median", "least", "greatest", "other: median", "least", "greatest", "this / other"];
        let mut table = Table::new(&headings);
        for (name, [this, other]) in &self.rows {
            let figures = [this, other].map(|figures| {
                let [least, middle, most] = spread(figures, tenths);
                [middle, least, most]
            });
            let ratio = format!("{:.2}", median(this) / median(other));
            table.row([vec![name.clone()], figures.concat(), vec![ratio]].concat());
        }
        table.print()
    }
}

/// Who comes first, this one (0) or the other (1).
pub(crate) fn in_turns(run: u32) -> [usize; 2] {
    if run.is_multiple_of(2) { [1, 0] } else { [0, 1] }
}
