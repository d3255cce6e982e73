//! What the bytes of a key or a value are, as far as can be told: Avro, JSON, text, or bytes and why nothing else.
//!
//! The schema that they name decides. Where they name none, JSON is JSON and text is text (`plain.rs`). Whether a datum is
//! what its schema says, only reading it tells: [`WriterSchema::check`].

use crate::{
    encoding::{Encoding, ReadAs, base64, hex},
    framing::{Foreign, Framing, Part, SchemaId},
    plain::{json, only_json, text},
    registry::{AnySchema, WriterSchema},
    schemas::{Known, NoSchema, SchemaOf},
};
use serde_json::Value;
use std::sync::Arc;

/// What bytes are.
#[derive(Debug)]
pub struct Content<'a> {
    /// The schema they name, where it could be had.
    pub known: Option<&'a Known>,
    pub form: Form<'a>,
}

#[derive(Debug)]
pub enum Form<'a> {
    /// A datum of this schema, as it says.
    Avro {
        datum: &'a [u8],
        writer: &'a Arc<WriterSchema>,
    },
    Json(Value),
    Text(&'a str),
    /// Only where it was asked for.
    Long(i64),
    /// Only where it was asked for: any bytes can be shown so.
    Bytes(Encoding),
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
    #[error("it cannot be read as {0}")]
    NotAs(&'static str),
    #[error("some of it is personal, which its schema {id} tells: it is not shown as anything but Avro")]
    Masked { id: SchemaId },
}

/// What is shown of bytes.
#[derive(Debug)]
pub struct Shown {
    pub encoding: Encoding,
    /// An error says why there are only the bytes.
    pub value: Result<Value, String>,
    /// Some of the value is not told; where there are only bytes, neither are they.
    pub is_masked: bool,
}

impl<'a> Content<'a> {
    /// What these bytes are of a record with these headers.
    pub fn of<'h, 's: 'a>(
        part: Part,
        bytes: &'a [u8],
        headers: impl Iterator<Item = (&'h [u8], Option<&'h [u8]>)>,
        schema_of: &SchemaOf<'s>,
    ) -> Self {
        let (id, datum) = match Framing::of(part, bytes, headers) {
            Framing::Of { schema, datum } => (schema, datum),
            Framing::Bare => return Self::plain(part, bytes, None),
            Framing::Foreign(foreign) => return Self::plain(part, bytes, Some(foreign)),
        };
        match schema_of(id) {
            Ok(known) => Self { form: Form::of(known, datum), known: Some(known) },
            Err(reason) => Self { known: None, form: Form::Opaque(reason.into()) },
        }
    }

    /// The same, where somebody says how they are to be read; where they cannot be, they are opaque, and nothing else.
    pub fn read<'h, 's: 'a>(
        read_as: ReadAs,
        (part, bytes): (Part, &'a [u8]),
        headers: impl Iterator<Item = (&'h [u8], Option<&'h [u8]>)>,
        schema_of: &SchemaOf<'s>,
    ) -> Self {
        let read = |form: Option<Form<'a>>, what| form.unwrap_or(Form::Opaque(Opaque::NotAs(what)));
        let form = match read_as {
            ReadAs::Auto => return Self::of(part, bytes, headers, schema_of),
            ReadAs::Only(Encoding::Avro) => {
                let content = Self::of(part, bytes, headers, schema_of);
                return match content.form {
                    Form::Json(_) | Form::Text(_) => {
                        Self { form: Form::Opaque(Opaque::NotAs("Avro: it names no schema of Avro")), ..content }
                    }
                    _ => content,
                };
            }
            ReadAs::Only(encoding) => {
                // Behind a frame, where there is one: no JSON begins with a zero.
                let framed = match Framing::of(part, bytes, headers) {
                    // A number may well begin with a zero, and of eight bytes a frame leaves three.
                    Framing::Of { datum, .. } if encoding == Encoding::Long && datum.len() < bytes.len() => datum,
                    Framing::Of { schema, datum } => match hidden(schema, schema_of) {
                        Some(reason) => return Self { known: None, form: Form::Opaque(reason) },
                        None => datum,
                    },
                    Framing::Bare | Framing::Foreign(_) => bytes,
                };
                match encoding {
                    Encoding::Json => {
                        let text = text(bytes).or_else(|| text(framed));
                        read(text.and_then(only_json).map(Form::Json), "JSON without loss")
                    }
                    Encoding::Long => {
                        let number = bytes.try_into().ok().map(i64::from_be_bytes);
                        read(number.map(Form::Long), "a number of 64 bits: it has not eight bytes")
                    }
                    Encoding::Text => read(text(bytes).map(Form::Text), "text: it has bytes that are none"),
                    _ => Form::Bytes(encoding),
                }
            }
        };
        Self { known: None, form }
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
    /// What is shown of these bytes.
    pub fn shown(&self, bytes: &[u8]) -> Shown {
        let (encoding, value) = match self {
            Self::Avro { datum, writer } => match writer.to_json(datum) {
                Ok((value, is_masked)) => return Shown { encoding: Encoding::Avro, value: Ok(value), is_masked },
                Err(reason) => {
                    return Shown { encoding: Encoding::Avro, value: Err(reason), is_masked: writer.has_masks() };
                }
            },
            Self::Json(value) => (Encoding::Json, Ok(value.clone())),
            Self::Text(text) => (Encoding::Text, Ok((*text).into())),
            Self::Long(number) => (Encoding::Long, Ok((*number).into())),
            Self::Bytes(Encoding::Hex) => (Encoding::Hex, Ok(hex(bytes).into())),
            Self::Bytes(_) => (Encoding::Base64, Ok(base64(bytes).into())),
            Self::Opaque(reason) => (Encoding::Base64, Err(reason.to_string())),
        };
        Shown { encoding, value, is_masked: matches!(self, Self::Opaque(Opaque::Masked { .. })) }
    }

    fn of(known: &'a Known, datum: &'a [u8]) -> Self {
        match &known.schema {
            AnySchema::Avro(writer) => Self::Avro { datum, writer },
            AnySchema::Json => match text(datum) {
                Some(text) => json(text).map_or(Self::Text(text), Self::Json),
                None => Self::Opaque(Opaque::NotJson { id: known.id }),
            },
            other => Self::Opaque(Opaque::OtherKind { id: known.id, kind: other.kind() }),
        }
    }
}

/// Why bytes of this schema are not shown as bytes: some of them are personal, or nobody can tell just now.
fn hidden<'a>(id: SchemaId, schema_of: &SchemaOf<'a>) -> Option<Opaque> {
    match schema_of(id) {
        Ok(Known { schema: AnySchema::Avro(writer), .. }) => writer.has_masks().then_some(Opaque::Masked { id }),
        Ok(_) => None,
        Err(reason) => reason.is_retriable().then_some(Opaque::NoSchema(reason)),
    }
}
