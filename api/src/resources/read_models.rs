//! The read models as the resources know them: the projection that keeps each, and the topic it is folded from.

use crate::freshness::{ReadModel, Reads};
use foldstream_events::{LOCATIONS, PERSON_PROFILES};

pub(crate) static PEOPLE: ReadModel = ReadModel { projection: "people-projection", topic: &PERSON_PROFILES };
pub(crate) static ACTIVITY: ReadModel = ReadModel { projection: "activity-projection", topic: &LOCATIONS };
pub(crate) static HISTORY: ReadModel = ReadModel { projection: "locations-projection", topic: &LOCATIONS };

pub(crate) const READS_PEOPLE: Reads = &[&PEOPLE];
pub(crate) const READS_ACTIVITY: Reads = &[&ACTIVITY];
pub(crate) const READS_HISTORY: Reads = &[&HISTORY];
pub(crate) const READS_BOTH: Reads = &[&PEOPLE, &HISTORY];
