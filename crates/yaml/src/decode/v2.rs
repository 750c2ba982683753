//! What v2 does otherwise: merges in place, later keys win.
//!
//! Follows: `decode.go` of `go.yaml.in/yaml/v2` 2.4.4.

use super::{Decoder, Entries, Plain, Shape, Target, WANT_MAP, go_syntax, invalid_key, is_merge};
use crate::error::{Error, Problem};
use crate::node::{Kind, Node};
use crate::scalar::Words;

/// What happens to a key that stands twice in a mapping (v2; v3 always refuses it).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Duplicates {
    /// The last value counts.
    LastWins,
    /// All of them are reported.
    Refused,
}

const ANY: Target = Target { keys: &Shape::Any, whole: &Shape::Any };

impl<'a> Decoder<'a> {
    pub(super) fn mapping_v2(&mut self, node: &'a Node, entries: &mut Entries) -> Result<(), Error> {
        for (key_node, value_node) in node.pairs() {
            if is_merge(key_node) {
                self.merge_v2(value_node, entries)?;
                continue;
            }
            let Some(key) = self.node(key_node, &Shape::Any)? else { continue };
            if matches!(key, Plain::List(_) | Plain::Map(_)) {
                return Err(invalid_key(&key, Words::V2));
            }
            let Some(value) = self.node(value_node, &Shape::Any)? else { continue };
            if self.duplicates == Duplicates::Refused && entries.contains_key(&key) {
                let name = match &key {
                    Plain::Null => "<nil>".to_owned(),
                    key => go_syntax(key, Words::V2),
                };
                let message = format!("key {name} already set in map");
                self.problems.push(Problem::at(value_node.start.line(), message));
            } else {
                entries.insert(key, value);
            }
        }
        Ok(())
    }

    fn merge_v2(&mut self, merge: &'a Node, entries: &mut Entries) -> Result<(), Error> {
        match merge.kind {
            Kind::Mapping | Kind::Alias => self.merge_one(merge, entries, ANY),
            Kind::Sequence => {
                merge.content.iter().rev().try_for_each(|item| self.merge_one(item, entries, ANY))
            }
            _ => Err(Error::tree(WANT_MAP)),
        }
    }
}
