//! One Kafka transaction: the events of some rows, and the progress they make.

use crate::{
    progress,
    source::{Row, Source},
    validate::{Acquaintances, validate},
};
use chrono::Utc;
use foldstream_log::{Cause, TransactionError, TransactionalWriter};

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) positions: u64,
    pub(crate) wishes: u64,
    pub(crate) refused: u64,
}

impl Written {
    pub(crate) fn add(&mut self, other: Self) {
        self.positions += other.positions;
        self.wishes += other.wishes;
        self.refused += other.refused;
    }
}

/// A transaction that is filled and not yet committed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Filled {
    pub(crate) adds: Written,
    /// The sequence after its last row.
    pub(crate) next_sequence: u64,
}

/// Begins a transaction and fills it. Blocks while the brokers do not keep up. Rows must be next in line; `known`
/// takes note of them.
pub(crate) fn fill(
    writer: &mut TransactionalWriter,
    source: &dyn Source,
    known: &mut Acquaintances,
    rows: &[Row],
    time_shift_us: i64,
) -> Result<Filled, TransactionError> {
    let mut adds = Written::default();
    let cause = Cause::default();
    let next_sequence = rows.last().map_or(0, |row| row.sequence + 1);
    writer.begin()?;
    for row in rows {
        match validate(source, row, known.meet(row), time_shift_us) {
            Ok(accepted) => {
                if let Some(wish) = &accepted.wish {
                    writer.append(wish, &cause)?;
                    adds.wishes += 1;
                }
                writer.append(&accepted.location, &cause)?;
                adds.positions += 1;
            }
            Err(violation) => {
                foldstream_telemetry::debug!(sequence = row.sequence, "row skipped: {violation}");
                adds.refused += 1;
            }
        }
    }
    writer.append(&progress::progressed(source.id(), next_sequence, time_shift_us, Utc::now()), &cause)?;
    Ok(Filled { adds, next_sequence })
}
