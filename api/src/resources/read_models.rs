//! The read models that several resources read: the projection that keeps each, and the topic it is folded from.

use crate::freshness::{ReadModel, Reads};
use foldstream_events::{LOCATIONS, PERSON_PROFILES};
use foldstream_fold::Projection;
use foldstream_locations_projection::Locations;
use foldstream_people_projection::People;

pub(crate) static PEOPLE: ReadModel = ReadModel { projection: People::NAME, topic: &PERSON_PROFILES };
pub(crate) static HISTORY: ReadModel = ReadModel { projection: Locations::NAME, topic: &LOCATIONS };

pub(crate) const READS_PEOPLE: Reads = &[&PEOPLE];
pub(crate) const READS_HISTORY: Reads = &[&HISTORY];
pub(crate) const READS_BOTH: Reads = &[&PEOPLE, &HISTORY];
