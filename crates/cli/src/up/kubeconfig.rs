//! The kubeconfig that `up` writes.

use std::path::Path;

use serde_json::Value;

use crate::diagnostic::Failure;

/// What the server calls the cluster in it.
const CLUSTER: &str = "sealfast";

/// Refuses a file that is there and tells of other clusters: writing it would lose them.
pub(super) fn check(file: &Path) -> Result<(), Failure> {
    let bytes = match std::fs::read(file) {
        Ok(bytes) => bytes,
        Err(missing) if missing.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => {
            return Err(Failure::because(format!("failed to read `{}`", file.display()), &error));
        }
    };
    if is_ours(&bytes) {
        return Ok(());
    }
    Err(Failure::new(format!("`{}` is there already and holds something else", file.display())).hint(
        "give a new file, and use it with `kubectl --kubeconfig FILE`, or both with `KUBECONFIG=FILE:OTHER`",
    ))
}

/// Whether a file is empty or an older one of `up`.
fn is_ours(bytes: &[u8]) -> bool {
    if bytes.trim_ascii().is_empty() {
        return true;
    }
    let Ok(value) = sealfast_yaml::json::from_yaml(bytes) else { return false };
    ["clusters", "contexts", "users"].into_iter().all(|list| match value[list].as_array() {
        Some(entries) => entries.iter().all(|entry| entry["name"] == CLUSTER),
        None => value[list] == Value::Null,
    }) && value["kind"] == "Config"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_other_clusters_is_not_ours() {
        let of = |name: &str| {
            format!(
                "kind: Config\nclusters: [{{name: {name}}}]\ncontexts: [{{name: {name}}}]\nusers: [{{name: {name}}}]\n"
            )
        };
        assert!(is_ours(of("sealfast").as_bytes()) && is_ours(b"\n"));
        assert!(!is_ours(of("prod").as_bytes()));
        assert!(!is_ours(b"kind: Config\nclusters: [{name: sealfast}, {name: prod}]\n"));
        assert!(!is_ours(b"a: note\n") && !is_ours(b"\x00\x01"));
    }
}
