//! Patches and plugins where the original has habits of its own.

use sealfast_kustomize::engine::{Options, build};
use sealfast_kustomize::files::Memory;

const MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: cfg}\ndata: {a: \"1\"}\n";
const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: c, envFrom: [{configMapRef: {name: cfg}}]}]}\n";

/// Builds a kustomization over a config map and a pod that uses it.
fn outcome(file: &str, more: &[(&str, &str)]) -> Result<String, String> {
    let mut files = Memory::new();
    files.insert("/app/map.yaml", MAP);
    files.insert("/app/pod.yaml", POD);
    files.insert("/app/kustomization.yaml", file);
    for (path, content) in more {
        files.insert(path, *content);
    }
    build(&files, "/app", &Options::default())
        .map(|built| built.to_yaml())
        .map_err(|error| crate::words(&error))
}

/// Applies one operation to the config map.
fn operated(operation: &str) -> Result<String, String> {
    let patch = format!("patches:\n- target: {{kind: ConfigMap}}\n  patch: '[{operation}]'\n");
    outcome(&format!("resources: [map.yaml]\n{patch}"), &[])
}

#[test]
fn an_operation_may_replace_what_a_mapping_does_not_have() {
    let built = operated(r#"{"op": "replace", "path": "/data/b", "value": "2"}"#).unwrap();
    assert!(built.contains("data:\n  a: \"1\"\n  b: \"2\"\n"), "{built}");
}

#[test]
fn an_operation_copies_nothing_as_null() {
    let built = operated(r#"{"op": "copy", "from": "/none", "path": "/data/b"}"#).unwrap();
    assert!(built.contains("  b: null\n"), "{built}");
}

#[test]
fn operations_say_why_they_do_not_apply() {
    let refusals = [
        (
            r#"{"op": "remove", "path": "/data/b"}"#,
            "error in remove for path: '/data/b': Unable to remove nonexistent key: b: missing value",
        ),
        (
            r#"{"op": "add", "path": "/x/y", "value": 1}"#,
            "add operation does not apply: doc is missing path: \"/x/y\": missing value",
        ),
        (r#"{"op": "add", "value": 1}"#, "add operation failed to decode path: missing value"),
        (
            r#"{"op": "move", "from": "/q", "path": "/r"}"#,
            "error in move for path: 'q': Unable to remove nonexistent key: q: missing value",
        ),
        (r#"{"op": "test", "path": "/data/a", "value": 1}"#, "testing value /data/a failed: test failed"),
        (r#"{"op": "twist", "path": "/data/a"}"#, "Unexpected kind: twist"),
        (
            r#"{"op": "remove", "path": "/metadata/name"}"#,
            "missing metadata.name in object {{v1 ConfigMap} {{ } map[] map[]}}",
        ),
        (
            r#"{"op": "replace", "path": "", "value": {"kind": "X"}}"#,
            "missing metadata.name in object {{ X} {{ } map[] map[]}}",
        ),
    ];
    for (operation, expected) in refusals {
        assert_eq!(operated(operation).unwrap_err(), expected, "{operation}");
    }
}

#[test]
fn operations_take_numbers_for_floating_point_numbers() {
    let built = operated(r#"{"op": "add", "path": "/data/n", "value": 12345678901234567890}"#).unwrap();
    assert!(built.contains("\"n\": 12345678901234567000\n"), "{built}");
}

#[test]
fn references_follow_names_of_patches_but_not_of_the_old_field() {
    let patch = "  target: {version: v1, kind: ConfigMap, name: cfg}\n  patch: '[{\"op\": \"replace\", \"path\": \"/metadata/name\", \"value\": \"new\"}]'\n";
    let resources = "resources: [map.yaml, pod.yaml]\n";
    let new = outcome(&format!("{resources}patches:\n-{}", &patch[1..]), &[]).unwrap();
    assert!(new.contains("configMapRef:\n        name: new\n"), "{new}");
    let old = outcome(&format!("{resources}patchesJson6902:\n-{}", &patch[1..]), &[]).unwrap();
    assert!(old.contains("configMapRef:\n        name: cfg\n"), "{old}");
}

#[test]
fn the_old_field_finds_annotations_only_where_something_was_noted() {
    let patch = "patchesJson6902:\n- target: {kind: ConfigMap, name: cfg}\n  patch: '[{\"op\": \"add\", \"path\": \"/metadata/annotations/a\", \"value\": \"b\"}]'\n";
    let refused = outcome(&format!("resources: [map.yaml]\n{patch}"), &[]).unwrap_err();
    assert!(refused.contains("doc is missing path"), "{refused}");
    let built = outcome(&format!("resources: [map.yaml]\nnamePrefix: x-\n{patch}"), &[]).unwrap();
    assert!(built.contains("  annotations:\n    a: b\n"), "{built}");
}

#[test]
fn a_patch_brings_its_own_schema_to_an_unknown_kind() {
    let own = "apiVersion: apps/v1\nkind: Mine\nmetadata: {name: m}\nspec: {template: {spec: {containers: [{name: a, image: x}]}}}\n";
    let file = "resources: [own.yaml]\npatches:\n- target: {name: m}\n  patch: |-\n    apiVersion: apps/v1\n    kind: Deployment\n    metadata: {name: any}\n    spec: {template: {spec: {containers: [{name: b}]}}}\n";
    let built = outcome(file, &[("/app/own.yaml", own)]).unwrap();
    assert!(built.contains("      - name: b\n      - image: x\n        name: a\n"), "{built}");
}

#[test]
fn an_object_in_a_field_of_an_unknown_kind_is_merged_by_its_own_schema() {
    let own = "apiVersion: x/v1\nkind: Mine\nmetadata: {name: m}\nspec: {pod: {apiVersion: v1, kind: Pod, spec: {containers: [{name: a, image: x}]}}}\n";
    let file = "resources: [own.yaml]\npatches:\n- patch: |-\n    apiVersion: x/v1\n    kind: Mine\n    metadata: {name: m}\n    spec: {pod: {spec: {containers: [{name: b}]}}}\n";
    let built = outcome(file, &[("/app/own.yaml", own)]).unwrap();
    assert!(built.contains("      - name: b\n      - image: x\n        name: a\n"), "{built}");
}

#[test]
fn fields_that_could_not_be_read_are_shown_with_the_step() {
    let refused = outcome("resources: [map.yaml]\npatchesStrategicMerge: [none.yaml]\n", &[]).unwrap_err();
    let begin =
        "trouble configuring builtin PatchStrategicMergeTransformer with config: `\npaths:\n- none.yaml\n`: ";
    assert!(refused.starts_with(begin), "{refused}");
    let empty = outcome("resources: [map.yaml]\npatchesStrategicMerge: [\"# nothing\"]\n", &[]).unwrap_err();
    assert!(empty.ends_with("patch appears to be empty; files=[# nothing], Patch="), "{empty}");
}

#[test]
fn plugins_take_numbers_and_truth_values_for_text() {
    let plugin = "apiVersion: builtin\nkind: AnnotationsTransformer\nmetadata: {name: n}\nannotations: {on: true, n: 12, f: 1.5}\nfieldSpecs: [{path: metadata/annotations, create: true}]\n";
    let built =
        outcome("resources: [map.yaml]\ntransformers: [p.yaml]\n", &[("/app/p.yaml", plugin)]).unwrap();
    assert!(
        built.contains("  annotations:\n    f: \"1.5\"\n    \"n\": \"12\"\n    \"on\": \"true\"\n"),
        "{built}"
    );
}

#[test]
fn names_of_plugin_fields_may_be_written_in_any_case() {
    let plugin = "apiVersion: builtin\nkind: PatchTransformer\nmetadata: {name: n}\nPath: patch.yaml\n";
    let patch = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: cfg}\ndata: {b: \"2\"}\n";
    let more = [("/app/p.yaml", plugin), ("/app/patch.yaml", patch)];
    let built = outcome("resources: [map.yaml]\ntransformers: [p.yaml]\n", &more).unwrap();
    assert!(built.contains("  b: \"2\"\n"), "{built}");
}

#[test]
fn the_namespace_of_subjects_is_no_field_of_the_namespace_plugin() {
    let binding = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: b}\nsubjects: [{kind: User, name: u, namespace: own}]\n";
    let plugin = |path: &str| {
        format!(
            "apiVersion: builtin\nkind: NamespaceTransformer\nmetadata: {{name: n, namespace: new}}\nfieldSpecs: [{{path: {path}, kind: ClusterRoleBinding}}]\n"
        )
    };
    let build = |path: &str| {
        let more = [("/app/b.yaml", binding), ("/app/p.yaml", &*plugin(path))];
        outcome("resources: [b.yaml]\ntransformers: [p.yaml]\n", &more)
    };
    assert!(build("subjects/namespace").unwrap().contains("namespace: own\n"));
    let refused = build("subjects").unwrap_err();
    assert!(refused.contains("namespace field specs must target scalar nodes"), "{refused}");
}

#[test]
fn variables_name_their_objects_whole() {
    let vars = "vars:\n- name: X\n  objref: {kind: ConfigMap, name: cfg}\n";
    let refused = outcome(&format!("resources: [map.yaml]\n{vars}"), &[]).unwrap_err();
    let expected = "var '{X ConfigMap.[noVer].[noGrp] {metadata.name}}' cannot be mapped to a field in the set of known resources";
    assert_eq!(refused, expected);
    let vars = "vars:\n- name: X\n  objref: {apiVersion: v1, kind: ConfigMap, name: cfg}\n  fieldref: {fieldPath: data.none}\n";
    let refused = outcome(&format!("resources: [map.yaml]\n{vars}"), &[]).unwrap_err();
    assert!(refused.contains("not found in corresponding resource"), "{refused}");
}

#[test]
fn a_number_in_the_path_of_a_replacement_is_an_index() {
    let file = "resources: [map.yaml]\nreplacements:\n- sourceValue: x\n  targets: [{select: {kind: ConfigMap}, fieldPaths: [data.5], options: {create: true}}]\n";
    let refused = outcome(file, &[]).unwrap_err();
    let expected = "unable to find or create field \"data.5\" in replacement target: wrong node kind: expected SequenceNode but got MappingNode";
    assert_eq!(refused, expected);
}

/// A file may have been opened before the build, so what it holds is no part of a message.
#[test]
fn a_patch_file_that_does_not_read_is_named_and_not_shown() {
    let file = "resources: [map.yaml]\npatchesJson6902:\n- {target: {version: v1, kind: ConfigMap, name: cfg}, path: p.yaml}\n";
    let told = |patch: &str| outcome(file, &[("/app/p.yaml", patch)]).unwrap_err();
    let refused = told("data: {password: a&b<c, pin: 42, short: xyz}\n");
    assert!(refused.contains("decoding [path: \"p.yaml\"]: json: cannot unmarshal object"), "{refused}");
    for value in ["a&b", "a\\u0026b", "42", "xyz"] {
        assert!(!refused.contains(value), "{refused}");
    }
    let refused = told("# hunter2\n[]\n");
    assert!(refused.contains("patch appears to be empty; file=p.yaml"), "{refused}");
    assert!(!refused.contains("hunter2"), "{refused}");
    let file = file.replace("path: p.yaml", "patch: \"a: x&y\"");
    let refused = outcome(&file, &[]).unwrap_err();
    assert!(refused.contains(r#"decoding {"a":"x\u0026y"}: json: cannot unmarshal object"#), "{refused}");
}

#[test]
fn replacements_show_no_value_of_a_secret() {
    let secret =
        "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {pin: 4711, list: hunter2.x}\n";
    let told = |source: &str, target: &str| {
        let file = format!(
            "resources: [map.yaml, s.yaml]\nreplacements:\n- source: {{{source}}}\n  targets: [{{{target}}}]\n"
        );
        outcome(&file, &[("/app/s.yaml", secret)]).unwrap_err()
    };
    let map = "select: {kind: ConfigMap}, fieldPaths: [data.a]";
    let refused = told("kind: Secret, fieldPath: stringData.list, options: {delimiter: ., index: 5}", map);
    assert!(refused.contains("options.index 5 is out of bounds for value of a Secret"), "{refused}");
    assert!(!refused.contains("hunter2"), "{refused}");
    let pin = "select: {kind: Secret}, fieldPaths: [stringData.pin], options: {delimiter: '-', index: 9}";
    let refused = told("kind: ConfigMap, fieldPath: metadata.name", pin);
    assert!(refused.contains("cannot decode !!str as a !!int"), "{refused}");
    assert!(!refused.contains("4711"), "{refused}");
}

/// Builds the config map with a validator that labels it.
fn validated(metadata: &str, label: &str, more: &str) -> Result<String, String> {
    let validator = |name: &str| {
        format!(
            "- '{{apiVersion: builtin, kind: LabelTransformer, metadata: {{name: {name}}}, labels: {label}, fieldSpecs: [{{path: metadata/labels, create: true}}]}}'\n"
        )
    };
    let file = format!(
        "resources: [map.yaml]\nvalidators:\n{}{}",
        validator("x"),
        more.replace("SAME", &validator("x"))
    );
    outcome(
        &file.replace("OTHER", &validator("y")),
        &[("/app/map.yaml", MAP.replace("name: cfg", metadata).as_str())],
    )
}

#[test]
fn a_validator_may_say_that_it_ran_and_nothing_else() {
    let built = validated("name: cfg", "{validated-by: me}", "").unwrap();
    assert!(built.contains("  labels:\n    validated-by: me\n"), "{built}");
    let built = validated("name: cfg, labels: {q: r}", "{validated-by: me}", "").unwrap();
    assert!(built.contains("  labels:\n    q: r\n    validated-by: me\n"), "{built}");
    let refused = "validator shouldn't modify the resource map";
    for (metadata, label, more) in [
        ("name: cfg", "{other: me}", ""),
        ("name: cfg, labels: {}", "{validated-by: me}", ""),
        ("name: cfg, labels: {validated-by: before}", "{validated-by: me}", ""),
        // The mark of the first one is no part of what the second one may leave.
        ("name: cfg", "{validated-by: me}", "OTHER"),
    ] {
        assert!(validated(metadata, label, more).unwrap_err().contains(refused), "{metadata} {label}");
    }
    let error = validated("name: cfg", "{validated-by: me}", "SAME").unwrap_err();
    let id = "LabelTransformer.builtin.[noGrp]/x.[noNs]";
    let expected =
        format!("configuring external transformer: may not add resource with an already registered id: {id}");
    assert_eq!(error, expected);
}

#[test]
fn an_empty_element_takes_those_behind_it_and_no_others() {
    let pod = |env: &str| POD.replace("envFrom: [{configMapRef: {name: cfg}}]", &format!("env: [{env}]"));
    let own = pod("{name: a}, {}, {name: b}, {}");
    let file = format!("resources: [pod.yaml]\npatches:\n- patch: '{}'\n", inline(&pod("{name: c}")));
    let built = outcome(&file, &[("/app/pod.yaml", own.as_str())]).unwrap();
    assert!(built.contains("  - env:\n    - name: c\n    - name: a\n    name: c\n"), "{built}");
}

/// Returns an object of one line in flow style.
fn inline(object: &str) -> String {
    format!("{{{}}}", object.trim_end().replace('\n', ", "))
}

/// Builds 100 objects with patches, and returns the names of those that have an annotation in the end.
fn annotated(patches: &str, annotation: &str) -> Vec<String> {
    let object = |at: usize| {
        let kind = if at.is_multiple_of(2) { "ConfigMap" } else { "Secret" };
        format!(
            "---\napiVersion: v1\nkind: {kind}\nmetadata: {{name: n-{at}, labels: {{app: a{}}}}}\n",
            at % 10
        )
    };
    let mut files = Memory::new();
    files.insert("/app/all.yaml", (0..100).map(object).collect::<String>());
    files.insert("/app/kustomization.yaml", format!("resources: [all.yaml]\npatches:\n{patches}"));
    let built = build(&files, "/app", &Options::default()).unwrap();
    let objects = built.objects().into_iter();
    let found = objects.filter(|object| object["metadata"]["annotations"].get(annotation).is_some());
    found.map(|object| object["metadata"]["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn targets_find_all_that_they_mean_among_many() {
    let add = |target: &str, place: &str, value: &str| {
        format!(
            "- target: {{{target}}}\n  patch: '[{{\"op\": \"add\", \"path\": \"/metadata/{place}\", \"value\": {value}}}]'\n"
        )
    };
    // Only after some questions objects are found by an index.
    let before = add("name: 'none.*'", "annotations/none", "\"1\"").repeat(10);
    let hit =
        |target: &str| annotated(&(before.clone() + &add(target, "annotations/hit", "\"1\"")), "hit").len();
    for (target, expected) in [
        ("labelSelector: 'app=a3'", 10),
        ("labelSelector: 'app in (a3,a4)'", 20),
        ("labelSelector: 'app in (a3,a4)', kind: Secret", 10),
        ("labelSelector: 'app'", 100),
        ("labelSelector: '!app'", 0),
        ("labelSelector: 'app!=a3'", 90),
        ("name: n-1.*", 11),
        ("name: '.*-1.*'", 11),
        ("name: 'n-1?0'", 2),
        ("name: 'n-1|n-2'", 2),
        ("name: '(n-1|n-2)'", 2),
        ("name: 'n-[12]'", 2),
        ("name: '(?i)N-1'", 1),
        ("name: 'n.5'", 1),
        ("kind: Conf.*, name: 'n-1.'", 5),
        ("kind: Secret", 50),
        ("name: 'm-.*'", 0),
    ] {
        assert_eq!(hit(target), expected, "{target}");
    }
    // What patches change is found by the ones behind them.
    let steps = [
        add("name: n-1.", "labels/new", "\"v\""),
        add("labelSelector: new=v", "annotations/first", "\"1\""),
        add("name: 'n-15x?'", "name", "\"other\""),
        add("name: 'oth.*'", "annotations/hit", "\"1\""),
        add("annotationSelector: 'first=1', kind: Secret", "labels", "{\"new\": \"w\"}"),
        add("labelSelector: new=w", "annotations/hit", "\"1\""),
        add("name: n-15", "annotations/hit", "\"1\""),
    ];
    let found = annotated(&(before + &steps.concat()), "hit");
    assert_eq!(found, ["n-11", "n-13", "other", "n-17", "n-19"].map(str::to_owned));
}

#[test]
fn options_make_a_text_of_a_null_annotation() {
    let patch = "apiVersion: v1, kind: ConfigMap, metadata: {name: cfg, annotations: {a: null}}";
    let outcome = |options: &str| {
        let file = format!("resources: [map.yaml]\npatches:\n- patch: '{{{patch}}}'\n{options}");
        outcome(&file, &[]).unwrap()
    };
    assert!(!outcome("").contains("annotations"));
    assert!(outcome("  options: {allowKindChange: true}\n").contains("annotations:\n    a: \"null\"\n"));
}

#[test]
fn a_null_is_spelled_as_it_was_first() {
    let patch = |first: &str, second: &str| {
        let fields = format!("metadata: {{name: x, annotations: {{a: {first}}}}}, data: {{k: {second}}}");
        let patch = format!("{{apiVersion: v1, kind: ConfigMap, {fields}}}");
        let file =
            format!("resources: [map.yaml]\npatches: [{{target: {{kind: ConfigMap}}, patch: '{patch}'}}]\n");
        outcome(&file, &[]).unwrap()
    };
    assert!(patch("null", "~").contains("a: \"null\"\n"));
    assert!(patch("~", "null").contains("a: \"~\"\n"));
}
