//! Addresses of images and artifacts, judged as the reference judges them.
//!
//! Follows: `name.ParseReference` of go-containerregistry 0.20 with weak validation, `oci.ParseArtifactURL` of fluxcd/pkg.

use super::{Failed, address};

/// Checks the address of an artifact, `oci://HOST/REPOSITORY[:TAG|@DIGEST]`; returns it without the scheme.
pub(super) fn artifact(url: &str) -> Result<&str, Failed> {
    let bare = url.strip_prefix("oci://").ok_or("URL must be in format 'oci://<domain>/<org>/<repo>'")?;
    reference(bare).map_err(|why| format!("'{}' invalid URL: {why}", shown(url)))?;
    Ok(bare)
}

/// Checks `[HOST/]REPOSITORY[:TAG][@DIGEST]`.
pub(super) fn reference(text: &str) -> Result<(), String> {
    if !text.starts_with("oci://") && (is_tagged(text) || is_pinned(text)) {
        return Ok(());
    }
    Err(format!("could not parse reference: {}", shown(text)))
}

/// A reference without credentials, which there should be none of; a digest stays.
fn shown(text: &str) -> String {
    match text.rsplit_once("@sha256:").filter(|(_, digest)| !digest.contains('@')) {
        Some((base, digest)) => format!("{}@sha256:{digest}", address::shown(base)),
        None => address::shown(text),
    }
}

fn is_tagged(text: &str) -> bool {
    match text.rsplit_once(':') {
        // What follows a colon before a slash is a port.
        Some((repository, tag)) if !tag.contains('/') => {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
            (1..=128).contains(&tag.len()) && tag.bytes().all(allowed) && is_repository(repository)
        }
        _ => is_repository(text),
    }
}

fn is_pinned(text: &str) -> bool {
    let Some((base, digest)) = text.split_once('@') else { return false };
    let hex = digest.strip_prefix("sha256:").unwrap_or_default();
    let is_hex = hex.len() == 64 && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    is_hex && is_tagged(base)
}

fn is_repository(text: &str) -> bool {
    let (host, path) = match text.split_once('/') {
        Some((host, path)) if host.contains(['.', ':']) => (host, path),
        _ => ("", text),
    };
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-./".contains(&byte);
    let is_host = host.is_empty() || !host.contains(['@', '?', '#']) && address::is_host(host);
    (2..=255).contains(&path.len()) && path.bytes().all(allowed) && is_host
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_judged_as_the_reference_judges_them() {
        let digest = format!("ghcr.io/org/app:v1@sha256:{}", "0a".repeat(32));
        for good in [
            "ghcr.io",
            "ghcr.io/org/app",
            "localhost:5000/app:v1",
            "app",
            &digest,
            "ghcr.io:443/a/b",
            "https://ghcr.io",
        ] {
            assert_eq!(reference(good), Ok(()), "{good}");
        }
        let short = format!("ghcr.io/org/app@sha256:{}", "0a".repeat(31));
        for bad in ["oci://ghcr.io/org", "ghcr.io/Org", "a", "", "ghcr.io/app:", "ghcr.io/app:v!", &short] {
            assert_eq!(reference(bad), Err(format!("could not parse reference: {bad}")));
        }
        for bad in ["bob:secret@ghcr.io".to_owned(), format!("oci://bob:secret@{short}")] {
            let why = reference(&bad).err().unwrap_or_default();
            assert!(!why.contains("secret") && why.contains("***@ghcr.io"), "{why}");
        }
        assert!(artifact("oci://ghcr.io/org/app:v1").is_ok());
        let Err(Failed(why)) = artifact("oci://ghcr.io/Org") else { panic!("refused") };
        assert_eq!(why, "'oci://ghcr.io/Org' invalid URL: could not parse reference: ghcr.io/Org");
    }
}
