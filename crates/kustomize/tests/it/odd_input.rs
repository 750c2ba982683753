//! Input that nobody writes on purpose, read as the original reads it.

use sealfast_kustomize::engine::{Options, attempt};
use sealfast_kustomize::files::Memory;

/// Builds files below `/app`; the kustomization lists `a.yaml` and has `more`.
fn outcome(more: &str, object: impl Into<Vec<u8>>) -> Result<String, String> {
    let mut files = Memory::new();
    files.insert("/app/kustomization.yaml", format!("resources: [a.yaml]\n{more}"));
    files.insert("/app/a.yaml", object);
    let built = attempt(&files, "/app", &Options::default());
    built.map(|built| built.to_yaml()).map_err(|failed| crate::words(&failed.error))
}

/// Builds an object of the kind Foo and returns what is printed behind its metadata.
fn spec(more: &str, spec: &str) -> Result<String, String> {
    let object = format!("apiVersion: v1\nkind: Foo\nmetadata: {{name: a}}\nspec: {spec}\n");
    let built = outcome(more, object)?;
    Ok(built.split_once("spec:").map_or(String::new(), |(_, spec)| spec.trim().to_owned()))
}

#[test]
fn numbers_may_be_names() {
    let built = outcome("", "apiVersion: 1\nkind: 5\nmetadata: {name: 1.50, namespace: 3}\n").unwrap();
    assert_eq!(built, "apiVersion: 1\nkind: 5\nmetadata:\n  name: 1.5\n  namespace: 3\n");

    let objects = "{apiVersion: v1, kind: ConfigMap, metadata: {name: 5}}\n---\n{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {volumes: [{configMap: {name: 5}}, {configMap: {name: \"5\"}}]}}\n";
    let built = outcome("nameSuffix: \"5\"\n", objects).unwrap();
    assert!(built.contains("  name: 55\n---"), "{built}");
    assert!(built.contains("- configMap:\n      name: 55\n  - configMap:\n      name: \"55\"\n"), "{built}");
    assert!(outcome("namePrefix: p-\n", objects).unwrap().contains("  name: p-5\n"));
}

#[test]
fn a_file_that_lists_nothing_builds_nothing() {
    let built = |file: &str| {
        let mut files = Memory::new();
        files.insert("/app/kustomization.yaml", file);
        let built = attempt(&files, "/app", &Options::default());
        built.map(|built| built.to_yaml()).map_err(|failed| failed.error.chain())
    };
    for file in ["resources: []\n", "generatorOptions: {}\n", "kind: Kustomization\npatches: []\n"] {
        assert_eq!(built(file).unwrap(), "", "{file}");
    }
    for file in ["kind: Kustomization\n", "resources:\n", "namePrefix: ''\n", "bases: []\n"] {
        assert_eq!(built(file).unwrap_err(), "kustomization.yaml is empty", "{file}");
    }
}

#[test]
fn only_the_first_document_between_separators_counts() {
    let first = "apiVersion: v1\nkind: Foo\nmetadata:\n  name: a\n";
    let json = "{\"apiVersion\":\"v1\",\"kind\":\"Foo\",\"metadata\":{\"name\":\"a\"}}\n";
    assert_eq!(outcome("", format!("{json}{}", json.replace("\"a\"", "\"b\""))).unwrap(), first);
    assert_eq!(outcome("", format!("{first}...\n{}", first.replace(": a", ": b"))).unwrap(), first);
    assert_eq!(outcome("", format!("{json}}}\n")).unwrap(), first);
    assert!(outcome("", format!("{} @\n", json.trim_end())).unwrap_err().contains("MalformedYAMLError"));
}

#[test]
fn bytes_that_are_no_text_are_refused() {
    let object =
        |tail: &[u8]| [b"{apiVersion: v1, kind: Foo, metadata: {name: a}}\n".as_slice(), tail].concat();
    let told = |tail: &[u8]| outcome("", object(tail)).unwrap_err();
    assert!(
        told(b"---\nx: \"\xff\"\n")
            .contains("MalformedYAMLError: yaml: invalid leading UTF-8 octet in File: a.yaml")
    );
    assert!(told(b"---\n# \xe9\n{}").contains("yaml: invalid trailing UTF-8 octet in File: a.yaml"));

    let mut files = Memory::new();
    files.insert("/app/kustomization.yaml", "resources: [a.yaml]\npatches: [{path: p.yaml}]\n");
    files.insert("/app/a.yaml", object(b""));
    files.insert("/app/p.yaml", b"{apiVersion: v1, kind: Foo, metadata: {name: a}, x: \"\xe9\"}".as_slice());
    let failed = attempt(&files, "/app", &Options::default()).unwrap_err();
    assert!(
        crate::words(&failed.error).ends_with("unable to parse SM or JSON patch from [path: \"p.yaml\"]")
    );
}

