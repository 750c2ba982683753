//! Parts of a transit key, as a file names them -> the URL that is asked.
//!
//! A file comes from anybody, and the token of whoever opens it goes where the URL points. So the address must be one of a
//! server and nothing else, and no part may lead to another path of it.
//!
//! Follows: `hcvault/keysource.go` of sops 3.13.2.

use sealfast_sops::master_key::without_user;
use url::Url;

use crate::error::Error;

/// Returns the URL of an action of a transit key.
pub(super) fn of(address: &str, engine: &str, action: &str, name: &str) -> Result<Url, Error> {
    let mut url = base(address).map_err(|reason| refused("address", &without_user(address), reason))?;
    // Slashes at the ends and double ones mean nothing to a Vault.
    let steps: Vec<&str> = engine.split('/').filter(|step| !step.is_empty()).collect();
    match steps.as_slice() {
        [] => return Err(refused("engine path", engine, "is empty")),
        steps => steps.iter().try_for_each(|step| check(step)),
    }
    .map_err(|reason| refused("engine path", engine, reason))?;
    let is_name = if name.is_empty() { Err("is empty") } else { check(name) };
    is_name.map_err(|reason| refused("key name", name, reason))?;
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().push("v1").extend(steps).push(action).push(name);
    }
    Ok(url)
}

/// The server, with the path in front of `/v1` if there is one.
fn base(address: &str) -> Result<Url, &'static str> {
    if address.chars().any(|char| char.is_control() || char.is_whitespace() || "\\%".contains(char)) {
        return Err("has a character that no address has");
    }
    if address.is_empty() {
        return Err("is empty: the entry under `hc_vault` lacks its `vault_address`");
    }
    let url = Url::parse(address).map_err(|_| "is no URL")?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("begins neither with http:// nor with https://");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("names a user");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("has a `?` or a `#`");
    }
    // The parser takes such steps away, and the prefix that is allowed was compared before.
    if address.split('/').any(|step| matches!(step, "." | "..")) {
        return Err("has a step `.` or `..`");
    }
    Ok(url)
}

/// Checks one step of a path. Everything else is escaped, so that it stays one step.
fn check(step: &str) -> Result<(), &'static str> {
    if matches!(step, "." | "..") {
        return Err("has a step `.` or `..`");
    }
    if step.chars().any(|char| char.is_control() || "?#/\\%".contains(char)) {
        return Err("has a character that leads elsewhere: `?`, `#`, `%`, a slash or a control character");
    }
    Ok(())
}

fn refused(part: &'static str, text: &str, reason: &'static str) -> Error {
    Error::VaultKey { part, text: text.to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn no_words_tell_a_password() {
        for address in
            ["https://alice:hunter2@v", "https://hunter2@v/x", "alice:hunter2@v", "https://alice:hun/ter2@v"]
        {
            let error = of(address, "transit", "decrypt", "k").err().map(|error| error.to_string());
            let words = error.unwrap_or_default();
            assert!(words.contains("the address of the Vault key"), "{words}");
            assert!(!words.contains("ter2") && !words.contains("alice"), "{words}");
        }
    }

    #[test]
    fn an_address_that_is_not_there_is_named_by_its_field() {
        let words = of("", "transit", "decrypt", "k").err().map(|error| error.to_string());
        let wanted = "the address of the Vault key, \"\", is empty: the entry under `hc_vault` lacks its `vault_address`";
        assert_eq!(words.as_deref(), Some(wanted));
    }

    #[test]
    fn parts_become_steps_of_one_path() {
        let url = |address, engine, name| of(address, engine, "decrypt", name).map(String::from).ok();
        let plain = url("https://v:8200", "deep/engine", "k");
        assert_eq!(plain.as_deref(), Some("https://v:8200/v1/deep/engine/decrypt/k"));
        let prefixed = url("http://v/vault/", "/transit//", "a b");
        assert_eq!(prefixed.as_deref(), Some("http://v/vault/v1/transit/decrypt/a%20b"));
    }

    #[test]
    fn nothing_leads_elsewhere() {
        let good = ["https://v:8200", "transit", "k"];
        assert!(of(good[0], good[1], "decrypt", good[2]).is_ok());
        for (at, wrong, part) in [
            (0, "ftp://v", "address"),
            (0, "v:8200", "address"),
            (0, "https://me:pass@v", "address"),
            (0, "https://v/?x=", "address"),
            (0, "https://v/#", "address"),
            (0, "https://v/team/../other", "address"),
            (0, "https://v/team/%2E./other", "address"),
            (0, "https://v/team/..%2fother", "address"),
            (0, "https://v/team/..%5cother", "address"),
            (0, "https://v/a%20b", "address"),
            (0, "https://v\t", "address"),
            (0, "https://v\\@w", "address"),
            (1, "", "engine path"),
            (1, "/", "engine path"),
            (1, "transit/../sys", "engine path"),
            (1, "transit/%2e%2e/sys", "engine path"),
            (1, "transit?", "engine path"),
            (1, "transit#", "engine path"),
            (1, "a\\..\\b", "engine path"),
            (2, "", "key name"),
            (2, "..", "key name"),
            (2, "k/../../seal", "key name"),
            (2, "k?x", "key name"),
            (2, "k\r\nX-Evil: 1", "key name"),
        ] {
            let mut parts = good;
            parts[at] = wrong;
            let refused = of(parts[0], parts[1], "decrypt", parts[2]);
            let words = refused.err().map(|error| error.to_string()).unwrap_or_default();
            assert!(words.starts_with(&format!("the {part} of the Vault key")), "{wrong:?}: {words}");
        }
    }
}
