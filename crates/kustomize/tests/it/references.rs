//! Which objects references mean, and entries that overlays change in many places.

use crate::outcome;

const ACCOUNT: &str = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: web}\n---\n";

fn binding(kind: &str, namespace: &str) -> String {
    format!(
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: {kind}\nmetadata: {{name: b, namespace: own}}\nsubjects: [{{kind: ServiceAccount, name: web{namespace}}}]\n"
    )
}

#[test]
fn an_object_that_came_with_the_namespace_hides_those_that_are_in_it_now() {
    let objects = format!("{ACCOUNT}{}", binding("ClusterRoleBinding", ", namespace: team"));
    let base = |more: &str| format!("resources: [all.yaml]\n{more}");
    let build = |more: &str| {
        let base = base(more);
        let files = [
            ("/app/kustomization.yaml", "resources: [../base]\nnamespace: team\nnamePrefix: p-\n"),
            ("/base/kustomization.yaml", base.as_str()),
            ("/base/all.yaml", objects.as_str()),
        ];
        outcome(&files).unwrap()
    };
    assert!(build("").contains("  name: p-web\n  namespace: team\n"));
    let other = build("secretGenerator: [{name: other, namespace: team}]\n");
    assert!(other.contains("- kind: ServiceAccount\n  name: web\n  namespace: team\n"), "{other}");
}

#[test]
fn a_variable_means_the_object_of_its_own_overlay() {
    let base = "apiVersion: v1\nkind: Service\nmetadata: {name: api}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: c, args: [$(API)]}]}\n";
    let var = "vars: [{name: API, objref: {apiVersion: v1, kind: Service, name: api}}]\n";
    let second = format!("resources: [../base]\nnamePrefix: b-\n{var}");
    let files = [
        ("/app/kustomization.yaml", "resources: [../one, ../two]\n"),
        ("/one/kustomization.yaml", "resources: [../base]\nnamePrefix: a-\n"),
        ("/two/kustomization.yaml", second.as_str()),
        ("/base/kustomization.yaml", "resources: [all.yaml]\n"),
        ("/base/all.yaml", base),
    ];
    let built = outcome(&files).unwrap();
    assert_eq!((built.matches("- b-api\n").count(), built.matches("- a-api\n").count()), (2, 0), "{built}");
}

#[test]
fn role_bindings_see_the_namespaces_that_their_subjects_write() {
    for (namespace, expected) in [("", "  name: web\n"), (", namespace: default", "  name: web\n")] {
        let objects = format!("{ACCOUNT}{}", binding("RoleBinding", namespace));
        let files = [
            ("/app/kustomization.yaml", "resources: [all.yaml]\nnamePrefix: p-\n"),
            ("/app/all.yaml", &objects),
        ];
        let built = outcome(&files).unwrap();
        assert!(built.contains("name: p-web\n") && built.contains(expected), "{built}");
    }
}

#[test]
fn fields_of_references_are_checked_also_where_nothing_was_renamed() {
    let role = "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: r}\nrules: [{resourceNames: {a: b}}]\n";
    let files = [("/app/kustomization.yaml", "resources: [a.yaml]\n"), ("/app/a.yaml", role)];
    let error = outcome(&files).unwrap_err();
    assert!(
        error.contains("field 'rules/resourceNames'") && error.ends_with("no 'name' field in node"),
        "{error}"
    );
}

#[test]
fn a_label_that_was_there_before_does_not_follow_its_twins() {
    let workload = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec: {template: {spec: {topologySpreadConstraints: [{topologyKey: a, labelSelector: {matchLabels: {app: old}}}, {topologyKey: b, labelSelector: {matchLabels: {x: z}}}]}}}\n";
    let files = [
        ("/app/kustomization.yaml", "resources: [../base]\nlabels: [{pairs: {app: new}}]\n"),
        (
            "/base/kustomization.yaml",
            "resources: [a.yaml]\nlabels: [{pairs: {app: base}, includeSelectors: true}]\n",
        ),
        ("/base/a.yaml", workload),
    ];
    let built = outcome(&files).unwrap();
    assert_eq!((built.matches("app: new").count(), built.matches("app: base").count()), (4, 1), "{built}");
    assert!(built.contains("            app: base\n        topologyKey: a\n"), "{built}");
}