#[test]
fn what_cannot_be_printed_fails_at_the_end() {
    assert_eq!(spec("", "[\"\\x7f\"]").unwrap_err(), "yaml: control characters are not allowed");
    assert_eq!(spec("", "{\"a\\u0080b\": 1}").unwrap_err(), "yaml: control characters are not allowed");
    assert_eq!(spec("", "[\"\\x1b\", \"é\"]").unwrap(), "- \"\\e\"\n- é");
    assert_eq!(spec("", "[.inf]").unwrap_err(), "json: unsupported value: +Inf");
    assert_eq!(spec("", "{1: a}").unwrap_err(), "json: unsupported type: map[interface {}]interface {}");
    // Keys of the object itself become text, and what is left out is not printed.
    assert!(
        outcome("", "{apiVersion: v1, kind: Foo, metadata: {name: a}, 1: 2}")
            .unwrap()
            .starts_with("\"1\": 2\n")
    );
    let local = "{apiVersion: v1, kind: Foo, metadata: {name: a, annotations: {config.kubernetes.io/local-config: x}}, a: .inf}";
    assert_eq!(outcome("", local).unwrap(), "");
}

#[test]
fn doubled_keys_have_the_lines_of_the_printed_object() {
    let object =
        "# comment\n\napiVersion: v1\n\nkind: Foo\nmetadata:\n    name: a\nx:\n   - a: 1\n\n     a: 2\n";
    let told = "map[string]interface {}(nil): yaml: unmarshal errors:\n  line 9: mapping key \"a\" already defined at line 8";
    assert_eq!(outcome("", object).unwrap_err(), told);
    let twice = "apiVersion: v1\nkind: Foo\nmetadata: {name: a}\nx: &x {a: 1}\ny:\n  <<: *x\n  <<: *x\n";
    assert!(outcome("", twice).unwrap_err().contains("duplicate merge key"));
}

#[test]
fn times_with_a_clock_stay_text_in_flow_style() {
    assert_eq!(
        spec("", "[2024-01-01 10:11:12, 2024-01-01]").unwrap(),
        "- \"2024-01-01 10:11:12\"\n- \"2024-01-01T00:00:00Z\""
    );
    let block = "\n- 2024-01-01 10:11:12.50\n- 2024-1-1T1:2:3+02:00\n- 2024-02-30";
    assert_eq!(
        spec("", block).unwrap(),
        "- \"2024-01-01T10:11:12.5Z\"\n- \"2024-01-01T01:02:03+02:00\"\n- 2024-02-30"
    );
}

#[test]
fn digits_of_other_scripts_sort_as_digits() {
    assert_eq!(spec("", "{a: 1, \"١\": 1, Z: 1, \"-\": 1}").unwrap(), "'-': 1\n  ١: 1\n  Z: 1\n  a: 1");
}

#[test]
fn null_in_a_list_is_the_empty_value() {
    let object = "{apiVersion: v1, kind: Foo, metadata: {name: a}}";
    assert!(
        outcome("labels: [null]\ntransformers: [null]\nbuildMetadata: [null]\nimages: [null]\n", object)
            .is_ok()
    );
    let told = |more: &str| outcome(more, object).unwrap_err();
    assert_eq!(told("configMapGenerator: [null]\n"), "a configmap must have a name");
    assert_eq!(
        told("configMapGenerator: [{name: x, literals: [null]}]\n"),
        "loading KV pairs: literal sources []: invalid literal source , expected key=value"
    );
    assert_eq!(
        told("components: [null]\n"),
        "accumulating components: loader.New \"new root cannot be empty\""
    );
}

