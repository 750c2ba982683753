//! Errors name the entry of the file that failed.

use sealfast_kustomize::engine::{Options, build};
use sealfast_kustomize::files::Memory;

const OBJECT: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {k: v}\n";

/// Builds an overlay over a base with more in its file; returns the error.
fn error(more: &str) -> String {
    error_of(more, OBJECT)
}

/// Does so where `a.yaml` is this.
fn error_of(more: &str, content: &str) -> String {
    let mut files = Memory::new();
    files.insert("/other/a.yaml", OBJECT);
    files.insert_link("/base/link.yaml", "../other/a.yaml");
    files.insert("/base/a.yaml", content);
    let resources = if content == OBJECT { "resources: [a.yaml]\n" } else { "" };
    files.insert("/base/kustomization.yaml", format!("{resources}{more}\n"));
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

#[test]
fn errors_of_what_is_read_name_entry_and_file() {
    let link = "security; file '/base/link.yaml' is not in or below '/base': a link leads to '/other/a.yaml'";
    let missing = "lstat /base/none.yaml: no such file or directory";
    for (path, words) in [("link.yaml", link), ("none.yaml", missing)] {
        for (more, entry) in [
            (format!("bases: [{path}]"), "bases[0]"),
            (format!("components: [{path}]"), "components[0]"),
            (format!("configurations: [a.yaml, {path}]"), "configurations[1]"),
            (format!("crds: [{path}]"), "crds[0]"),
            (format!("openapi: {{path: {path}}}"), "openapi.path"),
            (
                format!("configMapGenerator: [{{name: b}}, {{name: c, files: [{path}]}}]"),
                "configMapGenerator[1]",
            ),
            (format!("secretGenerator: [{{name: c, envs: [{path}]}}]"), "secretGenerator[0]"),
            (format!("generators: ['{path}']"), "generators[0]"),
            (format!("transformers: ['{path}']"), "transformers[0]"),
            (format!("validators: ['{path}']"), "validators[0]"),
            (format!("patches: [{{path: {path}}}]"), "patches[0]"),
            (format!("replacements: [{{path: {path}}}]"), "replacements[0]"),
        ] {
            let own = if entry == "configurations[1]" { "namePrefix: []\n" } else { OBJECT };
            let error = error_of(&more, own);
            let is_directory = entry == "components[0]";
            let words = if is_directory { "must build at directory" } else { words };
            assert!(error.contains(words), "{more}: {error}");
            assert!(error.contains(&format!(" ({entry} of '/base/kustomization.yaml')")), "{more}: {error}");
        }
    }
    let two = "configMapGenerator: [{name: a, behavior: create}]";
    assert!(error(two).contains("behavior must be merge or replace (configMapGenerator[0] of '/base/"));
}

#[test]
fn what_is_copied_as_ciphertext_is_named() {
    let sealed = "ENC[AES256_GCM,data:YQ==,iv:YQ==,tag:YQ==,type:str]";
    let file = "\
resources: [all.yaml]
vars:
- {name: UNUSED, objref: {apiVersion: v1, kind: Secret, name: s}, fieldref: {fieldPath: data.k}}
- {name: V, objref: {apiVersion: v1, kind: Secret, name: s}, fieldref: {fieldPath: data.k}}
replacements:
- source: {kind: Secret, name: s, fieldPath: data.plain}
  targets: [{select: {kind: ConfigMap}, fieldPaths: [data.a]}]
- source: {kind: Secret, name: s, fieldPath: data.k, options: {delimiter: ':', index: 1}}
  targets: [{select: {kind: ConfigMap}, fieldPaths: [data.b]}]
- source: {kind: Secret, name: s, fieldPath: data}
  targets: [{select: {kind: None}}]
- path: more.yaml
";
    let more = "source: {kind: Secret, name: s, fieldPath: data}\ntargets: [{select: {kind: ConfigMap}, fieldPaths: [data]}]\n";
    let mut files = Memory::new();
    files.insert("/app/kustomization.yaml", file);
    files.insert("/app/more.yaml", more);
    let secret = format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\ndata: {{k: '{sealed}', plain: c2g=}}\n"
    );
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\ndata: {a: x, b: y}\n";
    let pod =
        "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: c, args: [$(V)]}]}\n";
    files.insert("/app/all.yaml", format!("{secret}---\n{map}---\n{pod}"));
    let built = build(&files, "/app", &Options::default()).unwrap();
    let said = |entry: &str, field: &str| {
        let what = "is encrypted, and what a build copies is not decrypted: what is copied is ciphertext";
        format!("{entry}: field `{field}` of Secret.v1.[noGrp]/s.[noNs] {what}")
    };
    let expected = [
        said("replacements[1] of '/app/kustomization.yaml'", "data.k"),
        said("replacements[3] of '/app/kustomization.yaml'", "data"),
        said("vars[1] of '/app/kustomization.yaml': var 'V'", "data.k"),
    ];
    assert_eq!(built.notes, expected);
    assert_eq!(built.unused_vars, ["UNUSED"]);
}
