//! Trees from text: the documents of a stream, as the reference reads them.
//!
//! Follows: `parserc.go` and the node half of `decode.go` of `go.yaml.in/yaml/v3` 3.0.4.
//! Differs: nesting deeper than 500 is refused (there: 10,000), since trees are walked recursively.

use std::ops::Range;

use crate::error::Error;
use crate::node::Node;
use crate::read::{self, Source};

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
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 512 << 20 }
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
    if input.len() > limits.bytes {
        return Err(Error::tree(format!("input has {} bytes, more than {}", input.len(), limits.bytes)));
    }
    match partial(input) {
        (documents, None) => Ok(documents),
        (_, Some(error)) => Err(error),
    }
}

/// Reads every document of a stream with a number, `#0`, `#1` and so on, for the words of each comment line, and where
/// those lines stand, by their numbers: bytes from `#` to the end of the line.
///
/// A tree does not say where in the text its comments are; so it does.
///
/// # Errors
///
/// The first mistake in the text, with its line.
pub fn documents_with_numbered_comments(input: &[u8]) -> Result<(Vec<Node>, Vec<Range<usize>>), Error> {
    let source = read::source(input);
    let mut builder = tree::Builder::new(&source).number_comments();
    let mut documents = Vec::new();
    while let Some(document) = builder.document()? {
        documents.push(document);
    }
    Ok((documents, builder.into_comment_places()))
}

/// Reads documents up to the first mistake; returns those before it, and the mistake.
#[must_use]
pub fn partial(input: &[u8]) -> (Vec<Node>, Option<Error>) {
    let mut documents = Vec::new();
    for document in stream(&read::source(input)) {
        match document {
            Ok(document) => documents.push(document),
            Err(error) => return (documents, Some(error)),
        }
    }
    (documents, None)
}

/// Reads documents one by one; the first mistake is the last item.
pub(crate) fn stream<'a>(source: &'a Source<'_>) -> impl Iterator<Item = Result<Node, Error>> + 'a {
    let mut builder = Some(tree::Builder::new(source));
    std::iter::from_fn(move || {
        let document = builder.as_mut()?.document().transpose();
        if !matches!(document, Some(Ok(_))) {
            builder = None;
        }
        document
    })
}

/// Reads the first document, if there is one; what follows it is not looked at.
///
/// # Errors
///
/// The first mistake in that document.
pub fn first(input: &[u8]) -> Result<Option<Node>, Error> {
    tree::Builder::new(&read::source(input)).document()
}

/// Reads the first document as v2 does, with its lines of errors.
pub(crate) fn first_older(input: &[u8]) -> Result<Option<Node>, Error> {
    tree::Builder::new(&read::source(input)).look_less().document().map_err(Error::into_older)
}

/// Returns the parser's events in the form of [`crate::trace`].
pub(crate) fn trace_events(input: &[u8]) -> Vec<serde_json::Value> {
    let source = read::source(input);
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
