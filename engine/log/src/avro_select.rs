//! One field of an Avro datum, without building the rest.
//!
//! Agrees with [`crate::avro_json::to_json`] and then walking the JSON. What stands behind the field is not read, so
//! a datum that is broken there is not noticed; [`crate::registry::WriterSchema::check`] would. What stands before it is skipped
//! as strictly as it is read. The same paths lead into values that are JSON from the start.

use crate::{
    avro_cursor::{Block, Content, Cursor, Opened},
    avro_json::rest_to_json,
    avro_scalar::Scalar,
};
use serde_avro_fast::schema::{Record, SchemaKey, SchemaMut};
use serde_json::Value;
use std::str::FromStr;

const MAX_PATH_CHARS: usize = 200;

/// The way to a field: names of record fields, keys of maps and indexes of arrays, joined by dots. A dot within a name
/// is written `\.`, a backslash `\\`. A union has no name of its own: it is the value of its branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldPath {
    steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Step {
    name: String,
    /// The step as an index, where it can be one.
    index: Option<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a path has 1 to {MAX_PATH_CHARS} characters: names, keys and indexes joined by dots, without space around them"
)]
pub struct PathError;

/// What was found; it borrows from the datum where it can.
#[derive(Debug, Clone, PartialEq)]
pub enum Selected<'a> {
    Scalar(Scalar<'a>),
    /// An object or an array.
    Composite(Value),
}

impl Selected<'_> {
    #[must_use]
    pub fn to_json(self) -> Value {
        match self {
            Self::Scalar(scalar) => scalar.to_json(),
            Self::Composite(value) => value,
        }
    }
}

impl FieldPath {
    /// What stands there in a value that is JSON; none when it has no such path.
    #[must_use]
    pub fn find_in<'a>(&self, value: &'a Value) -> Option<Selected<'a>> {
        let found = self.steps.iter().try_fold(value, |value, step| match value {
            Value::Object(members) => members.get(&step.name),
            Value::Array(items) => items.get(step.index?),
            _ => None,
        })?;
        Some(match Scalar::of_json(found) {
            Some(scalar) => Selected::Scalar(scalar),
            None => Selected::Composite(found.clone()),
        })
    }
}

impl FromStr for FieldPath {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        if text.chars().nth(MAX_PATH_CHARS).is_some() {
            return Err(PathError);
        }
        let mut names = vec![String::new()];
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            match (character, names.last_mut()) {
                ('.', _) => names.push(String::new()),
                ('\\', Some(name)) => match characters.next() {
                    Some(escaped @ ('.' | '\\')) => name.push(escaped),
                    _ => return Err(PathError),
                },
                (plain, Some(name)) => name.push(plain),
                (_, None) => return Err(PathError),
            }
        }
        if names.iter().any(|name| name.is_empty() || name.trim() != name) {
            return Err(PathError);
        }
        Ok(Self { steps: names.into_iter().map(Step::new).collect() })
    }
}

impl Step {
    fn new(name: String) -> Self {
        let is_number = name.bytes().all(|byte| byte.is_ascii_digit());
        Self { index: is_number.then(|| name.parse().ok()).flatten(), name }
    }
}

/// Finds the field; none when this datum has no such path.
pub(crate) fn find<'a>(
    datum: &'a [u8],
    schema: &'a SchemaMut,
    path: &FieldPath,
    most_depth: u32,
) -> Result<Option<Selected<'a>>, String> {
    let mut cursor = Cursor::new(datum, schema, most_depth);
    let mut opened = cursor.root()?;
    for step in &path.steps {
        let part = match opened.content {
            Content::Leaf(_) => None,
            Content::Record(record) => field(&mut cursor, &opened, record, step)?,
            Content::Map(values) => entry(&mut cursor, &opened, values, step)?,
            Content::Array(items) => item(&mut cursor, &opened, items, step)?,
        };
        let Some(part) = part else { return Ok(None) };
        opened = part;
    }
    Ok(Some(match opened.content {
        Content::Leaf(leaf) => Selected::Scalar(Scalar::new(leaf)),
        _ => Selected::Composite(rest_to_json(&mut cursor, &opened)?),
    }))
}

fn field<'a>(
    cursor: &mut Cursor<'a>,
    of: &Opened<'a>,
    record: &'a Record,
    step: &Step,
) -> Result<Option<Opened<'a>>, String> {
    let Some(wanted) = record.fields.iter().rposition(|field| field.name == step.name) else { return Ok(None) };
    for before in &record.fields[..wanted] {
        cursor.skip(before.type_, of)?;
    }
    cursor.part(record.fields[wanted].type_, of).map(Some)
}

/// Of equal keys the last one counts, so the map is read to its end.
fn entry<'a>(
    cursor: &mut Cursor<'a>,
    of: &Opened<'a>,
    values: SchemaKey,
    step: &Step,
) -> Result<Option<Opened<'a>>, String> {
    let mut found = None;
    let mut block = Block::default();
    while cursor.next_element(&mut block)? {
        if cursor.map_key()? == step.name {
            found = Some(cursor.clone());
        }
        cursor.skip(values, of)?;
    }
    let Some(start) = found else { return Ok(None) };
    *cursor = start;
    cursor.part(values, of).map(Some)
}

fn item<'a>(
    cursor: &mut Cursor<'a>,
    of: &Opened<'a>,
    items: SchemaKey,
    step: &Step,
) -> Result<Option<Opened<'a>>, String> {
    let Some(mut before) = step.index else { return Ok(None) };
    let mut block = Block::default();
    while cursor.next_element(&mut block)? {
        if before == 0 {
            return cursor.part(items, of).map(Some);
        }
        before -= 1;
        cursor.skip(items, of)?;
    }
    Ok(None)
}

#[cfg(test)]
mod tests;
