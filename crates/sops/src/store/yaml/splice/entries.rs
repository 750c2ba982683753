//! Entries and items that are taken out of the text or put into it.

use std::ops::Range;

use sealfast_yaml::node::{Node, Style};

use crate::store::over::places::{after_break, before_break, line_end, line_start};
use crate::store::yaml::Documents;
use crate::store::yaml::splice::edits::Edits;
use crate::store::yaml::splice::places::content_end;
use crate::store::yaml::splice::scalar::{At, flow_entries, flow_text};
use crate::store::yaml::write::{Column, mapping_node, sequence_node, write};
use crate::tree::{Branch, Value};

impl Edits<'_> {
    pub(super) fn remove_entries(
        &mut self,
        node: &Node,
        pairs: &[(&Node, &Node)],
        gone: Range<usize>,
        no_others: bool,
        at: At,
    ) -> Option<Range<usize>> {
        if gone.is_empty() {
            return Some(0..0);
        }
        let base = self.source.base;
        let start = pairs[gone.start].0.start.offset;
        let end = content_end(base, pairs[gone.end - 1].1);
        let next = pairs.get(gone.end).map(|(key, _)| key.start.offset);
        let before = gone.start.checked_sub(1).map(|before| content_end(base, pairs[before].1));
        let is_all = gone.len() == pairs.len();
        if is_all && (at.flow || !at.is_root()) {
            if !no_others {
                return None;
            }
            if node.style != Style::Flow {
                self.list.put(start..end, b"{}".to_vec());
                return Some(start..end);
            }
        }
        if node.style == Style::Flow {
            return self.cut(flow_range(start, end, before, next));
        }
        let mut range = self.lines(start, end, next)?;
        if self.how.layout.has_blank_line() && at.is_root() {
            range.start = before_break(base, range.start);
        }
        self.cut(range)
    }

    pub(super) fn remove_items(
        &mut self,
        items: &[&Node],
        gone: Range<usize>,
        no_others: bool,
        at: At,
    ) -> Option<Range<usize>> {
        if gone.is_empty() {
            return Some(0..0);
        }
        let base = self.source.base;
        let (first, last) = (items[gone.start], items[gone.end - 1]);
        let end = content_end(base, last);
        if at.flow {
            let before = gone.start.checked_sub(1).map(|before| content_end(base, items[before]));
            let next = items.get(gone.end).map(|item| item.start.offset);
            return self.cut(flow_range(first.start.offset, end, before, next));
        }
        let start = self.dash(first)?;
        if gone.len() == items.len() {
            if !no_others {
                return None;
            }
            self.list.put(start..end, b"[]".to_vec());
            return Some(start..end);
        }
        let next = match items.get(gone.end) {
            Some(item) => Some(self.dash(item)?),
            None => None,
        };
        let range = self.lines(start, end, next)?;
        self.cut(range)
    }

    pub(super) fn cut(&mut self, range: Range<usize>) -> Option<Range<usize>> {
        self.list.put(range.clone(), Vec::new());
        Some(range)
    }

    /// Whole lines where nothing else stands on the first; else up to what follows.
    pub(super) fn lines(&self, start: usize, end: usize, next: Option<usize>) -> Option<Range<usize>> {
        let base = self.source.base;
        let first = line_start(base, start);
        if !base[first..start].iter().all(|&byte| byte == b' ') {
            return next.map(|next| start..next);
        }
        let last = line_end(base, end);
        let behind = after_break(base, last);
        if behind == last {
            // The text ends here without a line break, and shall go on doing so.
            return Some(before_break(base, first)..last);
        }
        Some(first..behind)
    }

    pub(super) fn insert_entries(
        &mut self,
        node: &Node,
        before: Option<&Node>,
        end: Option<usize>,
        pairs: &[(&Node, &Node)],
        fresh: &Branch,
        gone: usize,
    ) -> Option<()> {
        if node.style == Style::Flow {
            return self.insert_in_flow(node, before, pairs.len() > gone, &flow_entries(fresh)?, b'{');
        }
        let (first, _) = pairs.first()?;
        let column = first.start.column.checked_sub(1)?;
        let text = self.block_entries(fresh, column)?;
        self.insert_lines(text, before, end, first.start.offset, column)
    }

    pub(super) fn insert_items(
        &mut self,
        node: &Node,
        before: Option<&Node>,
        end: Option<usize>,
        fresh: &[Value],
        at: At,
    ) -> Option<()> {
        if at.flow {
            let texts = fresh.iter().map(flow_text).collect::<Option<Vec<_>>>()?.join(", ");
            return self.insert_in_flow(node, before, !node.content.is_empty(), &texts, b'[');
        }
        let first = self.dash(node.content.first()?)?;
        let column = first - line_start(self.source.base, first);
        let text = self.block_items(fresh, column)?;
        self.insert_lines(text, before, end, first, column)
    }

    pub(super) fn insert_lines(
        &mut self,
        text: String,
        before: Option<&Node>,
        end: Option<usize>,
        first: usize,
        column: usize,
    ) -> Option<()> {
        let newline = self.manner.newline;
        let Some(end) = end.filter(|_| before.is_some()) else {
            let text = format!("{}{newline}{}", text.trim_start_matches(' '), " ".repeat(column));
            self.list.put(first..first, text);
            return Some(());
        };
        let at = line_end(self.source.base, end);
        let blank = if self.how.layout.has_blank_line() && column == 0 { newline } else { "" };
        self.list.put(at..at, format!("{blank}{newline}{text}"));
        Some(())
    }

    pub(super) fn insert_in_flow(
        &mut self,
        node: &Node,
        before: Option<&Node>,
        has_others: bool,
        text: &str,
        bracket: u8,
    ) -> Option<()> {
        if let Some(before) = before {
            let at = content_end(self.source.base, before);
            self.list.put(at..at, format!(", {text}"));
            return Some(());
        }
        let open = self.source.base[node.start.offset..].iter().position(|&byte| byte == bracket)?;
        let at = node.start.offset + open + 1;
        let text = if has_others { format!("{text}, ") } else { text.to_owned() };
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
    pub(super) fn block(&self, node: Node, column: usize) -> Option<String> {
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

/// From an entry to the next, with the comma between them.
fn flow_range(start: usize, end: usize, before: Option<usize>, next: Option<usize>) -> Range<usize> {
    match (next, before) {
        (Some(next), _) => start..next,
        (None, Some(before)) => before..end,
        (None, None) => start..end,
    }
}
