//! Comments that the reference passes over, such as one behind an opening bracket.
//!
//! They are given to the nodes beside them, so that they are encrypted with what stands around them and stay in the text.

use std::ops::Range;

use sealfast_yaml::node::{Comments, Kind, Node};

use crate::store::yaml::splice::places::content_end;

/// Gives comments, by their numbers, to nodes of the document that they stand in.
pub(super) fn adopt(documents: &mut [Node], base: &[u8], places: &[Range<usize>], strays: &[usize]) {
    for &number in strays {
        let at = places[number].start;
        let index = documents.partition_point(|document| document.start.offset() <= at).saturating_sub(1);
        if let Some(document) = documents.get_mut(index) {
            adopt_in(document, base, at, number);
        }
    }
}

/// The side of a node that a comment is on.
type Side = fn(&mut Comments) -> &mut String;

fn adopt_in(node: &mut Node, base: &[u8], at: usize, number: usize) {
    let count = node.content.len();
    let next = node.content.partition_point(|child| child.start.offset() <= at);
    let (index, side): (usize, Side) = match next.checked_sub(1).map(|before| &node.content[before]) {
        Some(before) if at < content_end(base, before) => {
            if matches!(before.kind, Kind::Mapping | Kind::Sequence) {
                return adopt_in(&mut node.content[next - 1], base, at, number);
            }
            (next - 1, |comments| &mut comments.line)
        }
        _ if count == 0 => return note(node, number, |comments| &mut comments.head),
        _ if next < count => {
            let is_value = node.kind == Kind::Mapping && next % 2 == 1;
            let is_leaf = matches!(node.content[next].kind, Kind::Scalar | Kind::Alias);
            if is_value && is_leaf {
                (next, |comments| &mut comments.line)
            } else {
                (next, |comments| &mut comments.head)
            }
        }
        // The foot of an entry is that of its key.
        _ => (count - if node.kind == Kind::Mapping { 2 } else { 1 }, |comments| &mut comments.foot),
    };
    note(&mut node.content[index], number, side);
}

/// Numbers stay in order.
fn note(node: &mut Node, number: usize, side: Side) {
    let side = side(node.comments_mut());
    let mut numbers: Vec<usize> =
        side.split('\n').filter_map(|line| line.strip_prefix('#')?.parse().ok()).collect();
    let at = numbers.partition_point(|&other| other < number);
    numbers.insert(at, number);
    *side = numbers.iter().map(|number| format!("#{number}")).collect::<Vec<_>>().join("\n");
}
