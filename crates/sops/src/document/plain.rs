//! Plain documents: read, change, encrypt, write into the text they came from.
//!
//! Follows: `Encrypt` of sops 3.13.2. Differs: see `mac` and `walk`.

use crate::cipher::{Cipher, DataKey, Reuse};
use crate::document::{Context, Encrypted, Original, SecretBytes};
use crate::error::{Error, TreePath};
use crate::layout::Layout;
use crate::mac::Mac;
use crate::metadata::Metadata;
use crate::path::{self, Change, Found, Step};
use crate::select::Matcher;
use crate::store::{self, EmitOptions, Format, over};
use crate::tree::{Branch, Value};
use crate::walk;

/// A document in the clear.
#[derive(Clone, Debug, PartialEq)]
pub struct Plain {
    pub(super) branches: Vec<Branch>,
}

impl Plain {
    /// Reads a plain document.
    ///
    /// # Errors
    /// [`Error::Parse`] in the format's words, [`Error::Size`], [`Error::Depth`] and [`Error::Expansion`] for hostile input.
    pub fn load(input: &[u8], format: Format) -> Result<Self, Error> {
        Ok(Self { branches: store::load(input, format)? })
    }

    /// Reads a plain document and keeps its text in mind, to write the encrypted document into it.
    ///
    /// # Errors
    /// As [`Plain::load`].
    pub fn read(input: &[u8], format: Format) -> Result<(Self, Original<'_>), Error> {
        let (branches, original) = over::Original::read(input, format)?;
        Ok((Self { branches }, Original(original)))
    }

    /// Takes a tree made elsewhere.
    #[must_use]
    pub fn from_branches(branches: Vec<Branch>) -> Self {
        Self { branches }
    }

    /// Returns the documents of the stream.
    #[must_use]
    pub fn branches(&self) -> &[Branch] {
        &self.branches
    }

