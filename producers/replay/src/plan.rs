//! Which rows are due at a moment of the wall clock, and how many go into one transaction.
//!
//! A position is never written before it happened: rows ahead of the wall clock are not due. With a speed, rows also
//! keep the distances of the data set, shortened by the factor and counted from where the run began.
//! Pure: the moment comes in as an argument.

use crate::{options::Speed, source::Row};
use std::iter::Peekable;

/// How the rows of one run are let through.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) speed: Speed,
    /// Whether to wait for rows that lie ahead of the clock.
    pub(crate) follow: bool,
    pub(crate) time_shift_us: i64,
    /// The moment the run began, and the data set's time of its first row.
    pub(crate) began_us: i64,
    pub(crate) began_at_row_us: i64,
    pub(crate) most_rows: usize,
}

/// Rows for one transaction, possibly none, and what comes after them.
#[derive(Debug, PartialEq)]
pub(crate) struct Batch {
    pub(crate) rows: Vec<Row>,
    pub(crate) next: Next,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// The batch is full; more is due.
    Due,
    /// Nothing more is due before this moment.
    Wait { until_us: i64 },
    /// All that remains lies ahead of the clock, and nobody asked to follow.
    CaughtUp,
    /// There are no more rows.
    End,
}

impl Plan {
    /// Takes the rows that are due, in order, up to the size of a batch.
    pub(crate) fn take_due<I: Iterator<Item = Row>>(&self, rows: &mut Peekable<I>, now_us: i64) -> Batch {
        let mut taken = Vec::new();
        let next = loop {
            let Some(row) = rows.peek() else { break Next::End };
            if taken.len() == self.most_rows {
                break Next::Due;
            }
            let happened_us = row.occurred_at_us.saturating_add(self.time_shift_us);
            if happened_us > now_us && !self.follow {
                break Next::CaughtUp;
            }
            let due_us = happened_us.max(self.paced_us(row));
            if due_us > now_us {
                break Next::Wait { until_us: due_us };
            }
            taken.extend(rows.next());
        };
        Batch { rows: taken, next }
    }

    /// When the speed lets this row through.
    fn paced_us(&self, row: &Row) -> i64 {
        match self.speed {
            Speed::Max => i64::MIN,
            Speed::Times(factor) => {
                let into_us = row.occurred_at_us.saturating_sub(self.began_at_row_us) as f64 / factor;
                // A cast of a float saturates.
                self.began_us.saturating_add(into_us as i64)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn row(sequence: u64, occurred_at_us: i64) -> Row {
        Row { sequence, person: 0, name: None, occurred_at_us, latitude: None, longitude: None }
    }

    fn rows(times: &[i64]) -> Vec<Row> {
        times.iter().zip(0..).map(|(time, sequence)| row(sequence, *time)).collect()
    }

    const PLAN: Plan =
        Plan { speed: Speed::Max, follow: false, time_shift_us: 0, began_us: 0, began_at_row_us: 0, most_rows: 100 };

    #[test]
    fn without_follow_the_run_ends_at_the_clock() {
        let mut left = rows(&[10, 20, 30]).into_iter().peekable();
        let batch = PLAN.take_due(&mut left, 20);
        assert_eq!((batch.rows.len(), batch.next), (2, Next::CaughtUp));
    }

    #[test]
    fn with_follow_it_waits_for_the_next_row() {
        let plan = Plan { follow: true, time_shift_us: 1000, ..PLAN };
        let mut left = rows(&[10, 20, 30]).into_iter().peekable();
        assert_eq!(plan.take_due(&mut left, 1015).next, Next::Wait { until_us: 1020 });
        assert_eq!(plan.take_due(&mut left, 1030), Batch { rows: vec![row(1, 20), row(2, 30)], next: Next::End });
    }

    #[test]
    fn a_factor_shortens_the_distances_and_a_full_batch_says_so() {
        let plan = Plan { speed: Speed::Times(10.0), began_us: 5000, began_at_row_us: 100, most_rows: 2, ..PLAN };
        let mut left = rows(&[100, 200, 300, 4000]).into_iter().peekable();
        assert_eq!(plan.take_due(&mut left, 5000).next, Next::Wait { until_us: 5010 });
        assert_eq!(plan.take_due(&mut left, 5020).next, Next::Due);
        assert_eq!(plan.take_due(&mut left, 5020).next, Next::Wait { until_us: 5390 });
    }

    proptest! {
        /// Whatever the moments at which it is asked: every row once, in order, none early, none held back.
        #[test]
        fn batches_are_the_data_set_in_pieces(
            mut times in prop::collection::vec(0i64..10_000, 0..60),
            steps in prop::collection::vec(0i64..3_000, 1..20),
            factor in prop::option::of(0.1f64..50.0),
            follow in any::<bool>(),
            time_shift_us in -5_000i64..5_000,
            most_rows in 1usize..10,
        ) {
            times.sort_unstable();
            let all = rows(&times);
            let speed = factor.map_or(Speed::Max, Speed::Times);
            let began_at_row_us = times.first().copied().unwrap_or(0);
            let plan = Plan { speed, follow, time_shift_us, began_us: 0, began_at_row_us, most_rows };
            let is_due = |row: &Row, now_us: i64| {
                let paced = factor.is_none_or(|factor| ((row.occurred_at_us - began_at_row_us) as f64 / factor) as i64 <= now_us);
                paced && row.occurred_at_us + time_shift_us <= now_us
            };
            let mut left = all.clone().into_iter().peekable();
            let mut taken = Vec::new();
            let mut now_us = 0;
            for step in steps {
                now_us += step;
                let batch = plan.take_due(&mut left, now_us);
                prop_assert!(batch.rows.len() <= most_rows);
                prop_assert!(batch.rows.iter().all(|row| is_due(row, now_us)));
                taken.extend(batch.rows);
                let waiting = all.get(taken.len());
                match batch.next {
                    Next::End => prop_assert_eq!(waiting, None),
                    Next::Due => prop_assert!(waiting.is_some()),
                    Next::Wait { until_us } => {
                        let waiting = waiting.unwrap();
                        prop_assert!(until_us > now_us && !is_due(waiting, until_us - 1) && is_due(waiting, until_us));
                    }
                    Next::CaughtUp => {
                        prop_assert!(!follow && waiting.unwrap().occurred_at_us + time_shift_us > now_us);
                    }
                }
            }
            prop_assert_eq!(&taken[..], &all[..taken.len()]);
        }
    }
}