#[test]
fn notes_of_the_original_in_annotations_are_honoured_and_removed() {
    let notes = "internal.config.kubernetes.io/previousNames: cm, internal.config.kubernetes.io/previousKinds: ConfigMap, internal.config.kubernetes.io/previousNamespaces: default";
    let objects = format!(
        "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: p-cm, annotations: {{{notes}}}}}}}\n---\n{{apiVersion: v1, kind: Pod, metadata: {{name: p}}, spec: {{volumes: [{{configMap: {{name: cm}}}}]}}}}\n"
    );
    let built = outcome("namePrefix: x-\n", objects).unwrap();
    assert!(built.contains("      name: x-p-cm\n") && !built.contains("internal"), "{built}");

    let origins = "{apiVersion: v1, kind: Foo, metadata: {name: a, annotations: {config.kubernetes.io/origin: q, alpha.config.kubernetes.io/transformations: r}}}";
    assert_eq!(outcome("", origins).unwrap(), "apiVersion: v1\nkind: Foo\nmetadata:\n  name: a\n");
    let built = outcome("buildMetadata: [originAnnotations]\n", origins).unwrap();
    assert!(built.contains("path: a.yaml") && !built.contains("transformations"), "{built}");
}

#[test]
fn an_id_twice_in_one_file_is_that_files_mistake() {
    let object = "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n";
    let told = outcome("", format!("{object}---\n{object}")).unwrap_err();
    let core = "accumulating resources from 'a.yaml': may not add resource with an already registered id: ConfigMap.v1.[noGrp]/a.[noNs]";
    assert!(told.contains(core), "{told}");
}

#[test]
fn images_may_be_numbers() {
    let pod = "{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: [{image: 5}, {image: 1.50}, {image: true}]}}";
    let more = "images: [{name: \"5\", newTag: b}, {name: \"1.50\", newTag: c}, {name: x, newTag: z}]\n";
    let built = outcome(more, pod).unwrap();
    assert!(built.contains("- image: 5:b\n  - image: 1.50:c\n  - image: true\n"), "{built}");
    let told =
        outcome("images: [{name: a, newTag: b}]\n", pod.replace("image: 5", "image: {a: b}")).unwrap_err();
    assert_eq!(told, "wrong node kind: expected ScalarNode but got MappingNode");
}

#[test]
fn lines_without_a_key_are_no_variables() {
    let mut files = Memory::new();
    files.insert("/app/kustomization.yaml", "configMapGenerator: [{name: a, envs: [e.env]}]\n");
    files.insert("/app/e.env", "=x\n");
    let built = attempt(&files, "/app", &Options::default()).unwrap();
    assert_eq!(built.to_yaml(), "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a-6ct58987ht\n");
}

#[test]
fn a_test_in_json_compares_the_texts_of_scalars() {
    let test = |value: &str, found: &str| {
        let patch = format!("[{{\"op\":\"test\",\"path\":\"/spec\",\"value\":{value}}}]");
        spec(&format!("patches:\n- target: {{kind: Foo}}\n  patch: '{patch}'\n"), found)
    };
    for (value, found) in
        [("1", "1"), ("{\"b\":2,\"a\":[1]}", "{a: [1], b: 2}"), ("1.5", "1.50"), ("null", "~")]
    {
        assert!(test(value, found).is_ok(), "{value}");
    }
    for (value, found) in [
        ("1.0", "1"),
        ("1e2", "100"),
        ("\"a<b\"", "a<b"),
        ("\"\\u0041\"", "A"),
        ("{\"a\":[1.0]}", "{a: [1]}"),
    ] {
        assert_eq!(test(value, found).unwrap_err(), "testing value /spec failed: test failed", "{value}");
    }
    let added = |test: &str| {
        let patch = format!(
            "[{{\"op\":\"add\",\"path\":\"/x\",\"value\":1.0}},{{\"op\":\"test\",\"path\":\"/x\",\"value\":{test}}}]"
        );
        spec(&format!("patches:\n- target: {{kind: Foo}}\n  patch: '{patch}'\n"), "{}")
    };
    assert!(added("1.0").is_ok() && added("1").is_err());
}

#[test]
fn texts_and_quotes_of_scalars_are_kept_by_patches() {
    let patch = "patches:\n- target: {kind: Foo}\n  patch: |\n    apiVersion: v1\n    kind: Foo\n    metadata: {name: a, labels: {a: 1.50, c: 0x10, e: TRUE, f: ~}}\n    spec: {a: 1.50, b: 1.50, c: 5, d: 0x10, e: TRUE}\n";
    let object = "apiVersion: v1\nkind: Foo\nmetadata: {name: a}\nspec: {a: word, b: \"word\", c: 'word', d: \"3\", e: \"x\"}\n";
    let built = outcome(patch, object).unwrap();
    assert!(built.contains("    a: \"1.50\"\n    c: \"0x10\"\n    e: \"TRUE\"\n    f: \"~\"\n"), "{built}");
    assert!(
        built.ends_with("spec:\n  a: 1.5\n  b: \"1.50\"\n  c: \"5\"\n  d: \"0x10\"\n  e: \"TRUE\"\n"),
        "{built}"
    );
}

