//! Encrypted documents: read, decrypt, and write into the text they came from.
//!
//! Follows: `Decrypt` and `VerifyMAC` of sops 3.13.2. Differs: see `mac` and `walk`; an empty comment in a list stays a
//! comment.

use crate::cipher::{self, Cipher, DataKey, Nonces, Random};
use crate::document::{MacCheck, Original, Plain};
use crate::error::{Error, TreePath};
use crate::mac::{self, Mac};
use crate::metadata::Metadata;
use crate::select::Matcher;
use crate::store::over::{self, Sealer};
use crate::store::{self, EmitOptions, Format};
use crate::tree::{Branch, Comment, Key, Text, Value};
use crate::walk;

/// A document with metadata, its selected leaves encrypted.
#[derive(Clone, Debug, PartialEq)]
pub struct Encrypted {
    pub(super) branches: Vec<Branch>,
    pub(super) metadata: Metadata,
}

/// A decrypted document.
#[derive(Debug)]
pub struct Decrypted {
    /// The document.
    pub plain: Plain,
    /// Comments that were not encrypted although they should have been.
    pub clear_comments: Vec<ClearComment>,
}

/// A comment in the clear among encrypted values.
#[derive(Clone, Debug, PartialEq)]
pub struct ClearComment {
    /// The container it stands in.
    pub path: TreePath,
    /// What it says.
    pub text: Text,
}

impl Encrypted {
    /// Reads an encrypted document.
    ///
    /// # Errors
    /// [`Error::Parse`], [`Error::NoMetadata`], [`Error::Metadata`], [`Error::NoKeys`], [`Error::Selectors`],
    /// [`Error::Time`].
    pub fn load(input: &[u8], format: Format) -> Result<Self, Error> {
        let (branches, metadata) = store::load_encrypted(input, format)?;
        Ok(Self { branches, metadata })
    }

    /// Reads an encrypted document and keeps its text in mind, to write a changed document into it.
    ///
    /// # Errors
    /// As [`Encrypted::load`].
    pub fn read(input: &[u8], format: Format) -> Result<(Self, Original<'_>), Error> {
        let (mut branches, original) = over::Original::read_encrypted(input, format)?;
        let metadata = store::take_metadata(&mut branches, format)?;
        Ok((Self { branches, metadata }, Original(original)))
    }

    /// Returns the metadata.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Returns the metadata, to wrap the data key for other master keys.
    pub fn metadata_mut(&mut self) -> &mut Metadata {
        &mut self.metadata
    }

    /// Returns the documents of the stream, still encrypted.
    #[must_use]
    pub fn branches(&self) -> &[Branch] {
        &self.branches
    }

    /// Returns true when a value or comment is encrypted. After encrypting, false means that the selector chose nothing.
    #[must_use]
    pub fn has_encrypted_values(&self) -> bool {
        self.branches.iter().any(is_sealed_branch)
    }

    /// Writes the document with its metadata.
    ///
    /// # Errors
    /// [`Error::Emit`] when the format cannot hold it.
    pub fn emit(&self, format: Format, options: &EmitOptions) -> Result<Vec<u8>, Error> {
        store::emit_encrypted(&self.branches, &self.metadata, format, options)
    }

    /// Writes the document into the encrypted text it was read from: only what differs is replaced. Where that cannot
    /// be it is written anew.
    ///
    /// A comment that comes to stand in another container is encrypted again for that one.
    ///
    /// # Errors
    /// [`Error::Emit`] when the format cannot hold it.
    pub fn update(
        self,
        former: &Original<'_>,
        key: &DataKey,
        rng: &mut dyn Random,
        options: &EmitOptions,
    ) -> Result<Vec<u8>, Error> {
        let matcher = Matcher::lenient(self.metadata.selector.as_ref());
        let mut sealer = Sealer { cipher: &Cipher::new(key), matcher: &matcher, rng };
        over::update(&former.0, self.branches, &self.metadata, &mut sealer, options)
    }

    /// Writes the document into its plain text: comments, blank lines, indentation, quoting and line ends stay, values
    /// are replaced by their ciphertext and the metadata are added. What the ciphertext cannot tell of the text is kept
    /// encrypted in the metadata, so that decrypting gives the same bytes.
    ///
    /// `former` is an encrypted text of the same document from before, whose quoting unchanged values keep.
    ///
    /// # Errors
    /// [`Error::Emit`] when the format cannot hold it.
    pub fn seal(
        mut self,
        plain: &Original<'_>,
        former: Option<&Original<'_>>,
        key: &DataKey,
        rng: &mut dyn Random,
        options: &EmitOptions,
    ) -> Result<Vec<u8>, Error> {
        let matcher = Matcher::lenient(self.metadata.selector.as_ref());
        let mut sealer = Sealer { cipher: &Cipher::new(key), matcher: &matcher, rng };
        let former = former.map(|former| &former.0);
        over::seal(&plain.0, former, self.branches, &mut self.metadata, &mut sealer, options)
    }

