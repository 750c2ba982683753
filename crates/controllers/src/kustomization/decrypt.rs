//! Opening what is encrypted, before the build and after it.
//!
//! Only the keys of the object's own Secret are used, never those of our environment.
//!
//! Follows: spec of kustomize-controller 1.9. Differs: `stringData` and kinds other than Secret
//! are refused when nothing opens them; the MAC of a file is checked as it was committed.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use parking_lot::Mutex;
use sealfast_k8s::object;
use sealfast_keys::error::Error as KeysError;
use sealfast_keys::keyring::Keyring;
use sealfast_keys::{aws_kms, azure_kv, gcp_kms, unlock};
use sealfast_kustomize::files::{Entry, Files, base_name, is_within, join};
use sealfast_kustomize::spec::{ReferencedInputs, referenced_inputs};
use sealfast_sops::cipher::DataKey;
use sealfast_sops::document::{self, EmitOptions, Encrypted, MacCheck};
use sealfast_sops::error::{CipherError, Error as SopsError};
use sealfast_sops::metadata::Metadata;
use sealfast_sops::store::Format;
use secrecy::SecretString;
use serde_json::Value;
use sha2::Digest;
use zeroize::Zeroizing;

use crate::kustomization::view::View;
use crate::kustomization::witness::Witness;
use crate::report::Failure;

const FILE_NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];
const SWITCH: &str = "kustomize.toolkit.fluxcd.io/decrypt";
/// The largest file that is opened, in bytes.
const LARGEST: usize = 5 << 20;
/// How long an unwrapped data key may be used again.
const KEPT: Duration = Duration::from_secs(10 * 60);
/// How many of them at most.
const MOST_KEPT: usize = 4096;
/// Directories deeper than this are not followed.
const DEEPEST: usize = 64;

/// What an encrypted text is recognised by.
fn marker(format: Format) -> &'static [u8] {
    match format {
        Format::Binary | Format::Json => b"\"mac\": \"ENC[",
        Format::Dotenv => b"sops_mac=ENC[",
        Format::Ini => b"[sops]",
        Format::Yaml => b"mac: ENC[",
    }
}

fn holds(content: &[u8], marker: &[u8]) -> bool {
    content.windows(marker.len()).any(|window| window == marker)
}

fn format_of(name: &str) -> Format {
    if name.ends_with(".dockerconfigjson") { Format::Json } else { Format::for_path(name) }
}

/// Which entries of a Secret hold keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entries {
    /// Those of every kind.
    All,
    /// age identities alone.
    Age,
}

/// Reads the keys of a decryption Secret. Entries with other names mean nothing to us.
///
/// # Errors
/// The first entry that cannot be read.
pub fn keyring(secret: &Value, entries: Entries) -> Result<Keyring, Failure> {
    let mut keyring = Keyring::empty();
    let id = format!("{}/{}", object::namespace(secret), object::name(secret));
    for (entry, value) in secret["data"].as_object().into_iter().flatten() {
        let Ok(bytes) = STANDARD.decode(value.as_str().unwrap_or_default()).map(Zeroizing::new) else {
            continue;
        };
        if entries == Entries::Age && !entry.ends_with(".agekey") {
            continue;
        }
        keyring = with_entry(keyring, entry, bytes.as_slice()).map_err(|error| {
            let why = error.with_causes();
            Failure::new("BuildFailed", format!("failed to import '{entry}' data from sops decryption Secret '{id}': {why}"))
                .hint(format!("the entry `{entry}` of Secret `{id}` is not a usable private key; an age key is the text of a file from `sealfast keys generate age`"))
        })?;
    }
    if !keyring.has_age_identities() {
        keyring.note_age_place(format!("Secret {id}"));
    }
    Ok(keyring)
}

