//! Texts that changed documents are written into.
//!
//! There are three ways: `seal` writes an encrypted document into its plain text, `open` a decrypted one into its
//! encrypted text, `update` an encrypted one into its former encrypted text. They stand in `over/ways.rs`; here is what
//! they need of a text, format by format.

use crate::cipher::{Cipher, Random};
use crate::error::Error;
use crate::select::Matcher;
use crate::store::{self, Format, yaml};
use crate::tree::Branch;

pub(in crate::store) mod change;
pub(in crate::store) mod fields;
mod json;
pub(in crate::store) mod lines;
pub(in crate::store) mod places;
pub(in crate::store) mod same;
pub(in crate::store) mod steps;
mod ways;

use change::{Changes, How, Replaced};
pub(crate) use ways::{open, seal, update};

/// What encrypts again.
pub(crate) struct Sealer<'s> {
    pub(crate) cipher: &'s Cipher,
    pub(crate) matcher: &'s Matcher,
    pub(crate) rng: &'s mut dyn Random,
}

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
        store::check_size(text, format)?;
        if format == Format::Yaml {
            let (branches, source) = yaml::load_with_source(text)?;
            return Ok((branches, Self { text, format, source: source.map(Source::Yaml) }));
        }
        let original = Self::of(text, format);
        let branches = match &original.source {
            Some(Source::Lines(source)) => vec![source.branch.clone()],
            _ => store::load(text, format)?,
        };
        Ok((branches, original))
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

    /// The documents as they are once an encrypted text of them is opened.
    fn tree_in(&self, sealed: &Source<'_>) -> Vec<Branch> {
        match (self, sealed) {
            (Self::Yaml(source), Source::Yaml(sealed)) => source.tree_in(sealed),
            _ => self.tree(),
        }
    }

    /// The edits of the text, not checked, and what was replaced.
    fn edited(&self, wanted: &mut [Branch], how: &How<'_>) -> Option<(Changes, Vec<Replaced>)> {
        match (self, wanted) {
            (Self::Yaml(source), wanted) => yaml::edited(source, wanted, how),
            (Self::Json(source), [wanted]) => source.edited(wanted, how),
            (Self::Lines(source), [wanted]) => source.edited(wanted, how),
            _ => None,
        }
    }

    /// What must change in the text so that its comments can be read where they stand; nothing where it is not the
    /// wanted document.
    fn settled(&self, wanted: &mut [Branch], sealer: Option<&mut Sealer<'_>>) -> Option<Changes> {
        if let Self::Yaml(source) = self { yaml::settled(source, wanted, sealer) } else { None }
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
