//! Opens documents with the keys of one object, and remembers unwrapped data keys.
//!
//! Follows: the words of kustomize-controller 1.9 for what does not open.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use sealfast_keys::keyring::Keyring;
use sealfast_keys::unlock;
use sealfast_sops::cipher::DataKey;
use sealfast_sops::document::{EmitOptions, Encrypted, MacCheck};
use sealfast_sops::error::{CipherError, Error as SopsError};
use sealfast_sops::metadata::Metadata;
use sealfast_sops::store::Format;
use zeroize::Zeroizing;

use crate::kustomization::lending::Lending;
use crate::kustomization::witness::Witness;

/// How long an unwrapped data key may be used again.
const KEPT: Duration = Duration::from_secs(10 * 60);
/// How many of them at most.
const MOST_KEPT: usize = 4096;

/// Unwrapped data keys, each with those who may use it. A key is wiped when its time is over.
#[derive(Default)]
pub struct DataKeys {
    known: Mutex<HashMap<Lock, (Arc<DataKey>, Instant)>>,
}

/// Who unwrapped a data key and may use it again.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Holder {
    /// The namespace whose keys make place for one another.
    pub namespace: String,
    /// The Secret and the account, each in one version.
    pub identity: String,
}

/// Who may use a data key, and the digest of its wrapped forms.
type Lock = (Holder, [u8; 32]);

impl DataKeys {
    fn find(&self, holder: &Holder, wrapped: [u8; 32]) -> Option<Arc<DataKey>> {
        let known = self.known.lock();
        let (key, since) = known.get(&(holder.clone(), wrapped))?;
        (since.elapsed() < KEPT).then(|| key.clone())
    }

    fn keep(self: &Arc<Self>, holder: &Holder, wrapped: [u8; 32], key: Arc<DataKey>) {
        let mut known = self.known.lock();
        if known.is_empty() {
            tokio::spawn(Arc::clone(self).wipe());
        }
        let lock = (holder.clone(), wrapped);
        if known.len() >= MOST_KEPT && !known.contains_key(&lock) {
            make_place(&mut known);
        }
        known.insert(lock, (key, Instant::now()));
    }

    /// Lets keys go whose time is over, until there are none.
    async fn wipe(self: Arc<Self>) {
        loop {
            tokio::time::sleep(KEPT / 4).await;
            let mut known = self.known.lock();
            known.retain(|_, (_, since)| since.elapsed() < KEPT);
            if known.is_empty() {
                return;
            }
        }
    }
}

/// The oldest key of the namespace that has the most goes: who has many keys costs nobody else theirs.
fn make_place(known: &mut HashMap<Lock, (Arc<DataKey>, Instant)>) {
    let mut held: HashMap<&str, usize> = HashMap::new();
    known.keys().for_each(|(holder, _)| *held.entry(&holder.namespace).or_default() += 1);
    let Some((most, _)) = held.into_iter().max_by_key(|(_, keys)| *keys) else { return };
    let theirs = known.iter().filter(|((holder, _), _)| holder.namespace == most);
    let oldest = theirs.min_by_key(|(_, (_, since))| *since).map(|(lock, _)| lock.clone());
    oldest.map(|lock| known.remove(&lock));
}

/// Opens documents with one keyring; each data key is unwrapped once.
pub struct Opener {
    keyring: Keyring,
    /// Who gives credentials that the keyring lacks.
    lending: Option<Lending>,
    keys: HashMap<[u8; 32], Arc<DataKey>>,
    /// What earlier runs unwrapped, and who we are there.
    known: Option<(Arc<DataKeys>, Holder)>,
    /// What helps who has not the right keys.
    advice: String,
    /// Who takes note of what is opened.
    pub(super) witness: Option<Arc<Mutex<Witness>>>,
}

/// Why a document did not open.
#[derive(Debug)]
pub struct Refused {
    /// As the reference words it.
    pub message: String,
    /// The place in the document, and what to do.
    pub hint: String,
}

/// A document that was opened.
pub struct Opened {
    /// What is in it.
    pub text: Zeroizing<Vec<u8>>,
    /// Its MAC as it was written.
    pub mac: String,
    /// Why the MAC does not fit, if that was asked.
    pub wrong: Option<Refused>,
}

