//! Fields of an Avro datum, without building the rest.
//!
//! Agrees with [`crate::avro_json::to_json`] and then walking the JSON, and is as strict: all of the datum is read, before
//! and behind the field, so that what is said of a field is said of a datum that is what its schema says. The same paths lead into values
//! that are JSON from the start.

use crate::{
    avro_cursor::{Block, Content, Cursor, Leaf, Opened},
    avro_json::rest_to_json,
    avro_scalar::Scalar,
};
use serde_avro_fast::schema::{RegularType, SchemaKey, SchemaMut};
use serde_json::Value;
use std::{fmt, str::FromStr};

const MAX_PATH_CHARS: usize = 200;

/// The way to a field: names of record fields, keys of maps and indexes of arrays, joined by dots; an index may stand in
/// brackets, too, and `[*]` is every item of an array. Within a name, `\.` is a dot, `\[` a bracket and `\\` a backslash. A
/// union has no name of its own: it is the value of its branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldPath {
    text: String,
    steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// A field or a key; an index, where it can be one.
    Named { name: String, index: Option<usize> },
    /// The item at an index.
    At(usize),
    /// Every item.
    Each,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a path has 1 to {MAX_PATH_CHARS} characters: names, keys and indexes joined by dots, without space around them, as in \
     items.0.sku; items[0].sku is the same, and items[*].sku is that of any item"
)]
pub struct PathError;

/// What was found; it borrows from the datum where it can.
#[derive(Debug, Clone, PartialEq)]
pub enum Selected<'a> {
    Scalar(Scalar<'a>),
    /// An object or an array.
    Composite(Value),
    /// Something that nobody is to see, or a part of it, or something with such parts.
    Masked,
}

impl FieldPath {
    pub(crate) fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Whether something that stands at the path passes, in a value that is JSON.
    #[must_use]
    pub fn any_in(&self, value: &Value, mut passes: impl FnMut(&Selected<'_>) -> bool) -> bool {
        any_in_json(value, &self.steps, &mut passes)
    }
}

impl FromStr for FieldPath {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        if text.chars().nth(MAX_PATH_CHARS).is_some() {
            return Err(PathError);
        }
        let (mut steps, mut rest) = (Vec::new(), text);
        loop {
            let name;
            (name, rest) = name_at_the_start_of(rest)?;
            // Only a datum that is an array itself begins with brackets.
            let is_root = steps.is_empty() && rest.starts_with('[');
            if name.trim() != name || name.is_empty() && !is_root {
                return Err(PathError);
            }
            if !name.is_empty() {
                steps.push(Step::named(name));
            }
            while let Some(bracket) = rest.strip_prefix('[') {
                let (within, behind) = bracket.split_once(']').ok_or(PathError)?;
                steps.push(if within == "*" { Step::Each } else { Step::At(index(within).ok_or(PathError)?) });
                rest = behind;
            }
            match rest.strip_prefix('.') {
                Some(behind) => rest = behind,
                None if rest.is_empty() => return Ok(Self { text: text.to_owned(), steps }),
                None => return Err(PathError),
            }
        }
    }
}

impl fmt::Display for FieldPath {
    /// As it was written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A name, and what follows: a dot, a bracket or nothing.
fn name_at_the_start_of(text: &str) -> Result<(String, &str), PathError> {
    let (mut name, mut rest) = (String::new(), text.chars());
    loop {
        let behind = rest.as_str();
        match rest.next() {
            None | Some('.' | '[') => return Ok((name, behind)),
            Some('\\') => match rest.next() {
                Some(escaped @ ('.' | '[' | '\\')) => name.push(escaped),
                _ => return Err(PathError),
            },
            Some(plain) => name.push(plain),
        }
    }
}

fn index(text: &str) -> Option<usize> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

impl Step {
    fn named(name: String) -> Self {
        Self::Named { index: index(&name), name }
    }

    pub(crate) fn is_named(&self, wanted: &str) -> bool {
        matches!(self, Self::Named { name, .. } if name == wanted)
    }

    /// Whether it leads to the item at this index.
    pub(crate) fn leads_to(&self, at: usize) -> bool {
        match self {
            Self::Named { index, .. } => *index == Some(at),
            Self::At(index) => *index == at,
            Self::Each => true,
        }
    }

