//! The three ways to write a document into a text.
//!
//! Only what differs is replaced. What comes out is read again and must be the wanted tree. Where a text cannot be kept
//! the document is written anew, as its store does it; what decrypting gives is the original text all the same, because
//! then the layout record holds it as a whole.

use std::collections::HashMap;

use zeroize::Zeroizing;

use crate::error::Error;
use crate::layout::Layout;
use crate::metadata::Metadata;
use crate::store::over::change::{Aliases, Comments, Growth, How, Replaced, Way};
use crate::store::over::same;
use crate::store::over::{Original, Sealer, Source};
use crate::store::{self, EmitOptions, Format, yaml};
use crate::tree::Branch;

/// What is tried for an encrypted text, in order.
const UPDATING: [Way; 7] = [
    NEAREST,
    Way { blank_line: true, ..NEAREST },
    Way { growth: Growth::Brackets, ..NEAREST },
    Way { comments: Comments::Move, ..NEAREST },
    Way { comments: Comments::Move, growth: Growth::Brackets, ..NEAREST },
    Way { aliases: Aliases::Spelled, ..NEAREST },
    Way { aliases: Aliases::Spelled, comments: Comments::Move, ..NEAREST },
];

/// What is tried for a plain text that becomes an encrypted one.
const SEALING: [Way; 4] = [
    NEAREST,
    Way { blank_line: true, ..NEAREST },
    Way { comments: Comments::Move, ..NEAREST },
    Way { comments: Comments::Indent, ..NEAREST },
];

const NEAREST: Way =
    Way { growth: Growth::Lines, comments: Comments::Stay, aliases: Aliases::Stay, blank_line: false };

/// Writes an encrypted document with its metadata into its former encrypted text.
pub(crate) fn update(
    original: &Original<'_>,
    mut branches: Vec<Branch>,
    metadata: &Metadata,
    sealer: &mut Sealer<'_>,
    options: &EmitOptions,
) -> Result<Vec<u8>, Error> {
    let format = original.format;
    if let Some(source) = &original.source {
        let layout = Layout::default();
        let how = How::new(&layout, chosen_indent(options, format)?);
        let spliced = store::with_metadata(&mut branches, metadata, format, |whole| {
            UPDATING
                .into_iter()
                .find_map(|way| attempt(source, whole, &How { way, ..how }, Some(&mut *sealer)))
        });
        if let Some(text) = spliced? {
            return Ok(taken(text));
        }
    }
    anew(branches, metadata, format, sealer, options)
}

/// Writes an encrypted document into its plain text, and puts into the metadata what is needed to get that text back.
/// `former` is an older encrypted text of the same file.
pub(crate) fn seal(
    original: &Original<'_>,
    former: Option<&Original<'_>>,
    mut branches: Vec<Branch>,
    metadata: &mut Metadata,
    sealer: &mut Sealer<'_>,
    options: &EmitOptions,
) -> Result<Vec<u8>, Error> {
    metadata.layout.clear();
    let format = original.format;
    let Some(source) = original.plain_source() else {
        if format != Format::Binary {
            metadata.layout = Layout::of_whole(original.text).seal(sealer.cipher, sealer.rng);
        }
        return anew(branches, metadata, format, sealer, options);
    };
    let former = former.and_then(Original::former);
    let none = Layout::default();
    let how = How { former: former.as_ref(), ..How::new(&none, chosen_indent(options, format)?) };
    let sealed = store::with_metadata(&mut branches, metadata, format, |whole| {
        splice_plain(source, whole, &how, sealer)
    })?;
    let Some((text, layout)) = sealed else {
        metadata.layout = Layout::of_whole(original.text).seal(sealer.cipher, sealer.rng);
        return anew(branches, metadata, format, sealer, options);
    };
    if layout.is_empty() {
        return Ok(taken(text));
    }
    metadata.layout = layout.seal(sealer.cipher, sealer.rng);
    let Some(read) = source.again(&text) else { return Err(lost(format)) };
    match with_record(&read, metadata, format, how.indent)? {
        Some(text) => Ok(taken(text)),
        None => {
            if !source.has_comments() {
                branches = read.tree();
                store::take_metadata(&mut branches, format)?;
            }
            anew(branches, metadata, format, sealer, options)
        }
    }
}

/// Puts the record into the metadata of an encrypted text.
fn with_record(
    sealed: &Source<'_>,
    metadata: &Metadata,
    format: Format,
    indent: Option<usize>,
) -> Result<Option<Zeroizing<Vec<u8>>>, Error> {
    let mut branches = sealed.tree();
    store::take_metadata(&mut branches, format)?;
    let none = Layout::default();
    store::with_metadata(&mut branches, metadata, format, |whole| {
        attempt(sealed, whole, &How::new(&none, indent), None)
    })
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
    let (spelled, none) = (layout.without_aliases(), Layout::default());
    let ways = [
        (layout, Comments::Stay),
        (layout, Comments::Move),
        (&spelled, Comments::Move),
        (&none, Comments::Move),
    ];
    let indent = chosen_indent(options, format)?;
    let spliced = original.plain_source().and_then(|source| {
        ways.into_iter().find_map(|(layout, comments)| {
            let how = How::new(layout, indent);
            let how = How { way: Way { comments, ..how.way }, ..how };
            attempt(source, &mut plain.to_vec(), &how, None)
        })
    });
    spliced.map_or_else(|| store::emit(plain, format, options), |text| Ok(taken(text)))
}