#[test]
fn a_replaced_scalar_keeps_its_type_or_cannot_be_printed() {
    let replace = |from: &str, to: &str| {
        let replacement = format!(
            "replacements: [{{source: {{kind: Foo, name: a, fieldPath: spec.{from}}}, targets: [{{select: {{kind: Foo}}, fieldPaths: [spec.{to}]}}]}}]\n"
        );
        spec(&replacement, "{s: abc, i: 0x10, b: true, f: 1.5, n: null, t: word, q: \"7\"}")
    };
    assert!(replace("i", "f").unwrap().contains("f: 16\n"));
    assert!(replace("i", "t").unwrap().contains("t: \"0x10\""));
    assert!(replace("q", "i").unwrap().contains("i: 7\n"));
    for (from, to, told) in [
        ("s", "i", "cannot decode !!str `abc` as a !!int"),
        ("s", "b", "cannot decode !!str `abc` as a !!bool"),
        ("f", "i", "cannot decode !!float `1.5` as a !!int"),
        ("i", "n", "cannot decode !!int `0x10` as a !!null"),
        ("b", "f", "cannot decode !!bool `true` as a !!float"),
    ] {
        assert_eq!(replace(from, to).unwrap_err(), format!("map[string]interface {{}}(nil): yaml: {told}"));
    }
}

#[test]
fn an_index_beyond_a_list_is_told() {
    let replacement =
        "replacements: [{sourceValue: x, targets: [{select: {kind: Foo}, fieldPaths: [spec.l.3]}]}]\n";
    let told = "unable to find field \"spec.l.3\" in replacement target: index 3 specified but only 1 elements found";
    assert_eq!(spec(replacement, "{l: [a]}").unwrap_err(), told);
}

#[test]
fn types_that_do_not_fit_are_named_with_the_structs_around_them() {
    let object = "{apiVersion: v1, kind: Foo, metadata: {name: a}}";
    for (more, told) in [
        (
            "replacements: [{sourceValue: 5}]",
            "number into Go struct field ReplacementField.replacements.Replacement.sourceValue of type string",
        ),
        (
            "patches: [{target: {kind: 5}}]",
            "number into Go struct field Selector.patches.target.ResId.Gvk.kind of type string",
        ),
        (
            "configMapGenerator: [{literals: 5}]",
            "number into Go struct field ConfigMapArgs.configMapGenerator.GeneratorArgs.KvPairSources.literals of type []string",
        ),
        (
            "vars: [{objref: {kind: 5}}]",
            "number into Go struct field Target.vars.objref.Gvk.kind of type string",
        ),
        (
            "sortOptions: {order: 1}",
            "number into Go struct field SortOptions.sortOptions.order of type types.SortOrder",
        ),
        ("helmGlobals: 5", "number into Go struct field Kustomization.helmGlobals of type types.HelmGlobals"),
        ("apiVersion: 5", "number into Go struct field Kustomization.TypeMeta.apiVersion of type string"),
    ] {
        let expected = format!("invalid Kustomization: json: cannot unmarshal {told}");
        assert_eq!(outcome(more, object).unwrap_err(), expected);
    }
    assert_eq!(
        outcome("helmCharts: [{nope: 1}]", object).unwrap_err(),
        "invalid Kustomization: json: unknown field \"nope\""
    );
}

