//! One value over another: scalars, containers that come or go, aliases spelled.

use std::ops::Range;

use sealfast_yaml::node::{Node, Style};

use crate::layout::{self, Place};
use crate::store::over::change::{Comments, Growth};
use crate::store::over::places::line_end;
use crate::store::over::same;
use crate::store::yaml::splice::edits::Edits;
use crate::store::yaml::splice::notes::uncover_all;
use crate::store::yaml::splice::places::{content_end, trimmed};
use crate::store::yaml::splice::scalar::{At, flow_text, scalar_text};
use crate::tree::Value;

impl Edits<'_> {
    pub(super) fn scalar(&mut self, node: &Node, have: &Value, new: &Value, at: At) -> Option<()> {
        if same::same_scalar(have, new) {
            return Some(());
        }
        let own = node.text.start..trimmed(self.source.base, &node.text);
        let whole = node.start.offset().min(own.start)..own.end;
        let lead = self.lead(&whole, at)?;
        let place = self.leads(have, new);
        if let Some(text) = place.as_ref().and_then(|place| self.how.layout.text(place)) {
            let text = format!("{lead}{text}");
            self.replace(place, whole, text);
            return Some(());
        }
        let text = self.text_for(node, own.clone(), new, at)?;
        if let Some(place) = place {
            let properties = self.properties(whole.start..own.start, node, new);
            self.note(place, &whole, &format!("{lead}{properties}{text}"));
        }
        self.drop_tag(whole.start..own.start, node, new);
        self.put_scalar(own, format!("{lead}{text}"));
        Some(())
    }

    /// What leads from the ciphertext among the two to a former text.
    pub(super) fn leads(&self, have: &Value, new: &Value) -> Option<Place> {
        let is_asked =
            self.how.records || !self.how.layout.is_empty() || self.how.way.comments == Comments::Indent;
        is_asked.then(|| layout::place_of(new).or_else(|| layout::place_of(have))).flatten()
    }

    fn text_for(&self, node: &Node, own: Range<usize>, new: &Value, at: At) -> Option<String> {
        if let (Value::Str(text), Some(former)) = (new, self.how.former)
            && let Some(looks) = former.looks(text, at.flow)
        {
            return Some(looks);
        }
        let old = std::str::from_utf8(self.source.base.get(own)?).ok()?;
        scalar_text(node.style, old, new, at, self.manner)
    }

    /// What must stand before the text of a value that was left out.
    fn lead(&self, whole: &Range<usize>, at: At) -> Option<&'static str> {
        let is_bare = whole.is_empty();
        match whole.start.checked_sub(1).map(|before| self.source.base[before]) {
            _ if is_bare && at.bare => at.flow.then_some(": "),
            Some(b':' | b'-') if is_bare => Some(" "),
            _ => Some(""),
        }
    }

    /// Puts a value in. A comment in the first line stays there.
    fn put_scalar(&mut self, range: Range<usize>, text: String) {
        let base = self.source.base;
        let Some(comment) = self.source.comment_in(&(range.start..line_end(base, range.end))) else {
            self.list.put(range, text);
            return;
        };
        let (header, lines) = text.split_at(text.find(['\r', '\n']).unwrap_or(text.len()));
        let before = range.start + base[range.start..comment.start].trim_ascii_end().len();
        let (end, first) = (before.min(range.end), line_end(base, comment.start));
        self.list.put(range.start..end, header);
        self.list.put(first..range.end.max(first), lines);
    }

    /// Anchor and tag of a value as they are to be.
    fn properties(&self, range: Range<usize>, node: &Node, new: &Value) -> String {
        let old = String::from_utf8_lossy(&self.source.base[range]).into_owned();
        match tag_in(&old).filter(|_| !fits(node, new)) {
            Some(tag) => [&old[..tag.start], &old[tag.end..]].concat(),
            None => old,
        }
    }

    /// Takes a tag out that the new value does not fit.
    fn drop_tag(&mut self, range: Range<usize>, node: &Node, new: &Value) {
        if fits(node, new) {
            return;
        }
        let old = String::from_utf8_lossy(&self.source.base[range.clone()]).into_owned();
        if let Some(tag) = tag_in(&old) {
            self.list.put(range.start + tag.start..range.start + tag.end, Vec::new());
        }
    }

    /// An alias gives way to what it stands for.
    pub(super) fn expand(&mut self, node: &Node, wanted: &Value, at: At) -> Option<()> {
        let range = node.start.offset()..node.end;
        let text = match wanted {
            Value::List(_) | Value::Branch(_) => flow_text(wanted)?,
            scalar => scalar_text(Style::Plain, "", scalar, At { flow: true, ..at }, self.manner)?,
        };
        let place = layout::place_of(wanted);
        self.replace(place, range, text);
        Some(())
    }

    /// A container in the place of a scalar.
    pub(super) fn grow(&mut self, node: &Node, wanted: &Value, at: At) -> Option<()> {
        let end = trimmed(self.source.base, &node.text);
        let is_behind_dash = at.from.checked_sub(1).is_some_and(|before| self.source.base[before] == b'-');
        if at.flow {
            let range = node.start.offset().min(node.text.start)..end;
            let lead = self.lead(&range, at)?;
            self.list.put(range, format!("{lead}{}", flow_text(wanted)?));
            return Some(());
        }
        if at.bare {
            return None;
        }
        let is_short = is_empty(wanted) || self.how.way.growth == Growth::Brackets || is_behind_dash;
        let text = if is_short { format!(" {}", flow_text(wanted)?) } else { self.lines_of(wanted, at)? };
        self.put_scalar(at.from..end.max(at.from), text);
        Some(())
    }

    /// A scalar in the place of a container.
    pub(super) fn shrink(&mut self, node: &Node, have: &Value, new: &Value, at: At) -> Option<()> {
        let text = scalar_text(Style::Plain, "", new, At { flow: true, ..at }, self.manner)?;
        let range = self.container(node, have, at);
        if node.style == Style::Flow {
            self.list.put(range, text);
        } else {
            // A comment behind the key stays behind the value.
            self.list.put(at.from..at.from, format!(" {text}"));
            self.list.put(range, Vec::new());
        }
        Some(())
    }

    /// A container in other words: its lines anew, below what leads to it.
    pub(super) fn lay_out(&mut self, node: &Node, have: &Value, wanted: &mut Value, at: At) -> Option<()> {
        if at.flow || at.bare {
            return None;
        }
        uncover_all(wanted);
        let range = match node.style {
            Style::Flow => at.from..content_end(self.source.base, node),
            _ => self.container(node, have, at),
        };
        let anchor = if node.anchor.is_empty() { String::new() } else { format!(" &{}", node.anchor) };
        let text =
            if is_empty(wanted) { format!(" {}", flow_text(wanted)?) } else { self.lines_of(wanted, at)? };
        self.replace(layout::place_of(wanted), range, anchor + &text);
        Some(())
    }

    fn lines_of(&self, wanted: &Value, at: At) -> Option<String> {
        let column = at.column + self.manner.step;
        let lines = match wanted {
            Value::Branch(branch) => self.block_entries(branch, column)?,
            Value::List(items) => self.block_items(items, column)?,
            _ => return None,
        };
        Some(format!("{}{lines}", self.manner.newline))
    }
}

fn is_empty(wanted: &Value) -> bool {
    match wanted {
        Value::Branch(branch) => branch.named().next().is_none(),
        Value::List(items) => items.is_empty(),
        _ => true,
    }
}

/// A string does not fit the tags of other scalars, nor they its own.
fn fits(node: &Node, new: &Value) -> bool {
    const OTHERS: [&str; 7] = ["!!int", "!!float", "!!bool", "!!null", "!!timestamp", "!!binary", "!!merge"];
    !node.tagged
        || match new {
            Value::Str(text) => text.as_str().is_some() && !OTHERS.contains(&&*node.tag),
            _ => node.tag != "!!str",
        }
}

/// The tag among properties, with the blanks behind it.
fn tag_in(properties: &str) -> Option<Range<usize>> {
    let words = properties.split_inclusive([' ', '\t', '\r', '\n']).scan(0, |at, word| {
        *at += word.len();
        Some((*at - word.len(), word))
    });
    let (start, word) =
        words.take_while(|(_, word)| !word.starts_with('#')).find(|(_, word)| word.starts_with('!'))?;
    let end = start + word.len();
    let blanks = properties[end..].len() - properties[end..].trim_start_matches([' ', '\t']).len();
    Some(start..end + blanks)
}
