//! What replacements do with types, lists and paths, beyond the recorded cases.

use sealfast_kustomize::engine::{Options, build};
use sealfast_kustomize::files::Memory;

const FOO: &str = "apiVersion: v1\nkind: Foo\nmetadata: {name: a, annotations: {k: v}}\n";

/// Builds one object with replacements into `kind: Foo`, each a source and the rest of its target.
fn replaced(object: &str, entries: &[(&str, &str)]) -> Result<String, String> {
    let mut file = "resources: [a.yaml]\nreplacements:\n".to_owned();
    for (source, target) in entries {
        file.push_str(&format!("- {source}\n  targets: [{{select: {{kind: Foo}}, {target}}}]\n"));
    }
    let mut memory = Memory::new();
    memory.insert("/app/kustomization.yaml", file);
    memory.insert("/app/a.yaml", object);
    build(&memory, "/app", &Options::default())
        .map(|built| built.to_yaml())
        .map_err(|error| crate::words(&error))
}

const MADE: &str = "fieldPaths: [spec.x], options: {create: true}";
const OVER: &str = "fieldPaths: [spec.x]";

#[test]
fn a_scalar_that_was_made_has_no_type_of_its_own() {
    let both = [
        [("sourceValue: '5'", MADE), ("sourceValue: abc", OVER)],
        [("sourceValue: abc", MADE), ("sourceValue: '5'", OVER)],
    ];
    for (entries, expected) in both.iter().zip(["spec:\n  x: abc\n", "spec:\n  x: 5\n"]) {
        let built = replaced(FOO, entries).unwrap();
        assert!(built.ends_with(expected), "{built}");
    }
}

#[test]
fn a_merge_makes_texts_of_scalars_without_type() {
    let mut memory = Memory::new();
    let patch = "apiVersion: v1\n    kind: Foo\n    metadata: {name: a}\n";
    let base = format!(
        "resources: [a.yaml]\nreplacements:\n- sourceValue: '1.50'\n  targets: [{{select: {{kind: Foo}}, {MADE}}}]\n"
    );
    memory.insert("/base/kustomization.yaml", base);
    memory.insert("/base/a.yaml", FOO);
    let mut built = |file: String| {
        memory.insert("/app/kustomization.yaml", file);
        build(&memory, "/app", &Options::default()).unwrap().to_yaml()
    };
    let plain = built("resources: [../base]\nnamePrefix: p-\n".to_owned());
    assert!(plain.ends_with("spec:\n  x: 1.5\n"), "{plain}");
    let merged = built(format!("resources: [../base]\npatches:\n- patch: |\n    {patch}"));
    assert!(merged.ends_with("spec:\n  x: \"1.50\"\n"), "{merged}");
}

#[test]
fn a_text_of_the_wrong_type_may_be_mended_before_it_is_written() {
    let object = format!("{FOO}spec: {{x: 5}}\n");
    let wrong = ("sourceValue: abc", OVER);
    let error = replaced(&object, &[wrong]).unwrap_err();
    assert_eq!(error, "map[string]interface {}(nil): yaml: cannot decode !!str `abc` as a !!int");
    let built = replaced(&object, &[wrong, ("sourceValue: '6'", OVER)]).unwrap();
    assert!(built.ends_with("spec:\n  x: 6\n"), "{built}");
}

#[test]
fn an_empty_value_makes_an_empty_annotation() {
    let target = "fieldPaths: [metadata.annotations.made], options: {create: true}";
    let built = replaced(FOO, &[("sourceValue: ''", target)]).unwrap();
    assert!(built.contains("    made: \"\"\n"), "{built}");
}

#[test]
fn lists_are_made_inside_texts() {
    let object = format!("{FOO}text: '{{\"a\": 1}}'\n");
    let target = "fieldPaths: ['text.l.[name=q].v', text.n.0.x], options: {create: true}";
    let built = replaced(&object, &[("sourceValue: '5'", target)]).unwrap();
    let expected = r#"text: '{"a":1,"l":[{"name":"q","v":5}],"n":[{"x":5}]}'"#;
    assert!(built.contains(expected), "{built}");
}

#[test]
fn brackets_hold_a_name_only_when_it_has_dots() {
    let object = FOO.replace("k: v", "x.io/a: dots, x/b: none");
    let source = |key: &str| format!("source: {{kind: Foo, fieldPath: 'metadata.annotations.[{key}]'}}");
    let built = replaced(&object, &[(&source("x.io/a"), MADE)]).unwrap();
    assert!(built.ends_with("spec:\n  x: dots\n"), "{built}");
    let error = replaced(&object, &[(&source("x/b"), MADE)]).unwrap_err();
    let reason = "list path element must contain fieldName=fieldValue for element to match";
    assert_eq!(error, format!("error looking up replacement source: {reason}"));
}

