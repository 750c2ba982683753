//! Globs of expansions: `*`, `?`, `[…]`, `[^…]`, and `\` before a letter.
//!
//! All ends at which a pattern fits are found in one pass over the text, so that no pattern costs
//! more than the length of the text times its own.

/// One part of a pattern.
#[derive(Clone, Debug)]
enum Part {
    /// Any letters.
    Star,
    /// Any letter.
    Any,
    /// This letter.
    Literal(char),
    /// A letter in one of the ranges, or one in none of them.
    Set { ranges: Vec<(char, char)>, is_negated: bool },
}

impl Part {
    fn fits(&self, letter: char) -> bool {
        match self {
            Self::Star => false,
            Self::Any => true,
            Self::Literal(literal) => *literal == letter,
            Self::Set { ranges, is_negated } => {
                ranges.iter().any(|(low, high)| (*low..=*high).contains(&letter)) != *is_negated
            }
        }
    }
}

/// A pattern that is being matched against a text, letter for letter.
#[derive(Debug)]
pub(super) struct Glob {
    parts: Vec<Part>,
    /// Whether what was read so far fits the first so many parts.
    fits: Vec<bool>,
}

impl Glob {
    /// Reads a pattern; none for one that is not well formed, which fits nothing.
    pub(super) fn new(pattern: &str) -> Option<Self> {
        let mut parts = Vec::new();
        let mut rest = pattern.chars();
        while let Some(letter) = rest.next() {
            parts.push(match letter {
                '*' => Part::Star,
                '?' => Part::Any,
                '\\' => Part::Literal(rest.next()?),
                '[' => set(&mut rest)?,
                literal => Part::Literal(literal),
            });
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

    /// Reads one more letter.
    pub(super) fn read(&mut self, letter: char) {
        for at in (0..self.fits.len()).rev() {
            let stays = self.fits[at] && matches!(self.parts.get(at), Some(Part::Star));
            self.fits[at] = stays || at > 0 && self.fits[at - 1] && self.parts[at - 1].fits(letter);
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

/// Reads a set up to its bracket; none when it is empty or open.
fn set(rest: &mut std::str::Chars<'_>) -> Option<Part> {
    let is_negated = rest.as_str().starts_with('^');
    if is_negated {
        rest.next();
    }
    let mut ranges = Vec::new();
    while ranges.is_empty() || !rest.as_str().starts_with(']') {
        let low = member(rest)?;
        let mut high = low;
        if rest.as_str().starts_with('-') {
            rest.next();
            high = member(rest)?;
        }
        ranges.push((low, high));
    }
    rest.next();
    Some(Part::Set { ranges, is_negated })
}

/// Reads an end of a range.
fn member(rest: &mut std::str::Chars<'_>) -> Option<char> {
    match rest.next()? {
        '-' | ']' => None,
        '\\' => rest.next(),
        letter => Some(letter),
    }
}
