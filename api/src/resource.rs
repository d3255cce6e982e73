//! A resource: what one noun adds to the API, exported by its file and joined with the others in `resources.rs`.
//!
//! Routes, where rows of its tables are served, the edges it gives the API, and the aggregate behind it. Nothing of a
//! resource is said anywhere else.

use crate::{commands::aggregate::Aggregate, state::Api};
use foldstream_log::Flow;
use url::form_urlencoded::byte_serialize;
use utoipa_axum::router::OpenApiRouter;

#[derive(Debug)]
pub(crate) struct Resource {
    pub(crate) router: fn() -> OpenApiRouter<Api>,
    /// The tables whose rows it serves, and where.
    pub(crate) rows: &'static [(&'static str, ServedAt)],
    /// Adds what it reads and writes; the topics of its aggregate are known.
    pub(crate) edges: fn(Flow) -> Flow,
    /// What decides on wishes about it, where there are any.
    pub(crate) aggregate: Option<&'static Aggregate>,
}

/// Where a row of a table is served.
#[derive(Debug)]
pub(crate) enum ServedAt {
    /// Below this path, by its key.
    Key(&'static str),
    /// In this list, where there is no route for one row.
    List(&'static str),
}

impl ServedAt {
    pub(crate) fn link(&self, key: &str) -> String {
        match self {
            Self::Key(path) => format!("{path}/{}", byte_serialize(key.as_bytes()).collect::<String>()),
            Self::List(path) => (*path).to_owned(),
        }
    }
}