#[test]
fn selectors_and_expressions_are_refused_in_the_words_of_the_original() {
    let select = |target: &str| {
        let patch = "'[{\"op\":\"add\",\"path\":\"/x\",\"value\":1}]'";
        outcome(
            &format!("patches: [{{patch: {patch}, target: {{{target}}}}}]\n"),
            "{apiVersion: v1, kind: Foo, metadata: {name: a, labels: {n: \"7\"}}}",
        )
    };
    for (labels, told) in [
        ("a in b", "unable to parse requirement: found 'b' expected: '('"),
        ("a in (b", "unable to parse requirement: found '', expected: ',' or ')'"),
        ("a b", "unable to parse requirement: found 'b', expected: '=', '!=', '==', 'in', notin'"),
        ("a=b=c", "found '=', expected: ',' or 'end of string'"),
        ("=b", "found '=', expected: !, identifier, or 'end of string'"),
        ("a,,b", "found ',', expected: identifier after ','"),
        ("!", "unable to parse requirement: found '', expected: identifier"),
        ("a>x", "unable to parse requirement: for 'Gt', 'Lt' operators, the value must be an integer"),
    ] {
        assert_eq!(select(&format!("labelSelector: \"{labels}\"")).unwrap_err(), told, "{labels}");
    }
    for key in ["-a", "a/b/c", "A/b", "/a"] {
        let told = select(&format!("labelSelector: \"{key}=x\"")).unwrap_err();
        assert!(
            told.starts_with(&format!("unable to parse requirement: invalid label key \"{key}\": ")),
            "{told}"
        );
    }
    let is_selected =
        |labels: &str| select(&format!("labelSelector: \"{labels}\"")).unwrap().contains("x: 1");
    assert!(
        is_selected("n>6,n<8,n in (6,7),n!=8,!m,n") && !is_selected("n>7") && !is_selected("n notin (,7)")
    );
    assert!(is_selected("m notin ()") && !is_selected("n in ()") && is_selected(""));
    for (name, told) in [
        ("a(?=b)", "invalid or unsupported Perl syntax: `(?=`"),
        ("a(", "missing closing ): `^(?:a()$`"),
        ("a**", "invalid nested repetition operator: `**`"),
    ] {
        assert_eq!(
            select(&format!("name: \"{name}\"")).unwrap_err(),
            format!("error parsing regexp: {told}")
        );
    }
}

#[test]
fn objects_that_configure_plugins_are_named_in_mistakes() {
    let plugin = |kind: &str, fields: &str| {
        let object = "{apiVersion: v1, kind: Foo, metadata: {name: a}}";
        let own = format!("apiVersion: builtin\n  kind: {kind}\n  metadata: {{name: web}}\n  {fields}");
        outcome(&format!("transformers:\n- |\n  {own}\n"), object).unwrap_err()
    };
    let begin = |kind: &str| format!("plugin {kind}.builtin.[noGrp]/web.[noNs] fails configuration: ");
    for (kind, fields, told) in [
        (
            "PatchTransformer",
            "patch: thisIsNotAPatch",
            "unable to parse SM or JSON patch from [patch: \"thisIsNotAPatch\"]",
        ),
        (
            "PatchTransformer",
            "",
            "must specify one of patch and path in\napiVersion: builtin\nkind: PatchTransformer\nmetadata:\n  name: web\n",
        ),
        (
            "PatchJson6902Transformer",
            "target: {name: a}\n  jsonOp: thisIsNotAPatch",
            "decoding \"thisIsNotAPatch\": json: cannot unmarshal string into Go value of type jsonpatch.Patch",
        ),
        ("PatchStrategicMergeTransformer", "", "empty file path and empty patch content"),
        ("PatchStrategicMergeTransformer", "patches: nope", "missing Resource metadata"),
        (
            "NamespaceTransformer",
            "setRoleBindingSubjects: x",
            "invalid value \"x\" for setRoleBindingSubjects: must be one of \"defaultOnly\", \"none\" or \"allServiceAccounts\"",
        ),
    ] {
        assert_eq!(plugin(kind, fields), format!("{}{told}", begin(kind)));
    }
}

#[test]
fn variables_that_stand_nowhere_are_named() {
    let var = |name: &str| format!("{{name: {name}, objref: {{apiVersion: v1, kind: Service, name: s}}}}");
    let mut files = Memory::new();
    let vars = [var("A"), var("B"), var("C")].join(", ");
    files.insert("/app/kustomization.yaml", format!("resources: [a.yaml]\nvars: [{vars}]\n"));
    files.insert("/app/a.yaml", "{apiVersion: v1, kind: Service, metadata: {name: s}}\n---\n{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: a, args: [\"$(B)\"]}]}}\n");
    let built = attempt(&files, "/app", &Options::default()).unwrap();
    assert_eq!(built.unused_vars, ["A", "C"]);
    files.insert(
        "/app/kustomization.yaml",
        format!("resources: [a.yaml]\nvars: [{}, {}]\n", var("A"), var("A")),
    );
    let told = attempt(&files, "/app", &Options::default()).unwrap_err().error.chain();
    assert_eq!(
        told,
        "merging vars [{A Service.[noVer].[noGrp] {}} {A Service.[noVer].[noGrp] {}}]: var 'A' already encountered"
    );
}

