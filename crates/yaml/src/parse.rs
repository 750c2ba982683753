//! Trees from text: the documents of a stream, as the reference reads them.
//!
//! Follows: `parserc.go` and the node half of `decode.go` of `go.yaml.in/yaml/v3` 3.0.4.
//! Differs: nesting deeper than 500 is refused (there: 10,000), since trees are walked recursively.

use std::ops::Range;

use crate::error::Error;
use crate::node::Node;
use crate::read;

mod event;
mod machine;
mod tree;

/// Levels that a tree may have; the text itself may nest deeper, up to the reference's own bound.
pub(crate) const MAX_DEPTH: usize = 500;

/// Bounds for reading text from strangers.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Largest input in bytes.
    pub bytes: usize,
    /// Nodes of all documents: a node takes some 500 bytes, its text may have two.
    pub nodes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 512 << 20, nodes: 2_000_000 }
    }
}

/// Reads every document of a stream.
///
/// # Errors
///
/// The first mistake in the text, with its line.
///
/// ```
/// let documents = sealfast_yaml::parse::documents(b"a: 1 # one\n---\nb: 2\n")?;
/// assert_eq!(documents.len(), 2);
/// assert_eq!(documents[0].content[0].field("a").map(|node| node.value.as_str()), Some("1"));
/// # Ok::<(), sealfast_yaml::error::Error>(())
/// ```
pub fn documents(input: &[u8]) -> Result<Vec<Node>, Error> {
    documents_with(input, &Limits::default())
}

/// Reads every document of a stream within bounds.
///
/// # Errors
///
/// The first mistake in the text, or a bound that it exceeds.
pub fn documents_with(input: &[u8], limits: &Limits) -> Result<Vec<Node>, Error> {
    match partial_with(input, limits) {
        (documents, None) => Ok(documents),
        (_, Some(error)) => Err(error),
    }
}

/// Documents whose comments are numbers, as [`numbered`] reads them.
#[derive(Clone, Debug, Default)]
pub struct Numbered {
    /// The documents, up to the first mistake.
    pub documents: Vec<Node>,
    /// Where each comment line stands, by its number: bytes from `#` to the end of the line.
    pub places: Vec<Range<usize>>,
    /// The first mistake.
    pub mistake: Option<Error>,
}

/// Reads the documents of a stream up to the first mistake, with a number, `#0`, `#1` and so on, for the words of each
/// comment line.
///
/// A tree does not say where in the text its comments are; so it does.
#[must_use]
pub fn numbered(input: &[u8]) -> Numbered {
    let limits = Limits::default();
    let source = read::source(input, &limits);
    let mut builder = tree::Builder::new(&source, &limits).number_comments();
    let (documents, mistake) = collect(std::iter::from_fn(|| builder.document().transpose()));
    Numbered { documents, places: builder.into_comment_places(), mistake }
}

/// Reads documents up to the first mistake; returns those before it, and the mistake.
#[must_use]
pub fn partial(input: &[u8]) -> (Vec<Node>, Option<Error>) {
    partial_with(input, &Limits::default())
}

fn partial_with(input: &[u8], limits: &Limits) -> (Vec<Node>, Option<Error>) {
    let source = read::source(input, limits);
    let mut builder = tree::Builder::new(&source, limits);
    collect(std::iter::from_fn(|| builder.document().transpose()))
}

fn collect(stream: impl Iterator<Item = Result<Node, Error>>) -> (Vec<Node>, Option<Error>) {
    let mut documents = Vec::new();
    for document in stream {
        match document {
            Ok(document) => documents.push(document),
            Err(mistake) => return (documents, Some(mistake)),
        }
    }
    (documents, None)
}

/// Hands over the documents one by one, up to the first mistake.
pub(crate) fn each(input: &[u8], mut take: impl FnMut(Node) -> Result<(), Error>) -> Result<(), Error> {
    let limits = Limits::default();
    let source = read::source(input, &limits);
    let mut builder = tree::Builder::new(&source, &limits);
    while let Some(document) = builder.document()? {
        take(document)?;
    }
    Ok(())
}

/// Reads the first document, if there is one; what follows it is not looked at.
///
/// # Errors
///
/// The first mistake in that document.
pub fn first(input: &[u8]) -> Result<Option<Node>, Error> {
    let limits = Limits::default();
    tree::Builder::new(&read::source(input, &limits), &limits).document()
}

/// Reads the first document as v2 does, with its lines of errors.
pub(crate) fn first_older(input: &[u8], limits: &Limits) -> Result<Option<Node>, Error> {
    let source = read::source(input, limits);
    tree::Builder::new(&source, limits).look_less().document().map_err(Error::into_older)
}

/// Returns the parser's events in the form of [`crate::trace`].
pub(crate) fn trace_events(input: &[u8]) -> Vec<serde_json::Value> {
    let source = read::source(input, &Limits::default());
    let mut machine = machine::Machine::new(&source);
    let mut events = Vec::new();
    while let Ok(event) = machine.next() {
        let ended = event.kind == event::EventKind::StreamEnd;
        events.push(event.trace());
        if ended {
            break;
        }
    }
    events
}
