//! Which kinds live outside namespaces where a file names a schema of its own.

use crate::outcome;

/// `Foo` is got outside namespaces alone, `Bar` in them too; the others say nothing that counts.
const SCHEMA: &str = r#"{"paths": {
    "/apis/x.io/v1/foos": {"get": {"x-kubernetes-group-version-kind": {"group": "x.io", "version": "v1", "kind": "Foo"}}},
    "/apis/x.io/v1/bars": {"get": {"x-kubernetes-group-version-kind": {"group": "x.io", "version": "v1", "kind": "Bar"}}},
    "/apis/x.io/v1/namespaces/{namespace}/bars": {"get": {"x-kubernetes-group-version-kind": {"group": "x.io", "version": "v1", "kind": "Bar"}}},
    "apis/x.io/v1/loose": {"get": {"x-kubernetes-group-version-kind": {"group": "x.io", "version": "v1", "kind": "Loose"}}},
    "/apis/x.io/v1/posts": {"post": {"x-kubernetes-group-version-kind": {"group": "x.io", "version": "v1", "kind": "Post"}}},
    "/apis/x.io/v1/lists": {"get": {"x-kubernetes-group-version-kind": [{"group": "x.io", "version": "v1", "kind": "Listed"}]}},
    "/api/v1/configmaps": {"get": {"x-kubernetes-group-version-kind": {"group": "", "version": "v1", "kind": "ConfigMap"}}},
    "/api/v1/namespaces/{namespace}/nodes": {"get": {"x-kubernetes-group-version-kind": {"version": "v1", "kind": "Node"}}}
}}"#;

fn object(api_version: &str, kind: &str, metadata: &str) -> String {
    format!("apiVersion: {api_version}\nkind: {kind}\nmetadata: {{{metadata}}}\n---\n")
}

#[test]
fn paths_of_a_schema_say_what_lives_outside_namespaces() {
    let custom = ["Foo", "Bar", "Loose", "Post", "Listed"].map(|kind| object("x.io/v1", kind, "name: a"));
    let built_in = ["ConfigMap", "Node"].map(|kind| object("v1", kind, "name: a"));
    let objects = custom.concat() + &built_in.concat();
    let built = outcome(&[
        ("/app/kustomization.yaml", "namespace: to\nresources: [r.yaml]\nopenapi: {path: s.json}\n"),
        ("/app/r.yaml", &objects),
        ("/app/s.json", SCHEMA),
    ]);
    let built = built.unwrap();
    for kind in ["Foo", "Bar", "Loose", "Post", "Listed", "ConfigMap", "Node"] {
        let document = built.split("---\n").find(|document| document.contains(&format!("kind: {kind}\n")));
        let is_moved = document.unwrap().contains("namespace: to");
        assert_eq!(is_moved, !["Foo", "Node"].contains(&kind), "{kind}");
    }
}

#[test]
fn a_schema_that_a_base_names_counts_for_what_was_read_before() {
    let foo = |name: &str, namespace: &str| {
        object("x.io/v1", "Foo", &format!("name: {name}, namespace: {namespace}"))
    };
    let outcome = |before: &str, base: &str, more: &str| {
        outcome(&[
            ("/app/kustomization.yaml", &format!("resources: [r.yaml, ../base]\n{more}")),
            ("/app/r.yaml", before),
            ("/base/kustomization.yaml", "resources: [r.yaml]\nopenapi: {path: s.json}\n"),
            ("/base/r.yaml", base),
            ("/base/s.json", SCHEMA),
        ])
    };
    let patch =
        "patches: [{patch: '{apiVersion: x.io/v1, kind: Foo, metadata: {name: a, namespace: other}, k: v}'}]";
    let patched = outcome(&foo("a", "one"), &foo("b", "two"), patch).unwrap();
    assert!(patched.contains("k: v\nkind: Foo\nmetadata:\n  name: a\n  namespace: one\n"), "{patched}");
    let double = outcome(&foo("a", "one"), &foo("a", "two"), "").unwrap_err();
    assert!(double.contains("already registered id: Foo.v1.x.io/a.two"), "{double}");
    let earlier = outcome(&(foo("a", "one") + &foo("a", "two")), &foo("b", "two"), "").unwrap_err();
    assert!(earlier.contains("already registered id: Foo.v1.x.io/a.two"), "{earlier}");
}

#[test]
fn targets_and_references_go_by_the_scopes_of_the_schema() {
    let spec = object("x.io/v1", "Foo", "name: f, namespace: one")
        + &object("x.io/v1", "Bar", "name: b, namespace: one")
        + "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m, namespace: two}\ndata: {foo: f, bar: b}\n";
    let file = r#"
resources: [r.yaml]
namePrefix: p-
openapi: {path: s.json}
configurations: [c.yaml]
patches:
- target: {namespace: _non_namespaceable_}
  patch: '[{"op": "add", "path": "/hit", "value": 1}]'
"#;
    let references = "\
nameReference:
- {kind: Foo, fieldSpecs: [{kind: ConfigMap, path: data/foo}]}
- {kind: Bar, fieldSpecs: [{kind: ConfigMap, path: data/bar}]}
";
    let built = outcome(&[
        ("/app/kustomization.yaml", file),
        ("/app/r.yaml", &spec),
        ("/app/c.yaml", references),
        ("/app/s.json", SCHEMA),
    ]);
    let built = built.unwrap();
    assert!(built.contains("bar: b\n  foo: p-f\n"), "one is seen from every namespace: {built}");
    assert_eq!(built.matches("hit: 1").count(), 1, "{built}");
}

#[test]
fn a_variable_asks_for_a_namespace_as_written() {
    let outcome = |namespace: &str| {
        outcome(&[
            (
                "/app/kustomization.yaml",
                &format!(
                    "resources: [r.yaml]\nvars: [{{name: V, objref: {{apiVersion: v1, kind: Namespace, name: f{namespace}}}}}]\n"
                ),
            ),
            ("/app/r.yaml", &object("v1", "Namespace", "name: f, annotations: {a: $(V)}")),
        ])
    };
    assert!(outcome("").unwrap().contains("a: f\n"));
    let message = outcome(", namespace: other").unwrap_err();
    assert!(message.contains("cannot be mapped to a field"), "{message}");
}
