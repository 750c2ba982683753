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
fn a_schema_that_is_none_is_refused() {
    let outcome = |schema: &str| {
        let file = format!("resources: [car.yaml]\nopenapi: {{path: schema.json}}\n{PATCH}");
        outcome(&[
            ("/app/kustomization.yaml", file.as_str()),
            ("/app/car.yaml", CAR),
            ("/app/schema.json", schema),
        ])
    };
    for (schema, place) in [
        ("", "it"),
        ("[]", "it"),
        ("none", "it"),
        ("{definitions: 3}", "'definitions'"),
        ("{definitions: []}", "'definitions'"),
        ("{definitions: {a: true}}", "'definitions.a'"),
        (
            "{definitions: {a: {properties: {b: {properties: {c: x}}}}}}",
            "'definitions.a.properties.b.properties.c'",
        ),
        ("{paths: []}", "'paths'"),
        ("{paths: {/a: 3}}", "'paths./a'"),
        ("{paths: {/a: {get: []}}}", "'paths./a.get'"),
    ] {
        let error = outcome(schema).unwrap_err();
        let words = format!("'schema.json': invalid schema file: {place} is no mapping");
        assert!(error.contains(&words), "{schema}: {error}");
    }
    for schema in ["{}", "{definitions: null, paths: {a: 3, /b: null}}", "{definitions: {a: {items: 3}}}"] {
        assert!(outcome(schema).is_ok(), "{schema}");
    }
}

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

#[test]
fn labels_and_annotations_whose_key_is_no_text_cannot_be_printed() {
    let odd = "json: unsupported type: map[interface {}]interface {}";
    let fields = [
        "commonAnnotations: {KEY: v}",
        "commonLabels: {KEY: v}",
        "labels: [{pairs: {KEY: v}}]",
        "configMapGenerator: [{name: g, options: {labels: {KEY: v}}}]",
        "configMapGenerator: [{name: g}]\ngeneratorOptions: {annotations: {KEY: v}}",
    ];
    for field in fields {
        for key in ["n", "yes", "1", "0x1", "2024-01-01", "\"true\""] {
            let text = format!("resources: [x.yaml]\n{}\n", field.replace("KEY", key));
            let files = [
                ("/app/kustomization.yaml", text.as_str()),
                ("/app/x.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n"),
            ];
            let failed = outcome(&files).unwrap_err();
            assert!(failed.ends_with(odd), "{text}: {failed}");
        }
    }
    let files = [
        ("/app/kustomization.yaml", "resources: [x.yaml]\ncommonAnnotations: {n: v, on: w}\n"),
        (
            "/app/x.yaml",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, annotations: {\"false\": a, \"true\": b}}\n",
        ),
    ];
    let built = outcome(&files).unwrap();
    assert!(built.contains("    \"false\": v\n    \"true\": w\n"), "{built}");
    let files = [("/app/kustomization.yaml", "configMapGenerator: [{name: g}]\ncommonLabels: {\"\": v}\n")];
    assert!(outcome(&files).unwrap_err().contains("expected ScalarNode but got MappingNode"));
}

#[test]
fn a_plugin_whose_file_has_odd_keys_is_refused() {
    let files = [
        ("/app/kustomization.yaml", "configMapGenerator: [{name: g}]\ntransformers: [t.yaml]\n"),
        (
            "/app/t.yaml",
            "apiVersion: builtin\nkind: AnnotationsTransformer\nmetadata: {name: t}\nannotations: {1: v}\n",
        ),
    ];
    let failed = outcome(&files).unwrap_err();
    assert!(failed.contains("marshalling yaml from res AnnotationsTransformer.builtin.[noGrp]/t.[noNs]: json: unsupported type"), "{failed}");
}

/// A Deployment with a container, and a patch that names another one with the same image.
const DEPLOYMENT: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d, finalizers: [a]}\nspec: {template: {spec: {containers: [{name: a, image: i}]}}}\n";
const MERGED: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d, finalizers: [b]}\nspec: {template: {spec: {containers: [{name: b, image: i}]}}}\n";

/// Builds an overlay whose first base uses or only asks for the built-in schema, the second names its own.
fn with_schema_of_a_base(first: &str, schema: &str) -> String {
    let files = [
        ("/app/kustomization.yaml", "resources: [first, named, d.yaml]\npatches: [{path: p.yaml}]\n"),
        ("/app/d.yaml", DEPLOYMENT),
        ("/app/p.yaml", MERGED),
        ("/app/first/kustomization.yaml", first),
        ("/app/first/x.yaml", "apiVersion: x.io/v1\nkind: My\nmetadata: {name: x}\n"),
        ("/app/named/kustomization.yaml", "openapi: {path: own.json}\nresources: [y.yaml]\n"),
        ("/app/named/y.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: y}\n"),
        ("/app/named/own.json", schema),
    ];
    outcome(&files).unwrap()
}