    /// Decrypts every selected leaf and checks the MAC.
    ///
    /// # Errors
    /// [`Error::Decrypt`] and [`Error::NotCiphertext`] with the place in the tree, [`Error::MacDecrypt`],
    /// [`Error::MacMismatch`], [`Error::Version`].
    pub fn decrypt(self, key: &DataKey, check: MacCheck) -> Result<Decrypted, Error> {
        self.decrypt_noting(key, check, None)
    }

    /// Decrypts, and notes the nonces, so that values that stay the same keep their ciphertext when the document is
    /// encrypted again.
    ///
    /// # Errors
    /// As [`Encrypted::decrypt`].
    pub fn decrypt_to_change(self, key: &DataKey, check: MacCheck) -> Result<(Decrypted, Nonces), Error> {
        let mut nonces = Nonces::default();
        let decrypted = self.decrypt_noting(key, check, Some(&mut nonces))?;
        Ok((decrypted, nonces))
    }

    fn decrypt_noting(
        mut self,
        key: &DataKey,
        check: MacCheck,
        nonces: Option<&mut Nonces>,
    ) -> Result<Decrypted, Error> {
        if self.metadata.version.is_empty() {
            return Err(Error::Version { message: "Version string empty".to_owned() });
        }
        let cipher = Cipher::new(key);
        let mut opened = Opened { cipher: &cipher, nonces, clear_comments: Vec::new() };
        let computed = opened.open(&mut self.branches, &self.metadata)?;
        if check == MacCheck::Verify {
            verify(&cipher, &self.metadata, computed)?;
        }
        let clear_comments = opened.clear_comments;
        Ok(Decrypted { plain: Plain { branches: self.branches }, clear_comments })
    }
}

fn is_sealed_branch(branch: &Branch) -> bool {
    let key = |key: &Key| matches!(key, Key::Comment(comment) if cipher::is_sealed(comment.text.as_bytes()));
    branch.entries.iter().any(|entry| key(&entry.key) || is_sealed_value(&entry.value))
}

fn is_sealed_value(value: &Value) -> bool {
    match value {
        Value::Str(text) | Value::Comment(Comment { text, .. }) => cipher::is_sealed(text.as_bytes()),
        Value::List(items) => items.iter().any(is_sealed_value),
        Value::Branch(branch) => is_sealed_branch(branch),
        _ => false,
    }
}

fn verify(cipher: &Cipher, metadata: &Metadata, computed: String) -> Result<(), Error> {
    let aad = metadata.last_modified.to_seconds();
    let stored =
        cipher.decrypt(metadata.mac.as_bytes(), &aad, None).map_err(|source| Error::MacDecrypt { source })?;
    let stored = if let Value::Str(text) = stored { text } else { Text::default() };
    if mac::agree(stored.as_bytes(), &computed) {
        return Ok(());
    }
    Err(Error::MacMismatch { stored: stored.to_string_lossy().into_owned(), computed })
}

/// The state of one decryption.
struct Opened<'c> {
    cipher: &'c Cipher,
    nonces: Option<&'c mut Nonces>,
    clear_comments: Vec<ClearComment>,
}

impl Opened<'_> {
    /// Returns the MAC of the tree.
    fn open(&mut self, branches: &mut [Branch], metadata: &Metadata) -> Result<String, Error> {
        let matcher = Matcher::lenient(metadata.selector.as_ref());
        let mut mac = Mac::new(metadata.mac_only_encrypted);
        for branch in branches {
            walk::branch(branch, &matcher, &mut |leaf, place| {
                let was_comment = matches!(leaf, Value::Comment(_));
                if matches!(leaf, Value::Uint(_)) {
                    return Err(Error::ValueType { path: place.path(), kind: leaf.type_name() });
                }
                let value = if place.selected { self.leaf(leaf, place)? } else { leaf };
                if !was_comment && (!metadata.mac_only_encrypted || place.selected) {
                    mac.add(&value);
                }
                Ok(value)
            })?;
        }
        Ok(mac.finish())
    }

    fn leaf(&mut self, leaf: Value, place: &walk::Place<'_>) -> Result<Value, Error> {
        match leaf {
            Value::Comment(comment) => Ok(Value::Comment(self.comment(comment, place))),
            Value::Str(text) => self
                .cipher
                .decrypt(text.as_bytes(), place.aad, self.nonces.as_deref_mut())
                .map_err(|source| Error::Decrypt { path: place.path(), source }),
            other => Err(Error::NotCiphertext { path: place.path(), kind: other.type_name() }),
        }
    }

    /// A comment that does not open is taken for one that was never encrypted. One that does loses its place behind
    /// a value: it comes back on a line of its own.
    fn comment(&mut self, comment: Comment, place: &walk::Place<'_>) -> Comment {
        if comment.text.is_empty() {
            return comment;
        }
        match self.cipher.decrypt(comment.text.as_bytes(), place.aad, self.nonces.as_deref_mut()) {
            Ok(Value::Comment(opened)) => {
                Comment { stray: comment.stray, closing: comment.closing, ..opened }
            }
            Ok(Value::Str(text)) => Comment { text, ..comment },
            Ok(_) | Err(_) => {
                self.clear_comments.push(ClearComment { path: place.path(), text: comment.text.clone() });
                comment
            }
        }
    }
}
