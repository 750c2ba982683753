//! Documents: load, encrypt, decrypt, set, write. The front door of this crate.
//!
//! A [`Plain`] document becomes an [`Encrypted`] one with metadata and a data key, and back with the data key alone;
//! the types keep the two apart, so that plaintext is never written where ciphertext is meant.
//!
//! ```
//! use sealfast_sops::cipher::DataKey;
//! use sealfast_sops::document::{Context, Encrypted, MacCheck, Plain};
//! use sealfast_sops::metadata::{KeyGroup, MasterKey, Metadata};
//! use sealfast_sops::store::{EmitOptions, Format};
//! use sealfast_sops::time::Time;
//!
//! # fn main() -> Result<(), sealfast_sops::error::Error> {
//! let mut rng = rand08::thread_rng();
//! let now = Time::parse("2026-01-02T03:04:05Z")?;
//! let key = DataKey::generate(&mut rng);
//! // Another crate wraps the data key for the recipient and fills in `enc`.
//! let groups = vec![KeyGroup { keys: MasterKey::age_list("age1example") }];
//!
//! let plain = Plain::load(br#"{"password": "hunter2"}"#, Format::Json)?;
//! let context = Context { now, rng: &mut rng, reuse: None };
//! let encrypted = plain.encrypt(Metadata::new(groups, now), &key, context)?;
//! let file = encrypted.emit(Format::Json, &EmitOptions::default())?;
//! assert!(!file.windows(7).any(|text| text == b"hunter2"));
//!
//! let decrypted = Encrypted::load(&file, Format::Json)?.decrypt(&key, MacCheck::Verify)?;
//! let output = decrypted.plain.emit(Format::Json, &EmitOptions::default())?;
//! assert_eq!(output.expose(), b"{\n\t\"password\": \"hunter2\"\n}\n");
//! # Ok(())
//! # }
//! ```
//!
//! Follows: `Encrypt`, `Decrypt` and `VerifyMAC` of sops 3.13.2. Differs: see `mac` and `walk`; an empty comment in a list
//! stays a comment.

use std::fmt;

use zeroize::Zeroizing;

use crate::cipher::{self, Cipher, DataKey, Nonces, Random, Reuse};
use crate::error::{Error, TreePath};
use crate::layout::Layout;
use crate::mac::{self, Mac};
use crate::metadata::Metadata;
use crate::path::{self, Change, Found, Step};
use crate::select::Matcher;
use crate::store::{self, over};
pub use crate::store::{EmitOptions, Format};
use crate::time::Time;
use crate::tree::{Branch, Comment, Key, Text, Value};
use crate::walk;

mod state;

pub use state::{State, is_encrypted, state};

/// Plaintext on its way out: wiped on drop, not printable.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretBytes(Zeroizing<Vec<u8>>);

impl SecretBytes {
    /// Takes the bytes.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Returns the bytes.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretBytes({} bytes, hidden)", self.0.len())
    }
}

/// What encryption takes from outside.
pub struct Context<'c> {
    /// Becomes `lastmodified`.
    pub now: Time,
    /// Source of nonces.
    pub rng: &'c mut dyn Random,
    /// Nonces of the same document before, so that unchanged values keep their ciphertext.
    pub reuse: Option<&'c Nonces>,
}

/// Whether the MAC must fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MacCheck {
    /// A document whose MAC does not fit is an error.
    Verify,
    /// Each value still authenticates itself; what stands in the clear may have been changed.
    Skip,
}

/// A text as it was read, into which a changed document can be written: what did not change keeps its bytes.
pub struct Original<'t>(over::Original<'t>);

impl<'t> Original<'t> {
    /// Looks at a text that was read before. [`Plain::read`] and [`Encrypted::read`] give one without reading twice.
    #[must_use]
    pub fn of(text: &'t [u8], format: Format) -> Self {
        Self(over::Original::of(text, format))
    }
}

impl fmt::Debug for Original<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Original(hidden)")
    }
}

