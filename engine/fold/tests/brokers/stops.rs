//! A re-keying: a scan names places, and each of them is told of it.

use crate::events::{Scan, Stop};
use foldstream_fold::{Arrival, Decision, Rekey};
use foldstream_log::Fact;

pub(crate) struct Stops;

impl Rekey for Stops {
    type Input = Scan;
    type Output = Stop;

    const NAME: &'static str = "stops";

    fn rekey(input: &Arrival<'_, Scan>) -> Decision<Stop> {
        let Some(scan) = &input.record.event else { return Decision::Skip };
        let stop = |(index, place): (usize, &str)| {
            let (parcel, text) = (place.to_owned(), scan.parcel.clone());
            Fact::Event(Stop { event_id: input.fact_id(index), parcel, occurred_at: scan.occurred_at, text })
        };
        Decision::Emit(scan.text.split(' ').enumerate().map(stop).collect())
    }
}