#[test]
fn paths_must_fit_what_is_there() {
    let object = format!("{FOO}spec: {{\"9\": n}}\nlist: [a, b]\n");
    let error = |source: &str, target: &str| replaced(&object, &[(source, target)]).unwrap_err();
    let source = |path: &str| format!("source: {{kind: Foo, fieldPath: {path}}}");
    for (path, reason) in [
        ("spec.9", "wrong node kind: expected SequenceNode but got MappingNode"),
        ("kind.x", "wrong node kind: expected MappingNode but got ScalarNode"),
        ("list.*", "wildcard is not supported in PathGetter"),
    ] {
        assert_eq!(error(&source(path), MADE), format!("error looking up replacement source: {reason}"));
    }
    let target = "fieldPaths: ['new.*.x'], options: {create: true}";
    let expected = "unable to find or create field \"new.*.x\" in replacement target: wrong node kind: expected SequenceNode but got MappingNode";
    assert_eq!(error("sourceValue: x", target), expected);
    let target = "fieldPaths: [spec.x], options: {create: true, delimiter: '-'}";
    assert_eq!(error(&source("list"), target), "delimiter option can only be used with scalar nodes");
    assert!(replaced(&object, &[(&source("list.-"), MADE)]).unwrap().contains("  x: b\n"));
}

#[test]
fn the_first_flaw_of_an_object_is_told() {
    let object = format!("{FOO}spec: {{z: 1, a: true, b: [1.5]}}\n");
    let target = "fieldPaths: [spec.b.0, spec.a, spec.z]";
    let error = replaced(&object, &[("sourceValue: abc", target)]).unwrap_err();
    assert_eq!(error, "map[string]interface {}(nil): yaml: cannot decode !!str `abc` as a !!int");
}

/// Builds an overlay with a patch over a base with one replacement of `abc` for a number.
fn patched(kind: &str, spec: &str, path: &str, patch: &str) -> Result<String, String> {
    let head = format!("apiVersion: v1, kind: {kind}, metadata: {{name: a}}");
    let mut memory = Memory::new();
    memory.insert("/base/a.yaml", format!("{{{head}, spec: {spec}}}"));
    memory.insert(
        "/base/kustomization.yaml",
        format!(
            "resources: [a.yaml]\nreplacements: [{{sourceValue: abc, targets: [{{select: {{kind: {kind}}}, fieldPaths: [{path}]}}]}}]\n"
        ),
    );
    memory.insert("/app/p.yaml", format!("{{{head}, spec: {patch}}}"));
    memory.insert("/app/kustomization.yaml", "resources: [../base]\npatches: [{path: p.yaml}]\n");
    build(&memory, "/app", &Options::default())
        .map(|built| built.to_yaml())
        .map_err(|error| crate::words(&error))
}

#[test]
fn what_a_patch_replaces_has_the_type_of_the_patch() {
    let told = "map[string]interface {}(nil): yaml: cannot decode !!str `abc` as a !!int";
    let list = |patch: &str| patched("Foo", "{l: [{x: 5}, {x: abc}]}", "spec.l.0.x", patch);
    let built = list("{l: [{x: 6}, {x: abc}]}").unwrap();
    assert!(built.ends_with("  l:\n  - x: 6\n  - x: abc\n"), "{built}");
    assert!(list("{l: [{x: abc}, {x: abc}]}").is_ok(), "the scalar is that of the patch");
    assert_eq!(list("{m: 1}").unwrap_err(), told);
}

#[test]
fn a_scalar_of_the_wrong_type_moves_with_its_element() {
    let told = "map[string]interface {}(nil): yaml: cannot decode !!str `abc` as a !!int";
    let pod = "{containers: [{name: a, x: 5}, {name: b, x: 7}]}";
    let list =
        |element: &str| patched("Pod", pod, "spec.containers.1.x", &format!("{{containers: [{element}]}}"));
    for mended in ["{name: b, x: 6}", "{name: b, x: null}", "{name: b, $patch: delete}"] {
        let built = list(mended);
        assert!(built.as_ref().is_ok_and(|built| !built.contains("abc")), "{mended}: {built:?}");
    }
    for other in ["{name: c, x: abc}", "{name: b, $patch: replace}", "{name: b, y: 1}", "{name: a, x: abc}"] {
        assert_eq!(list(other).unwrap_err(), told, "{other}");
    }
}

