//! Scalars, and what stands before a node: its anchor and its tag.

use crate::error::Error;
use crate::node::{Kind, Node, Style};
use crate::scalar;

use super::analysis::{Analysis, Tabs, analyze};
use super::writer::Breaks;
use super::{Emitter, Place};

impl Emitter {
    pub(super) fn scalar(&mut self, node: &Node, place: Place) -> Result<(), Error> {
        let (tag, style) = scalar_tag_and_style(node);
        let text = node.value.as_bytes();
        let analysis = analyze(text, Tabs::InBlocks);
        let style = self.possible_style(style, text, analysis, place);
        self.anchor(b"&", &node.anchor)?;
        self.tag(&tag);
        let outer = self.deepen(place, self.writer.best_indent, true, false);
        let breaks = if place == Place::SimpleKey { Breaks::Forbidden } else { Breaks::Allowed };
        match style {
            Style::SingleQuoted => self.writer.single_quoted(text, breaks),
            Style::DoubleQuoted => self.writer.double_quoted(text, breaks),
            Style::Literal => {
                self.writer.block_header(b"|", text);
                self.line_comment_or_break();
                self.writer.literal_body(text);
            }
            Style::Folded => {
                self.writer.block_header(b">", text);
                self.line_comment_or_break();
                self.writer.folded_body(text);
            }
            Style::Plain | Style::Flow => self.writer.plain(text, breaks),
        }
        self.writer.indent = outer;
        Ok(())
    }

    fn possible_style(&self, style: Style, text: &[u8], analysis: Analysis, place: Place) -> Style {
        let key = place == Place::SimpleKey;
        let flow = self.flow_level > 0;
        let mut style = style;
        if key && analysis.multiline {
            style = Style::DoubleQuoted;
        }
        if style == Style::Plain {
            let allowed = if flow { analysis.flow_plain } else { analysis.block_plain };
            if !allowed || text.is_empty() && (flow || key) {
                style = Style::SingleQuoted;
            }
        }
        if style == Style::SingleQuoted && !analysis.single_quoted {
            style = Style::DoubleQuoted;
        }
        if matches!(style, Style::Literal | Style::Folded) && (!analysis.block || flow || key) {
            style = Style::DoubleQuoted;
        }
        style
    }

    pub(super) fn anchor(&mut self, sign: &[u8], name: &str) -> Result<(), Error> {
        if name.is_empty() && sign == b"&" {
            return Ok(());
        }
        let kind = if sign == b"&" { "anchor" } else { "alias" };
        if name.is_empty() {
            return Err(Error::tree(format!("{kind} value must not be empty")));
        }
        if !name.bytes().all(crate::chars::is_alpha) {
            return Err(Error::tree(format!("{kind} value must contain alphanumerical characters only")));
        }
        self.writer.indicator(sign);
        self.writer.name(name.as_bytes());
        Ok(())
    }

    pub(super) fn tag(&mut self, tag: &str) {
        if tag.is_empty() {
            return;
        }
        let long = scalar::long_tag(tag);
        if let Some(suffix) = long.strip_prefix('!') {
            self.writer.tag_handle(b"!");
            self.writer.tag_content(suffix.as_bytes());
        } else if let Some(suffix) = long.strip_prefix("tag:yaml.org,2002:") {
            self.writer.tag_handle(b"!!");
            self.writer.tag_content(suffix.as_bytes());
        } else {
            self.writer.indicator(b"!<");
            self.writer.tag_content(long.as_bytes());
            self.writer.tight_indicator(b">");
        }
    }
}

/// Returns the tag to write (empty for none) and the style wished for.
pub(super) fn scalar_tag_and_style(node: &Node) -> (String, Style) {
    let quoted = node.style != Style::Plain;
    let mut tag = &*node.tag;
    let mut force_quotes = false;
    if !tag.is_empty() && !node.tagged {
        if tag == "!!str" && quoted {
            tag = "";
        } else {
            let resolved = scalar::resolved_tag(&node.value);
            if resolved == tag {
                tag = "";
            } else if tag == "!!str" {
                tag = "";
                force_quotes = true;
            }
        }
    }
    let style = match node.style {
        Style::Plain if node.value.contains('\n') => Style::Literal,
        Style::Plain if force_quotes => Style::DoubleQuoted,
        style => style,
    };
    (tag.to_owned(), style)
}

pub(super) fn collection_tag(node: &Node) -> String {
    let own = if node.kind == Kind::Mapping { "!!map" } else { "!!seq" };
    if node.tagged || !node.tag.is_empty() && node.tag != own { node.tag.to_string() } else { String::new() }
}
