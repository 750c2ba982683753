//! Globs of expansions: `*`, `?`, `[…]`, and `\` before a special character.
//!
//! All ends at which a pattern fits are found in one pass over the text, so that no pattern costs
//! more than the length of the text times its own.

/// One part of a pattern.
#[derive(Clone, Copy, Debug)]
enum Part<'a> {
    /// Any bytes.
    Star,
    /// Any byte.
    Any,
    /// This byte.
    Literal(u8),
    /// A byte in the set, or one that is not.
    Set { set: &'a [u8], is_negated: bool },
}

impl Part<'_> {
    fn fits(self, byte: u8) -> bool {
        match self {
            Self::Star => false,
            Self::Any => true,
            Self::Literal(literal) => literal == byte,
            Self::Set { set, is_negated } => in_set(set, byte) != is_negated,
        }
    }
}

/// A pattern that is being matched against a text, byte for byte.
#[derive(Debug)]
pub(super) struct Glob<'a> {
    parts: Vec<Part<'a>>,
    /// Whether what was read so far fits the first so many parts.
    fits: Vec<bool>,
}

impl<'a> Glob<'a> {
    /// Reads a pattern; none for one with an open `[`, which fits nothing.
    pub(super) fn new(pattern: &'a [u8], is_reversed: bool) -> Option<Self> {
        let mut parts = Vec::new();
        let mut rest = pattern;
        while let Some((part, after)) = first(rest)? {
            parts.push(part);
            rest = after;
        }
        if is_reversed {
            parts.reverse();
        }
        let mut fits = vec![false; parts.len() + 1];
        fits[0] = true;
        let mut glob = Self { parts, fits };
        glob.pass_stars();
        Some(glob)
    }

    /// Whether what was read so far fits the whole pattern.
    pub(super) fn is_match(&self) -> bool {
        self.fits.last() == Some(&true)
    }

    /// Reads one more byte.
    pub(super) fn read(&mut self, byte: u8) {
        for at in (0..self.fits.len()).rev() {
            let stays = self.fits[at] && matches!(self.parts.get(at), Some(Part::Star));
            self.fits[at] = stays || at > 0 && self.fits[at - 1] && self.parts[at - 1].fits(byte);
        }
        self.pass_stars();
    }

    /// Lets stars stand for nothing.
    fn pass_stars(&mut self) {
        for (at, part) in self.parts.iter().enumerate() {
            self.fits[at + 1] |= self.fits[at] && matches!(part, Part::Star);
        }
    }
}

/// Takes a part off the front of a pattern: none when a set is open, `Some(None)` at the end.
#[expect(clippy::option_option, reason = "an open set and the end are two things")]
fn first(pattern: &[u8]) -> Option<Option<(Part<'_>, &[u8])>> {
    Some(match pattern {
        [] => None,
        [b'*', rest @ ..] => Some((Part::Star, rest)),
        [b'?', rest @ ..] => Some((Part::Any, rest)),
        [b'\\', literal, rest @ ..] => Some((Part::Literal(*literal), rest)),
        [b'[', rest @ ..] => {
            let end = rest.iter().skip(1).position(|&letter| letter == b']')? + 1;
            let (set, is_negated) = match &rest[..end] {
                [b'!' | b'^', set @ ..] => (set, true),
                set => (set, false),
            };
            Some((Part::Set { set, is_negated }, &rest[end + 1..]))
        }
        [literal, rest @ ..] => Some((Part::Literal(*literal), rest)),
    })
}

fn in_set(mut set: &[u8], byte: u8) -> bool {
    loop {
        let is_in;
        (is_in, set) = match set {
            [low, b'-', high, rest @ ..] => ((*low..=*high).contains(&byte), rest),
            [literal, rest @ ..] => (*literal == byte, rest),
            [] => return false,
        };
        if is_in {
            return true;
        }
    }
}
