//! The cells of a key, as a fold sees and changes them.
//!
//! Invariant: what is kept changes only when all of an input's changes are taken; until then they lie beside it.

use std::collections::BTreeMap;

/// A cell: its name, and its state.
pub(crate) type Cell<S> = (Box<str>, S);

/// What is kept for one key: states by the name of their cell.
#[derive(Debug)]
pub struct Cells<'a, S> {
    key: &'a str,
    /// In the order of the names.
    kept: &'a [Cell<S>],
    /// None for a cell that ends.
    changed: BTreeMap<String, Option<S>>,
}

impl<'a, S> Cells<'a, S> {
    pub(crate) fn new(key: &'a str, kept: &'a [Cell<S>]) -> Self {
        Self { key, kept, changed: BTreeMap::new() }
    }

    /// Whose cells they are.
    #[must_use]
    pub fn key(&self) -> &'a str {
        self.key
    }

    /// The state of a cell; none where there is no such cell.
    #[must_use]
    pub fn get(&self, cell: &str) -> Option<&S> {
        match self.changed.get(cell) {
            Some(changed) => changed.as_ref(),
            None => find(self.kept, cell).ok().map(|index| &self.kept[index].1),
        }
    }

    /// Keeps this state, whether there was such a cell or not.
    pub fn set(&mut self, cell: impl Into<String>, state: S) {
        self.changed.insert(cell.into(), Some(state));
    }

    /// Ends a cell: nothing is kept of it.
    pub fn end(&mut self, cell: impl Into<String>) {
        self.changed.insert(cell.into(), None);
    }

    /// All cells in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &S)> {
        let unchanged = self.kept.iter().filter(|(cell, _)| !self.changed.contains_key(&**cell));
        let unchanged = unchanged.map(|(cell, state)| (&**cell, state));
        let changed = self.changed.iter().filter_map(|(cell, state)| Some((cell.as_str(), state.as_ref()?)));
        unchanged.chain(changed).collect::<BTreeMap<_, _>>().into_iter()
    }

    pub(crate) fn changes(self) -> BTreeMap<String, Option<S>> {
        self.changed
    }
}

/// Where a cell stands, or where it would.
pub(crate) fn find<S>(kept: &[Cell<S>], cell: &str) -> Result<usize, usize> {
    kept.binary_search_by(|(other, _)| (**other).cmp(cell))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_lie_over_what_is_kept() {
        let kept: Vec<(Box<str>, u8)> = vec![("a".into(), 1), ("c".into(), 3)];
        let mut cells = Cells::new("key", &kept);
        cells.set("b", 2);
        cells.set("c", 4);
        cells.end("a");
        assert_eq!(cells.iter().collect::<Vec<_>>(), [("b", &2), ("c", &4)]);
        assert_eq!((cells.get("a"), cells.get("b"), cells.get("d")), (None, Some(&2), None));
        assert_eq!(cells.changes().len(), 3);
        assert_eq!(kept[1].1, 3, "what is kept is untouched");
    }
}
