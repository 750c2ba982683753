//! Laws that hold for every tree: the same bytes each time, and each id once.

use std::fmt::Write as _;

use proptest::prelude::*;
use sealfast_kustomize::engine::{Options, build};
use sealfast_kustomize::files::Memory;
use sealfast_kustomize::order::Order;

use crate::small_directory::printed;

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
    fn patches_that_repeat_what_is_there_change_nothing(names in prop::collection::vec("[a-z]{1,8}", 1..8)) {
        let same = "patches:\n- target: {kind: ConfigMap}\n  patch: '[{\"op\": \"replace\", \"path\": \"/kind\", \"value\": \"ConfigMap\"}]'\n\
                    - target: {kind: Deployment}\n  patch: '{apiVersion: apps/v1, kind: Deployment, metadata: {name: any}, spec: {template: {spec: {containers: [{name: c}]}}}}'\n";
        prop_assert_eq!(yaml(&tree(&names, "")), yaml(&tree(&names, same)));
    }

    #[test]
    fn the_order_of_files_does_not_show_in_the_order_by_kind(
        names in prop::collection::vec("[a-z]{1,8}", 2..8),
        turn in 0_usize..8,
    ) {
        let mut files = Memory::new();
        let mut listed: Vec<String> = Vec::new();
        for (at, name) in names.iter().enumerate() {
            let kind = ["ConfigMap", "Service", "Namespace", "Custom"][at % 4];
            let object = format!("apiVersion: v1\nkind: {kind}\nmetadata: {{name: {name}{at}}}\n");
            files.insert(&format!("/app/{at}.yaml"), object);
            listed.push(format!("{at}.yaml"));
        }
        let legacy = Options { order: Order::Legacy { kinds: None }, ..Options::default() };
        let mut built = |listed: &[String]| {
            let file = format!("namePrefix: a-\nlabels: [{{pairs: {{l: v}}}}]\nresources: [{}]\n", listed.join(", "));
            files.insert("/app/kustomization.yaml", file);
            build(&files, "/app", &legacy).unwrap().to_yaml()
        };
        let first = built(&listed);
        let turn = turn % listed.len();
        listed.rotate_left(turn);
        prop_assert_eq!(&built(&listed), &first);
        listed.reverse();
        prop_assert_eq!(&built(&listed), &first);
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

    #[test]
    fn no_two_objects_end_with_one_id(
        names in prop::collection::vec("[a-c]", 1..4),
        ways in prop::collection::vec((0_usize..4, "[a-c][0-2]"), 1..4),
    ) {
        let mut file = String::new();
        for (way, name) in &ways {
            let _ = match way {
                0 => writeln!(file, "patches: [{{target: {{kind: ConfigMap, name: '[a-b].*'}}, patch: '[{{\"op\": \"replace\", \"path\": \"/metadata/name\", \"value\": \"{name}\"}}]'}}]"),
                1 => writeln!(file, "replacements: [{{sourceValue: {name}, targets: [{{select: {{kind: Deployment, name: '.*[01]'}}}}]}}]"),
                2 => writeln!(file, "transformers: ['{{apiVersion: builtin, kind: LabelTransformer, metadata: {{name: x}}, labels: {{name: {name}}}, fieldSpecs: [{{path: metadata}}]}}']"),
                _ => writeln!(file, "namePrefix: {name}-"),
            };
        }
        // A key may be there twice: then it is no kustomization.
        if let Ok(built) = build(&tree(&names, &file), "/app", &Options::default()) {
            printed(built);
        }
    }
}
