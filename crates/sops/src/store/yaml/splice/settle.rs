//! Comments that a new text gives to other containers than were meant.
//!
//! Whose a comment is depends on what stands around it. Its ciphertext is bound to the container that it is read in, so
//! it is encrypted again for that one.

use std::collections::{HashMap, VecDeque};

use sha2::{Digest as _, Sha256};

use crate::cipher;
use crate::error::Error;
use crate::select::Matcher;
use crate::store::over::Sealer;
use crate::store::over::change::Changes;
use crate::store::over::same::is_same_document;
use crate::store::yaml::splice::source::Source;
use crate::tree::{Branch, Comment, Value};
use crate::walk::{self, Place};

/// What must change in a text so that its comments can be opened where they are read; nothing where its values are not
/// the wanted ones, or a comment that is encrypted came where the selector does not choose it. Where nothing is encrypted, in the
/// absence of a sealer, comments may be anybody's.
pub(in crate::store) fn settled(
    read: &Source<'_>,
    wanted: &mut [Branch],
    sealer: Option<&mut Sealer<'_>>,
) -> Option<Changes> {
    let is_same = |(read, wanted): (&Branch, &Branch)| is_same_document(read, wanted);
    if read.branches.len() != wanted.len() || !read.branches.iter().zip(&*wanted).all(is_same) {
        return None;
    }
    let any = Matcher::lenient(None);
    let matcher = sealer.as_ref().map_or(&any, |sealer| sealer.matcher);
    if let Matcher::Comment { .. } = matcher {
        return None;
    }
    let mut settling = Settling {
        read,
        containers: containers(wanted, matcher).ok()?,
        sealer,
        changes: Changes::default(),
        renewed: HashMap::new(),
    };
    for branch in &mut read.branches.clone() {
        let mut visit = |leaf: Value, place: &Place<'_>| match &leaf {
            Value::Comment(comment) => {
                settling.comment(comment, place).map(|()| leaf).ok_or(Error::NoMetadata)
            }
            _ => Ok(leaf),
        };
        walk::branch(branch, matcher, &mut visit).ok()?;
    }
    let Settling { containers, changes, renewed, .. } = settling;
    renew(wanted, matcher, &renewed).ok()?;
    containers.values().all(VecDeque::is_empty).then_some(changes)
}

/// Gives the wanted comments the ciphertext that they have now.
fn renew(wanted: &mut [Branch], matcher: &Matcher, renewed: &HashMap<[u8; 32], String>) -> Result<(), Error> {
    for branch in wanted.iter_mut().filter(|_| !renewed.is_empty()) {
        walk::branch(branch, matcher, &mut |leaf, _| match &leaf {
            Value::Comment(comment) => Ok(match renewed.get(&digest(comment.text.as_bytes())) {
                Some(text) => Value::Comment(Comment { text: text.as_str().into(), ..comment.clone() }),
                None => leaf,
            }),
            _ => Ok(leaf),
        })?;
    }
    Ok(())
}

/// The containers that comments are meant for, by a digest of their words.
type Containers = HashMap<[u8; 32], VecDeque<String>>;

fn containers(wanted: &mut [Branch], matcher: &Matcher) -> Result<Containers, Error> {
    let mut found = Containers::new();
    for branch in wanted {
        walk::branch(branch, matcher, &mut |leaf, place| {
            if let Value::Comment(comment) = &leaf {
                let known = found.entry(digest(comment.text.as_bytes())).or_default();
                known.push_back(place.aad.to_owned());
            }
            Ok(leaf)
        })?;
    }
    Ok(found)
}

fn digest(words: &[u8]) -> [u8; 32] {
    Sha256::digest(words).into()
}

struct Settling<'s, 'r, 'c> {
    read: &'s Source<'r>,
    containers: Containers,
    sealer: Option<&'s mut Sealer<'c>>,
    changes: Changes,
    /// New ciphertext by a digest of the former words.
    renewed: HashMap<[u8; 32], String>,
}

impl Settling<'_, '_, '_> {
    /// A comment of the new text, its number for words.
    fn comment(&mut self, comment: &Comment, place: &Place<'_>) -> Option<()> {
        let words = self.read.words(comment)?;
        let meant = self.containers.get_mut(&digest(words))?.pop_front()?;
        let Some(sealer) = &mut self.sealer else { return Some(()) };
        let is_sealed = cipher::is_sealed(words);
        if meant == place.aad || words.is_empty() || !is_sealed && !place.selected {
            return Some(());
        }
        if !place.selected {
            return None;
        }
        let opened = if is_sealed {
            sealer.cipher.decrypt(words, &meant, None).ok()?
        } else {
            Value::Comment(Comment::line(words))
        };
        let text = sealer.cipher.encrypt(&opened, place.aad, sealer.rng, None)?;
        let range = self.read.places.get(Source::number(comment)?)?.clone();
        self.changes.put(range, format!("#{text}"));
        self.renewed.insert(digest(words), text);
        Some(())
    }
}
