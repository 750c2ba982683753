//! Laws that hold for every tree: the same bytes each time.

use std::fmt::Write as _;

use proptest::prelude::*;
use sealfast_kustomize::engine::{Options, build};
use sealfast_kustomize::files::Memory;

/// Returns a tree of config maps and deployments with these names.
fn tree(names: &[String], extra: &str) -> Memory {
    let mut manifest = String::new();
    for (at, name) in names.iter().enumerate() {
        let _ = write!(
            manifest,
            "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}{at}}}\ndata: {{k: \"{at}\"}}\n\
             ---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}{at}}}\n\
             spec: {{template: {{spec: {{containers: [{{name: c, envFrom: [{{configMapRef: {{name: {name}{at}}}}}]}}]}}}}}}\n"
        );
    }
    let mut files = Memory::new();
    files.insert("/app/all.yaml", manifest);
    files.insert("/app/kustomization.yaml", format!("resources: [all.yaml]\n{extra}"));
    files
}

fn yaml(files: &Memory) -> String {
    build(files, "/app", &Options::default()).unwrap().to_yaml()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn two_builds_give_the_same_bytes(names in prop::collection::vec("[a-z]{1,8}", 1..8), prefix in "[a-z]{1,4}-") {
        let files = tree(&names, &format!("namePrefix: {prefix}\nnamespace: ns\n"));
        prop_assert_eq!(yaml(&files), yaml(&files));
    }

    #[test]
    fn an_empty_patch_changes_nothing(names in prop::collection::vec("[a-z]{1,8}", 1..8)) {
        let patch = "patches:\n- target: {kind: Deployment}\n  patch: |\n    apiVersion: apps/v1\n    kind: Deployment\n    metadata: {name: any}\n";
        prop_assert_eq!(yaml(&tree(&names, "")), yaml(&tree(&names, patch)));
        let operations = "patches:\n- target: {kind: Deployment}\n  patch: '[]'\n";
        prop_assert_eq!(yaml(&tree(&names, "")), yaml(&tree(&names, operations)));
    }

    #[test]
    fn output_builds_to_itself(names in prop::collection::vec("[a-z]{1,8}", 1..8), prefix in "[a-z]{1,4}-") {
        let first = yaml(&tree(&names, &format!("namePrefix: {prefix}\n")));
        let mut files = Memory::new();
        files.insert("/app/all.yaml", first.clone());
        files.insert("/app/kustomization.yaml", "resources: [all.yaml]\n");
        prop_assert_eq!(yaml(&files), first);
    }

    #[test]
    fn references_follow_renamed_objects(names in prop::collection::vec("[a-z]{1,8}", 1..8), prefix in "[a-z]{1,4}-") {
        let files = tree(&names, &format!("namePrefix: {prefix}\n"));
        for object in build(&files, "/app", &Options::default()).unwrap().objects() {
            let reference = object.pointer("/spec/template/spec/containers/0/envFrom/0/configMapRef/name");
            if let Some(reference) = reference {
                prop_assert_eq!(reference, &object["metadata"]["name"]);
            }
        }
    }
}