    fn is_of_items(&self) -> bool {
        !matches!(self, Self::Named { index: None, .. })
    }
}

/// Whether something that stands at the path passes; nothing does when this datum has no such path.
pub(crate) fn any_at(
    datum: &[u8],
    (schema, most_depth): (&SchemaMut, u32),
    path: &FieldPath,
    passes: &mut dyn FnMut(&Selected<'_>) -> bool,
) -> Result<bool, String> {
    let mut cursor = Cursor::new(datum, schema, most_depth);
    let root = cursor.root()?;
    let passed = any_within(&mut cursor, &root, &path.steps, passes)?;
    cursor.finish()?;
    Ok(passed)
}

/// Reads what was opened to its end.
fn any_within<'a>(
    cursor: &mut Cursor<'a>,
    opened: &Opened<'a>,
    steps: &[Step],
    passes: &mut dyn FnMut(&Selected<'_>) -> bool,
) -> Result<bool, String> {
    let Some((step, steps)) = steps.split_first() else {
        let masked = cursor.masked();
        let selected = match opened.content {
            Content::Leaf(leaf) => Selected::Scalar(Scalar::new(leaf)),
            Content::Masked => Selected::Masked,
            _ => Selected::Composite(rest_to_json(cursor, opened)?),
        };
        return Ok(passes(if cursor.masked() > masked { &Selected::Masked } else { &selected }));
    };
    let mut passed = false;
    let mut block = Block::default();
    match opened.content {
        Content::Leaf(_) => {}
        Content::Masked => passed = passes(&Selected::Masked),
        Content::Record(record) => {
            let wanted = record.fields.iter().rposition(|field| step.is_named(&field.name));
            for (at, field) in record.fields.iter().enumerate() {
                match wanted == Some(at) {
                    true => passed = any_of_part(cursor, (field.type_, opened), steps, passes)?,
                    false => cursor.skip(field.type_, opened)?,
                }
            }
        }
        Content::Map(values) => {
            while cursor.next_element(&mut block)? {
                // Of equal keys the last one counts.
                match step.is_named(cursor.map_key()?) {
                    true => passed = any_of_part(cursor, (values, opened), steps, passes)?,
                    false => cursor.skip(values, opened)?,
                }
            }
        }
        Content::Array(items) => {
            let mut at = 0;
            while cursor.next_element(&mut block)? {
                match !passed && step.leads_to(at) {
                    true => passed = any_of_part(cursor, (items, opened), steps, passes)?,
                    false => cursor.skip(items, opened)?,
                }
                at += 1;
            }
        }
    }
    Ok(passed)
}

fn any_of_part<'a>(
    cursor: &mut Cursor<'a>,
    (part, of): (SchemaKey, &Opened<'a>),
    steps: &[Step],
    passes: &mut dyn FnMut(&Selected<'_>) -> bool,
) -> Result<bool, String> {
    let part = cursor.part(part, of)?;
    any_within(cursor, &part, steps, passes)
}

fn any_in_json(value: &Value, steps: &[Step], passes: &mut dyn FnMut(&Selected<'_>) -> bool) -> bool {
    let Some((step, steps)) = steps.split_first() else {
        return passes(&match Scalar::of_json(value) {
            Some(scalar) => Selected::Scalar(scalar),
            None => Selected::Composite(value.clone()),
        });
    };
    match (value, step) {
        (Value::Object(members), Step::Named { name, .. }) => {
            members.get(name).is_some_and(|member| any_in_json(member, steps, passes))
        }
        (Value::Array(items), Step::Each) => items.iter().any(|item| any_in_json(item, steps, passes)),
        (Value::Array(items), Step::At(index) | Step::Named { index: Some(index), .. }) => {
            items.get(*index).is_some_and(|item| any_in_json(item, steps, passes))
        }
        _ => false,
    }
}

/// What can stand at the path in a datum of this schema: a scalar of each kind, whatever its value, or none for an object or
/// an array.
pub(crate) fn samples<'a>(schema: &'a SchemaMut, path: &FieldPath) -> Vec<Option<Scalar<'a>>> {
    let mut reached = Vec::new();
    reach(schema, SchemaKey::root(), &mut reached);
    for step in &path.steps {
        let mut next = Vec::new();
        for node in reached {
            let part = match &schema[node].type_ {
                RegularType::Record(record) => {
                    record.fields.iter().rfind(|field| step.is_named(&field.name)).map(|field| field.type_)
                }
                RegularType::Map(map) => matches!(step, Step::Named { .. }).then_some(map.values),
                RegularType::Array(array) => step.is_of_items().then_some(array.items),
                _ => None,
            };
            if let Some(part) = part {
                reach(schema, part, &mut next);
            }
        }
        reached = next;
    }
    reached.into_iter().map(|node| Leaf::sample(&schema[node]).map(Scalar::new)).collect()
}

/// Notes a node once, and of a union its branches.
fn reach(schema: &SchemaMut, node: SchemaKey, reached: &mut Vec<SchemaKey>) {
    match &schema[node].type_ {
        RegularType::Union(union) => union.variants.iter().for_each(|branch| reach(schema, *branch, reached)),
        _ if reached.contains(&node) => {}
        _ => reached.push(node),
    }
}

#[cfg(test)]
mod tests;
