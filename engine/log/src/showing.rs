//! How much of values is shown: all, a beginning, some fields, or nothing; and how keys and values are to be read for that.
//!
//! Pure. Whatever is left out is said to be: what is shown is never taken for the whole.

use crate::{
    avro_select::{FieldPath, Step},
    content::Form,
    encoding::Reading,
};
use serde_json::{Map, Value};
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU32, Ordering},
};

/// Of a text, in characters; bytes are text in base64, of which this is a whole number of groups.
pub const PREVIEW_CHARACTERS: usize = 256;
/// Of an array.
pub const PREVIEW_ITEMS: usize = 20;
/// Of an object.
pub const PREVIEW_MEMBERS: usize = 50;
/// Of a value in all, however they nest.
pub const PREVIEW_VALUES: usize = 1_000;
/// Fields that may be asked for.
pub const MOST_FIELDS: usize = 32;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Extent {
    #[default]
    Full,
    /// Long texts, arrays and objects end early.
    Preview,
    /// It is not even decoded.
    None,
}

/// Begins as one that shows everything. Clones share what was met.
#[derive(Debug, Clone, Default)]
pub struct Showing {
    extent: Extent,
    /// None: all.
    fields: Vec<FieldPath>,
    reading: Reading,
    met: Arc<Met>,
}

/// Which of the fields there were, of all values that were shown.
#[derive(Debug, Default)]
struct Met {
    /// Something that has fields was.
    any: AtomicBool,
    /// A bit for each field.
    fields: AtomicU32,
}

impl Showing {
    /// At most [`MOST_FIELDS`] fields; none stands for all.
    #[must_use]
    pub fn new(extent: Extent, mut fields: Vec<FieldPath>) -> Self {
        fields.truncate(MOST_FIELDS);
        Self { extent, fields, ..Self::default() }
    }

    /// Keys and values are to be read so.
    #[must_use]
    pub fn for_reading(self, reading: Reading) -> Self {
        Self { reading, ..self }
    }

    pub(crate) fn reading(&self) -> Reading {
        self.reading
    }

    /// Whether all is shown as what it is.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.extent == Extent::Full && self.fields.is_empty() && self.reading == Reading::default()
    }

    #[must_use]
    pub fn has_fields(&self) -> bool {
        !self.fields.is_empty()
    }

    pub(crate) fn is_nothing(&self) -> bool {
        self.extent == Extent::None
    }

    /// Fields that were asked for and that no schema, and no JSON, of all that was shown had.
    #[must_use]
    pub fn unknown_fields(&self) -> Vec<String> {
        let (any, met) = (self.met.any.load(Ordering::Relaxed), self.met.fields.load(Ordering::Relaxed));
        let unknown = self.fields.iter().enumerate().filter(|(at, _)| any && met & 1 << at == 0);
        unknown.map(|(_, path)| path.to_string()).collect()
    }

    pub(crate) fn note(&self, form: &Form<'_>) {
        let has: &dyn Fn(&FieldPath) -> bool = match form {
            Form::Avro { writer, .. } => &|path: &FieldPath| !writer.samples(path).is_empty(),
            Form::Json(value) => &|path: &FieldPath| path.any_in(value, |_| true),
            Form::Text(_) | Form::Long(_) | Form::Bytes(_) | Form::Opaque(_) => return,
        };
        let met = self.met.fields.load(Ordering::Relaxed);
        for (at, path) in self.fields.iter().enumerate() {
            if met & 1 << at == 0 && has(path) {
                self.met.fields.fetch_or(1 << at, Ordering::Relaxed);
            }
        }
        self.met.any.store(true, Ordering::Relaxed);
    }

    /// What is shown of a value, and whether that is less than all of it.
    pub(crate) fn shown(&self, value: Value) -> (Value, bool) {
        let (mut value, mut is_cut) = (value, false);
        if !self.fields.is_empty() {
            let nothing = match &value {
                Value::Object(_) => Value::Object(Map::new()),
                Value::Array(_) => Value::Array(Vec::new()),
                _ => Value::Null,
            };
            let was_something = value != nothing;
            let paths: Vec<&[Step]> = self.fields.iter().map(FieldPath::steps).collect();
            let picked = picked(value, &paths, &mut is_cut);
            is_cut |= picked.is_none() && was_something;
            value = picked.unwrap_or(nothing);
        }
        if self.extent == Extent::Preview {
            let mut preview = Preview { left: PREVIEW_VALUES, is_cut };
            value = preview.of(value);
            is_cut = preview.is_cut;
        }
        (value, is_cut)
    }

    /// The same of the base64 of a value that has no other form.
    pub(crate) fn shown_bytes(&self, base64: String) -> (String, bool) {
        match self.extent {
            Extent::Preview => beginning(base64),
            Extent::Full | Extent::None => (base64, false),
        }
    }
}

