//! Text in lines with tints, and blocks of it side by side.

use anstyle::{AnsiColor, Style};

/// What a piece of text stands for; colour shows it on a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tint {
    /// Nothing of its own.
    Plain,
    /// New.
    Added,
    /// Gone.
    Removed,
    /// Other than before.
    Changed,
}

/// Whether tints are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Colour {
    On,
    Off,
}

impl Colour {
    /// Shows a piece of text.
    pub(super) fn shown(self, tint: Tint, text: &str) -> String {
        let colour = match tint {
            Tint::Plain => None,
            Tint::Added => Some(AnsiColor::Green),
            Tint::Removed => Some(AnsiColor::Red),
            Tint::Changed => Some(AnsiColor::Yellow),
        };
        match colour.filter(|_| self == Colour::On && !text.is_empty()) {
            Some(colour) => {
                let style = Style::new().fg_color(Some(colour.into()));
                format!("{style}{text}{style:#}")
            }
            None => text.to_owned(),
        }
    }
}

/// One line of tinted pieces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Line(Vec<(Tint, String)>);

impl Line {
    fn new(tint: Tint, text: impl Into<String>) -> Self {
        Self(vec![(tint, text.into())])
    }

    fn width(&self) -> usize {
        self.0.iter().map(|(_, text)| text.chars().count()).sum()
    }

    fn pad(&mut self, count: usize) {
        self.0.push((Tint::Plain, " ".repeat(count)));
    }

    fn trim_end(&mut self) {
        while let Some((_, text)) = self.0.last_mut() {
            let kept = text.trim_end_matches(' ').len();
            text.truncate(kept);
            if kept > 0 {
                return;
            }
            self.0.pop();
        }
    }

    fn indented(mut self, indent: usize) -> Self {
        self.0.insert(0, (Tint::Plain, " ".repeat(indent)));
        self
    }
}

/// Lines as a text is split at its line breaks: one that ends with a break has an empty last line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Block(Vec<Line>);

impl Block {
    /// A whole text in one tint.
    pub(super) fn of(tint: Tint, text: &str) -> Self {
        Self(text.split('\n').map(|line| Line::new(tint, line)).collect())
    }

    /// Goes on where this text ends.
    pub(super) fn then(mut self, more: Block) -> Self {
        let mut more = more.0.into_iter();
        match (self.0.last_mut(), more.next()) {
            (Some(last), Some(first)) => last.0.extend(first.0),
            (None, Some(first)) => self.0.push(first),
            (_, None) => {}
        }
        self.0.extend(more);
        self
    }

    fn width(&self) -> usize {
        self.0.iter().map(Line::width).max().unwrap_or_default()
    }

    /// The text.
    pub(super) fn shown(&self, colour: Colour) -> String {
        let line =
            |line: &Line| -> String { line.0.iter().map(|(tint, text)| colour.shown(*tint, text)).collect() };
        self.0.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

/// What stands between two blocks.
const BETWEEN: usize = 3;

/// Puts blocks side by side when they fit into the terminal, else one below the other.
pub(super) fn flow(indent: usize, blocks: Vec<Block>, terminal: usize) -> Block {
    let between = blocks.len().saturating_sub(1) * BETWEEN;
    let width = indent + between + blocks.iter().map(Block::width).sum::<usize>();
    if width <= terminal {
        return table(BETWEEN, indent, blocks);
    }
    let lines = blocks.into_iter().flat_map(|block| block.0).map(|line| line.indented(indent));
    Block(lines.chain([Line::default()]).collect())
}

/// Puts blocks side by side.
pub(super) fn table(between: usize, indent: usize, blocks: Vec<Block>) -> Block {
    let rows = blocks.iter().map(|block| block.0.len()).max().unwrap_or_default();
    let mut lines = vec![Line::default(); rows];
    for (at, block) in blocks.into_iter().enumerate() {
        let width = block.width();
        let mut column = block.0.into_iter();
        for line in &mut lines {
            line.pad(indent + if at > 0 { between } else { 0 });
            let cell = column.next().unwrap_or_default();
            let rest = width - cell.width();
            line.0.extend(cell.0);
            line.pad(rest);
        }
    }
    lines.iter_mut().for_each(Line::trim_end);
    Block(lines)
}
