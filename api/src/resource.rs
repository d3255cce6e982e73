//! A resource: what one noun adds to the API, exported by its file and joined with the others in `resources.rs`.
//!
//! Routes, what is sent to them, where rows of its tables are served, the edges it gives the API, and the aggregate behind it. Nothing of a
//! resource is said anywhere else.

use crate::{commands::aggregate::Aggregate, state::Api};
use foldstream_log::{FieldRule, Flow, Rule};
use url::form_urlencoded::byte_serialize;
use utoipa_axum::router::OpenApiRouter;

#[derive(Debug)]
pub(crate) struct Resource {
    pub(crate) router: fn() -> OpenApiRouter<Api>,
    /// What is sent to it, as it is described.
    pub(crate) bodies: &'static [Body],
    /// The tables whose rows it serves, and where.
    pub(crate) rows: &'static [(&'static str, ServedAt)],
    /// Adds what it reads and writes; the topics of its aggregate are known.
    pub(crate) edges: fn(Flow) -> Flow,
    /// What decides on wishes about it, where there are any.
    pub(crate) aggregate: Option<&'static Aggregate>,
}

/// The body of a request: its schema in the description, and the rules of the record that it becomes.
#[derive(Debug)]
pub(crate) struct Body {
    pub(crate) schema: &'static str,
    pub(crate) rules: &'static [FieldRule],
    /// What the record calls fields that have another name here.
    pub(crate) renamed: &'static [(&'static str, &'static str)],
    /// How many of them may be sent at once, as an array, where they may be.
    pub(crate) at_most: Option<usize>,
}

impl Body {
    /// One whose fields are called as in the record.
    pub(crate) const fn of(schema: &'static str, rules: &'static [FieldRule]) -> Self {
        Self { schema, rules, renamed: &[], at_most: None }
    }

    /// Which a field obeys.
    pub(crate) fn rule(&self, field: &str) -> Option<&'static Rule> {
        let renamed = self.renamed.iter().find(|(name, _)| *name == field).map_or(field, |(_, name)| name);
        self.rules.iter().find(|rule| rule.field == renamed).map(|found| found.rule)
    }
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
