//! A trust policy of Notation, judged as Notation judges it.
//!
//! Follows: notation-go 1.3 and its trust policy documents of version 1.0 for OCI artifacts.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;
use serde::Deserialize;

/// A document; what is missing is empty.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Policy {
    version: String,
    trust_policies: Vec<Statement>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Statement {
    name: String,
    signature_verification: Verification,
    trust_stores: Vec<String>,
    trusted_identities: Vec<String>,
    registry_scopes: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Verification {
    level: String,
    #[serde(rename = "override")]
    overrides: BTreeMap<String, String>,
    verify_timestamp: String,
}

/// Checks a document.
pub(super) fn check(policy: &Policy) -> Result<(), String> {
    match policy.version.as_str() {
        "1.0" => {}
        "" => {
            return Err("oci trust policy document has empty version, version must be specified".to_owned());
        }
        other => return Err(format!("oci trust policy document uses unsupported version {other:?}")),
    }
    if policy.trust_policies.is_empty() {
        return Err("oci trust policy document can not have zero trust policy statements".to_owned());
    }
    let mut names = BTreeSet::new();
    for statement in &policy.trust_policies {
        let name = &statement.name;
        if !names.insert(name) {
            return Err(format!(
                "multiple oci trust policy statements use the same name {name:?}, statement names must be unique"
            ));
        }
        statement.check().map_err(|why| format!("oci trust policy: {why}"))?;
    }
    scopes(&policy.trust_policies)
}

impl Statement {
    fn check(&self) -> Result<(), String> {
        let name = &self.name;
        if name.is_empty() {
            return Err(
                "a trust policy statement is missing a name, every statement requires a name".to_owned()
            );
        }
        self.signature_verification.check().map_err(|why| {
            format!("trust policy statement {name:?} has invalid signatureVerification: {why}")
        })?;
        let (stores, identities) = (&self.trust_stores, &self.trusted_identities);
        if self.signature_verification.level == "skip" {
            if stores.is_empty() && identities.is_empty() {
                return Ok(());
            }
            return Err(format!(
                "trust policy statement {name:?} is set to skip signature verification but configured with trust stores and/or trusted identities, remove them if signature verification needs to be skipped"
            ));
        }
        if stores.is_empty() || identities.is_empty() {
            return Err(format!(
                "trust policy statement {name:?} is either missing trust stores or trusted identities, both must be specified"
            ));
        }
        let about = format!("trust policy statement {name:?}");
        stores.iter().try_for_each(|store| store_fits(store)).map_err(|why| format!("{about} {why}"))?;
        identities_fit(identities).map_err(|why| format!("{about} {why}"))
    }
}

impl Verification {
    fn check(&self) -> Result<(), String> {
        match self.level.as_str() {
            "" => {
                return Err("signature verification level is empty or missing in the trust policy statement"
                    .to_owned());
            }
            "strict" | "permissive" | "audit" => {}
            "skip" if self.overrides.is_empty() => {}
            "skip" => {
                return Err(
                    "signature verification level \"skip\" can't be used to customize signature verification"
                        .to_owned(),
                );
            }
            other => return Err(format!("invalid signature verification level {other:?}")),
        }
        self.overrides.iter().try_for_each(|(kind, action)| override_fits(kind, action))?;
        match self.verify_timestamp.as_str() {
            "" | "always" | "afterCertExpiry" => Ok(()),
            other => {
                Err(format!("verifyTimestamp must be \"always\" or \"afterCertExpiry\", but got {other:?}"))
            }
        }
    }
}

fn override_fits(kind: &str, action: &str) -> Result<(), String> {
    const KINDS: [&str; 5] = ["integrity", "authenticity", "authenticTimestamp", "expiry", "revocation"];
    const ACTIONS: [&str; 3] = ["enforce", "log", "skip"];
    let listed = |words: &[&str]| {
        let words: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
        words.join(" ")
    };
    if !KINDS.contains(&kind) {
        return Err(format!(
            "verification type {kind:?} in custom signature verification is not supported, supported values are [{}]",
            listed(&KINDS)
        ));
    }
    if !ACTIONS.contains(&action) {
        return Err(format!(
            "verification action {action:?} in custom signature verification is not supported, supported values are [{}]",
            listed(&ACTIONS)
        ));
    }
    match (kind, action) {
        ("integrity", _) => {
            Err(format!("{kind:?} verification can not be overridden in custom signature verification"))
        }
        ("revocation", _) | (_, "enforce" | "log") => Ok(()),
        _ => Err(format!("{kind:?} verification can not be skipped in custom signature verification")),
    }
}

fn store_fits(store: &str) -> Result<(), String> {
    let Some((kind, name)) = store.split_once(':') else {
        return Err(format!(
            "has malformed trust store value {store:?}. The required format is <TrustStoreType>:<TrustStoreName>"
        ));
    };
    if !["ca", "signingAuthority", "tsa"].contains(&kind) {
        return Err(format!("uses an unsupported trust store type {kind:?} in trust store value {store:?}"));
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    if name.is_empty() || !name.bytes().all(allowed) {
        return Err(format!(
            "uses an unsupported trust store name {name:?} in trust store value {store:?}. Named store name needs to follow [a-zA-Z0-9_.-]+ format"
        ));
    }
    Ok(())
}

fn identities_fit(identities: &[String]) -> Result<(), String> {
    if identities.len() > 1 && identities.iter().any(|identity| identity == "*") {
        return Err("uses a wildcard trusted identity '*', a wildcard identity cannot be used in conjunction with other values".to_owned());
    }
    let mut subjects: Vec<(&str, BTreeMap<String, String>)> = Vec::new();
    for identity in identities.iter().filter(|identity| *identity != "*") {
        if identity.is_empty() {
            return Err("has an empty trusted identity".to_owned());
        }
        let Some((kind, value)) = identity.split_once(':') else {
            return Err(format!("has trusted identity {identity:?} missing separator"));
        };
        match (kind, value) {
            ("x509.subject", "") => {
                return Err(format!("has trusted identity {identity:?} without an identity value"));
            }
            ("x509.subject", value) => {
                let subject = subject(value);
                let subject = subject.map_err(|why| {
                    format!("has trusted identity {identity:?} with invalid identity value: {why}")
                })?;
                subjects.push((identity, subject));
            }
            _ => {}
        }
    }
    for (at, (left, inner)) in subjects.iter().enumerate() {
        for (_, (right, outer)) in subjects.iter().enumerate().filter(|(other, _)| *other != at) {
            if inner.iter().all(|(key, value)| outer.get(key) == Some(value)) {
                return Err(format!(
                    "has overlapping x509 trustedIdentities, {left:?} overlaps with {right:?}"
                ));
            }
        }
    }
    Ok(())
}

/// A distinguished name: attributes with their values.
fn subject(name: &str) -> Result<BTreeMap<String, String>, String> {
    if name.contains("=#") {
        return Err(format!(
            "unsupported distinguished name (DN) {name:?}: notation does not support x509.subject identities containing \"=#\""
        ));
    }
    let mut attributes = BTreeMap::new();
    for part in split(name, &[',', ';']) {
        if split(part, &['+']).len() > 1 {
            return Err(format!(
                "distinguished name (DN) {name:?} has multi-valued RDN attributes, remove multi-valued RDN attributes as they are not supported"
            ));
        }
        let Some((key, value)) = part.split_once('=') else {
            return Err(format!(
                "parsing distinguished name (DN) {name:?} failed with err: incomplete type, value pair. A valid DN must contain 'C', 'ST' or 'S', and 'O' RDN attributes at a minimum, and follow RFC 4514 standard"
            ));
        };
        let key = if key.trim() == "S" { "ST" } else { key.trim() };
        if attributes.insert(key.to_owned(), value.trim().to_owned()).is_some() {
            return Err(format!(
                "distinguished name (DN) {name:?} has duplicate RDN attribute for {key:?}, DN can only have unique RDN attributes"
            ));
        }
    }
    let is_missing = |field: &&str| attributes.get(*field).is_none_or(String::is_empty);
    match ["C", "ST", "O"].into_iter().find(is_missing) {
        Some(field) => Err(format!(
            "distinguished name (DN) {name:?} has no mandatory RDN attribute for {field:?}, it must contain 'C', 'ST' or 'S', and 'O' RDN attributes at a minimum"
        )),
        None => Ok(attributes),
    }
}

/// Splits at signs that no backslash stands before.
fn split<'a>(text: &'a str, signs: &[char]) -> Vec<&'a str> {
    let (mut parts, mut from, mut escaped) = (Vec::new(), 0, false);
    for (at, letter) in text.char_indices() {
        if signs.contains(&letter) && !escaped {
            parts.push(&text[from..at]);
            from = at + letter.len_utf8();
        }
        escaped = letter == '\\' && !escaped;
    }
    parts.push(&text[from..]);
    parts
}

