//! What the scanner and the parser see, step by step.
//!
//! The shape is that of the recordings in `golden/yaml`: places count from 1.

use serde_json::{Map, Value, json};

use crate::node::Style;
use crate::parse;
use crate::parse::Limits;
use crate::read;
use crate::scan::{Comment, Pos, Scanner, Token, TokenKind};

/// Everything that the scanner made of an input.
#[derive(Clone, Debug, Default)]
pub struct Scan {
    /// `kind start-end style text`, a token each.
    pub tokens: Vec<String>,
    /// Context, problem and marks of the mistake that ended the scan.
    pub error: Option<String>,
    /// The queue of comments: marks, and one text each.
    pub comments: Vec<Value>,
}

/// Scans an input without parsing it.
#[must_use]
pub fn tokens(input: &[u8]) -> Scan {
    let source = read::source(input, &Limits::default());
    let mut scanner = Scanner::new(&source);
    let mut scan = Scan::default();
    loop {
        match scanner.peek() {
            Err(error) => {
                scan.error = Some(error.detail.as_deref().unwrap_or(&error.message).to_owned());
                break;
            }
            Ok(token) => scan.tokens.push(token_text(token)),
        }
        if scanner.take().kind == TokenKind::StreamEnd {
            break;
        }
    }
    scan.comments = scanner.comments.iter().map(comment).collect();
    scan
}

/// Parses an input; after a mistake the list simply stops.
#[must_use]
pub fn events(input: &[u8]) -> Vec<Value> {
    parse::trace_events(input)
}

fn token_text(token: &Token) -> String {
    let kind = match token.kind {
        TokenKind::StreamStart => "stream-start",
        TokenKind::StreamEnd => "stream-end",
        TokenKind::Version { .. } => "version-directive",
        TokenKind::TagDirective => "tag-directive",
        TokenKind::DocumentStart => "document-start",
        TokenKind::DocumentEnd => "document-end",
        TokenKind::BlockSequenceStart => "block-sequence-start",
        TokenKind::BlockMappingStart => "block-mapping-start",
        TokenKind::BlockEnd => "block-end",
        TokenKind::FlowSequenceStart => "flow-sequence-start",
        TokenKind::FlowSequenceEnd => "flow-sequence-end",
        TokenKind::FlowMappingStart => "flow-mapping-start",
        TokenKind::FlowMappingEnd => "flow-mapping-end",
        TokenKind::BlockEntry => "block-entry",
        TokenKind::FlowEntry => "flow-entry",
        TokenKind::Key => "key",
        TokenKind::Value => "value",
        TokenKind::Alias => "alias",
        TokenKind::Anchor => "anchor",
        TokenKind::Tag => "tag",
        TokenKind::Scalar => "scalar",
    };
    let text = String::from_utf8_lossy(&token.value);
    let suffix = String::from_utf8_lossy(&token.suffix);
    let (start, end) = (place(token.start), place(token.end));
    match token.kind {
        TokenKind::Scalar => format!("{kind} {start}-{end} {} {text}", style_name(token.style)),
        TokenKind::Tag | TokenKind::TagDirective => format!("{kind} {start}-{end} {text} {suffix}"),
        TokenKind::Alias | TokenKind::Anchor => format!("{kind} {start}-{end} {text}"),
        TokenKind::Version { major, minor } => format!("{kind} {start}-{end} {major}.{minor}"),
        _ => format!("{kind} {start}-{end}"),
    }
}

pub(crate) fn style_name(style: Style) -> &'static str {
    match style {
        Style::Plain => "plain",
        Style::DoubleQuoted => "double",
        Style::SingleQuoted => "single",
        Style::Literal => "literal",
        Style::Folded => "folded",
        Style::Flow => "flow",
    }
}

fn place(pos: Pos) -> String {
    format!("{}:{}", pos.line + 1, pos.column + 1)
}

fn comment(comment: &Comment) -> Value {
    let mark = |pos: Pos| json!([pos.line + 1, pos.column + 1]);
    let mut fields = Map::new();
    fields.insert("scan".into(), mark(comment.scan));
    fields.insert("token".into(), mark(comment.token));
    fields.insert("start".into(), mark(comment.start));
    fields.insert("end".into(), mark(comment.end));
    for (name, text) in [("head", &comment.head), ("line", &comment.line), ("foot", &comment.foot)] {
        if !text.is_empty() {
            fields.insert(name.into(), String::from_utf8_lossy(text).into());
        }
    }
    Value::Object(fields)
}
