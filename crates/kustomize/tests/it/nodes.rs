//! What shows that the original works on nodes: sharing, quotes, directives.

use sealfast_kustomize::engine::{Options, build};
use sealfast_kustomize::files::Memory;

const MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n";
const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n";

fn built(files: &[(&str, &str)]) -> String {
    let mut memory = Memory::new();
    for (path, content) in files {
        memory.insert(path, *content);
    }
    let outcome = build(&memory, "/app", &Options::default());
    outcome.map_or_else(|error| crate::words(&error), |built| built.to_yaml())
}

fn patched(object: &str, patch: &str, field: &str) -> String {
    let file = format!("resources: [a.yaml]\n{field}\n");
    built(&[("/app/kustomization.yaml", &file), ("/app/a.yaml", object), ("/app/p.yaml", patch)])
}

/// Patches the volumes of a pod with those given and returns what comes out.
fn volumes(own: &str, patch: &str) -> String {
    let text = patched(
        &format!("{POD}spec: {{{own}}}\n"),
        &format!("{POD}spec: {{volumes: {patch}}}\n"),
        "patches: [{path: p.yaml}]",
    );
    text.split_once("spec:\n").map_or(text.clone(), |(_, spec)| spec.to_owned())
}

const WORKLOAD: &str =
    "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {template: {spec: {}}}\n";

fn labels_after(overlay: &str) -> Vec<String> {
    let text = built(&[
        ("/app/kustomization.yaml", &format!("resources: [../base]\n{overlay}\n")),
        ("/base/kustomization.yaml", "resources: [a.yaml]\ncommonLabels: {env: base}\n"),
        ("/base/a.yaml", WORKLOAD),
    ]);
    text.lines().filter_map(|line| line.trim().strip_prefix("env: ").map(str::to_owned)).collect()
}

#[test]
fn a_label_made_in_several_places_follows_where_one_is_overwritten() {
    let patch = "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, labels: {env: new}}}";
    for overlay in [
        "labels: [{pairs: {env: new}}]".to_owned(),
        format!("patches: [{{patch: '{patch}'}}]"),
        "replacements: [{sourceValue: new, targets: [{select: {kind: Deployment}, fieldPaths: [metadata.labels.env]}]}]".to_owned(),
    ] {
        assert_eq!(labels_after(&overlay), ["new", "new", "new"], "{overlay}");
    }
}

#[test]
fn a_label_follows_in_every_element_of_a_long_list_that_had_none() {
    const MANY: usize = 2000;
    let mut object = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  template:\n    spec:\n      topologySpreadConstraints:\n".to_owned();
    for at in 0..MANY {
        let own = if at % 2 == 0 { "env: base, " } else { "" };
        object.push_str(&format!(
            "      - {{topologyKey: k{at}, labelSelector: {{matchLabels: {{{own}at: n{at}}}}}}}\n"
        ));
    }
    let base = "resources: [a.yaml]\nlabels: [{pairs: {env: base}, includeSelectors: true}]\n";
    let text = built(&[
        ("/app/kustomization.yaml", "resources: [../base]\nlabels: [{pairs: {env: new}}]\n"),
        ("/base/kustomization.yaml", base),
        ("/base/a.yaml", &object),
    ]);
    let count = |label: &str| text.lines().filter(|line| line.trim() == label).count();
    assert_eq!((count("env: new"), count("env: base")), (MANY / 2 + 3, MANY / 2));
}

#[test]
fn a_label_that_was_there_or_went_through_operations_is_one_of_its_own() {
    let operations = "patches: [{target: {kind: Deployment}, patch: '[{\"op\": \"add\", \"path\": \"/metadata/labels/env\", \"value\": \"new\"}]'}]";
    assert_eq!(labels_after(operations), ["new", "base", "base"]);
    let text = built(&[
        ("/app/kustomization.yaml", "resources: [../base]\nlabels: [{pairs: {env: new}}]\n"),
        ("/base/kustomization.yaml", "resources: [a.yaml]\ncommonLabels: {env: base}\n"),
        ("/base/a.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: web, labels: {env: own}}\n"),
    ]);
    assert!(text.contains("    env: new\n") && text.contains("    env: base\n"), "{text}");
}

#[test]
fn a_patch_that_replaces_a_whole_object_changes_nothing() {
    let text = patched(
        &format!("{MAP}data: {{a: b}}\n"),
        &format!("{MAP}$patch: replace\ndata: {{c: d}}\n"),
        "patches: [{path: p.yaml}]",
    );
    assert_eq!(text, format!("apiVersion: v1\ndata:\n  a: b\nkind: ConfigMap\nmetadata:\n  name: a\n"));
}

#[test]
fn labels_and_annotations_of_a_patch_with_a_target_are_text() {
    for field in ["patches: [{path: p.yaml, target: {kind: ConfigMap}}]", "patchesStrategicMerge: [p.yaml]"] {
        for map in ["labels", "annotations"] {
            let own = format!("{MAP}  {map}: {{note: old, blank: x}}\n");
            let patch = format!("{MAP}  {map}: {{note: null, blank: , n: 5}}\n");
            let expected =
                format!("metadata:\n  {map}:\n    blank: \"\"\n    \"n\": \"5\"\n    note: \"null\"\n");
            let text = patched(&own, &patch, field);
            assert!(text.contains(&expected), "{field}: {text}");
        }
    }
    let own = format!("{MAP}  labels: {{note: old}}\n");
    let text = patched(&own, &format!("{MAP}  labels: {{note: null}}\n"), "patches: [{path: p.yaml}]");
    assert!(text.contains("  labels: {}\n"), "{text}");
}

#[test]
fn annotations_without_entries_are_not_written() {
    for annotations in ["{}", "", "true"] {
        let text = patched(&format!("{MAP}  annotations: {annotations}\n  labels: {{}}\n"), MAP, "");
        assert_eq!(text, "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  labels: {}\n  name: a\n");
    }
}

#[test]
fn a_number_over_a_quoted_text_is_a_text() {
    let own = format!("{MAP}data: {{port: '80', on: \"true\", plain: word, lines: \"a\\nb\"}}\n");
    let patch = format!("{MAP}data: {{port: 8080, on: false, plain: 5, lines: 6}}\n");
    let text = patched(&own, &patch, "patches: [{path: p.yaml}]");
    assert!(text.contains("  lines: \"6\"\n  \"on\": \"false\"\n  plain: 5\n  port: \"8080\"\n"), "{text}");
}

#[test]
fn a_list_that_was_not_there_keeps_its_directive_and_loses_its_elements() {
    assert_eq!(
        volumes("x: y", "[{$patch: replace}, {name: v}]"),
        "  volumes:\n  - $patch: replace\n  x: \"y\"\n"
    );
    assert_eq!(
        volumes("x: y", "[{name: v, $patch: merge, a: b}]"),
        "  volumes:\n  - a: b\n    name: v\n  x: \"y\"\n"
    );
    assert_eq!(volumes("volumes: []", "[{$patch: replace}, {name: v}]"), "  volumes:\n  - name: v\n");
}

#[test]
fn an_element_without_its_key_takes_the_others_away() {
    assert_eq!(volumes("volumes: [{name: a}]", "[{c: d}, {name: x}]"), "  volumes:\n  - name: x\n");
    assert_eq!(
        volumes("volumes: [{name: null, e: f}, {name: b}]", "[{name: x}]"),
        "  volumes:\n  - name: x\n"
    );
    assert_eq!(volumes("", "[{c: d}, {name: x}]"), "  volumes:\n  - c: d\n");
}
