//! What is hardly meant: nothing encrypted, or what a cluster has to read.

use std::path::Path;

use sealfast_sops::document::Encrypted;
use sealfast_sops::metadata::DEFAULT_UNENCRYPTED_SUFFIX;
use sealfast_sops::select::Selector;
use sealfast_sops::tree::{Branch, Value};

use crate::sops::call::Call;
use crate::sops::log;
use crate::sops::stop::Stop;

/// Warns about a document that was encrypted in a way that is hardly meant; with `--strict` that is an error.
pub(super) fn check(call: &Call, file: &Path, document: &Encrypted) -> Result<(), Stop> {
    if !call.is_native() {
        return Ok(());
    }
    let (message, mend) = if !document.has_encrypted_values() {
        (nothing(document), "change the selector in .sops.yaml or on the command line".to_owned())
    } else {
        let fields = all_unreadable(document);
        if fields.is_empty() {
            return Ok(());
        }
        let message =
            format!("{fields} of a Kubernetes manifest are encrypted, so no controller can read it");
        (message, mend_of(document))
    };
    if call.is_set("strict") {
        return Err(Stop::new(message).hint(mend).hint("or drop --strict"));
    }
    let place = if file.as_os_str().is_empty() { String::new() } else { format!("{}: ", file.display()) };
    log::warn(call.presentation, &format!("{place}{message}\nhint: {mend}"));
    Ok(())
}

fn nothing(document: &Encrypted) -> String {
    let selector = document.metadata().selector.as_ref();
    let shown = selector.map_or_else(
        || "there was nothing to encrypt".to_owned(),
        |selector| format!("`{}: {}` chose none", selector.field(), selector.text()),
    );
    format!("no value was encrypted: {shown}")
}

/// The fields of all documents that have to be read; a document among several is told by its number.
fn all_unreadable(document: &Encrypted) -> String {
    let branches = document.branches();
    let told = branches.iter().enumerate().filter_map(|(index, branch)| {
        let fields = unreadable(branch)?;
        Some(if branches.len() > 1 { format!("{fields} in document {}", index + 1) } else { fields })
    });
    told.collect::<Vec<_>>().join(", ")
}

/// The encrypted fields of a manifest that tell what it is; none when all can be read, or it is no manifest.
fn unreadable(branch: &Branch) -> Option<String> {
    let identity = ["apiVersion", "kind"];
    if identity.into_iter().any(|name| branch.get(name).and_then(Value::as_str).is_none()) {
        return None;
    }
    let metadata = branch.get("metadata").and_then(Value::as_branch);
    let named = ["name", "namespace"].into_iter().filter_map(|name| Some((name, metadata?.get(name)?)));
    let sealed: Vec<String> = identity
        .into_iter()
        .filter(|name| branch.get(name).is_some_and(is_sealed))
        .map(|name| format!("`{name}`"))
        .chain(named.filter(|(_, value)| is_sealed(value)).map(|(name, _)| format!("`metadata.{name}`")))
        .collect();
    (!sealed.is_empty()).then(|| sealed.join(", "))
}

fn is_sealed(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.starts_with("ENC["))
}

/// Two selectors cannot be told apart by a flag, so a rule that has one is changed.
fn mend_of(document: &Encrypted) -> String {
    const FIELDS: &str = "^(data|stringData)$";
    let usual = Selector::UnencryptedSuffix(DEFAULT_UNENCRYPTED_SUFFIX.to_owned());
    if document.metadata().selector.as_ref().is_none_or(|selector| *selector == usual) {
        format!(
            "encrypt only what is secret: add `--encrypted-regex '{FIELDS}'`, or `encrypted_regex: {FIELDS}` to the \
             creation rule"
        )
    } else {
        format!("encrypt only what is secret: have `encrypted_regex: {FIELDS}` for selector")
    }
}