#[test]
fn a_missing_path_is_told_up_to_what_is_there() {
    let mut files = Memory::new();
    files.insert("/app/kustomization.yaml", "resources: [nope/x/y.yaml]\n");
    let told = attempt(&files, "/app", &Options::default()).unwrap_err().error.chain();
    assert!(
        told.contains("evalsymlink failure on '/app/nope/x/y.yaml' : lstat /app/nope: no such file"),
        "{told}"
    );
    let options = Options { shown: Some("./gone".to_owned()), ..Options::default() };
    let told = attempt(&files, "/app/gone", &options).unwrap_err().error.chain();
    assert!(told.contains("evalsymlink failure on './gone' : lstat /app/gone: no such file"), "{told}");
}

#[test]
fn operations_send_an_object_through_json() {
    let patch = |operations: &str| format!("patches:\n- target: {{kind: Foo}}\n  patch: '{operations}'\n");
    let object =
        "apiVersion: v1\nkind: Foo\nmetadata: {name: a, annotations: {a: 1.50, b: \"1.50\", c: 1e3}}\n";
    let built = outcome(&patch("[{\"op\":\"add\",\"path\":\"/x\",\"value\":1}]"), object).unwrap();
    assert!(built.contains("    a: \"1.5\"\n    b: \"1.50\"\n    c: \"1000\"\n"), "{built}");
    let named = patch("[{\"op\":\"add\",\"path\":\"/metadata/name\",\"value\":7}]");
    assert!(outcome(&named, object).unwrap().contains("  name: 7\n"));
}

#[test]
fn objects_that_were_made_alike_do_not_go_up() {
    let ingress = |name: &str| format!("{{apiVersion: v1, kind: Foo, metadata: {{name: {name}}}}}\n");
    let mut files = Memory::new();
    files.insert("/app/kustomization.yaml", "resources: [../base]\n");
    files.insert(
        "/base/kustomization.yaml",
        "resources: [a.yaml]\nreplacements: [{sourceValue: x, targets: [{select: {kind: Foo}}]}]\n",
    );
    files.insert("/base/a.yaml", format!("{}---\n{}", ingress("a"), ingress("b")));
    let told = attempt(&files, "/app", &Options::default()).unwrap_err().error.chain();
    let core = "recursed merging from path '/base': may not add resource with an already registered id: Foo.v1.[noGrp]/x.[noNs]";
    assert!(told.ends_with(core), "{told}");
}

#[test]
fn sources_of_replacements_are_shown_in_full() {
    let replace = |source: &str, target: &str| {
        let more = format!(
            "replacements: [{{source: {{{source}}}, targets: [{{select: {{kind: Foo}}, fieldPaths: [{target}]}}]}}]\n"
        );
        outcome(
            &more,
            "apiVersion: v1\nkind: Foo\nmetadata: {name: a, annotations: {note: null}}\nspec: {n: 1.50, s: x}\n",
        )
    };
    let gone = "kind: Bar, name: b, fieldPath: spec.x, options: {delimiter: \"/\", index: 1}";
    let told = replace(gone, "spec.s").unwrap_err();
    assert_eq!(told, "nothing selected by Bar.[noVer].[noGrp]/b.[noNs]:spec.x:/(1), create=false");
    let told = replace("kind: Foo, fieldPath: spec.s.deeper", "spec.s").unwrap_err();
    assert_eq!(
        told,
        "error looking up replacement source: wrong node kind: expected MappingNode but got ScalarNode"
    );
    // Annotations are text in the end, whatever they were.
    let built = replace("kind: Foo, fieldPath: spec.n", "metadata.annotations.note").unwrap();
    assert!(built.contains("    note: \"1.50\"\n"), "{built}");
}

#[test]
fn a_count_keeps_the_quotes_of_the_one_before() {
    let built = |replicas: &str| {
        let object = format!(
            "{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: a}}, spec: {{replicas: {replicas}}}}}"
        );
        outcome("replicas: [{name: a, count: 7}]\n", object).unwrap()
    };
    assert!(built("\"2\"").ends_with("replicas: \"7\"\n") && built("2").ends_with("replicas: 7\n"));
}