impl Opener {
    /// An opener with these keys. `known` is what runs with the very same keys unwrapped before, under the name of their holder.
    pub fn new(keyring: Keyring, known: Option<(Arc<DataKeys>, Holder)>) -> Opener {
        let advice = "give the key with `--identity FILE` or SOPS_AGE_KEY_FILE".to_owned();
        Opener { keyring, lending: None, keys: HashMap::new(), known, advice, witness: None }
    }

    /// An opener that has unwrapped these data keys.
    #[cfg(test)]
    pub(super) fn holding(keys: &[[u8; 32]]) -> Opener {
        let mut opener = Opener::new(Keyring::empty(), None);
        for (number, key) in (0..).zip(keys) {
            let key = DataKey::from_bytes(key).expect("it is long enough");
            opener.keys.insert([number; 32], Arc::new(key));
        }
        opener
    }

    /// The same opener, with other words for who has not the right keys.
    pub fn advising(self, advice: String) -> Opener {
        Opener { advice, ..self }
    }

    /// The same opener, with somebody who gives credentials of clouds.
    pub fn lent(self, lending: Lending) -> Opener {
        Opener { lending: Some(lending), ..self }
    }

    /// The same opener, with somebody who takes note of what it opens.
    pub fn watched(self, witness: Arc<Mutex<Witness>>) -> Opener {
        Opener { witness: Some(witness), ..self }
    }

    /// The data key of a document.
    ///
    /// # Errors
    /// Why none of the keys opens it.
    pub async fn key(&mut self, metadata: &Metadata) -> Result<Arc<DataKey>, Refused> {
        let wrapped = metadata.fingerprint();
        if let Some(key) = self.keys.get(&wrapped) {
            return Ok(key.clone());
        }
        let known = self.known.as_ref().and_then(|(keys, holder)| keys.find(holder, wrapped));
        let key = match known {
            Some(key) => key,
            None => self.unwrap(metadata, wrapped).await?,
        };
        self.keys.insert(wrapped, key.clone());
        Ok(key)
    }

    /// The data keys that were used so far, each once and always in the same order, however they are wrapped.
    pub(super) fn used(&self) -> Zeroizing<Vec<u8>> {
        let mut used: Vec<&[u8; 32]> = self.keys.values().map(|key| key.expose()).collect();
        used.sort_unstable();
        used.dedup();
        let mut bytes = Zeroizing::new(Vec::with_capacity(32 * used.len()));
        used.into_iter().for_each(|key| bytes.extend_from_slice(key));
        bytes
    }

    async fn unwrap(&self, metadata: &Metadata, wrapped: [u8; 32]) -> Result<Arc<DataKey>, Refused> {
        let key = Arc::new(self.unlocked(metadata).await.map_err(|why| Refused {
            message: format!("cannot get sops data key: {why}"),
            hint: format!(
                "it opens with one of: {}; {}",
                metadata.master_keys().map(|key| key.identity_string()).collect::<Vec<_>>().join(", "),
                self.advice
            ),
        })?);
        if let Some((keys, holder)) = &self.known {
            keys.keep(holder, wrapped, key.clone());
        }
        Ok(key)
    }

    /// With what is at hand first, then with what is lent.
    async fn unlocked(&self, metadata: &Metadata) -> Result<DataKey, String> {
        let options = unlock::Options::default();
        let first = match unlock::data_key(metadata, &self.keyring, &options).await {
            Ok(key) => return Ok(key),
            Err(failure) => failure,
        };
        let lent = match &self.lending {
            Some(lending) => lending.lend(&self.keyring, metadata).await,
            None => None,
        };
        let Some((keyring, problems)) = lent else { return Err(first.report()) };
        unlock::data_key(metadata, &keyring, &options).await.map_err(|failure| {
            let why = problems.iter().map(|problem| format!("\n\n{problem}")).collect::<String>();
            format!("{}{why}", failure.report())
        })
    }

