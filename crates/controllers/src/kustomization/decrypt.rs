//! Opening what is encrypted, before the build and after it.
//!
//! The keys are those of the Secret that the object names, else those of the operator's Secret; key services know us as the
//! account that the object names, else as our own pod. No key of our environment or home directory is used.
//!
//! Follows: spec of kustomize-controller 1.9. Differs: `stringData` and kinds other than Secret
//! are refused when nothing opens them; MACs are checked, see [`macs`](super::macs).

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sealfast_k8s::object;
use sealfast_kustomize::files::{Entry, Files, base_name, is_within, join};
use sealfast_kustomize::spec::{ReferencedInputs, referenced_inputs};
use sealfast_sops::document::{self, MacCheck};
use sealfast_sops::store::Format;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::kustomization::gather::LaidOut;
use crate::kustomization::macs::Macs;
use crate::kustomization::opener::{Opener, Refused, unopened, unreadable};
use crate::kustomization::report::{Failure, Reason};
use crate::kustomization::view::View;

const FILE_NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];
const SWITCH: &str = "kustomize.toolkit.fluxcd.io/decrypt";
/// The largest file that is opened, in bytes.
pub(super) const LARGEST: usize = 5 << 20;
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

pub(super) fn holds(content: &[u8], marker: &[u8]) -> bool {
    content.windows(marker.len()).any(|window| window == marker)
}

pub(super) fn format_of(name: &str) -> Format {
    if name.ends_with(".dockerconfigjson") { Format::Json } else { Format::for_path(name) }
}

/// Opens the generator inputs and patches that the build at `path` will read.
///
/// # Errors
/// BuildFailed with the file that did not open.
pub async fn sources(laid_out: &mut LaidOut, opener: &mut Opener, macs: &mut Macs) -> Result<(), Failure> {
    let found = Search::through(laid_out).map_err(|why| source_failure(&why, None))?;
    let view = &mut laid_out.view;
    for (file, format, to) in found {
        if view.is_open(&file) {
            continue;
        }
        let place = view.relative(&file).to_owned();
        let Some(content) = view.committed(&file) else {
            let why = match view.resolve(&file) {
                Ok((_, Entry::Directory)) => {
                    "cannot decrypt irregular file as it has file mode type bits set".to_owned()
                }
                _ => format!("lstat {place}: no such file or directory"),
            };
            return Err(source_failure(&why, None));
        };
        if content.len() > LARGEST {
            let why = format!(
                "cannot decrypt file with size ({} bytes) exceeding limit ({LARGEST})",
                content.len()
            );
            return Err(source_failure(&why, None));
        }
        if !holds(&content, marker(format)) {
            continue;
        }
        let opened = opener.text(&content, format, to, macs.check()).await.map_err(|refused| {
            source_failure(&refused.message, Some(format!("`{place}`: {}", refused.hint)))
        })?;
        macs.opened(&file, &place, opened.mac, opened.wrong)?;
        view.open(&file, opened.text);
    }
    Ok(())
}

fn source_failure(why: &str, hint: Option<String>) -> Failure {
    let failure = Failure::new(Reason::BuildFailed, format!("error decrypting sources: {why}"));
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// Files with the format that they have and the one that they get.
type Found = Vec<(String, Format, Format)>;

/// The walk through a kustomization and those that it names.
struct Search<'a> {
    view: &'a View,
    root: &'a str,
    seen: BTreeSet<String>,
    found: Found,
}

impl<'a> Search<'a> {
    fn through(laid_out: &'a LaidOut) -> Result<Found, String> {
        let LaidOut { view, root, path, outermost, .. } = laid_out;
        let mut search = Search { view, root, seen: BTreeSet::new(), found: Vec::new() };
        // Of two files the outermost directory has one too many, too.
        if !outermost.is_generated() {
            search.file_of(path)?;
        }
        search.seen.insert(path.clone());
        search.take(path, &outermost.inputs().map_err(|error| error.chain())?, 0)?;
        Ok(search.found)
    }