#[test]
fn ids_are_compared_after_patches_with_targets() {
    let map = |name: &str| format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n");
    let objects = format!("{}---\n{}", map("a"), map("b"));
    let patches = "patches:\n- target: {kind: ConfigMap}\n  options: {allowNameChange: true}\n  patch: '{apiVersion: v1, kind: ConfigMap, metadata: {name: c}}'\n";
    let file = format!("resources: [all.yaml]\n{patches}");
    let error = outcome(&[("/app/kustomization.yaml", &file), ("/app/all.yaml", &objects)]).unwrap_err();
    assert_eq!(error, "may not add resource with an already registered id: ConfigMap.v1.[noGrp]/c.[noNs]");
}

#[test]
fn a_port_without_protocol_survives_its_own_deletion_beside_one_with_it() {
    let workload = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\n";
    let patch = "patches:\n- patch: '{apiVersion: apps/v1, kind: Deployment, metadata: {name: a}, spec: {template: {spec: {containers: [{name: c, ports: [{containerPort: 80, protocol: TCP}, {containerPort: 443, $patch: delete}]}]}}}}'\n";
    let file = format!("resources: [a.yaml]\n{patch}");
    let built = outcome(&[("/app/kustomization.yaml", &file), ("/app/a.yaml", workload)]).unwrap();
    let expected = "        ports:\n        - containerPort: 80\n          protocol: TCP\n        - containerPort: 443\n";
    assert!(built.ends_with(expected), "{built}");
}

#[test]
fn names_that_are_numbers_by_their_letters_are_printed_as_such_unless_they_had_quotes() {
    let map = |name: &str| format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n");
    let uses = |name: &str| format!("{{configMapRef: {{name: {name}}}}}");
    let pod = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec: {{containers: [{{envFrom: [{}, {}]}}]}}\n",
        uses("e5"),
        uses("'3'")
    );
    let objects = [map("e5"), map("'3'"), pod].join("---\n");
    let built = outcome(&[
        ("/app/kustomization.yaml", "resources: [a.yaml]\nnamePrefix: '1'\n"),
        ("/app/a.yaml", &objects),
    ])
    .unwrap();
    for expected in ["metadata:\n  name: 100000\n", "metadata:\n  name: \"13\"\n"] {
        assert!(built.contains(expected), "{built}");
    }
    for expected in ["configMapRef:\n        name: 100000\n", "configMapRef:\n        name: \"13\"\n"] {
        assert!(built.contains(expected), "{built}");
    }
}

#[test]
fn variables_are_texts_where_a_replacement_left_no_type() {
    let file = "resources: [a.yaml]\nvars: [{name: V, objref: {kind: Foo, apiVersion: x.io/v1, name: a}, fieldref: {fieldPath: spec.n}}]\nreplacements:\n- sourceValue: '$(V)'\n  targets: [{select: {kind: Foo}, fieldPaths: [metadata.labels.q], options: {create: true}}]\n- sourceValue: '7'\n  targets: [{select: {kind: Foo}, fieldPaths: [spec.n, spec.other, metadata.labels.r], options: {create: true}}]\n";
    let built = outcome(&[
        ("/app/kustomization.yaml", file),
        ("/app/a.yaml", "apiVersion: x.io/v1\nkind: Foo\nmetadata: {name: a}\n"),
    ])
    .unwrap();
    assert!(built.contains("  labels:\n    q: \"7\"\n    r: \"7\"\n"), "{built}");
    assert!(built.ends_with("spec:\n  \"n\": 7\n  other: 7\n"), "{built}");
}

#[test]
fn a_variable_that_is_no_scalar_stands_as_it_is() {
    let file = "resources: [a.yaml]\nvars: [{name: V, objref: {kind: Foo, apiVersion: x.io/v1, name: a}, fieldref: {fieldPath: spec}}]\n";
    let foo =
        "apiVersion: x.io/v1\nkind: Foo\nmetadata: {name: a, labels: {q: $(V), r: x$(V)}}\nspec: {n: 1}\n";
    let built = outcome(&[("/app/kustomization.yaml", file), ("/app/a.yaml", foo)]).unwrap();
    assert!(built.contains("    q: $(V)\n    r: x$(V)\n"), "{built}");
}

#[test]
fn a_value_that_is_added_as_namespace_leaves_cluster_wide_objects() {
    let plugin = "apiVersion: builtin\nkind: ValueAddTransformer\nmetadata: {name: x}\nvalue: vv\ntargets: [{fieldPath: metadata/namespace}]\n";
    let objects = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: c}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\n";
    let file = "resources: [a.yaml]\ntransformers: [t.yaml]\n";
    let files = [("/app/kustomization.yaml", file), ("/app/a.yaml", objects), ("/app/t.yaml", plugin)];
    let built = outcome(&files).unwrap();
    assert!(built.contains("  name: c\n---\n") && built.ends_with("  name: m\n  namespace: vv\n"), "{built}");
}