    /// Returns true when there is no document at all, as in an empty YAML file.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.branches.is_empty()
    }

    /// Fails when a document already has what would be read as metadata.
    ///
    /// # Errors
    /// [`Error::AlreadyEncrypted`] for the first document, [`Error::LaterAlreadyEncrypted`] for others.
    pub fn check_unencrypted(&self, format: Format) -> Result<(), Error> {
        match self.branches.iter().position(|branch| store::has_metadata_entry(branch, format)) {
            None => Ok(()),
            Some(0) => Err(Error::AlreadyEncrypted),
            Some(index) => Err(Error::LaterAlreadyEncrypted { index: index + 1 }),
        }
    }

    /// Writes the document.
    ///
    /// # Errors
    /// [`Error::Emit`] when the format cannot hold it.
    pub fn emit(&self, format: Format, options: &EmitOptions) -> Result<SecretBytes, Error> {
        store::emit(&self.branches, format, options).map(SecretBytes::new)
    }

    /// Writes the document in the clear with metadata beside it, as an editor may show both.
    ///
    /// # Errors
    /// [`Error::Emit`] when the format cannot hold it.
    pub fn emit_with(
        &self,
        metadata: &Metadata,
        format: Format,
        options: &EmitOptions,
    ) -> Result<SecretBytes, Error> {
        store::emit_encrypted(&self.branches, metadata, format, options).map(SecretBytes::new)
    }

    /// Writes the document into the encrypted text it was read from: comments, blank lines, indentation and quoting
    /// stay, and a text that [`Encrypted::seal`] wrote becomes the plain text again, byte for byte.
    ///
    /// # Errors
    /// [`Error::Emit`] when the format cannot hold it.
    pub fn open(
        &self,
        encrypted: &Original<'_>,
        metadata: &Metadata,
        key: &DataKey,
        options: &EmitOptions,
    ) -> Result<SecretBytes, Error> {
        let layout = Layout::open(&metadata.layout, &Cipher::new(key));
        over::open(&encrypted.0, &self.branches, &layout, options).map(SecretBytes::new)
    }

    /// Encrypts every selected leaf; `mac` and `last_modified` of the metadata are set.
    ///
    /// # Errors
    /// [`Error::KeyType`], [`Error::ValueType`], [`Error::CommentCollision`] with the place in the tree,
    /// [`Error::Selector`] for a selector that chooses nothing because its expression does not compile.
    pub fn encrypt(
        self,
        metadata: Metadata,
        key: &DataKey,
        context: Context<'_>,
    ) -> Result<Encrypted, Error> {
        let matcher = Matcher::new(metadata.selector.as_ref())?;
        self.encrypt_selected(&matcher, metadata, key, context)
    }

    /// Encrypts as `sops` does, for which an expression that does not compile matches nothing: such an `encrypted_regex`
    /// leaves the whole document in the clear.
    ///
    /// # Errors
    /// As [`Plain::encrypt`], but for [`Error::Selector`].
    pub fn encrypt_leniently(
        self,
        metadata: Metadata,
        key: &DataKey,
        context: Context<'_>,
    ) -> Result<Encrypted, Error> {
        let matcher = Matcher::lenient(metadata.selector.as_ref());
        self.encrypt_selected(&matcher, metadata, key, context)
    }

    fn encrypt_selected(
        mut self,
        matcher: &Matcher,
        mut metadata: Metadata,
        key: &DataKey,
        context: Context<'_>,
    ) -> Result<Encrypted, Error> {
        let Context { now, rng, reuse } = context;
        let mut reuse = reuse.map(Reuse::new);
        let cipher = Cipher::new(key);
        let mut mac = Mac::new(metadata.mac_only_encrypted);
        let only_encrypted = metadata.mac_only_encrypted;
        for branch in &mut self.branches {
            walk::branch(branch, matcher, &mut |leaf, place| {
                if !only_encrypted || place.selected {
                    mac.add(&leaf);
                }
                let is_comment = matches!(leaf, Value::Comment(_));
                if matches!(leaf, Value::Uint(_)) {
                    return Err(Error::ValueType { path: place.path(), kind: leaf.type_name() });
                }
                if !place.selected || matches!(&leaf, Value::Comment(comment) if comment.text.is_empty()) {
                    return Ok(leaf);
                }
                let text = cipher
                    .encrypt(&leaf, place.aad, rng, reuse.as_mut())
                    .ok_or_else(|| Error::ValueType { path: place.path(), kind: leaf.type_name() })?;
                if is_comment && matcher.is_undone_by(&text) {
                    return Err(Error::CommentCollision { path: place.path() });
                }
                Ok(text.into())
            })?;
        }
        metadata.layout = Layout::renew(&metadata.layout, &self.branches, &cipher, rng);
        metadata.last_modified = now.without_fraction();
        let digest = Value::from(mac.finish());
        metadata.mac = cipher
            .encrypt(&digest, &metadata.last_modified.to_seconds(), rng, reuse.as_mut())
            .ok_or_else(|| Error::ValueType { path: TreePath::default(), kind: "string" })?;
        Ok(Encrypted { branches: self.branches, metadata })
    }

    /// Returns what a path leads to in the first document.
    ///
    /// # Errors
    /// [`Error::Path`] in the reference's words.
    pub fn extract(&self, path: &[Step]) -> Result<Value, Error> {
        let first = self
            .branches
            .first()
            .ok_or_else(|| Error::Path { message: "the document is empty".to_owned() })?;
        Ok(match path::find(first, path)? {
            Found::Branch(branch) => Value::Branch(branch.clone()),
            Found::Value(value) => value.clone(),
        })
    }

    /// Puts another branch in the place of the first document.
    pub fn replace_first(&mut self, branch: Branch) {
        match self.branches.first_mut() {
            Some(first) => *first = branch,
            None => self.branches.push(branch),
        }
    }

    /// Sets a value in the first document.
    ///
    /// # Errors
    /// [`Error::Path`] when the path does not fit the tree.
    pub fn set(&mut self, path: &[Step], value: Value) -> Result<Change, Error> {
        path::set(self.first_mut()?, path, value)
    }

    /// Removes a value from the first document.
    ///
    /// # Errors
    /// [`Error::NotFound`] and [`Error::Path`] with the step that does not fit.
    pub fn unset(&mut self, path: &[Step]) -> Result<(), Error> {
        path::unset(self.first_mut()?, path)
    }

    fn first_mut(&mut self) -> Result<&mut Branch, Error> {
        self.branches.first_mut().ok_or_else(|| Error::Path { message: "the document is empty".to_owned() })
    }
}
