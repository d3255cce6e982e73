//! What handlers share.

use crate::{
    commands::{aggregate::Aggregate, outcomes::Outcomes},
    config::LookingConfig,
    freshness::{arrival::Arrival, following::Following, lag::LogEnds, lookups::Lookups},
    http::limits::Clients,
    topics::{
        coalesced::Coalesced,
        describing::{TopicDetail, TopicSummary},
    },
};
use axum::extract::FromRef;
use foldstream_browse::Browse;
use foldstream_log::{Flow, Registry, Republisher, Writer};
use foldstream_store::{Applied, Database, Provenance};
use foldstream_telemetry::health::Health;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// The source its records name.
pub const NAME: &str = "api";

/// What the API stands on. Every part connects by itself, and the API answers while they are away.
#[derive(Debug, Clone)]
pub struct Parts {
    pub database: Database,
    pub applied: Applied,
    pub browse: Browse,
    pub looking: LookingConfig,
    pub registry: Registry,
    /// Made for the source `api`.
    pub writer: Writer,
    /// None where republishing is switched off.
    pub republisher: Option<Republisher>,
    /// The edges of everything that reads or writes topics: services, this one too, and commands.
    pub flows: Arc<[Flow]>,
    /// The projections, which tell what they made of a record.
    pub provenances: Arc<[Provenance]>,
    pub health: Health,
    /// Live tails end with it.
    pub shutdown: CancellationToken,
}

/// What handlers stand on; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    pub(crate) parts: Parts,
    pub(crate) log_ends: LogEnds,
    pub(crate) arrival: Arrival,
    pub(crate) outcomes: Outcomes,
    pub(crate) clients: Arc<Clients>,
    /// Looks at all topics, and at each.
    pub(crate) topics: Coalesced<Vec<TopicSummary>>,
    pub(crate) topic: Coalesced<TopicDetail>,
    /// The description of all of it, as JSON.
    pub(crate) openapi: Arc<str>,
}

impl Api {
    pub(crate) fn new(parts: Parts, aggregates: Vec<&'static Aggregate>, openapi: Arc<str>) -> Self {
        let following = Following {
            flows: parts.flows.iter().filter(|flow| flow.kind.folds()).cloned().collect(),
            brokers: parts.browse.brokers().clone(),
            lookups: Lookups::new(parts.browse.brokers()),
        };
        let (applied, database) = (parts.applied.clone(), parts.database.clone());
        let arrival = Arrival { following, applied, database };
        Self {
            log_ends: LogEnds::new(parts.browse.brokers()),
            arrival,
            outcomes: Outcomes::follow(aggregates, parts.browse.brokers(), &parts.registry),
            clients: Arc::new(Clients::new(parts.looking.clone())),
            topics: Coalesced::default(),
            topic: Coalesced::default(),
            openapi,
            parts,
        }
    }
}

impl FromRef<Api> for Arc<Clients> {
    fn from_ref(api: &Api) -> Self {
        api.clients.clone()
    }
}
