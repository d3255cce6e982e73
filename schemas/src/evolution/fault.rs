//! What is wrong with a schema.

use std::fmt;

/// What is wrong with a schema, why that is forbidden, and what to do instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaFault {
    /// Full name of the record that the fault is in; records inside others have their own.
    pub record: String,
    pub field: Option<String>,
    pub wrong: String,
    pub because: &'static str,
    pub instead: String,
}

impl fmt::Display for SchemaFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { record, field, wrong, because, instead } = self;
        let field = field.as_ref().map(|field| format!(", field {field}")).unwrap_or_default();
        write!(f, "{record}{field}: {wrong}. Forbidden, because {because}. Instead: {instead}.")
    }
}
