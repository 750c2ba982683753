//! Errors name the entry of the file that failed.

use sealfast_kustomize::engine::{Options, build};
use sealfast_kustomize::files::Memory;

const OBJECT: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {k: v}\n";

/// Builds an overlay over a base with more in its file; returns the error.
fn error(more: &str) -> String {
    let mut files = Memory::new();
    files.insert("/base/a.yaml", OBJECT);
    files.insert("/base/kustomization.yaml", format!("resources: [a.yaml]\n{more}\n"));
    files.insert("/overlay/kustomization.yaml", "resources: [../base]\nnamePrefix: x-\n");
    build(&files, "/overlay", &Options::default()).map(|built| built.to_yaml()).unwrap_err().chain()
}

#[test]
fn errors_of_transformers_name_entry_and_file() {
    let patch = |kind: &str| format!("{{apiVersion: v1, kind: {kind}, metadata: {{name: a}}}}");
    let (fits, other) = (patch("ConfigMap"), patch("Other"));
    let plugin =
        "apiVersion: builtin, kind: PatchTransformer, metadata: {name: p}, target: {kind: ConfigMap}";
    let operation = r#"[{"op": "remove", "path": "/x"}]"#;
    let quoted = operation.replace('"', "\\\"");
    let source = |name: &str| {
        format!(
            "{{source: {{kind: ConfigMap, name: {name}}}, targets: [{{select: {{kind: ConfigMap}}, fieldPaths: [data.k]}}]}}"
        )
    };
    for (more, words, entry) in [
        (
            format!("patches: [{{patch: '{fits}'}}, {{patch: '{other}'}}]"),
            "no matches for Id Other",
            "patches[1]",
        ),
        ("patches: [{target: {kind: X}}]".to_owned(), "must specify one of patch and path", "patches[0]"),
        (format!("patchesStrategicMerge: ['{other}']"), "no matches for Id Other", "patchesStrategicMerge"),
        (
            format!(
                "patchesJson6902: [{{target: {{version: v1, kind: ConfigMap, name: a}}, patch: '{operation}'}}]"
            ),
            "Unable to remove nonexistent key",
            "patchesJson6902[0]",
        ),
        ("replicas: [{name: none, count: 1}]".to_owned(), "none", "replicas[0]"),
        (
            format!("replacements: [{}, {}]", source("a"), source("b")),
            "nothing selected by ConfigMap.[noVer].[noGrp]/b.[noNs]",
            "replacements[1]",
        ),
        (
            format!("transformers: ['{{{plugin}, patch: \"{quoted}\"}}']"),
            "Unable to remove nonexistent key",
            "transformers: PatchTransformer 'p'",
        ),
        (
            format!(
                "validators: ['{{{plugin}, patch: \"{}\"}}']",
                fits.replace("name: a", "name: a, labels: {b: c}")
            ),
            "validator shouldn't modify the resource map",
            "validators: PatchTransformer 'p'",
        ),
    ] {
        let error = error(&more);
        assert!(error.contains(words), "{more}: {error}");
        assert!(error.ends_with(&format!(" ({entry} of '/base/kustomization.yaml')")), "{more}: {error}");
    }
}