fn scopes(statements: &[Statement]) -> Result<(), String> {
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for Statement { name, registry_scopes: scopes, .. } in statements {
        if scopes.is_empty() {
            return Err(format!(
                "oci trust policy statement {name:?} has zero registry scopes, it must specify registry scopes with at least one value"
            ));
        }
        if scopes.len() > 1 && scopes.iter().any(|scope| scope == "*") {
            return Err(format!(
                "oci trust policy statement {name:?} uses wildcard registry scope '*', a wildcard scope cannot be used in conjunction with other scope values"
            ));
        }
        for scope in scopes {
            if scope != "*" {
                scope_fits(scope)?;
            }
            *seen.entry(scope).or_default() += 1;
        }
    }
    match seen.into_iter().find(|(_, count)| *count > 1) {
        Some((scope, _)) => Err(format!(
            "registry scope {scope:?} is present in multiple oci trust policy statements, one registry scope value can only be associated with one statement"
        )),
        None => Ok(()),
    }
}

fn scope_fits(scope: &str) -> Result<(), String> {
    const MEND: &str = "make sure it is a fully qualified repository without the scheme, protocol or tag. For example domain.com/my/repository or a local scope like local/myOCILayout";
    const PART: &str = "[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?";
    const STEP: &str = "[a-z0-9]+(?:(?:[._]|__|-*)[a-z0-9]+)*";
    if scope.contains('*') {
        return Err(format!("registry scope {scope:?} with wild card(s) is not valid, {MEND}"));
    }
    let whole = Regex::new(&format!(r"^{PART}(?:\.{PART})*(?::[0-9]+)?/{STEP}(?:/{STEP})*$"));
    match whole.is_ok_and(|whole| whole.is_match(scope)) {
        true => Ok(()),
        false => Err(format!("registry scope {scope:?} is not valid, {MEND}")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn judged(change: impl FnOnce(&mut Value)) -> Result<(), String> {
        let mut policy = json!({ "version": "1.0", "trustPolicies": [{
            "name": "p", "registryScopes": ["ghcr.io/org/app"], "signatureVerification": { "level": "strict" },
            "trustStores": ["ca:acme"], "trustedIdentities": ["x509.subject: C=US, ST=WA, O=acme"],
        }] });
        change(&mut policy);
        check(&serde_json::from_value(policy).expect("a policy"))
    }

    #[test]
    fn policies_are_judged_as_notation_judges_them() {
        assert_eq!(judged(|_| {}), Ok(()));
        let set = |path: &'static str, value: Value, why: &str| {
            let told = judged(|policy| *policy.pointer_mut(path).expect("a place") = value);
            let told = told.expect_err(path);
            assert!(told.contains(why), "{path}: {told}");
        };
        set("/version", json!("2.0"), "unsupported version \"2.0\"");
        set("/version", json!(""), "has empty version");
        set("/trustPolicies", json!([]), "zero trust policy statements");
        set("/trustPolicies/0/name", json!(""), "is missing a name");
        set("/trustPolicies/0/signatureVerification/level", json!("lax"), "level \"lax\"");
        set(
            "/trustPolicies/0/signatureVerification/level",
            json!("skip"),
            "set to skip signature verification",
        );
        set("/trustPolicies/0/trustStores", json!([]), "missing trust stores");
        set("/trustPolicies/0/trustStores/0", json!("acme"), "malformed trust store value");
        set("/trustPolicies/0/trustStores/0", json!("x:acme"), "unsupported trust store type \"x\"");
        set(
            "/trustPolicies/0/trustedIdentities",
            json!(["*", "x509.subject:C=US"]),
            "wildcard trusted identity",
        );
        set(
            "/trustPolicies/0/trustedIdentities/0",
            json!("x509.subject:C=US,O=a"),
            "RDN attribute for \"ST\"",
        );
        set("/trustPolicies/0/trustedIdentities/0", json!("x509.subject:C=US+S=WA,O=a"), "multi-valued");
        set("/trustPolicies/0/registryScopes", json!([]), "zero registry scopes");
        set("/trustPolicies/0/registryScopes/0", json!("https://ghcr.io/a"), "is not valid");
        set("/trustPolicies/0/registryScopes/0", json!("ghcr.io/*"), "with wild card(s)");
        let verification = json!({ "level": "strict", "override": { "expiry": "skip" } });
        set(
            "/trustPolicies/0/signatureVerification",
            verification,
            "\"expiry\" verification can not be skipped",
        );
        let verification =
            json!({ "level": "strict", "override": { "revocation": "skip" }, "verifyTimestamp": "x" });
        set("/trustPolicies/0/signatureVerification", verification, "but got \"x\"");
    }
}
