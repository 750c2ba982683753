//! Changed documents written into the text they were read from.
//!
//! Only what differs is replaced. What comes out is read again and must be the wanted tree. Where a text cannot be kept
//! the document is written anew, as its store does it; what decrypting gives is the original text all the same, because
//! then the layout record holds it as a whole.

use std::collections::HashMap;

use zeroize::Zeroizing;

use crate::error::Error;
use crate::layout::Layout;
use crate::metadata::Metadata;
use crate::store::{self, EmitOptions, Format, yaml};
use crate::tree::Branch;

pub(in crate::store) mod change;
pub(in crate::store) mod fields;
mod json;
pub(in crate::store) mod lines;
pub(in crate::store) mod places;
pub(in crate::store) mod same;
pub(in crate::store) mod steps;

use change::{Growth, How, Replaced};

/// A text as it was read.
pub(crate) struct Original<'t> {
    text: &'t [u8],
    format: Format,
    /// None where the text cannot be kept.
    source: Option<Source<'t>>,
}

impl<'t> Original<'t> {
    /// Looks at a text on its own.
    pub(crate) fn of(text: &'t [u8], format: Format) -> Self {
        Self { text, format, source: Source::of(text, format) }
    }

    /// Reads a plain document and keeps how its text looks.
    pub(crate) fn read(text: &'t [u8], format: Format) -> Result<(Vec<Branch>, Self), Error> {
        if format == Format::Yaml {
            store::check_size(text, format)?;
            let (branches, source) = yaml::load_with_source(text)?;
            return Ok((branches, Self { text, format, source: source.map(Source::Yaml) }));
        }
        Ok((store::load(text, format)?, Self::of(text, format)))
    }

    /// Reads an encrypted document, its metadata still in it.
    pub(crate) fn read_encrypted(text: &'t [u8], format: Format) -> Result<(Vec<Branch>, Self), Error> {
        if format == Format::Binary {
            let (branches, Self { source, .. }) = Self::read(text, Format::Json)?;
            return Ok((branches, Self { text, format, source }));
        }
        Self::read(text, format)
    }

    /// The quoting of the values of an encrypted text.
    fn former(&self) -> Option<yaml::Former> {
        if let Some(Source::Yaml(source)) = &self.source { Some(yaml::Former::of(source)) } else { None }
    }

    /// The text of a binary file is no text of its encrypted form.
    fn plain_source(&self) -> Option<&Source<'t>> {
        self.source.as_ref().filter(|_| self.format != Format::Binary)
    }
}

/// A text that changes can be written into.
enum Source<'t> {
    Yaml(yaml::Source<'t>),
    Json(json::Source<'t>),
    Lines(lines::Source<'t>),
}

impl<'t> Source<'t> {
    fn of(text: &'t [u8], format: Format) -> Option<Self> {
        match format {
            Format::Yaml => yaml::Source::read(text).map(Self::Yaml),
            Format::Json => json::Source::read(text).map(Self::Json),
            Format::Dotenv => lines::Source::dotenv(text).map(Self::Lines),
            Format::Ini => lines::Source::ini(text).map(Self::Lines),
            Format::Binary => None,
        }
    }

    /// Reads another text in the same format.
    fn again<'a>(&self, text: &'a [u8]) -> Option<Source<'a>> {
        match self {
            Self::Yaml(_) => yaml::Source::read(text).map(Source::Yaml),
            Self::Json(_) => json::Source::read(text).map(Source::Json),
            Self::Lines(source) => source.again(text).map(Source::Lines),
        }
    }

    fn base(&self) -> &'t [u8] {
        match self {
            Self::Yaml(source) => source.base(),
            Self::Json(source) => source.base,
            Self::Lines(source) => source.base,
        }
    }

    /// Comments of YAML find their places on the way; elsewhere they have them.
    fn has_comments(&self) -> bool {
        matches!(self, Self::Yaml(source) if source.has_comments())
    }

    fn tree(&self) -> Vec<Branch> {
        match self {
            Self::Yaml(source) => source.tree(),
            Self::Json(source) => vec![source.branch.clone()],
            Self::Lines(source) => vec![source.branch.clone()],
        }
    }

    /// The text with its edits, not checked, and what was replaced.
    fn edited(&self, wanted: &mut [Branch], how: &How<'_>) -> Option<(Zeroizing<Vec<u8>>, Vec<Replaced>)> {
        match (self, wanted) {
            (Self::Yaml(source), wanted) => yaml::edited(source, wanted, how),
            (Self::Json(source), [wanted]) => source.edited(wanted, how),
            (Self::Lines(source), [wanted]) => source.edited(wanted, how),
            _ => None,
        }
    }

    fn is_same(&self, wanted: &[Branch]) -> bool {
        match (self, wanted) {
            (Self::Yaml(source), wanted) => yaml::is_same(source, wanted),
            (Self::Json(source), [wanted]) => same::is_same_document(&source.branch, wanted),
            (Self::Lines(source), [wanted]) => source.is_same(wanted),
            _ => false,
        }
    }
}