    /// Opens text from one format into another. A MAC that does not fit is told beside the text.
    ///
    /// # Errors
    /// What did not open, and where.
    pub async fn text(
        &mut self,
        content: &[u8],
        from: Format,
        to: Format,
        check: MacCheck,
    ) -> Result<Opened, Refused> {
        let load = || Encrypted::load(content, from).map_err(|e| unreadable(from, &e));
        let encrypted = load()?;
        let key = self.key(encrypted.metadata()).await?;
        let mac = encrypted.metadata().mac.clone();
        let sealed = self.witness.is_some().then(|| encrypted.branches().to_vec());
        let (decrypted, wrong) = match encrypted.decrypt(&key, check) {
            Err(error @ (SopsError::MacMismatch { .. } | SopsError::MacDecrypt { .. })) => {
                (load()?.decrypt(&key, MacCheck::Skip), Some(unopened(&error)))
            }
            decrypted => (decrypted, None),
        };
        let decrypted = decrypted.map_err(|e| unopened(&e))?;
        if let (Some(witness), Some(sealed)) = (&self.witness, sealed) {
            witness.lock().compare_trees(&sealed, decrypted.plain.branches());
        }
        let out = decrypted.plain.emit(to, &EmitOptions::default()).map_err(|e| Refused {
            message: format!("failed to emit encrypted {} file as decrypted {}: {e}", name(from), name(to)),
            hint: "give the data key an ending that fits its content".to_owned(),
        })?;
        Ok(Opened { text: Zeroizing::new(out.expose().to_vec()), mac, wrong })
    }
}

fn name(format: Format) -> &'static str {
    match format {
        Format::Binary => "binary",
        Format::Dotenv => "dotenv",
        Format::Ini => "INI",
        Format::Json => "JSON",
        Format::Yaml => "YAML",
    }
}

/// The reference's words for a document that cannot be read.
pub(super) fn unreadable(format: Format, error: &SopsError) -> Refused {
    Refused {
        message: format!("failed to load encrypted {} data: {error}", name(format)),
        hint: "the `sops` block is damaged: encrypt the file again".to_owned(),
    }
}

/// The reference's words for a value that does not open, and ours for where it is.
pub(super) fn unopened(error: &SopsError) -> Refused {
    let (cause, hint) = match error {
        SopsError::Decrypt { path, source: CipherError::Authentication } => (
            "Could not decrypt value: Could not decrypt with AES_GCM: cipher: message authentication failed"
                .to_owned(),
            format!(
                "the value at `{path}` was changed, moved or renamed after encryption: restore it from Git or encrypt it again"
            ),
        ),
        SopsError::Decrypt { path, source: CipherError::Format { .. } } => (
            "Could not decrypt value: Input string <redacted> does not match sops' data format".to_owned(),
            format!(
                "the value at `{path}` is in the clear, but the document's encrypted_regex says it should be encrypted: encrypt the file again, narrow encrypted_regex, or bring the value in by an encrypted patch"
            ),
        ),
        SopsError::Decrypt { path, source } => {
            (format!("Could not decrypt value: {source}"), format!("look at the value at `{path}`"))
        }
        SopsError::NotCiphertext { path, kind } => (
            format!("Cannot decrypt value of type {kind}"),
            format!(
                "the value at `{path}` is in the clear, but encrypted_regex says it should be encrypted: encrypt the file again or narrow encrypted_regex"
            ),
        ),
        SopsError::MacMismatch { .. } | SopsError::MacDecrypt { .. } => (
            "MAC mismatch".to_owned(),
            "the file was changed after encryption: take it back from Git, or look at it with `sealfast decrypt --ignore-mac FILE` and encrypt it again"
                .to_owned(),
        ),
        other => (other.to_string(), "encrypt the file again".to_owned()),
    };
    Refused { message: format!("error decrypting sops tree: Error walking tree: {cause}"), hint }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_namespace_with_many_keys_costs_no_other_one_theirs() {
        let keys = Arc::new(DataKeys::default());
        let holder = |namespace: &str| Holder { namespace: namespace.into(), identity: "secret".into() };
        let wrapped = |number: usize| {
            let mut digest = [0; 32];
            digest[..8].copy_from_slice(&number.to_le_bytes());
            digest
        };
        let key = Arc::new(DataKey::from_bytes(&[1; 32]).expect("it is long enough"));
        keys.keep(&holder("few"), wrapped(0), key.clone());
        for number in 0..MOST_KEPT + 10 {
            keys.keep(&holder("many"), wrapped(number), key.clone());
        }
        assert!(keys.find(&holder("few"), wrapped(0)).is_some());
        assert!((0..11).all(|number| keys.find(&holder("many"), wrapped(number)).is_none()));
        assert!((11..MOST_KEPT + 10).all(|number| keys.find(&holder("many"), wrapped(number)).is_some()));
        assert_eq!(keys.known.lock().len(), MOST_KEPT);
    }
}
