//! Entries and items that are taken out of the text or put into it.

use std::ops::Range;

use sealfast_yaml::node::{Node, Style};

use crate::store::over::places::{after_break, before_break, line_end, line_start};
use crate::store::over::steps::Gap;
use crate::store::yaml::Documents;
use crate::store::yaml::splice::containers::Item;
use crate::store::yaml::splice::edits::Edits;
use crate::store::yaml::splice::places::content_end;
use crate::store::yaml::splice::scalar::{At, flow_entries, flow_text};
use crate::store::yaml::write::{Column, mapping_node, sequence_node, write};
use crate::tree::{Branch, Entry, Value};

/// Parts of the text that were taken out.
#[derive(Default)]
pub(super) struct Removed(Vec<Range<usize>>);

impl Removed {
    pub(super) fn has(&self, at: usize) -> bool {
        self.0.iter().any(|range| range.contains(&at))
    }
}

/// Where something new comes.
#[derive(Clone, Copy)]
pub(super) struct Spot {
    /// The end of what stays before it.
    pub(super) before: Option<usize>,
    /// The same, comments counted.
    pub(super) end: Option<usize>,
    /// The start of what stays behind it.
    pub(super) next: Option<usize>,
}

/// What a container is when nothing is left of it, and where that comes if not in its place.
#[derive(Clone, Copy)]
struct Empty {
    text: &'static str,
    from: Option<usize>,
}

/// An entry or item of the text: where it begins, where its value ends, and where that ends with the comments in it.
struct Part {
    start: usize,
    content: usize,
    end: usize,
}

