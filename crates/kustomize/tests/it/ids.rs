//! No build gives two objects of one id, whatever made them alike.

use sealfast_kustomize::engine::{Options, build};
use sealfast_kustomize::files::Memory;

const MAPS: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\n";
const RENAMED: &str =
    r#"{target: {kind: ConfigMap}, patch: '[{"op": "replace", "path": "/metadata/name", "value": "ren"}]'}"#;

fn outcome(file: &str, more: &[(&str, &str)]) -> Result<String, String> {
    let mut files = Memory::new();
    files.insert("/o/a.yaml", MAPS);
    files.insert("/o/kustomization.yaml", format!("resources: [a.yaml]\n{file}\n"));
    for (path, content) in more {
        files.insert(path, *content);
    }
    build(&files, "/o", &Options::default())
        .map(|built| built.to_yaml())
        .map_err(|error| crate::words(&error))
}

fn double(name: &str) -> String {
    format!("may not add resource with an already registered id: ConfigMap.v1.[noGrp]/{name}.[noNs]")
}

#[test]
fn what_gives_two_objects_one_id_fails() {
    let merged = "{apiVersion: v1, kind: ConfigMap, metadata: {name: ren}}";
    let labelled = "apiVersion: builtin, kind: LabelTransformer, metadata: {name: x}, labels: {name: ren}";
    let prefixed = format!("namePrefix: x-\npatches: [{RENAMED}]");
    let targets = "targets: [{select: {kind: ConfigMap}}]";
    for (file, name) in [
        (format!("patches: [{RENAMED}]"), "ren"),
        (
            format!(
                "patches: [{{target: {{kind: ConfigMap}}, options: {{allowNameChange: true}}, patch: '{merged}'}}]"
            ),
            "ren",
        ),
        (prefixed, "x-ren"),
        (format!("replacements: [{{sourceValue: ren, {targets}}}]"), "ren"),
        (format!("transformers: ['{{{labelled}, fieldSpecs: [{{path: metadata}}]}}']"), "ren"),
    ] {
        assert_eq!(outcome(&file, &[]).unwrap_err(), double(name), "{file}");
    }
}

#[test]
fn a_component_names_itself() {
    let component =
        format!("apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\npatches: [{RENAMED}]\n");
    let error = outcome("components: [../k]", &[("/k/kustomization.yaml", component.as_str())]).unwrap_err();
    let expected = format!("recursed merging from path '/k': {}", double("ren"));
    assert_eq!(error, format!("accumulating components: accumulateDirectory: \"{expected}\""));
}

#[test]
fn what_is_not_printed_may_be_a_double() {
    let local = "metadata: {name: ren, annotations: {config.kubernetes.io/local-config: 'true'}}";
    let more = format!("apiVersion: v1\nkind: ConfigMap\n{local}\n");
    let patch = RENAMED.replace("kind: ConfigMap", "kind: ConfigMap, name: a");
    let file = format!("resources: [a.yaml, b.yaml]\npatches: [{patch}]\n");
    let mut files = Memory::new();
    files.insert("/o/a.yaml", MAPS);
    files.insert("/o/b.yaml", more);
    files.insert("/o/kustomization.yaml", file);
    let built = build(&files, "/o", &Options::default()).unwrap().to_yaml();
    assert_eq!(built.matches("name: ren").count(), 1, "{built}");
}