/// Returns the new text, or nothing when it cannot be had. The wanted documents lose comments that go on the way.
fn splice(source: &Source<'_>, wanted: &mut [Branch], how: &How<'_>) -> Option<Zeroizing<Vec<u8>>> {
    [Growth::Lines, Growth::Brackets].into_iter().find_map(|growth| {
        attempt(source, wanted, |wanted| {
            let (text, _) = source.edited(wanted, &How { growth, ..*how })?;
            source.again(&text).is_some_and(|read| read.is_same(wanted)).then_some(text)
        })
    })
}

/// Writes an encrypted document into its plain text, and finds what must be kept so that decrypting gives that text
/// again.
fn splice_plain(
    source: &Source<'_>,
    wanted: &mut [Branch],
    how: &How<'_>,
) -> Option<(Zeroizing<Vec<u8>>, Layout)> {
    let spaced = Layout::with_blank_line();
    // A comment at the end may need an empty line behind it to stay where it belongs.
    [how.layout, &spaced].into_iter().find_map(|layout| {
        attempt(source, wanted, |wanted| {
            let how = How { layout, ..*how };
            let (text, _) = source.edited(wanted, &how)?;
            let sealed = source.again(&text).filter(|sealed| sealed.is_same(wanted))?;
            let layout = record(source, &sealed, wanted, &how);
            Some((text, layout))
        })
    })
}

/// Tries a way; one that leads nowhere leaves the wanted documents as they were.
fn attempt<T>(
    source: &Source<'_>,
    wanted: &mut [Branch],
    way: impl FnOnce(&mut [Branch]) -> Option<T>,
) -> Option<T> {
    let spare = source.has_comments().then(|| wanted.to_vec());
    let found = way(wanted);
    if let (None, Some(spare)) = (&found, spare) {
        wanted.clone_from_slice(&spare);
    }
    found
}

/// What the encrypted text cannot tell of the original.
fn record(source: &Source<'_>, sealed: &Source<'_>, wanted: &mut [Branch], how: &How<'_>) -> Layout {
    let whole = || Layout::of_whole(source.base());
    let opened = |layout: &Layout, records| {
        sealed.edited(&mut source.tree(), &How { records, ..How::new(layout, how.indent) })
    };
    let is_enough = |layout: &Layout| opened(layout, false).is_some_and(|(text, _)| *text == source.base());
    let mut layout = how.layout.clone();
    if is_enough(&layout) {
        return layout;
    }
    let (Some((_, back)), Some((_, replaced))) =
        (opened(&layout, true), source.edited(wanted, &How { records: true, ..*how }))
    else {
        return whole();
    };
    let back: HashMap<_, _> = back.into_iter().map(|item| (item.place, item.new)).collect();
    for Replaced { place, old, .. } in replaced {
        if back.get(&place) != Some(&old) {
            layout.keep(place, old);
        }
    }
    if is_enough(&layout) { layout } else { whole() }
}

/// Writes a document with its metadata into its former, encrypted text.
pub(crate) fn emit_encrypted(
    original: &Original<'_>,
    mut branches: Vec<Branch>,
    metadata: &Metadata,
    options: &EmitOptions,
) -> Result<Vec<u8>, Error> {
    let format = original.format;
    if let Some(source) = &original.source {
        let layout = Layout::default();
        let how = How::new(&layout, chosen_indent(options, format)?);
        let spliced =
            store::with_metadata(&mut branches, metadata, format, |whole| splice(source, whole, &how));
        if let Some(text) = spliced? {
            return Ok(taken(text));
        }
    }
    anew(branches, metadata, format, options)
}

