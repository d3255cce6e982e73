//! What the bytes of a key or a value are, as far as can be told: Avro, JSON, text, or bytes and why nothing else.
//!
//! The schema that they name decides. Where they name none, JSON is JSON and text is text (`plain.rs`). Whether a datum is
//! what its schema says, only reading it tells: [`WriterSchema::check`].

use crate::{
    framing::{Foreign, Framing, Part, SchemaId},
    plain::{json, text},
    registry::{AnySchema, WriterSchema},
    schemas::{Known, LookedUp, NoSchema},
};
use serde_json::Value;
use std::sync::Arc;

/// What bytes are.
#[derive(Debug)]
pub struct Content<'a> {
    /// The schema they name, where it could be had.
    pub known: Option<Known>,
    pub form: Form<'a>,
}

#[derive(Debug)]
pub enum Form<'a> {
    /// A datum of this schema, as it says.
    Avro {
        datum: &'a [u8],
        writer: Arc<WriterSchema>,
    },
    Json(Value),
    Text(&'a str),
    Opaque(Opaque),
}

/// Why bytes are shown as bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Opaque {
    #[error(transparent)]
    NoSchema(#[from] NoSchema),
    #[error("the value is {kind} of schema {id}, which is not read here")]
    OtherKind { id: SchemaId, kind: &'static str },
    #[error("schema {id} is JSON, and the value is no text")]
    NotJson { id: SchemaId },
    #[error(transparent)]
    Foreign(#[from] Foreign),
    #[error("the value is no text, and names no schema")]
    Unframed,
}

impl<'a> Content<'a> {
    /// What these bytes are of a record with these headers.
    pub fn of<'h>(
        part: Part,
        bytes: &'a [u8],
        headers: impl Iterator<Item = (&'h [u8], Option<&'h [u8]>)>,
        schema_of: &dyn Fn(SchemaId) -> LookedUp,
    ) -> Self {
        let (id, datum) = match Framing::of(part, bytes, headers) {
            Framing::Of { schema, datum } => (schema, datum),
            Framing::Bare => return Self::plain(part, bytes, None),
            Framing::Foreign(foreign) => return Self::plain(part, bytes, Some(foreign)),
        };
        match schema_of(id) {
            Ok(known) => Self { form: Form::of(&known, datum), known: Some(known) },
            Err(reason) => Self { known: None, form: Form::Opaque(reason.into()) },
        }
    }

    /// A key is the same key only when it is written the same, so JSON is text there.
    fn plain(part: Part, bytes: &'a [u8], foreign: Option<Foreign>) -> Self {
        let form = match text(bytes) {
            Some(text) if part == Part::Key => Form::Text(text),
            Some(text) => json(text).map_or(Form::Text(text), Form::Json),
            None => Form::Opaque(foreign.map_or(Opaque::Unframed, Opaque::Foreign)),
        };
        Self { known: None, form }
    }
}

impl<'a> Form<'a> {
    fn of(known: &Known, datum: &'a [u8]) -> Self {
        match &known.schema {
            AnySchema::Avro(writer) => Self::Avro { datum, writer: writer.clone() },
            AnySchema::Json => match text(datum) {
                Some(text) => json(text).map_or(Self::Text(text), Self::Json),
                None => Self::Opaque(Opaque::NotJson { id: known.id }),
            },
            other => Self::Opaque(Opaque::OtherKind { id: known.id, kind: other.kind() }),
        }
    }
}