#[test]
fn a_named_schema_redefines_parts_of_built_in_types() {
    let asks = "resources: [x.yaml]\n";
    let uses = "resources: [x.yaml]\npatches: [{patch: \"{apiVersion: x.io/v1, kind: My, metadata: {name: x}, a: b}\"}]\n";
    let by_image = r##"{"definitions":{"io.k8s.api.core.v1.PodSpec":{"properties":{"containers":{"type":"array","items":{"$ref":"#/definitions/io.k8s.api.core.v1.Container"},"x-kubernetes-patch-strategy":"merge","x-kubernetes-patch-merge-key":"image"}}}}}"##;
    let no_lists = r#"{"definitions":{"io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta":{"properties":{}}}}"#;
    let by_list = r##"{"definitions":{"io.k8s.api.core.v1.PodSpec":{"properties":{"containers":{"$ref":"#/definitions/L"}}},"L":{"type":"array","items":{"type":"object"},"x-kubernetes-patch-strategy":"merge","x-kubernetes-patch-merge-key":"image"}}}"##;
    for (first, schema, containers, finalizers) in [
        (uses, by_image, 1, 2),
        (uses, by_list, 1, 2),
        (uses, no_lists, 2, 1),
        (asks, by_image, 2, 2),
        (asks, no_lists, 2, 2),
    ] {
        let built = with_schema_of_a_base(first, schema);
        assert_eq!(built.matches("image: i\n").count(), containers, "{schema}{built}");
        let lines = built.lines().filter(|line| ["  - a", "  - b"].contains(line)).count();
        assert_eq!(lines, finalizers, "{schema}{built}");
    }
}

#[test]
fn a_schema_that_is_not_used_is_read_all_the_same() {
    let files = [
        ("/app/kustomization.yaml", "resources: [base]\nopenapi: {version: v1.21.2}\n"),
        ("/app/base/kustomization.yaml", "openapi: {path: gone.json}\nnamePrefix: a\n"),
    ];
    assert!(outcome(&files).unwrap_err().contains("gone.json"));
}

#[test]
fn a_list_of_scalars_merges_no_mappings() {
    for (own, brought) in [("[a, {b: c}]", "[z]"), ("[a]", "[{z: z}]")] {
        let object = |list: &str| {
            format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: x, finalizers: {list}}}\n")
        };
        let files = [
            ("/app/kustomization.yaml", "resources: [x.yaml]\npatches: [{path: p.yaml}]\n"),
            ("/app/x.yaml", &object(own)),
            ("/app/p.yaml", &object(brought)),
        ];
        let failed = outcome(&files).unwrap_err();
        assert!(failed.contains("expected ScalarNode but got MappingNode"), "{failed}");
    }
}

#[test]
fn each_of_many_image_entries_sees_what_those_before_it_made() {
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{image: IMAGE}]}\n";
    for (image, entries, expected) in [
        (
            "a",
            "[{name: a, newName: b}, {name: z, newTag: x}, {name: b, newTag: c}, {name: a, newTag: d}]",
            "b:c",
        ),
        (
            "r.io/a:1",
            "[{name: r.io/b, newTag: x}, {name: rXio/a, newTag: x}, {name: r.io/a, newTag: 2.0}]",
            "r.io/a:2.0",
        ),
        (
            "rXio/a",
            "[{name: r.io/a, newName: r.io/b}, {name: a, newTag: x}, {name: r.io/b, digest: \"sha256:0\"}]",
            "r.io/b@sha256:0",
        ),
        (
            "h:5000/a:1",
            "[{name: \"h:5000/a\", newTag: \"2\"}, {name: \"h:5000/a:2\", newTag: \"3\"}]",
            "h:5000/a:3",
        ),
        (
            "ab",
            "[{name: a, newTag: x}, {name: \"a+b\", newTag: \"1\"}, {name: \"[a]b\", tagSuffix: -q}]",
            "ab:1-q-q",
        ),
        (
            "5",
            "[{name: \"4\", newTag: x}, {name: \"5\", newName: \"6\"}, {name: \"6\", newTag: \"7\"}]",
            "\"6:7\"",
        ),
    ] {
        let text =
            format!("resources: [p.yaml]\nimages: {entries}\n").replace("newTag: 2.0", "newTag: \"2.0\"");
        let pod = pod.replace("IMAGE", image);
        let built = outcome(&[("/app/kustomization.yaml", &text), ("/app/p.yaml", &pod)]).unwrap();
        assert!(built.contains(&format!("image: {}\n", expected)), "{entries}: {built}");
    }
    let text = "resources: [p.yaml]\nimages: [{name: a, newTag: b}, {name: \"a(\", newTag: c}]\n";
    for (image, fragment) in [("a", "a("), ("{a: b}", "expected ScalarNode")] {
        let pod = pod.replace("IMAGE", image);
        let failed = outcome(&[("/app/kustomization.yaml", text), ("/app/p.yaml", &pod)]).unwrap_err();
        assert!(failed.contains(fragment), "{failed}");
    }
}