/// A document in the clear.
#[derive(Clone, Debug, PartialEq)]
pub struct Plain {
    branches: Vec<Branch>,
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
    /// stay, and a text that [`Encrypted::emit_over_plain`] wrote becomes the plain text again, byte for byte.
    ///
    /// # Errors
    /// [`Error::Emit`] when the format cannot hold it.
    pub fn emit_over(
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

/// Writes one value, as extracting it prints it: strings raw, others in the format's words.
///
/// # Errors
/// [`Error::Emit`] when the format cannot hold it.
pub fn emit_value(value: &Value, format: Format, options: &EmitOptions) -> Result<SecretBytes, Error> {
    if let Value::Str(text) = value {
        return Ok(SecretBytes::new(text.as_bytes().to_vec()));
    }
    store::emit_value(value, format, options).map(SecretBytes::new)
}

/// A document with metadata, its selected leaves encrypted.
#[derive(Clone, Debug, PartialEq)]
pub struct Encrypted {
    branches: Vec<Branch>,
    metadata: Metadata,
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
    /// # Errors
    /// [`Error::Emit`] when the format cannot hold it.
    pub fn emit_over(self, original: &Original<'_>, options: &EmitOptions) -> Result<Vec<u8>, Error> {
        over::emit_encrypted(&original.0, self.branches, &self.metadata, options)
    }

    /// Writes the document into its plain text: comments, blank lines, indentation, quoting and line ends stay, values
    /// are replaced by their ciphertext and the metadata are added. What the ciphertext cannot tell of the text is kept
    /// encrypted in the metadata, so that decrypting gives the same bytes.
    ///
    /// `former` is an encrypted text of the same document from before, whose quoting unchanged values keep.
    ///
    /// # Errors
    /// [`Error::Emit`] when the format cannot hold it.
    pub fn emit_over_plain(
        mut self,
        plain: &Original<'_>,
        former: Option<&Original<'_>>,
        key: &DataKey,
        rng: &mut dyn Random,
        options: &EmitOptions,
    ) -> Result<Vec<u8>, Error> {
        let cipher = Cipher::new(key);
        let former = former.map(|former| &former.0);
        over::seal(&plain.0, former, self.branches, &mut self.metadata, options, &mut |layout| {
            layout.seal(&cipher, rng)
        })
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
            Ok(Value::Comment(opened)) => opened,
            Ok(Value::Str(text)) => Comment { text, inline: comment.inline },
            Ok(_) | Err(_) => {
                self.clear_comments.push(ClearComment { path: place.path(), text: comment.text.clone() });
                comment
            }
        }
    }
}

/// Returns the line, from 1, of a place in a text: that of its last key. Items of lists are not told apart.
#[must_use]
pub fn line_of(input: &[u8], format: Format, path: &TreePath) -> Option<usize> {
    store::line_of(input, format, &path.0)
}

/// Returns true when an object carries a `sops` block with a MAC.
#[must_use]
pub fn is_encrypted_object(object: &serde_json::Value) -> bool {
    object
        .get("sops")
        .and_then(|block| block.get("mac"))
        .is_some_and(|mac| mac.as_str().is_some_and(|mac| !mac.is_empty()))
}

/// Reads an object (a built Kubernetes resource, say) as an encrypted document.
///
/// # Errors
/// As [`Encrypted::load`].
pub fn load_object(object: &serde_json::Value) -> Result<Encrypted, Error> {
    let text = Zeroizing::new(
        serde_json::to_vec(object).map_err(|wrong| Error::Parse { message: wrong.to_string() })?,
    );
    Encrypted::load(&text, Format::Json)
}

/// Decrypts an object in memory; the `sops` block is gone in the result.
///
/// # Errors
/// As [`Encrypted::load`] and [`Encrypted::decrypt`].
pub fn decrypt_object(
    object: &serde_json::Value,
    key: &DataKey,
    check: MacCheck,
) -> Result<serde_json::Value, Error> {
    let decrypted = load_object(object)?.decrypt(key, check)?;
    let text = decrypted.plain.emit(Format::Json, &EmitOptions::default())?;
    serde_json::from_slice(text.expose()).map_err(|wrong| Error::Emit { message: wrong.to_string() })
}

#[cfg(test)]
mod tests {
    use super::SecretBytes;

    #[test]
    fn plaintext_is_not_printed() {
        assert_eq!(format!("{:?}", SecretBytes::new(b"hunter2".to_vec())), "SecretBytes(7 bytes, hidden)");
    }
}