/// Ciphertext needs no wiping, and plaintext goes into what wipes it.
fn taken(mut text: Zeroizing<Vec<u8>>) -> Vec<u8> {
    std::mem::take(&mut text)
}

/// Writes an encrypted document into its plain text, and puts into the metadata what is needed to get that text back.
/// `former` is an older encrypted text of the same file.
pub(crate) fn seal(
    original: &Original<'_>,
    former: Option<&Original<'_>>,
    mut branches: Vec<Branch>,
    metadata: &mut Metadata,
    options: &EmitOptions,
    seal_layout: &mut dyn FnMut(&Layout) -> String,
) -> Result<Vec<u8>, Error> {
    metadata.layout.clear();
    let format = original.format;
    if format == Format::Binary {
        return anew(branches, metadata, format, options);
    }
    let former = former.and_then(Original::former);
    let (none, spaced) = (Layout::default(), Layout::with_blank_line());
    let how = How { former: former.as_ref(), ..How::new(&none, chosen_indent(options, format)?) };
    let mut sealed = None;
    if let Some(source) = original.plain_source() {
        let spare = source.has_comments().then(|| branches.clone());
        sealed =
            store::with_metadata(&mut branches, metadata, format, |whole| splice_plain(source, whole, &how))?;
        branches = spare.unwrap_or(branches);
    }
    let layout = match sealed {
        Some((text, layout)) if layout.is_empty() => return Ok(taken(text)),
        Some((_, layout)) => layout,
        None => Layout::of_whole(original.text),
    };
    metadata.layout = seal_layout(&layout);
    if let Some(source) = original.plain_source() {
        // Its texts are plaintext and have no place here.
        let how = How { layout: if layout.has_blank_line() { &spaced } else { &none }, ..how };
        let spliced =
            store::with_metadata(&mut branches, metadata, format, |whole| splice(source, whole, &how));
        if let Some(text) = spliced? {
            return Ok(taken(text));
        }
    }
    anew(branches, metadata, format, options)
}

/// Writes a decrypted document into its encrypted text.
pub(crate) fn open(
    original: &Original<'_>,
    plain: &[Branch],
    layout: &Layout,
    options: &EmitOptions,
) -> Result<Vec<u8>, Error> {
    let format = original.format;
    if let Some(text) = layout.whole().filter(|text| is_text_of(text, plain, format)) {
        return Ok(text.to_vec());
    }
    let none = Layout::default();
    let indent = chosen_indent(options, format)?;
    let spliced = original.plain_source().and_then(|source| {
        [layout, &none]
            .into_iter()
            .find_map(|layout| splice(source, &mut plain.to_vec(), &How::new(layout, indent)))
    });
    spliced.map_or_else(|| store::emit(plain, format, options), |text| Ok(taken(text)))
}

/// Is this the text of these documents?
fn is_text_of(text: &[u8], plain: &[Branch], format: Format) -> bool {
    store::load(text, format).is_ok_and(|read| {
        read.len() == plain.len()
            && read.iter().zip(plain).all(|(read, plain)| same::is_same_branch(read, plain))
    })
}

/// Written anew; what the format cannot hold so that it reads again is refused.
fn anew(
    branches: Vec<Branch>,
    metadata: &Metadata,
    format: Format,
    options: &EmitOptions,
) -> Result<Vec<u8>, Error> {
    let text = store::emit_encrypted(&branches, metadata, format, options)?;
    let is_same = store::load_encrypted(&text, format).is_ok_and(|(read, _)| {
        read.len() == branches.len()
            && read.iter().zip(&branches).all(|(read, branch)| same::reads_as(read, branch))
    });
    if is_same {
        return Ok(text);
    }
    let message = format!("what {} has for this document does not read back as the same", format.name());
    Err(Error::Emit { message })
}

/// None where the text itself shall tell.
fn chosen_indent(options: &EmitOptions, format: Format) -> Result<Option<usize>, Error> {
    if format != Format::Yaml {
        return Ok(None);
    }
    let indent = yaml::indentation(options.yaml_indent)?;
    Ok((options.yaml_indent != 0).then_some(indent))
}