#[test]
fn a_scalar_is_copied_as_it_was_written() {
    let object = format!("{FOO}spec: {{t: text, e: '{{\"b\": \"q\"}}', m: {{}}}}\n");
    let source = |path: &str| format!("source: {{kind: Foo, fieldPath: {path}}}");
    let create = |path: &str| format!("fieldPaths: [{path}], options: {{create: true}}");
    let built = replaced(
        &object,
        &[
            ("sourceValue: '1.50'", "fieldPaths: [spec.x, spec.m.y], options: {create: true}"),
            (&source("spec.x"), "fieldPaths: [spec.t, spec.e.b]"),
            (&source("spec.m"), &create("spec.n")),
            (&source("spec.n.y"), &create("metadata.annotations.copy")),
        ],
    )
    .unwrap();
    for expected in ["  t: \"1.50\"\n", "    copy: \"1.50\"\n", "  x: 1.5\n", r#"  e: '{"b":"1.50"}'"#] {
        assert!(built.contains(expected), "{expected} in {built}");
    }
}

#[test]
fn a_path_and_what_is_copied_have_a_bound() {
    // As much as a program starts with: without optimization each level takes a lot.
    let program = std::thread::Builder::new().stack_size(8 << 20);
    program.spawn(look_for_bounds).unwrap().join().unwrap();
}