#[test]
fn notes_in_annotations_are_counted() {
    const GROUP: &str = "internal.config.kubernetes.io";
    let told = |count: usize, name: &str| {
        let notes = ["previousNames", "previousNamespaces", "previousKinds"].map(|each| {
            let commas = if each == name { ",".repeat(count) } else { ",".to_owned() };
            format!("{GROUP}/{each}: '{commas}'")
        });
        let notes = notes.join(", ");
        outcome(
            "",
            format!("{{apiVersion: v1, kind: Foo, metadata: {{name: a, annotations: {{{notes}}}}}}}\n"),
        )
    };
    for name in ["previousNames", "previousNamespaces", "previousKinds"] {
        let refused = told(1 << 20, name).unwrap_err();
        let wanted = format!("accumulating resources from 'a.yaml': {GROUP}/{name}: more than 1000 entries");
        assert!(refused.contains(&wanted), "{refused}");
        assert!(told(999, name).is_ok());
    }
}

#[test]
fn the_input_of_a_function_is_its_items() {
    let list = "apiVersion: config.kubernetes.io/v1\nkind: ResourceList\nfunctionConfig: {a: b}\n";
    let map = "configMapGenerator: [{name: b, options: {disableNameSuffixHash: true}}]\n";
    let built = outcome(map, list).unwrap();
    assert_eq!(built, "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: b\n");
}

#[test]
fn a_key_that_is_no_text_counts_where_it_stays() {
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {\"6443\": old}\n";
    let patched = |data: &str| {
        let patch = format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: a}}, data: {{{data}}}}}");
        outcome(&format!("patches: [{{patch: '{patch}'}}]\n"), map)
    };
    assert!(patched("6443: new").unwrap().contains("\n  \"6443\": new\n"), "the key of the object stays");
    let error = patched("6444: new").unwrap_err();
    assert!(error.contains("json: unsupported type: map[interface {}]interface {}"), "{error}");
    let removed =
        "patches: [{target: {kind: ConfigMap}, patch: '[{\"op\": \"remove\", \"path\": \"/data\"}]'}]\n";
    let error = outcome(removed, map.replace("\"6443\"", "6443")).unwrap_err();
    assert!(error.contains("json: unsupported type"), "{error}");
    let list = "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {1: x}}\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: b}}\n";
    assert!(outcome("", list).is_err());
    let local = list.replace(
        "metadata: {name: a}",
        "metadata: {name: a, annotations: {config.kubernetes.io/local-config: \"true\"}}",
    );
    assert_eq!(outcome("", local).unwrap(), "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: b\n");
}

#[test]
fn folded_texts_are_read_as_the_original_writes_them() {
    let outcome = |text: &str| {
        let object = format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\ndata:\n  k: {text}\n");
        outcome("", object).unwrap()
    };
    let indented = outcome(">\n    one\n    two\n\n    three\n      more\n    four");
    assert!(indented.contains("k: |\n    one two\n    three\n\n      more\n    four\n"), "{indented}");
    let plain = outcome(">-\n    one\n    two\n\n    three");
    assert!(plain.contains("k: |-\n    one two\n    three\n"), "{plain}");
    let literal = outcome("|\n    three\n      more\n    four");
    assert!(literal.contains("k: |\n    three\n      more\n    four\n"), "{literal}");
    // An empty line behind a single one counts as one more, too.
    for (lines, style, read) in
        [("one", "|", "one\n"), ("one\n", "|+", "one\n\n\n"), ("one\n\n", "|+", "one\n\n\n\n")]
    {
        let kept = outcome(&format!(">+\n    {lines}"));
        assert!(kept.contains(&format!("k: {style}\n    {read}kind")), "{lines:?}: {kept}");
    }
}

#[test]
fn folded_annotations_are_read_as_they_stand_and_folded_keys_are_not() {
    let notes = "annotations:\n    k: >\n      one\n        more\n      two\n";
    let object = format!("apiVersion: v1\nkind: Foo\nmetadata:\n  name: a\n  {notes}");
    let built = outcome("", object.as_str()).unwrap();
    assert!(built.contains("k: |\n      one\n        more\n      two\n"), "{built}");

    let indented: String = object.lines().map(|line| format!("  {line}\n")).collect();
    let listed = outcome("", format!("apiVersion: v1\nkind: List\nitems:\n-{}", &indented[1..])).unwrap();
    assert_eq!(listed, built);

    // A template is not where the original looks for them.
    let template: String = notes.lines().map(|line| format!("    {line}\n")).collect();
    let object = format!(
        "apiVersion: v1\nkind: Foo\nmetadata: {{name: a}}\nspec:\n  template:\n    metadata:\n  {template}"
    );
    let built = outcome("", object).unwrap();
    assert!(built.contains("one\n\n"), "{built}");

    let key =
        "apiVersion: v1\nkind: Foo\nmetadata: {name: a}\ndata:\n  ? >\n    one\n      more\n    two\n  : v\n";
    let built = outcome("", key).unwrap();
    assert!(built.contains("? |\n    one\n\n      more\n    two\n  : v\n"), "{built}");
}

