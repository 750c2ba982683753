//! Nested mappings and lists <-> one level of keys.
//!
//! A step into a mapping is written `__map_`, into a list `__list_` with the index; the first step is bare.
//!
//! Follows: `stores/flatten.go` of sops 3.13.2. Differs: an index that is no number is refused.

use std::collections::BTreeMap;

use crate::error::Error;
use crate::tree::{Branch, Value};

const MAP: &str = "__map_";
const LIST: &str = "__list_";

/// Flattens; comments are left out and empty lists and mappings vanish.
pub(super) fn flatten(branch: &Branch) -> Result<Branch, Error> {
    let mut out = Branch::new();
    for (name, value) in branch.named() {
        descend(name.to_owned(), value, &mut out)?;
    }
    Ok(out)
}

fn descend(key: String, value: &Value, out: &mut Branch) -> Result<(), Error> {
    match value {
        Value::Branch(branch) => {
            for (name, value) in branch.named() {
                descend(format!("{key}{MAP}{name}"), value, out)?;
            }
        }
        Value::List(items) => {
            let items = items.iter().filter(|item| !matches!(item, Value::Comment(_)));
            for (index, item) in items.enumerate() {
                descend(format!("{key}{LIST}{index}"), item, out)?;
            }
        }
        scalar => {
            if out.get(&key).is_some() {
                return Err(wrong(format!("Found key collision {key:?} while flattening")));
            }
            out.push(key, scalar.clone());
        }
    }
    Ok(())
}

/// Builds the tree back; mappings come out in alphabetical order.
pub(super) fn unflatten(flat: Branch) -> Result<Branch, Error> {
    let mut root = Node::default();
    for (name, value) in flat.named() {
        let mut node = &mut root;
        for step in steps(name)? {
            node = match step {
                Step::Key(key) => node.keys.entry(key.to_owned()).or_default(),
                Step::Index(index) => node.items.entry(index).or_default(),
            };
        }
        if node.value.replace(value.clone()).is_some() {
            return Err(wrong(format!("Error while unflattening {name:?}: Duplicate value")));
        }
    }
    match build(root)? {
        Value::Branch(branch) => Ok(branch),
        _ => Err(wrong("Internal error: cannot find root".to_owned())),
    }
}

fn wrong(message: String) -> Error {
    Error::Metadata { message }
}

#[derive(Default)]
struct Node {
    value: Option<Value>,
    keys: BTreeMap<String, Node>,
    items: BTreeMap<usize, Node>,
}

enum Step<'k> {
    Key(&'k str),
    Index(usize),
}

fn steps(name: &str) -> Result<Vec<Step<'_>>, Error> {
    let mut steps = Vec::new();
    let (mut rest, mut separator) = (name, "");
    loop {
        let end = [rest.find(MAP), rest.find(LIST)].into_iter().flatten().min().unwrap_or(rest.len());
        let part = &rest[..end];
        if separator == LIST {
            let index = part.parse().map_err(|_| wrong(format!("`{name}` has the index `{part}`")))?;
            steps.push(Step::Index(index));
        } else {
            steps.push(Step::Key(part));
        }
        if steps.len() > crate::walk::MAX_DEPTH {
            return Err(Error::Depth { line: None, limit: crate::walk::MAX_DEPTH });
        }
        rest = &rest[end..];
        separator = match (rest.starts_with(MAP), rest.starts_with(LIST)) {
            (true, _) => MAP,
            (_, true) => LIST,
            _ => return Ok(steps),
        };
        rest = &rest[separator.len()..];
    }
}

fn build(node: Node) -> Result<Value, Error> {
    match (node.value, node.keys.is_empty(), node.items.is_empty()) {
        (Some(value), true, true) => Ok(value),
        (None, _, true) => {
            let mut branch = Branch::new();
            for (key, node) in node.keys {
                branch.push(key, build(node)?);
            }
            Ok(branch.into())
        }
        (None, true, false) => {
            if node.items.keys().enumerate().any(|(wanted, &index)| wanted != index) {
                return Err(wrong("Error while unflattening: Incomplete list".to_owned()));
            }
            node.items.into_values().map(build).collect::<Result<Vec<_>, _>>().map(Value::List)
        }
        _ => Err(wrong("Error while unflattening: Type mismatch".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::{flatten, unflatten};
    use crate::tree::{Branch, Value};

    #[test]
    fn nested_lists_come_back() {
        let mut inner = Branch::new();
        inner.push("enc", "x");
        let mut tree = Branch::new();
        tree.push("age", vec![Value::Branch(inner)]);
        tree.push("mac", "m");
        let flat = flatten(&tree).unwrap_or_default();
        let names: Vec<_> = flat.named().map(|(name, _)| name.to_owned()).collect();
        assert_eq!(names, ["age__list_0__map_enc", "mac"]);
        assert_eq!(unflatten(flat).ok(), Some(tree));
    }

    #[test]
    fn gaps_and_mixed_kinds_are_refused() {
        for names in
            [vec!["a__list_1"], vec!["a", "a__map_b"], vec!["a__map_b", "a__list_0"], vec!["a__list_x"]]
        {
            let mut flat = Branch::new();
            names.iter().for_each(|name| flat.push(*name, "v"));
            assert!(unflatten(flat).is_err(), "{names:?}");
        }
    }
}
