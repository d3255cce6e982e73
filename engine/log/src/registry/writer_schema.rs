//! The schema a record was written with, and what can be read by it alone.

use super::{error::RegistryError, logical_types::without_invalid};
use crate::{
    avro_cursor::DEPTH,
    avro_json::{check, to_json},
    avro_scalar::Scalar,
    avro_select::{FieldPath, Selected, any_at, samples},
    avro_shape::{self, difference},
    framing::SchemaId,
    personal::Marks,
};
use serde_avro_fast::{
    Schema,
    schema::{RegularType, SchemaMut},
};
use serde_json::Value;
use std::sync::OnceLock;

/// The schema a record was written with.
#[derive(Debug)]
pub struct WriterSchema {
    /// Its number; 0, which no registry gives, where it is known by its GUID alone.
    pub id: u32,
    /// Namespace and name of the record; empty when the schema is no record.
    pub full_name: String,
    /// The schema as text.
    pub text: String,
    pub(crate) schema: Schema,
    /// With masks where this is for looking.
    nodes: SchemaMut,
    has_masks: bool,
    /// How deep its data may nest that are looked into.
    most_depth: u32,
    /// The schema whose struct this one was first held against, and why it does not fit.
    held_against: OnceLock<(&'static str, Option<String>)>,
}

impl WriterSchema {
    /// Fields that it marks itself are masked.
    pub fn parse(id: u32, text: String) -> Result<Self, RegistryError> {
        Self::named(SchemaId::Number(id), text, DEPTH, Some(Marks::default()))
    }

    pub(crate) fn named(
        id: SchemaId,
        text: String,
        most_depth: u32,
        marks: Option<Marks>,
    ) -> Result<Self, RegistryError> {
        let unusable = |error: &dyn std::fmt::Display| RegistryError::Unusable { id, reason: error.to_string() };
        // What is no JSON is for the parser to refuse.
        let cleaned = without_invalid(&text);
        let mut nodes: SchemaMut = cleaned.as_ref().unwrap_or(&text).parse().map_err(|error| unusable(&error))?;
        let schema = nodes.clone().freeze().map_err(|error| unusable(&error))?;
        let full_name = match &nodes.root().type_ {
            RegularType::Record(record) => record.name.fully_qualified_name().to_owned(),
            _ => String::new(),
        };
        let id = match id {
            SchemaId::Number(number) => number,
            SchemaId::Guid(_) => 0,
        };
        let has_masks = marks.is_some_and(|marks| marks.put_on(&mut nodes, &text));
        Ok(Self { id, full_name, text, schema, nodes, has_masks, most_depth, held_against: OnceLock::new() })
    }

    /// Why what was written with this schema is not to be read into the struct of that one; none when it can be. An id
    /// is read into one struct nearly always, so that one is remembered.
    pub(crate) fn difference(&self, read: &'static str) -> Option<String> {
        let compare = || match (avro_shape::Schema::parse(&self.text), avro_shape::Schema::parse(read)) {
            (Ok(written), Ok(read)) => difference(&written, &read),
            (Err(reason), _) | (_, Err(reason)) => Some(reason),
        };
        match self.held_against.get_or_init(|| (read, compare())) {
            (first, found) if std::ptr::eq(*first, read) || *first == read => found.clone(),
            _ => compare(),
        }
    }

    /// Whether some of its fields are masked.
    #[must_use]
    pub fn has_masks(&self) -> bool {
        self.has_masks
    }

    /// The whole datum as JSON, and whether some of it is masked; the error says what was expected at which byte.
    pub fn to_json(&self, datum: &[u8]) -> Result<(Value, bool), String> {
        to_json(datum, &self.nodes, self.most_depth)
    }

    /// Whether the whole datum can be read, without building it.
    pub fn check(&self, datum: &[u8]) -> Result<(), String> {
        check(datum, &self.nodes, self.most_depth)
    }

    /// Whether something that stands at the path passes; nothing does when this datum has no such path. The whole datum is
    /// read, as by [`Self::check`].
    pub fn any_at(
        &self,
        datum: &[u8],
        path: &FieldPath,
        mut passes: impl FnMut(&Selected<'_>) -> bool,
    ) -> Result<bool, String> {
        any_at(datum, (&self.nodes, self.most_depth), path, &mut passes)
    }

    /// What can stand at the path in a datum of this schema: a scalar of each kind, whatever its value, or none for an
    /// object or an array. Nothing at all where there is no such path.
    #[must_use]
    pub fn samples(&self, path: &FieldPath) -> Vec<Option<Scalar<'_>>> {
        samples(&self.nodes, path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_decimal_without_scale_is_whole() {
        let text = r#"{"type": "record", "name": "a.Price", "fields": [
            {"name": "amount", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9}}]}"#;
        let schema = WriterSchema::parse(1, text.to_owned()).unwrap();
        assert_eq!(schema.full_name, "a.Price");
        assert_eq!(schema.to_json(&[2, 0x85]).unwrap().0, json!({"amount": "-123"}));
        assert!(WriterSchema::parse(1, "{".to_owned()).is_err());
    }
}