/// What these paths lead to, each where it stands; of an array only those items. None where that is nothing.
fn picked(value: Value, paths: &[&[Step]], is_cut: &mut bool) -> Option<Value> {
    if paths.iter().any(|steps| steps.is_empty()) {
        return Some(value);
    }
    let behind = |leads: &dyn Fn(&Step) -> bool| -> Vec<&[Step]> {
        let split = paths.iter().filter_map(|steps| steps.split_first());
        split.filter(|(step, _)| leads(step)).map(|(_, steps)| steps).collect()
    };
    let mut part = |value: Value, paths: Vec<&[Step]>| {
        let part = (!paths.is_empty()).then(|| picked(value, &paths, is_cut)).flatten();
        *is_cut |= part.is_none();
        part
    };
    match value {
        Value::Object(members) => {
            let members = members.into_iter().filter_map(|(name, member)| {
                let paths = behind(&|step| step.is_named(&name));
                Some((name, part(member, paths)?))
            });
            let members: Map<String, Value> = members.collect();
            (!members.is_empty()).then_some(Value::Object(members))
        }
        Value::Array(items) => {
            let items =
                items.into_iter().enumerate().filter_map(|(at, item)| part(item, behind(&|step| step.leads_to(at))));
            let items: Vec<Value> = items.collect();
            (!items.is_empty()).then_some(Value::Array(items))
        }
        _ => None,
    }
}

struct Preview {
    /// So many values more.
    left: usize,
    is_cut: bool,
}

impl Preview {
    fn of(&mut self, value: Value) -> Value {
        self.left = self.left.saturating_sub(1);
        match value {
            Value::String(text) => {
                let (text, is_cut) = beginning(text);
                self.is_cut |= is_cut;
                text.into()
            }
            Value::Array(items) => {
                let mut shown = Vec::new();
                for item in items {
                    if shown.len() >= PREVIEW_ITEMS || self.left == 0 {
                        self.is_cut = true;
                        break;
                    }
                    shown.push(self.of(item));
                }
                shown.into()
            }
            Value::Object(members) => {
                let mut shown = Map::new();
                for (name, member) in members {
                    let is_long = name.chars().nth(PREVIEW_CHARACTERS).is_some();
                    if is_long || shown.len() >= PREVIEW_MEMBERS || self.left == 0 {
                        self.is_cut = true;
                        continue;
                    }
                    let member = self.of(member);
                    shown.insert(name, member);
                }
                shown.into()
            }
            plain => plain,
        }
    }
}