impl Edits<'_> {
    pub(super) fn remove_entries(
        &mut self,
        node: &Node,
        pairs: &[(&Node, &Node)],
        values: &[&Entry],
        gaps: &[Gap],
        at: At,
    ) -> Option<Removed> {
        let part = |edits: &Self, index: usize| {
            let (key, value) = pairs[index];
            let content = content_end(edits.source.base, value);
            Some(Part {
                start: edits.entry_start(key),
                content,
                end: edits.extent(value, &values[index].value),
            })
        };
        let keeps_none = at.is_root() && node.style != Style::Flow;
        let empty = Empty { text: "{}", from: None };
        self.remove(gaps, part, node.style == Style::Flow, (!keeps_none).then_some(empty))
    }

    pub(super) fn remove_items(&mut self, items: &[Item<'_>], gaps: &[Gap], at: At) -> Option<Removed> {
        let part = |edits: &Self, index: usize| {
            let (item, value) = items[index];
            let (start, content) = (edits.item_start(item, at)?, content_end(edits.source.base, item));
            Some(Part { start, content, end: edits.extent(item, value) })
        };
        self.remove(gaps, part, at.flow, Some(Empty { text: "[]", from: self.behind_key(items, at) }))
    }

    /// Behind the key of a list that is indented as the key is: there an empty list cannot stand.
    fn behind_key(&self, items: &[Item<'_>], at: At) -> Option<usize> {
        let dash = items.first().filter(|_| !at.flow).and_then(|(item, _)| self.dash(item))?;
        (self.column(dash) <= at.column && self.mark_behind(at.from) == Some(dash)).then_some(at.from)
    }

    /// Takes out what is gone. A container of which nothing is left becomes an empty one.
    fn remove(
        &mut self,
        gaps: &[Gap],
        part: impl Fn(&Self, usize) -> Option<Part>,
        is_flow: bool,
        empty: Option<Empty>,
    ) -> Option<Removed> {
        let mut removed = Removed::default();
        for gap in gaps.iter().filter(|gap| !gap.gone.is_empty()) {
            let parts: Vec<Part> = gap.gone.clone().map(|index| part(self, index)).collect::<Option<_>>()?;
            let (first, last) = (parts.first()?, parts.last()?);
            let next = match gap.next {
                Some(next) => Some(part(self, next)?.start),
                None => None,
            };
            let is_all = gap.before.is_none() && next.is_none();
            if let Some(empty) = empty.filter(|_| is_all) {
                if !gap.came.is_empty() {
                    return None;
                }
                if let Some(from) = empty.from {
                    self.list.put(from..from, format!(" {}", empty.text));
                    self.remove_lines(&parts, None, &mut removed)?;
                    continue;
                }
                let text = if is_flow { "" } else { empty.text };
                let range = first.start..last.end;
                self.list.put(range.clone(), text);
                removed.0.push(range);
            } else if is_flow {
                let before = match gap.before {
                    Some(before) => Some(part(self, before)?.content),
                    None => None,
                };
                removed.0.push(self.cut(flow_range(first.start, last.content, before, next)));
            } else {
                self.remove_lines(&parts, next, &mut removed)?;
            }
        }
        Some(removed)
    }

    /// Takes out neighbours line by line: comments between them stay.
    fn remove_lines(&mut self, parts: &[Part], next: Option<usize>, removed: &mut Removed) -> Option<()> {
        let base = self.source.base;
        let start = parts.first()?.start;
        if !base[line_start(base, start)..start].iter().all(|&byte| byte == b' ') {
            let line = line_end(base, parts.last()?.end);
            let next = next?;
            let comment =
                self.source.places.iter().map(|place| place.start).find(|at| (line..next).contains(at));
            removed.0.push(self.cut(start..comment.unwrap_or(next)));
            return Some(());
        }
        for part in parts {
            let range = self.lines(part);
            removed.0.push(self.cut(range));
        }
        Some(())
    }

    fn cut(&mut self, range: Range<usize>) -> Range<usize> {
        self.list.put(range.clone(), Vec::new());
        range
    }

    /// The whole lines of an entry.
    fn lines(&self, part: &Part) -> Range<usize> {
        let base = self.source.base;
        let (first, last) = (line_start(base, part.start), line_end(base, part.end));
        let behind = after_break(base, last);
        // Where the text ends without a line break, it shall go on doing so.
        let mut range = if behind == last { before_break(base, first)..last } else { first..behind };
        // Of two empty lines around it one goes too: it may have come with the entry.
        let is_between = is_below_empty_line(base, range.start) && after_break(base, range.end) != range.end;
        if (self.how.way.blank_line || is_between) && self.column(part.start) == 0 {
            range.start = before_break(base, range.start);
        }
        range
    }

    pub(super) fn insert_entries(
        &mut self,
        node: &Node,
        first: Option<&Node>,
        spot: Spot,
        fresh: &Branch,
    ) -> Option<()> {
        if node.style == Style::Flow {
            return self.insert_in_flow(node, spot, &flow_entries(fresh)?, b'{');
        }
        let column = self.column(self.entry_start(first?));
        let text = self.block_entries(fresh, column)?;
        self.insert_lines(text, spot, column)
    }

    pub(super) fn insert_items(&mut self, node: &Node, spot: Spot, fresh: &[Value], at: At) -> Option<()> {
        if at.flow {
            let texts = fresh.iter().map(flow_text).collect::<Option<Vec<_>>>()?.join(", ");
            return self.insert_in_flow(node, spot, &texts, b'[');
        }
        let column = self.column(self.dash(node.content.first()?)?);
        let text = self.block_items(fresh, column)?;
        self.insert_lines(text, spot, column)
    }

    fn insert_lines(&mut self, text: String, spot: Spot, column: usize) -> Option<()> {
        let newline = self.manner.newline;
        if spot.before.is_none() {
            let text = format!("{}{newline}{}", text.trim_start_matches(' '), " ".repeat(column));
            self.list.put(spot.next?..spot.next?, text);
            return Some(());
        }
        let at = line_end(self.source.base, spot.end.max(spot.before)?);
        let blank = if self.how.way.blank_line && column == 0 { newline } else { "" };
        self.list.put(at..at, format!("{blank}{newline}{text}"));
        Some(())
    }

    fn insert_in_flow(&mut self, node: &Node, spot: Spot, text: &str, bracket: u8) -> Option<()> {
        if let Some(before) = spot.before {
            self.list.put(before..before, format!(", {text}"));
            return Some(());
        }
        let open = self.source.base[node.start.offset()..].iter().position(|&byte| byte == bracket)?;
        let at = node.start.offset() + open + 1;
        let text = if spot.next.is_some() { format!("{text}, ") } else { text.to_owned() };
        self.list.put(at..at, text);
        Some(())
    }

    pub(super) fn block_entries(&self, branch: &Branch, column: usize) -> Option<String> {
        self.block(mapping_node(branch, Column::Aligned), column)
    }

    pub(super) fn block_items(&self, items: &[Value], column: usize) -> Option<String> {
        self.block(sequence_node(items), column)
    }

    /// Lines of a container at a column, without the last line break.
    fn block(&self, node: Node, column: usize) -> Option<String> {
        let options = sealfast_yaml::emit::Options {
            indent: self.manner.step,
            ..sealfast_yaml::emit::Options::default()
        };
        let text = String::from_utf8(write(&Documents(vec![Node::document(node)]), &options).ok()?).ok()?;
        let indent = " ".repeat(column);
        let line = |line: &str| if line.is_empty() { String::new() } else { format!("{indent}{line}") };
        Some(text.trim_end_matches('\n').split('\n').map(line).collect::<Vec<_>>().join(self.manner.newline))
    }
}

fn is_below_empty_line(base: &[u8], start: usize) -> bool {
    let line = before_break(base, start);
    line < start && (line == 0 || before_break(base, line) < line)
}

/// From an entry to the next, with the comma between them.
fn flow_range(start: usize, end: usize, before: Option<usize>, next: Option<usize>) -> Range<usize> {
    match (next, before) {
        (Some(next), _) => start..next,
        (None, Some(before)) => before..end,
        (None, None) => start..end,
    }
}
