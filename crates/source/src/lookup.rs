//! Files by path: in memory, or names first and bytes when they are asked for.

use std::collections::BTreeMap;

use crate::error::Error;
use crate::ignore::Rules;
use crate::tree::{Entry, Item, Kind, Memory, Tree};

/// Files that are looked up by path.
pub trait Lookup: Send + Sync {
    /// Returns what lies at a path; none for the root, and where nothing is.
    fn kind(&self, path: &str) -> Option<Kind>;

    /// Returns the names in a directory, sorted by bytes.
    fn names(&self, directory: &str) -> Vec<String>;

    /// Returns the bytes of a regular file; none where there is none.
    ///
    /// # Errors
    /// When it cannot be read.
    fn bytes(&self, path: &str) -> Result<Option<Vec<u8>>, Error>;
}

impl Lookup for Memory {
    fn kind(&self, path: &str) -> Option<Kind> {
        self.entries.get(path).map(Entry::kind)
    }

    fn names(&self, directory: &str) -> Vec<String> {
        names(&self.entries, directory)
    }

    fn bytes(&self, path: &str) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.file(path).map(<[u8]>::to_vec))
    }
}

/// What an archive of a tree would hold, unread.
pub struct Listed<T> {
    kinds: BTreeMap<String, Kind>,
    tree: T,
}

impl<T: Tree> Listed<T> {
    /// Takes the items of a tree that the rules leave in, but for links.
    pub fn new(tree: T, items: &[Item], rules: &Rules) -> Self {
        let mut kinds = BTreeMap::new();
        for Item { path, kind } in items {
            if *kind == Kind::Link || rules.excludes(path, *kind == Kind::Directory) {
                continue;
            }
            for (at, _) in path.match_indices('/') {
                kinds.entry(path[..at].to_owned()).or_insert(Kind::Directory);
            }
            kinds.insert(path.clone(), *kind);
        }
        Self { kinds, tree }
    }
}

impl<T: Tree + Send + Sync> Lookup for Listed<T> {
    fn kind(&self, path: &str) -> Option<Kind> {
        self.kinds.get(path).copied()
    }

    fn names(&self, directory: &str) -> Vec<String> {
        names(&self.kinds, directory)
    }

    fn bytes(&self, path: &str) -> Result<Option<Vec<u8>>, Error> {
        match self.kind(path) {
            Some(Kind::File { .. }) => self.tree.read(path).map(Some),
            _ => Ok(None),
        }
    }
}

fn names<V>(entries: &BTreeMap<String, V>, directory: &str) -> Vec<String> {
    let below = if directory.is_empty() { String::new() } else { format!("{directory}/") };
    let inside = entries.range(below.clone()..).map_while(|(path, _)| path.strip_prefix(&below));
    inside.filter(|name| !name.is_empty() && !name.contains('/')).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_an_archive() -> Result<(), Error> {
        let mut tree = Memory::default();
        let file = |text: &str| Entry::File { bytes: text.into(), executable: false };
        tree.add(".sourceignore", file("out/\n!out/back.yaml\n"));
        tree.add("out/gone.yaml", file("gone"));
        tree.add("out/back.yaml", file("back"));
        tree.add("in/a.yaml", file("a"));
        tree.add("in/b.yaml", file("b"));
        tree.add("in/link", Entry::Link { target: "a.yaml".to_owned() });
        let items = tree.list()?;
        let rules = Rules::collect(&tree, &items, Some("in/b*"))?;
        tree.add("in/late.yaml", file("late"));
        let listed = Listed::new(tree, &items, &rules);
        assert_eq!(listed.names(""), [".sourceignore", "in", "out"]);
        assert_eq!(listed.names("in"), ["a.yaml"]);
        assert_eq!(listed.names("out"), ["back.yaml"]);
        assert_eq!(listed.kind("out"), Some(Kind::Directory));
        assert_eq!(listed.bytes("out/back.yaml")?.as_deref(), Some(&b"back"[..]));
        for path in ["out/gone.yaml", "in/b.yaml", "in/link", "in", "in/late.yaml"] {
            assert_eq!(listed.bytes(path)?, None, "{path}");
        }
        Ok(())
    }
}