fn look_for_bounds() {
    let path = |parts: usize| vec!["a"; parts].join(".");
    let make = |path: &str| format!("fieldPaths: [{path}], options: {{create: true}}");
    let error = replaced(FOO, &[("sourceValue: x", &make(&path(20_000)))]).unwrap_err();
    let start = &path(20)[..39];
    assert_eq!(error, format!("the field path `{start}.…` has more than 500 parts"));
    let source = |path: &str| format!("source: {{kind: Foo, fieldPath: {path}}}");
    let deep = [("sourceValue: x", make(&path(300))), (&*source("a"), make(&format!("b.{}", path(300))))];
    let deep: Vec<(&str, &str)> = deep.iter().map(|(source, target)| (*source, target.as_str())).collect();
    assert!(replaced(FOO, &deep[..1]).is_ok());
    let error = replaced(FOO, &deep).unwrap_err();
    assert!(error.ends_with("the copy is nested deeper than 500 levels"), "{error}");
    let text = format!("{FOO}text: '{{}}'\n");
    let inside = make(&format!("text.{}", path(499)));
    let built = replaced(&text, &[("sourceValue: x", &inside)]).unwrap();
    assert!(built.contains(r#"{"a":{"a":"#), "{built}");
}

#[test]
fn a_mapping_leaves_nothing_of_a_scalar_but_its_type() {
    let object = format!("{FOO}spec: {{m: {{k: v}}, x: text, y: [{{}}]}}\n");
    let source = "source: {kind: Foo, fieldPath: spec.m}";
    let built = replaced(&object, &[(source, OVER)]).unwrap();
    assert!(built.contains("\n  x: \"\"\n"), "{built}");
    let built = replaced(&object, &[(source, "fieldPaths: [spec.y.0]")]).unwrap();
    assert!(built.ends_with("\n  \"y\":\n  - k: v\n"), "{built}");
    let built = replaced(&object, &[("sourceValue: '7'", "fieldPaths: [spec.m]")]).unwrap();
    assert!(built.contains("\n  m: 7\n"), "a text of no object is what it says: {built}");
}

#[test]
fn elements_that_are_made_are_what_their_path_says() {
    let target = "fieldPaths: ['spec.ports.[port=80].name', 'spec.list.[=1]'], options: {create: true}";
    let built = replaced(FOO, &[("sourceValue: web", target)]).unwrap();
    assert!(built.ends_with("spec:\n  list:\n  - web\n  ports:\n  - name: web\n    port: 80\n"), "{built}");
}

#[test]
fn expressions_meet_elements_as_they_are_written() {
    let met = |list: &str, path: &str| {
        let object = format!("{FOO}spec: {{l: [{list}]}}\n");
        replaced(&object, &[("sourceValue: '9'", &format!("fieldPaths: ['spec.l.[{path}].v']"))])
            .is_ok_and(|built| built.ends_with("\n    v: 9\n"))
    };
    assert!(met("{n: a, v: 1}", "n=^a$"));
    assert!(!met("{n: \"a\", v: 1}", "n=^a$"), "quotes are part of what is written");
    assert!(met("{n: \"a\", v: 1}", "n=a") && met("{n: {a: b}, v: 1}", "n=a"));
    assert!(met("{n: 1.50, v: 1}", "n=50$") && !met("{n: 1.50, v: 1}", "n=5$"));
}

#[test]
fn texts_that_are_found_by_expressions_are_found_and_stay() {
    let list = "[{n: x, v: 'k: a'}, {n: y, v: '{\"k\": {\"j\": 1}}'}]";
    let object = format!("{FOO}spec: {{l: {list}, n: 'k: \"{{\\\"j\\\": 1}}\"'}}\n");
    let plain =
        replaced(&object, &[("sourceValue: z", "fieldPaths: [spec.new], options: {create: true}")]).unwrap();
    for path in ["spec.l.*.v.k", "spec.n.k.j"] {
        let target = format!("fieldPaths: ['{path}']");
        let added = ("sourceValue: z", "fieldPaths: [spec.new], options: {create: true}");
        assert_eq!(replaced(&object, &[("sourceValue: z", &target), added]).unwrap(), plain, "{path}");
    }
    let error = replaced(&object, &[("sourceValue: z", "fieldPaths: ['spec.l.*.v.none']")]).unwrap_err();
    assert_eq!(error, "unable to find field \"spec.l.*.v.none\" in replacement target");
}

#[test]
fn a_value_that_does_not_fit_leaves_json_as_it_is() {
    let object = format!("{FOO}a: '{{\"k\": 1}}'\nb: '{{\"k\": 1.5, \"j\": true}}'\nc: '{{1: a, k: b}}'\n");
    let paths = "fieldPaths: [a.k, b.k, b.j, c.k]";
    let built = replaced(&object, &[("sourceValue: word", paths)]).unwrap();
    assert!(built.contains("a: '{\"k\": 1}'\n") && built.contains("c: '{1: a, k: b}'\n"), "{built}");
    assert!(built.contains("b: '{\"k\": 1.5, \"j\": true}'\n"), "{built}");
    let built = replaced(&object, &[("sourceValue: '1.50'", "fieldPaths: [a.k, b.k]")]).unwrap();
    assert!(
        built.contains("a: '{\"k\": 1}'\n") && built.contains("b: '{\"j\":true,\"k\":1.5}'\n"),
        "{built}"
    );
}

#[test]
fn a_time_is_copied_as_it_was_written() {
    let object = format!("{FOO}spec: {{t: 2024-01-01}}\n");
    let built = replaced(
        &object,
        &[(
            "source: {kind: Foo, fieldPath: spec.t}",
            "fieldPaths: [spec.x], options: {create: true, delimiter: '-', index: 0}",
        )],
    )
    .unwrap();
    assert!(built.contains("  t: \"2024-01-01T00:00:00Z\"\n"), "{built}");
    let annotation = "fieldPaths: [metadata.annotations.k]";
    let built = replaced(&object, &[("source: {kind: Foo, fieldPath: spec.t}", annotation)]).unwrap();
    assert!(built.contains("    k: \"2024-01-01\"\n"), "{built}");
}

#[test]
fn an_object_keeps_a_kind() {
    let outcome = |field: &str, from: &str| {
        crate::outcome(&[
            (
                "/app/kustomization.yaml",
                &format!(
                    "resources: [a.yaml]\nreplacements:\n- source: {{kind: Foo, fieldPath: {from}}}\n  targets: [{{select: {{kind: ConfigMap}}, fieldPaths: [{field}]}}]\n"
                ),
            ),
            (
                "/app/a.yaml",
                "apiVersion: v1\nkind: Foo\nmetadata: {name: f}\nmap: {a: b}\nempty: ''\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n",
            ),
        ])
    };
    for from in ["map", "empty"] {
        let message = outcome("kind", from).unwrap_err();
        assert!(message.contains("missing kind in object"), "{from}: {message}");
    }
    for (field, from) in
        [("metadata.name", "empty"), ("metadata", "empty"), ("metadata", "map"), ("metadata", "kind")]
    {
        let message = outcome(field, from).unwrap_err();
        let words = "missing metadata.name in object {{v1 ConfigMap} {{ } map[] map[]}}";
        assert!(message.contains(words), "{field} {from}: {message}");
    }
}