    /// The kustomization file of a directory.
    fn file_of(&self, dir: &str) -> Result<String, String> {
        let mut found = None;
        for name in FILE_NAMES {
            let path = join(dir, name);
            match self.view.resolve(&path) {
                Ok((_, Entry::File)) if found.is_some() => {
                    return Err("found multiple kustomization files".to_owned());
                }
                Ok((_, Entry::File)) => found = Some(path),
                Ok((_, Entry::Directory)) => return Err(format!("expected {name} to be a regular file")),
                Err(_) => {}
            }
        }
        found.ok_or_else(|| "no kustomization file found".to_owned())
    }

    fn directory(&mut self, dir: &str, depth: usize) -> Result<(), String> {
        if depth > DEEPEST || !self.seen.insert(dir.to_owned()) {
            return Ok(());
        }
        let file = self.file_of(dir)?;
        let inputs = referenced_inputs(&self.view.committed(&file).unwrap_or_default());
        let inputs = inputs.map_err(|error| {
            format!("failed to unmarshal kustomization file from '{file}': {}", error.chain())
        })?;
        self.take(dir, &inputs, depth)
    }

    fn take(&mut self, dir: &str, inputs: &ReferencedInputs, depth: usize) -> Result<(), String> {
        let root = self.root;
        let at = |path: &str| Some(join(dir, path)).filter(|path| is_within(path, root));
        for (key, path) in &inputs.secret_files {
            let key = if key.is_empty() { base_name(path) } else { key };
            self.found.extend(at(path).map(|path| (path, format_of(key), format_of(key))));
        }
        for path in &inputs.secret_envs {
            let format = match format_of(path) {
                Format::Binary => Format::Dotenv,
                other => other,
            };
            self.found.extend(at(path).map(|path| (path, format, format)));
        }
        for path in inputs.patches.iter().filter(|path| !path.contains("://")) {
            self.found.extend(at(path).map(|full| (full, format_of(path), format_of(path))));
        }
        for path in inputs.roots.iter().filter_map(|entry| at(entry)) {
            if matches!(self.view.resolve(&path), Ok((_, Entry::Directory))) {
                self.directory(&path, depth + 1)?;
            }
        }
        Ok(())
    }
}

/// Whether the object asks to be left encrypted.
pub fn is_disabled(built: &Value) -> bool {
    object::annotation(built, SWITCH).is_some_and(|value| value.eq_ignore_ascii_case("disabled"))
}

/// Opens one built object in place.
///
/// # Errors
/// BuildFailed with the object and what did not open.
pub async fn resource(built: &mut Value, opener: &mut Opener, macs: &mut Macs) -> Result<(), Failure> {
    if is_disabled(built) {
        return Ok(());
    }
    if document::is_encrypted_object(built) {
        macs.object(built)?;
        return match whole(built, opener).await {
            Ok(opened) => {
                *built = opened;
                Ok(())
            }
            Err(refused) => Err(resource_failure(built, &format!("{} data", object::kind(built)), refused)),
        };
    }
    if object::kind(built) == "Secret" && built["apiVersion"] == "v1" {
        return values(built, opener, macs).await;
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
async fn values(secret: &mut Value, opener: &mut Opener, macs: &mut Macs) -> Result<(), Failure> {
    let entries: Vec<(String, Zeroizing<Vec<u8>>)> = secret["data"]
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
        match opener.text(&content, from, to, macs.check()).await {
            Ok(opened) => {
                macs.field(secret, &key, opened.mac, opened.wrong)?;
                secret["data"][&key] = STANDARD.encode(opened.text.as_slice()).into();
            }
            Err(refused) => return Err(resource_failure(secret, &format!("Secret field '{key}'"), refused)),
        }
    }
    Ok(())
}

/// The bytes of a data value; generators break long ones into lines.
fn decoded(value: &Value) -> Option<Zeroizing<Vec<u8>>> {
    let text = Zeroizing::new(value.as_str()?.replace(['\n', '\r'], ""));
    STANDARD.decode(text.as_bytes()).ok().map(Zeroizing::new)
}

fn resource_failure(built: &Value, what: &str, refused: Refused) -> Failure {
    let (namespace, name) = (object::namespace(built), object::name(built));
    Failure::new(
        Reason::BuildFailed,
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