#[test]
fn empty_lists_are_passed_over() {
    for empty in ["[]", "# nothing\n[]\n"] {
        assert_eq!(outcome("", empty).unwrap(), "");
    }
    let foo = "apiVersion: v1\nkind: Foo\nmetadata:\n  name: a\n";
    for text in [
        format!("[]\n---\n{foo}---\n[]\n"),
        "{apiVersion: v1, kind: List, items: [[], {apiVersion: v1, kind: Foo, metadata: {name: a}}, {}]}"
            .to_owned(),
    ] {
        assert_eq!(outcome("", text.as_str()).unwrap(), foo, "{text}");
    }
    assert_eq!(outcome("patches: [{patch: '[]'}]\n", foo).unwrap(), foo);
    assert!(outcome("", "[[]]").unwrap_err().contains("missing Resource metadata"));
}

#[test]
fn anchors_of_keys_are_known() {
    assert_eq!(spec("", "{&a k: v, x: *a, y: &a z, w: *a}").unwrap(), "k: v\n  w: z\n  x: k\n  \"y\": z");
    assert!(spec("", "{x: *a, &a k: v}").unwrap_err().contains("unknown anchor"));
}

#[test]
fn annotations_of_what_is_no_list_are_values_of_their_own() {
    let items = "items: [{metadata: {annotations: {a: 1e3, b: true}}}]\n";
    let built = outcome("", format!("apiVersion: v1\nkind: Foo\nmetadata: {{name: a}}\n{items}")).unwrap();
    assert!(built.contains("annotations:\n      a: 1000\n      b: true\n"), "{built}");
}

#[test]
fn items_of_lists_go_through_json() {
    let map = "{apiVersion: v1, kind: ConfigMap, metadata: {name: b}, data: {k: 1e-07}}";
    let object = format!(
        "apiVersion: v1\nkind: Foo\nmetadata: {{name: a}}\n---\napiVersion: v1\nkind: ConfigMapList\nitems: [{map}]\n"
    );
    let file = "configMapGenerator: [{name: b, behavior: merge}]\n";
    assert!(outcome(file, object).unwrap().contains("k: \"1e-7\"\n"));
    for (written, read) in
        [("TRUE", "true"), ("0o17", "15"), (".5", "0.5"), ("123456789012345678901", "123456789012345680000")]
    {
        let map = format!(
            "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: b, annotations: {{a: {written}}}}}}}"
        );
        let list = format!(
            "apiVersion: v1\nkind: Foo\nmetadata: {{name: a}}\n---\napiVersion: v1\nkind: ConfigMapList\nitems: [{map}]\n"
        );
        assert!(outcome("", list).unwrap().contains(&format!("a: \"{read}\"\n")), "{written}");
    }
    // A list that is alone is taken apart as it stands, but it is not where a line of dashes ends it.
    let list = "apiVersion: v1\nkind: List\nitems: [{apiVersion: v1, kind: Foo, metadata: {name: b, annotations: {a: 1e3}}}]\n";
    for (before, behind, read) in
        [("", "", "1e3"), ("---\n", "", "1e3"), ("", "---", "1e3"), ("", "---\n", "1000")]
    {
        let built = outcome("", format!("{before}{list}{behind}")).unwrap();
        assert!(built.contains(&format!("a: \"{read}\"\n")), "{before}{behind}: {built}");
    }
    let large = "patchesStrategicMerge: ['{apiVersion: v1, kind: ConfigMap, metadata: {name: g}, data: {k: 123456789012345678901}}']\n";
    let generated = format!("configMapGenerator: [{{name: g, literals: [k2=q]}}]\n{large}");
    let foo = "apiVersion: v1\nkind: Foo\nmetadata: {name: a}\n";
    assert!(outcome(&generated, foo).unwrap().contains("name: g-45254dd28g\n"));
}