fn beginning(mut text: String) -> (String, bool) {
    match text.char_indices().nth(PREVIEW_CHARACTERS) {
        Some((end, _)) => {
            text.truncate(end);
            (text, true)
        }
        None => (text, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::avro_select::Selected;
    use proptest::{collection::vec, prelude::*};
    use serde_json::json;

    fn fields(paths: &[&str]) -> Showing {
        Showing::new(Extent::Full, paths.iter().map(|path| path.parse().unwrap()).collect())
    }

    fn order() -> Value {
        json!({"id": 7, "to": {"name": "Ada", "city": null}, "items": [{"sku": "a", "n": 1}, {"sku": "b", "n": 2}], "none": []})
    }

    #[test]
    fn only_the_fields_that_are_asked_for_are_shown_where_they_stand() {
        for (paths, expected) in [
            (&["id"][..], json!({"id": 7})),
            (&["to.name", "id"], json!({"id": 7, "to": {"name": "Ada"}})),
            (&["to.city"], json!({"to": {"city": null}})),
            (&["items[*].sku"], json!({"items": [{"sku": "a"}, {"sku": "b"}]})),
            (&["items[1].sku", "items.0.n"], json!({"items": [{"n": 1}, {"sku": "b"}]})),
            (&["items[1]"], json!({"items": [{"sku": "b", "n": 2}]})),
            (&["to", "to.name"], json!({"to": {"name": "Ada", "city": null}})),
            (&["none"], json!({"none": []})),
            (&["nowhere", "id.x"], json!({})),
        ] {
            assert_eq!(fields(paths).shown(order()), (expected, true), "{paths:?}");
        }
        let all = fields(&["id", "to", "items", "none"]);
        assert_eq!(all.shown(order()), (order(), false));
        assert_eq!(fields(&["[1]"]).shown(json!([1, 2])), (json!([2]), true));
        assert_eq!(fields(&["a"]).shown(json!("text")), (Value::Null, true));
        assert_eq!(Showing::default().shown(order()), (order(), false));
    }

    #[test]
    fn a_preview_says_that_it_is_one() {
        let preview = |value: Value| Showing::new(Extent::Preview, Vec::new()).shown(value);
        assert_eq!(preview(order()), (order(), false));
        assert_eq!(preview(json!("ü".repeat(256))), (json!("ü".repeat(256)), false));
        assert_eq!(preview(json!({"a": "ü".repeat(257)})), (json!({"a": "ü".repeat(256)}), true));
        assert_eq!(preview(json!(vec![1; 21])), (json!(vec![1; 20]), true));
        let (shown, is_cut) = preview(json!(vec![vec![vec![1; 20]; 20]; 20]));
        assert!(is_cut && shown.to_string().len() < 3 * PREVIEW_VALUES, "{shown}");
        let long = "x".repeat(257);
        assert_eq!(preview(json!({"a": 1, long: 2})), (json!({"a": 1}), true));
        let some = Showing::new(Extent::Preview, vec!["a".parse().unwrap()]);
        assert_eq!(some.shown(json!({"a": vec![0; 30], "b": 1})), (json!({"a": vec![0; 20]}), true));
    }

    #[test]
    fn fields_that_nothing_has_are_named() {
        let showing = fields(&["a", "b.c", "d"]);
        assert!(showing.unknown_fields().is_empty(), "nothing was shown");
        showing.note(&Form::Text("a"));
        assert!(showing.unknown_fields().is_empty(), "text has no fields");
        showing.note(&Form::Json(json!({"a": null, "b": 1})));
        assert_eq!(showing.unknown_fields(), ["b.c", "d"]);
        showing.clone().note(&Form::Json(json!({"b": {"c": []}})));
        assert_eq!(showing.unknown_fields(), ["d"]);
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf =
            prop_oneof![Just(Value::Null), any::<u8>().prop_map(Value::from), "[a-c]{0,3}".prop_map(Value::from)];
        leaf.prop_recursive(4, 40, 4, |inner| {
            let members = vec(("[abc]", inner.clone()), 0..4);
            prop_oneof![
                vec(inner, 0..4).prop_map(Value::from),
                members.prop_map(|members| Value::Object(members.into_iter().collect()))
            ]
        })
    }

    fn at(path: &str, value: &Value) -> Vec<String> {
        let mut found = Vec::new();
        let path: FieldPath = path.parse().unwrap();
        let _ = path.any_in(value, |selected: &Selected<'_>| {
            found.push(format!("{selected:?}"));
            false
        });
        found
    }

    proptest! {
        /// What is shown of a value is, at the paths that are asked for, what the value has there; and it is cut unless it is
        /// all of it.
        #[test]
        fn what_is_shown_is_what_stands_there(value in values(), paths in vec("[abc](\\.[abc]|\\[\\*\\]){0,3}", 1..4)) {
            let (shown, is_cut) = fields(&paths.iter().map(String::as_str).collect::<Vec<_>>()).shown(value.clone());
            for path in &paths {
                prop_assert_eq!(at(path, &shown), at(path, &value), "{}: {} of {}", path, shown, value);
            }
            prop_assert_eq!(is_cut, shown != value);
            prop_assert!(shown.to_string().len() <= value.to_string().len().max(4));
        }

        #[test]
        fn a_preview_has_a_bound(value in values(), many in 1..200usize, long in 0..2_000usize) {
            let value = json!({"many": vec![value.clone(); many], "long": "x".repeat(long), "one": value});
            let (shown, is_cut) = Showing::new(Extent::Preview, Vec::new()).shown(value.clone());
            prop_assert_eq!(is_cut, shown != value);
            prop_assert!(shown.to_string().len() <= 40 * PREVIEW_VALUES);
        }
    }
}
