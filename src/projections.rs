//! The projections by name: what can be done with each besides folding it.
//!
//! A new projection is a line in [`PROJECTIONS`].

use clap::builder::PossibleValuesParser;
use foldstream_activity_projection::Activity;
use foldstream_events::Flow;
use foldstream_fold::Service;
use foldstream_locations_projection::Locations;
use foldstream_people_projection::People;
use foldstream_store::{
    Database, Provenance, ReadModel,
    versions::{self, Progress, Rebuilt, Version, VersionError},
};
use std::{future::Future, pin::Pin, time::Duration};

pub(crate) const PROJECTIONS: &[Known] = &[known::<People>(), known::<Locations>(), known::<Activity>()];

/// A projection: its edges, and what is done with its tables.
pub(crate) struct Known {
    pub(crate) flow: Flow,
    pub(crate) provenance: Provenance,
    pub(crate) rebuild: for<'a> fn(Tools<'a>, bool) -> Doing<'a, Rebuilt>,
    pub(crate) verify: for<'a> fn(Tools<'a>) -> Doing<'a, Rebuilt>,
    pub(crate) activate: for<'a> fn(&'a Database, i32, Duration) -> Doing<'a, Version>,
    pub(crate) discard: for<'a> fn(&'a Database, i32) -> Doing<'a, Version>,
}

type Doing<'a, T> = Pin<Box<dyn Future<Output = Result<T, VersionError>> + Send + 'a>>;

/// What folding anew needs.
#[derive(Clone, Copy)]
pub(crate) struct Tools<'a> {
    pub(crate) service: &'a Service,
    pub(crate) database: &'a Database,
    pub(crate) progress: &'a Progress,
}

const fn known<P>() -> Known
where
    P: ReadModel,
{
    Known {
        flow: P::FLOW,
        provenance: Provenance::of::<P>(),
        rebuild: |tools, expect_changes| {
            Box::pin(versions::rebuild::<P>(tools.service, tools.database, expect_changes, tools.progress))
        },
        verify: |tools| Box::pin(versions::verify::<P>(tools.service, tools.database, tools.progress)),
        activate: |database, version, patience| Box::pin(versions::activate::<P>(database, version, patience)),
        discard: |database, version| Box::pin(versions::discard::<P>(database, version)),
    }
}

/// The names the commands take.
pub(crate) fn names() -> PossibleValuesParser {
    PossibleValuesParser::new(PROJECTIONS.iter().map(|known| known.flow.service))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::SERVICES;

    #[test]
    fn every_projection_that_runs_is_known() {
        let named = |flow: &&Flow| flow.service.ends_with("-projection");
        let running: Vec<Flow> = SERVICES.iter().map(|service| service.flow).filter(|flow| named(&flow)).collect();
        assert_eq!(running, PROJECTIONS.iter().map(|known| known.flow).collect::<Vec<_>>());
    }
}