/// The keyring with one more entry of a Secret.
fn with_entry(mut keyring: Keyring, entry: &str, bytes: &[u8]) -> Result<Keyring, KeysError> {
    if entry.ends_with(".asc") {
        keyring.add_pgp_armored(bytes)?;
        return Ok(keyring);
    }
    if entry.ends_with(".agekey") {
        keyring.add_age_identities(&Zeroizing::new(String::from_utf8_lossy(bytes).into_owned()))?;
        return Ok(keyring);
    }
    Ok(match entry {
        "sops.vault-token" => {
            let token = SecretString::from(String::from_utf8_lossy(bytes).trim().to_owned());
            keyring.with_vault_token(&token)
        }
        "sops.aws-kms" => {
            let credentials =
                aws_kms::Credentials::Keys(aws_kms::Keys::from_fields(&fields("AWS KMS", bytes)?)?);
            keyring.with_aws_kms(aws_kms::Access { credentials, ..aws_kms::Access::default() })
        }
        "sops.azure-kv" => {
            keyring.with_azure_kv(azure_kv::Access::from_fields(&fields("Azure Key Vault", bytes)?)?)
        }
        "sops.gcp-kms" => {
            let json = SecretString::from(String::from_utf8_lossy(bytes).into_owned());
            let credentials = gcp_kms::Credentials::ServiceAccount(json);
            keyring.with_gcp_kms(gcp_kms::Access { credentials, ..gcp_kms::Access::default() })
        }
        _ => keyring,
    })
}

/// The fields of credentials that are written as YAML or JSON, in UTF-8 or in UTF-16 with its mark.
fn fields(service: &'static str, bytes: &[u8]) -> Result<Value, KeysError> {
    let wide = |read: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = bytes[2..].chunks_exact(2).map(|pair| read([pair[0], pair[1]])).collect();
        Zeroizing::new(String::from_utf16_lossy(&units))
    };
    let text = match bytes {
        [0xFF, 0xFE, ..] => wide(u16::from_le_bytes),
        [0xFE, 0xFF, ..] => wide(u16::from_be_bytes),
        _ => Zeroizing::new(String::from_utf8_lossy(bytes).trim_start_matches('\u{feff}').to_owned()),
    };
    // The parser's own words could show a part of the text.
    sealfast_yaml::json::from_yaml(text.as_bytes()).map_err(|_| KeysError::Credentials {
        service,
        reason: "the entry is neither YAML nor JSON".to_owned(),
    })
}

/// Unwrapped data keys, each with those who may use it. A key is wiped when its time is over.
#[derive(Default)]
pub struct DataKeys {
    known: Mutex<HashMap<Lock, (Arc<DataKey>, Instant)>>,
}

/// Who may use a data key, and the digest of its wrapped forms.
type Lock = (String, [u8; 32]);

impl DataKeys {
    fn find(&self, identity: &str, wrapped: [u8; 32]) -> Option<Arc<DataKey>> {
        let known = self.known.lock();
        let (key, since) = known.get(&(identity.to_owned(), wrapped))?;
        (since.elapsed() < KEPT).then(|| key.clone())
    }

