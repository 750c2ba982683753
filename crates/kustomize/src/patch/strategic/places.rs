//! Elements of a list, found by the texts of some of their fields.
//!
//! A table is made when a list that is not short is first asked for some fields. Tables may hold
//! more than is true; whoever asks looks at the elements that are found.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, Hasher};

use foldhash::fast::RandomState;
use serde_json::Value;

use crate::error::Error;
use crate::resource::{field, scalar_text};

/// Fields and the texts that are looked for in them; an empty text may mean any.
pub(super) type Parts<'a> = [(&'a str, &'a str)];

/// How many looks at elements the merge of one list may take. Lists whose elements all have their keys take a few
/// for each element.
const MAX_LOOKS: usize = 20_000_000;

/// How many looks at elements there were.
#[derive(Debug, Default)]
pub(super) struct Looks(usize);

impl Looks {
    /// Counts more.
    ///
    /// # Errors
    /// When there are too many.
    pub(super) fn take(&mut self, more: usize) -> Result<(), Error> {
        self.0 = self.0.saturating_add(more);
        if self.0 > MAX_LOOKS {
            return Err(Error::Limit(format!(
                "a list is too long to be merged: many of its elements lack some of their keys, and {MAX_LOOKS} comparisons are not enough"
            )));
        }
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.0
    }
}

/// So many elements are looked at one by one in less time than a table is made.
const FEW: usize = 8;

/// The elements, with gaps where some were taken out.
#[derive(Debug)]
pub(super) struct Places<T> {
    items: Vec<Option<T>>,
    tables: Vec<Table>,
    is_without_blanks: bool,
}

impl<T: Borrow<Value>> Places<T> {
    pub(super) fn of(items: impl IntoIterator<Item = T>) -> Self {
        let items = items.into_iter().map(Some).collect();
        Self { items, tables: Vec::new(), is_without_blanks: false }
    }

    /// Returns the element at a position.
    pub(super) fn at(&self, position: usize) -> Option<&T> {
        self.items.get(position)?.as_ref()
    }

    /// Takes an element out.
    pub(super) fn take(&mut self, position: usize) -> Option<T> {
        self.items.get_mut(position)?.take()
    }

    /// Puts an element where there was one.
    pub(super) fn put(&mut self, position: usize, item: T) {
        self.tables.iter_mut().for_each(|table| table.note(position, item.borrow()));
        self.items[position] = Some(item);
    }

    /// Adds an element at the end.
    pub(super) fn push(&mut self, item: T) {
        self.items.push(None);
        self.put(self.items.len() - 1, item);
    }

    /// Removes the elements that fit.
    pub(super) fn remove(&mut self, parts: &Parts<'_>, fits: Test, looks: &mut Looks) -> Result<(), Error> {
        for position in self.find(parts, fits, looks)? {
            self.items[position] = None;
        }
        Ok(())
    }

    /// Removes everything.
    pub(super) fn clear(&mut self) {
        self.items.clear();
        self.tables.clear();
    }

    /// Removes what is null or an empty mapping; none comes later.
    pub(super) fn remove_blanks(&mut self, looks: &mut Looks) -> Result<(), Error> {
        if std::mem::replace(&mut self.is_without_blanks, true) {
            return Ok(());
        }
        looks.take(self.items.len())?;
        for item in &mut self.items {
            item.take_if(|item| is_blank((*item).borrow()));
        }
        Ok(())
    }

    /// Returns the elements that are left, in order.
    pub(super) fn into_left(self) -> impl Iterator<Item = T> {
        self.items.into_iter().flatten()
    }

    /// Returns the position of the first element that fits.
    pub(super) fn first(
        &mut self,
        parts: &Parts<'_>,
        fits: Test,
        looks: &mut Looks,
    ) -> Result<Option<usize>, Error> {
        Ok(self.find(parts, fits, looks)?.first().copied())
    }

    /// Returns the positions of the elements that fit, in order. What fits has every text that is not empty.
    pub(super) fn find(
        &mut self,
        parts: &Parts<'_>,
        fits: Test,
        looks: &mut Looks,
    ) -> Result<Vec<usize>, Error> {
        let mut found = match parts.iter().all(|(_, text)| text.is_empty()) || self.items.len() <= FEW {
            true => (0..self.items.len()).collect(),
            false => self.noted(parts, looks)?,
        };
        looks.take(found.len())?;
        found.retain(|&at| self.items[at].as_ref().is_some_and(|item| fits(item.borrow(), parts)));
        Ok(found)
    }

    /// Returns what is noted under texts, and forgets what is gone.
    fn noted(&mut self, parts: &Parts<'_>, looks: &mut Looks) -> Result<Vec<usize>, Error> {
        let keys = || parts.iter().filter(|(_, text)| !text.is_empty()).map(|(key, _)| *key);
        let known = self.tables.iter().position(|table| table.keys.iter().map(String::as_str).eq(keys()));
        let at = match known {
            Some(at) => at,
            None => {
                looks.take(self.items.len())?;
                self.tables.push(Table::of(keys().map(str::to_owned).collect(), &self.items));
                self.tables.len() - 1
            }
        };
        let table = &mut self.tables[at];
        let key = table.key(parts.iter().filter(|(_, text)| !text.is_empty()).map(|(_, text)| *text));
        let Some(positions) = table.positions.get_mut(&key) else { return Ok(Vec::new()) };
        looks.take(positions.len())?;
        positions.retain(|&position| self.items[position].is_some());
        Ok(positions.clone())
    }
}

/// Whether a value is null or an empty mapping.
pub(super) fn is_blank(value: &Value) -> bool {
    value.is_null() || value.as_object().is_some_and(serde_json::Map::is_empty)
}

/// Whether an element has what is looked for.
pub(super) type Test = fn(&Value, &Parts<'_>) -> bool;

/// Positions by the hash of the texts of some fields.
#[derive(Debug)]
struct Table {
    keys: Vec<String>,
    positions: HashMap<u64, Vec<usize>, RandomState>,
}

impl Table {
    fn of<T: Borrow<Value>>(keys: Vec<String>, items: &[Option<T>]) -> Self {
        let mut table = Self { keys, positions: HashMap::default() };
        for (position, item) in items.iter().enumerate() {
            if let Some(item) = item {
                table.note(position, item.borrow());
            }
        }
        table
    }

    fn note(&mut self, position: usize, item: &Value) {
        let texts: Option<Vec<String>> = self.keys.iter().map(|key| scalar_text(field(item, key)?)).collect();
        let Some(texts) = texts else { return };
        let key = self.key(texts.iter().map(String::as_str));
        let positions = self.positions.entry(key).or_default();
        if let Err(place) = positions.binary_search(&position) {
            positions.insert(place, position);
        }
    }

    fn key<'a>(&self, texts: impl Iterator<Item = &'a str>) -> u64 {
        let mut hasher = self.positions.hasher().build_hasher();
        texts.for_each(|text| text.hash(&mut hasher));
        hasher.finish()
    }
}
