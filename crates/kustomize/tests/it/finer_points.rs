//! Behaviour of the original that its own tests show and no recorded case does.

use sealfast_kustomize::engine::{Options, build};
use sealfast_kustomize::files::Memory;

use crate::outcome;

#[test]
fn a_rule_for_one_kind_keeps_the_general_one_out() {
    let rules = "namePrefix:\n- {path: metadata/name, kind: Host}\n";
    let objects = "apiVersion: x/v1\nkind: Host\nmetadata: {name: a}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: b}\n";
    let file = "resources: [all.yaml]\nnamePrefix: p-\nconfigurations: [rules.yaml]\n";
    let files = [("/app/kustomization.yaml", file), ("/app/rules.yaml", rules), ("/app/all.yaml", objects)];
    let built = outcome(&files).unwrap();
    assert!(built.contains("name: p-a\n") && built.contains("name: b\n"), "{built}");
}

#[test]
fn a_merged_config_map_keeps_its_first_origin() {
    let files = [
        (
            "/app/kustomization.yaml",
            "resources: [../base]\nconfigMapGenerator:\n- {name: m, behavior: merge, literals: [b=2]}\nbuildMetadata: [originAnnotations]\n",
        ),
        ("/base/kustomization.yaml", "configMapGenerator:\n- {name: m, literals: [a=1]}\n"),
    ];
    assert!(outcome(&files).unwrap().contains("configuredIn: ../base/kustomization.yaml"));
}

#[test]
fn annotations_are_texts_as_they_were_written() {
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  annotations: {port: 0x10, on: true, size: 1.50, none: null, empty: , say: no}\n";
    let files = [("/app/kustomization.yaml", "resources: [a.yaml]\n"), ("/app/a.yaml", map)];
    let expected = "  annotations:\n    empty: \"\"\n    none: \"null\"\n    \"on\": \"true\"\n    port: \"0x10\"\n    say: \"no\"\n    size: \"1.50\"\n";
    let built = outcome(&files).unwrap();
    assert!(built.contains(expected), "{built}");
}

#[test]
fn a_service_account_without_a_namespace_text_is_refused() {
    let binding = "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: b}\nroleRef: {kind: Role, name: r, apiGroup: rbac.authorization.k8s.io}\nsubjects:\n- {kind: ServiceAccount, name: a, namespace: }\n";
    let files = [("/app/kustomization.yaml", "resources: [a.yaml]\n"), ("/app/a.yaml", binding)];
    let expected = "Invalid Input: namespace is blank for resource \"RoleBinding.v1.rbac.authorization.k8s.io/b.[noNs]\"";
    assert_eq!(outcome(&files).unwrap_err(), expected);
}

/// A custom kind whose list of parts is merged by name.
const SCHEMA: &str = r#"{"definitions": {"x.v1.Car": {
  "x-kubernetes-group-version-kind": [{"group": "x", "version": "v1", "kind": "Car"}],
  "properties": {"spec": {"$ref": "io.k8s.api.core.v1.PodSpec"}, "parts": {"type": "array",
    "x-kubernetes-patch-strategy": "merge", "x-kubernetes-patch-merge-key": "name"}}}}}"#;
const CAR: &str = "apiVersion: x/v1\nkind: Car\nmetadata: {name: c}\nparts: [{name: a, size: 1}]\nspec: {containers: [{name: a, image: i}]}\n";
const PATCH: &str = "patches:\n- patch: |-\n    apiVersion: x/v1\n    kind: Car\n    metadata: {name: c}\n    parts: [{name: b}]\n    spec: {containers: [{name: b}]}\n";

#[test]
fn the_first_schema_that_is_named_counts_and_a_late_one_adds_to_the_built_in_one() {
    let early = format!("resources: [car.yaml]\nopenapi: {{path: schema.json}}\n{PATCH}");
    let files =
        [("/app/kustomization.yaml", early.as_str()), ("/app/car.yaml", CAR), ("/app/schema.json", SCHEMA)];
    let built = outcome(&files).unwrap();
    assert!(built.contains("parts:\n- name: b\n- name: a\n"), "{built}");
    assert!(!built.contains("image: i"), "{built}");

    let component = format!(
        "kind: Component\napiVersion: kustomize.config.k8s.io/v1alpha1\nopenapi: {{path: schema.json}}\n{PATCH}"
    );
    let files = [
        ("/app/kustomization.yaml", "resources: [car.yaml]\ncomponents: [../part]\n"),
        ("/app/car.yaml", CAR),
        ("/part/kustomization.yaml", &component),
        ("/part/schema.json", SCHEMA),
    ];
    let built = outcome(&files).unwrap();
    assert!(built.contains("parts:\n- name: b\n- name: a\n") && built.contains("image: i"), "{built}");

    let base = format!("resources: [car.yaml]\nopenapi: {{path: schema.json}}\n{PATCH}");
    let files = [
        ("/app/kustomization.yaml", "resources: [../base]\nopenapi: {version: v1.21.2}\n"),
        ("/base/kustomization.yaml", base.as_str()),
        ("/base/car.yaml", CAR),
        ("/base/schema.json", SCHEMA),
    ];
    assert!(outcome(&files).unwrap().contains("parts:\n- name: b\nspec:"));
    let both = "resources: [car.yaml]\nopenapi: {version: v1.21.2, path: schema.json}\n";
    let files = [("/app/kustomization.yaml", both), ("/app/car.yaml", CAR), ("/app/schema.json", SCHEMA)];
    assert!(
        outcome(&files).unwrap_err().contains("builtin version and custom schema provided, cannot use both")
    );
}

#[test]
fn unknown_fields_of_a_plugin_are_passed_over() {
    let plugin = "apiVersion: builtin\nkind: PrefixTransformer\nmetadata: {name: any}\nprefix: p-\ncolor: red\nfieldSpecs: [{path: metadata/name, name: x}]\n";
    let files = [
        ("/app/kustomization.yaml", "resources: [a.yaml]\ntransformers: [t.yaml]\n"),
        ("/app/a.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n"),
        ("/app/t.yaml", plugin),
    ];
    assert!(outcome(&files).unwrap().contains("name: p-a"));
}

#[test]
fn every_object_can_be_labelled_with_the_tool() {
    let mut memory = Memory::new();
    memory.insert("/app/kustomization.yaml", "resources: [a.yaml]\n");
    memory.insert("/app/a.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n");
    let options = Options { adds_managed_by: true, ..Options::default() };
    let built = build(&memory, "/app", &options).unwrap().to_yaml();
    assert!(built.contains("app.kubernetes.io/managed-by: kustomize-v5.8.1"), "{built}");
}

#[test]
fn nothing_merged_into_nothing_is_no_data() {
    let generator = |more: &str| format!("secretGenerator: [{{name: g, literals: []{more}}}]\n");
    let overlay = format!("resources: [../base]\n{}", generator(", behavior: merge"));
    let base = generator("");
    let built =
        outcome(&[("/base/kustomization.yaml", &base), ("/app/kustomization.yaml", &overlay)]).unwrap();
    assert_eq!(built, "apiVersion: v1\nkind: Secret\nmetadata:\n  name: g-8226t8dd99\ntype: Opaque\n");
}