    fn keep(self: &Arc<Self>, identity: &str, wrapped: [u8; 32], key: Arc<DataKey>) {
        let mut known = self.known.lock();
        if known.is_empty() {
            tokio::spawn(Arc::clone(self).wipe());
        }
        if known.len() >= MOST_KEPT {
            known.clear();
        }
        known.insert((identity.to_owned(), wrapped), (key, Instant::now()));
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

/// Opens documents with one keyring; each data key is unwrapped once.
pub struct Opener {
    keyring: Keyring,
    keys: HashMap<[u8; 32], Arc<DataKey>>,
    /// What earlier runs unwrapped, and who we are there.
    known: Option<(Arc<DataKeys>, String)>,
    /// Who takes note of what is opened.
    witness: Option<Arc<Mutex<Witness>>>,
}

/// Why a document did not open.
#[derive(Debug)]
pub struct Refused {
    /// As the reference words it.
    pub message: String,
    /// The place in the document, and what to do.
    pub hint: String,
}

impl Opener {
    /// An opener with these keys. `known` is what runs with the very same keys unwrapped before, under their name.
    pub fn new(keyring: Keyring, known: Option<(Arc<DataKeys>, String)>) -> Opener {
        Opener { keyring, keys: HashMap::new(), known, witness: None }
    }

    /// The same opener, with somebody who takes note of what it opens.
    pub fn watched(self, witness: Arc<Mutex<Witness>>) -> Opener {
        Opener { witness: Some(witness), ..self }
    }

    async fn key(&mut self, metadata: &Metadata) -> Result<Arc<DataKey>, Refused> {
        let wrapped: [u8; 32] = sha2::Sha256::digest(format!("{:?}", metadata.key_groups)).into();
        if let Some(key) = self.keys.get(&wrapped) {
            return Ok(key.clone());
        }
        let known = self.known.as_ref().and_then(|(keys, identity)| keys.find(identity, wrapped));
        let key = match known {
            Some(key) => key,
            None => self.unwrap(metadata, wrapped).await?,
        };
        self.keys.insert(wrapped, key.clone());
        Ok(key)
    }

    async fn unwrap(&self, metadata: &Metadata, wrapped: [u8; 32]) -> Result<Arc<DataKey>, Refused> {
        match unlock::data_key(metadata, &self.keyring, &unlock::Options::default()).await {
            Ok(key) => {
                let key = Arc::new(key);
                if let Some((keys, identity)) = &self.known {
                    keys.keep(identity, wrapped, key.clone());
                }
                Ok(key)
            }
            Err(failure) => Err(Refused {
                message: format!("cannot get sops data key: {}", failure.report()),
                hint: format!(
                    "none of the keys in the decryption Secret opens it; add the private key of one of: {}",
                    metadata.master_keys().map(|key| key.identity_string()).collect::<Vec<_>>().join(", ")
                ),
            }),
        }
    }

    /// Opens text from one format into another.
    async fn text(
        &mut self,
        content: &[u8],
        from: Format,
        to: Format,
        check: MacCheck,
    ) -> Result<Zeroizing<Vec<u8>>, Refused> {
        let encrypted = Encrypted::load(content, from).map_err(|e| unreadable(from, &e))?;
        let key = self.key(encrypted.metadata()).await?;
        let sealed = self.witness.is_some().then(|| encrypted.branches().to_vec());
        let decrypted = encrypted.decrypt(&key, check).map_err(|e| unopened(&e))?;
        if let (Some(witness), Some(sealed)) = (&self.witness, sealed) {
            witness.lock().compare_trees(&sealed, decrypted.plain.branches());
        }
        let out = decrypted.plain.emit(to, &EmitOptions::default()).map_err(|e| Refused {
            message: format!("failed to emit encrypted {} file as decrypted {}: {e}", name(from), name(to)),
            hint: "give the data key an ending that fits its content".to_owned(),
        })?;
        Ok(Zeroizing::new(out.expose().to_vec()))
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

fn unreadable(format: Format, error: &SopsError) -> Refused {
    Refused {
        message: format!("failed to load encrypted {} data: {error}", name(format)),
        hint: "the `sops` block is damaged: encrypt the file again".to_owned(),
    }
}

/// The reference's words for a value that does not open, and ours for where it is.
fn unopened(error: &SopsError) -> Refused {
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
            "the file was changed after encryption: open it with `sealfast edit`, look at it, and save it"
                .to_owned(),
        ),
        other => (other.to_string(), "encrypt the file again".to_owned()),
    };
    Refused { message: format!("error decrypting sops tree: Error walking tree: {cause}"), hint }
}

/// Opens the generator inputs and patches that the build at `path` will read.
///
/// # Errors
/// BuildFailed with the file that did not open.
pub async fn sources(
    view: &mut View,
    root: &str,
    path: &str,
    components: &[String],
    opener: &mut Opener,
) -> Result<(), Failure> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    visit(view, root, path, components, &mut seen, &mut found, 0)
        .map_err(|why| source_failure(&why, None))?;
    for (file, format, to) in found {
        if view.is_open(&file) {
            continue;
        }
        let Some(content) = view.committed(&file).map(<[u8]>::to_vec) else { continue };
        if !holds(&content, marker(format)) {
            continue;
        }
        let place = view.relative(&file).to_owned();
        if content.len() > LARGEST {
            let why = format!(
                "cannot decrypt file with size ({} bytes) exceeding limit ({LARGEST})",
                content.len()
            );
            return Err(source_failure(&why, None));
        }
        let opened = opener.text(&content, format, to, MacCheck::Skip).await.map_err(|refused| {
            source_failure(
                &format!("failed to decrypt file '{place}': {}", refused.message),
                Some(format!("`{place}`: {}", refused.hint)),
            )
        })?;
        view.open(&file, opened);
    }
    Ok(())
}

fn source_failure(why: &str, hint: Option<String>) -> Failure {
    let failure = Failure::new("BuildFailed", format!("error decrypting sources: {why}"));
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

type Found = Vec<(String, Format, Format)>;

fn visit(
    view: &View,
    root: &str,
    dir: &str,
    more: &[String],
    seen: &mut BTreeSet<String>,
    found: &mut Found,
    depth: usize,
) -> Result<(), String> {
    if depth > DEEPEST || !seen.insert(dir.to_owned()) {
        return Ok(());
    }
    let files: Vec<String> = FILE_NAMES
        .iter()
        .map(|name| join(dir, name))
        .filter(|path| matches!(view.resolve(path), Ok((_, Entry::File))))
        .collect();
    let inputs = match files.as_slice() {
        [] => generated(view, dir, depth),
        [file] => {
            let content = view.committed(file).unwrap_or_default();
            referenced_inputs(content)
                .map_err(|error| format!("`{}`: {}", view.relative(file), error.chain()))?
        }
        _ => return Err("found multiple kustomization files".to_owned()),
    };
    let at = |path: &str| Some(join(dir, path)).filter(|path| is_within(path, root));
    for (key, path) in &inputs.secret_files {
        let key = if key.is_empty() { base_name(path) } else { key };
        found.extend(at(path).map(|path| (path, format_of(key), format_of(key))));
    }
    for path in &inputs.secret_envs {
        let format = match format_of(path) {
            Format::Binary => Format::Dotenv,
            other => other,
        };
        found.extend(at(path).map(|path| (path, format, format)));
    }
    for path in &inputs.patches {
        found.extend(at(path).map(|full| (full, format_of(path), format_of(path))));
    }
    for entry in inputs.roots.iter().chain(more) {
        let Some(path) = at(entry) else { continue };
        if matches!(view.resolve(&path), Ok((_, Entry::Directory))) {
            visit(view, root, &path, &[], seen, found, depth + 1)?;
        }
    }
    Ok(())
}

/// The roots of a directory without a kustomization file: those directories below that have one.
fn generated(view: &View, dir: &str, depth: usize) -> ReferencedInputs {
    let mut inputs = ReferencedInputs::default();
    let mut open = vec![(String::new(), depth)];
    while let Some((below, depth)) = open.pop() {
        let here = join(dir, &below);
        for name in view.list(&here).unwrap_or_default() {
            let path = join(&here, &name);
            if depth > DEEPEST || !matches!(view.resolve(&path), Ok((_, Entry::Directory))) {
                continue;
            }
            let inside = if below.is_empty() { name } else { format!("{below}/{name}") };
            let has_file = FILE_NAMES
                .iter()
                .any(|file| matches!(view.resolve(&join(&path, file)), Ok((_, Entry::File))));
            if has_file {
                inputs.roots.push(inside);
            } else {
                open.push((inside, depth + 1));
            }
        }
    }
    inputs
}

/// Checks the MAC of each encrypted file that the build read, as it was committed. The result
/// names those that do not fit.
pub async fn check_macs(view: &View, opener: &mut Opener) -> Vec<Refused> {
    let mut wrong = Vec::new();
    for file in view.files_read() {
        let Some(content) = view.committed(&file) else { continue };
        let format = format_of(&file);
        if content.len() > LARGEST || !holds(content, marker(format)) {
            continue;
        }
        let Ok(encrypted) = Encrypted::load(content, format) else { continue };
        let Ok(key) = opener.key(encrypted.metadata()).await else { continue };
        if let Err(error) = encrypted.decrypt(&key, MacCheck::Verify) {
            let place = view.relative(&file);
            let refused = unopened(&error);
            wrong.push(Refused {
                message: format!("failed to decrypt file '{place}': {}", refused.message),
                hint: format!("`{place}`: {}", refused.hint),
            });
        }
    }
    wrong
}

/// Whether the object asks to be left encrypted.
pub fn is_disabled(built: &Value) -> bool {
    object::annotation(built, SWITCH).is_some_and(|value| value.eq_ignore_ascii_case("disabled"))
}

/// Opens one built object in place.
///
/// # Errors
/// BuildFailed with the object and what did not open.
pub async fn resource(built: &mut Value, opener: &mut Opener) -> Result<(), Failure> {
    if is_disabled(built) {
        return Ok(());
    }
    if document::is_encrypted_object(built) {
        return match whole(built, opener).await {
            Ok(opened) => {
                *built = opened;
                Ok(())
            }
            Err(refused) => Err(resource_failure(built, &format!("{} data", object::kind(built)), refused)),
        };
    }
    if object::kind(built) == "Secret" && built["apiVersion"] == "v1" {
        return values(built, opener).await;
    }
    Ok(())
}

async fn whole(built: &Value, opener: &mut Opener) -> Result<Value, Refused> {
    let encrypted = document::load_object(built).map_err(|e| unreadable(Format::Json, &e))?;
    let key = opener.key(encrypted.metadata()).await?;
    let opened = document::decrypt_object(built, &key, MacCheck::Skip).map_err(|e| unopened(&e))?;
    if let Some(witness) = &opener.witness {
        witness.lock().compare(built, &opened);
    }
    Ok(opened)
}

/// Data values that are encrypted files themselves.
async fn values(secret: &mut Value, opener: &mut Opener) -> Result<(), Failure> {
    let entries: Vec<(String, Vec<u8>)> = secret["data"]
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.clone(), decoded(value)?)))
        .collect();
    for (key, content) in entries {
        let formats = [Format::Dotenv, Format::Ini, Format::Json, Format::Yaml];
        let Some(found) = formats.into_iter().find(|f| holds(&content, marker(*f))) else { continue };
        let to = format_of(&key);
        let from = if found == Format::Json && to == Format::Binary { Format::Binary } else { found };
        match opener.text(&content, from, to, MacCheck::Skip).await {
            Ok(opened) => secret["data"][&key] = STANDARD.encode(opened.as_slice()).into(),
            Err(refused) => return Err(resource_failure(secret, &format!("Secret field '{key}'"), refused)),
        }
    }
    Ok(())
}