/// Ciphertext needs no wiping, and plaintext goes into what wipes it.
fn taken(mut text: Zeroizing<Vec<u8>>) -> Vec<u8> {
    std::mem::take(&mut text)
}

/// Writes an encrypted document into its plain text, and finds what must be kept so that decrypting gives that text
/// again. Without comments, which have places of their own, the text tells all of the document, so that is left empty:
/// with many values it is as long as the text.
fn splice_plain(
    source: &Source<'_>,
    wanted: &mut [Branch],
    how: &How<'_>,
    sealer: &mut Sealer<'_>,
) -> Option<(Zeroizing<Vec<u8>>, Layout)> {
    SEALING.into_iter().find_map(|way| {
        let how = How { way, ..*how };
        let text = attempt(source, wanted, &how, Some(&mut *sealer))?;
        let sealed = source.again(&text)?;
        let layout = if source.has_comments() {
            record(source, &sealed, || wanted.to_vec(), &how)
        } else {
            wanted.fill(Branch::new());
            record(source, &sealed, || sealed.tree(), &how)
        };
        drop(sealed);
        Some((text, layout))
    })
}

/// Tries a way; one that leads nowhere leaves the wanted documents as they were, others lose comments that go on it.
fn attempt(
    source: &Source<'_>,
    wanted: &mut [Branch],
    how: &How<'_>,
    sealer: Option<&mut Sealer<'_>>,
) -> Option<Zeroizing<Vec<u8>>> {
    let spare = source.has_comments().then(|| wanted.to_vec());
    let found = checked(source, wanted, how, sealer);
    if let (None, Some(spare)) = (&found, spare) {
        wanted.clone_from_slice(&spare);
    }
    found
}

/// The text with its edits, once it is read again and found to be the wanted document.
fn checked(
    source: &Source<'_>,
    wanted: &mut [Branch],
    how: &How<'_>,
    sealer: Option<&mut Sealer<'_>>,
) -> Option<Zeroizing<Vec<u8>>> {
    let (changes, _) = source.edited(wanted, how)?;
    let text = changes.apply(source.base());
    let read = source.again(&text)?;
    let changes = match read.is_same(wanted) {
        true => None,
        false if how.way.comments == Comments::Stay => return None,
        false => Some(read.settled(wanted, sealer)?),
    };
    drop(read);
    Some(match changes {
        Some(changes) => changes.apply(&text),
        None => text,
    })
}

/// What the encrypted text cannot tell of the original.
fn record(
    source: &Source<'_>,
    sealed: &Source<'_>,
    wanted: impl FnOnce() -> Vec<Branch>,
    how: &How<'_>,
) -> Layout {
    let whole = || Layout::of_whole(source.base());
    let opened = |layout: &Layout, records| {
        sealed.edited(&mut source.tree_in(sealed), &How { records, ..How::new(layout, how.indent) })
    };
    let is_enough = |layout: &Layout| {
        opened(layout, false).is_some_and(|(changes, _)| changes.give(sealed.base(), source.base()))
    };
    let mut layout = Layout::default();
    if how.way.blank_line {
        layout = Layout::with_blank_line();
    }
    if is_enough(&layout) {
        return layout;
    }
    let (Some((_, back)), Some((_, replaced))) =
        (opened(&layout, true), source.edited(&mut wanted(), &How { records: true, ..*how }))
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

/// Is this the text of these documents?
fn is_text_of(text: &[u8], plain: &[Branch], format: Format) -> bool {
    store::load(text, format).is_ok_and(|read| {
        read.len() == plain.len()
            && read.iter().zip(plain).all(|(read, plain)| same::is_same_branch(read, plain))
    })
}

/// Written anew; what the format cannot hold so that it reads again is refused.
fn anew(
    mut branches: Vec<Branch>,
    metadata: &Metadata,
    format: Format,
    sealer: &mut Sealer<'_>,
    options: &EmitOptions,
) -> Result<Vec<u8>, Error> {
    let text = store::emit_encrypted(&branches, metadata, format, options)?;
    let is_same = store::load_encrypted(&text, format).is_ok_and(|(read, _)| {
        read.len() == branches.len()
            && read.iter().zip(&branches).all(|(read, branch)| same::reads_as(read, branch))
    });
    if is_same {
        return settled(text, &mut branches, metadata, format, sealer);
    }
    Err(lost(format))
}

fn lost(format: Format) -> Error {
    let message = format!("what {} has for this document does not read back as the same", format.name());
    Error::Emit { message }
}

/// Comments that are read in other containers than they were are encrypted for those, where that can be.
fn settled(
    text: Vec<u8>,
    branches: &mut [Branch],
    metadata: &Metadata,
    format: Format,
    sealer: &mut Sealer<'_>,
) -> Result<Vec<u8>, Error> {
    let Some(read) = Source::of(&text, format).filter(Source::has_comments) else { return Ok(text) };
    let changes =
        store::with_metadata(branches, metadata, format, |whole| read.settled(whole, Some(sealer)))?;
    drop(read);
    Ok(match changes {
        Some(changes) => taken(changes.apply(&text)),
        None => text,
    })
}

/// None where the text itself shall tell.
fn chosen_indent(options: &EmitOptions, format: Format) -> Result<Option<usize>, Error> {
    if format != Format::Yaml {
        return Ok(None);
    }
    let indent = yaml::indentation(options.yaml_indent)?;
    Ok((options.yaml_indent != 0).then_some(indent))
}