/// The bytes of a data value; generators break long ones into lines.
fn decoded(value: &Value) -> Option<Vec<u8>> {
    STANDARD.decode(value.as_str()?.replace(['\n', '\r'], "")).ok()
}

fn resource_failure(built: &Value, what: &str, refused: Refused) -> Failure {
    let (namespace, name) = (object::namespace(built), object::name(built));
    Failure::new(
        "BuildFailed",
        format!(
            "decryption failed for '{}': failed to decrypt and format '{namespace}/{name}' {what}: {}",
            resource_name(built),
            refused.message
        ),
    )
    .hint(format!("{}: {}", object::id(built), refused.hint))
}

/// The name that kustomize prints: `Kind.version.group/name`.
pub fn resource_name(built: &Value) -> String {
    let gvk = object::gvk(built);
    let group = if gvk.group.is_empty() { "[noGrp]" } else { &gvk.group };
    format!("{}.{}.{group}/{}", gvk.kind, gvk.version, object::name(built))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(entry: &str, content: &[u8]) -> Result<Keyring, Failure> {
        let secret = json!({"metadata": {"namespace": "ns", "name": "keys"}, "data": {entry: STANDARD.encode(content)}});
        keyring(&secret, Entries::All)
    }

    #[test]
    fn credentials_of_clouds_are_read_in_the_forms_that_flux_reads() {
        assert!(read("sops.aws-kms", b"aws_access_key_id: a\naws_secret_access_key: b\n").is_ok());
        assert!(read("sops.gcp-kms", b"{\"type\": \"service_account\"}").is_ok());
        let azure = "{\"tenantId\": \"t\", \"clientId\": \"c\", \"clientSecret\": \"s\"}";
        assert!(read("sops.azure-kv", azure.as_bytes()).is_ok());
        let wide: Vec<u8> =
            [0xFEFF].into_iter().chain(azure.encode_utf16()).flat_map(u16::to_le_bytes).collect();
        assert!(read("sops.azure-kv", &wide).is_ok());
        assert!(read("other", b"anything").is_ok());
    }

    #[test]
    fn one_bad_entry_is_named_without_its_content() {
        for (entry, content) in [
            ("sops.aws-kms", "aws_access_key_id: hunter2"),
            ("sops.azure-kv", "{hunter2"),
            ("k.agekey", "hunter2"),
        ] {
            let failure =
                read(entry, content.as_bytes()).err().map(|failure| failure.message).unwrap_or_default();
            let start = format!("failed to import '{entry}' data from sops decryption Secret 'ns/keys': ");
            assert!(failure.starts_with(&start) && !failure.contains("hunter2"), "{failure}");
        }
    }
}
