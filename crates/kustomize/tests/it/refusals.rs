//! Bad input: an error with file and field, in bounded time and memory.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use sealfast_kustomize::engine::{Options, attempt, build};
use sealfast_kustomize::files::Memory;

const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n";

/// Builds `/app` from files given as path and content; the result must be a failure that comes soon.
fn refusal(files: &[(&str, &str)]) -> String {
    let mut memory = Memory::new();
    for (path, content) in files {
        memory.insert(path, *content);
    }
    refusal_of(&memory)
}

fn refusal_of(files: &Memory) -> String {
    let start = Instant::now();
    let message = build(files, "/app", &Options::default()).map(|built| built.to_yaml()).unwrap_err().chain();
    // Generous, because machines that run tests are busy; without the bounds it would be hours.
    assert!(start.elapsed() < Duration::from_secs(120), "took {:?}", start.elapsed());
    assert!(message.len() < 100_000, "a message of {} bytes", message.len());
    message
}

#[track_caller]
fn assert_names(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "`{part}` is missing in: {message}");
    }
}

#[test]
fn a_cycle_names_both_roots() {
    let message = refusal(&[
        ("/app/kustomization.yaml", "resources: [../base]\n"),
        ("/base/kustomization.yaml", "resources: [../app]\n"),
    ]);
    assert_names(&message, &["cycle detected", "/app", "/base"]);
}

#[test]
fn a_failure_under_forty_components_is_told_in_a_bounded_message() {
    let mut files = Memory::new();
    files.insert("/app/kustomization.yaml", "components: [../c0]\n");
    for level in 0..40 {
        let below = format!(
            "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\ncomponents: [../c{}]\n",
            level + 1
        );
        files.insert(&format!("/c{level}/kustomization.yaml"), below);
    }
    assert_names(&refusal_of(&files), &["accumulateDirectory: ", "/c0", "/c40"]);
}

#[test]
fn what_leads_out_of_a_root_is_named() {
    for field in ["resources: [../x.yaml]", "patches: [{path: ../x.yaml}]", "configurations: [../x.yaml]"] {
        let file = format!("{field}\nnamePrefix: a-\n");
        let message = refusal(&[("/app/kustomization.yaml", &file), ("/x.yaml", POD)]);
        assert_names(&message, &["security; file '/x.yaml' is not in or below '/app'"]);
    }
    let generator = "secretGenerator: [{name: s, files: [../x.yaml]}]\n";
    let message = refusal(&[("/app/kustomization.yaml", generator), ("/x.yaml", POD)]);
    assert_names(&message, &["security;", "../x.yaml"]);
}

#[test]
fn an_id_that_comes_twice_is_named() {
    let message = refusal(&[
        ("/app/kustomization.yaml", "resources: [a.yaml, b.yaml]\n"),
        ("/app/a.yaml", POD),
        ("/app/b.yaml", POD),
    ]);
    assert_names(&message, &["already registered id: Pod.v1.[noGrp]/a.[noNs]", "b.yaml"]);
}

#[test]
fn a_patch_that_fits_two_objects_is_refused() {
    let two = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: x}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\n";
    let file = "resources: [a.yaml]\npatches:\n- patch: |-\n    apiVersion: v1\n    kind: ConfigMap\n    metadata: {name: c}\n";
    let message = refusal(&[("/app/kustomization.yaml", file), ("/app/a.yaml", two)]);
    assert_names(&message, &["no matches for Id ConfigMap.v1.[noGrp]/c.[noNs]"]);
}

#[test]
fn expressions_that_re2_refuses_are_shown() {
    let patch = "resources: [a.yaml]\npatches:\n- target: {name: \"(?=x)\"}\n  patch: '[{\"op\": \"remove\", \"path\": \"/a\"}]'\n";
    assert_names(
        &refusal(&[("/app/kustomization.yaml", patch), ("/app/a.yaml", POD)]),
        &["error parsing regexp: invalid or unsupported Perl syntax: `(?=`"],
    );
    let image = "resources: [a.yaml]\nimages:\n- name: \"[\"\n  newTag: v2\n";
    assert_names(
        &refusal(&[("/app/kustomization.yaml", image), ("/app/a.yaml", POD)]),
        &["images: name '['", "error parsing regexp"],
    );
    let counted = "resources: [a.yaml]\nimages:\n- name: \"(a{1000}){1000}\"\n  newTag: v2\n";
    assert_names(&refusal(&[("/app/kustomization.yaml", counted), ("/app/a.yaml", POD)]), &["images: name"]);
}

#[test]
fn aliases_that_multiply_are_refused() {
    let mut bomb = String::from(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\nl0: &l0 [x, x, x, x, x, x, x, x, x, x]\n",
    );
    for level in 1..12 {
        let _ = writeln!(bomb, "l{level}: &l{level} [{}]", vec![format!("*l{}", level - 1); 10].join(", "));
    }
    for (path, content) in [("/app/a.yaml", bomb.as_str()), ("/app/kustomization.yaml", bomb.as_str())] {
        let message = refusal(&[("/app/kustomization.yaml", "resources: [a.yaml]\n"), (path, content)]);
        assert_names(&message, &["excessive aliasing"]);
    }
}

#[test]
fn aliases_that_multiply_in_many_documents_are_refused() {
    let mut bomb = String::new();
    for at in 0..100 {
        let _ = write!(
            bomb,
            "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a{at}}}\nl0: &l0 [x, x, x, x, x, x, x, x, x, x]\n"
        );
        for level in 1..5 {
            let _ =
                writeln!(bomb, "l{level}: &l{level} [{}]", vec![format!("*l{}", level - 1); 10].join(", "));
        }
    }
    let message = refusal(&[("/app/kustomization.yaml", "resources: [a.yaml]\n"), ("/app/a.yaml", &bomb)]);
    assert_names(&message, &["excessive aliasing", "a.yaml"]);
}

#[test]
fn nesting_without_end_is_refused() {
    let deep = format!("{POD}spec: {}{}\n", "[".repeat(20_000), "]".repeat(20_000));
    let message = refusal(&[("/app/kustomization.yaml", "resources: [a.yaml]\n"), ("/app/a.yaml", &deep)]);
    assert_names(&message, &["a.yaml"]);
}

#[test]
fn copies_that_double_an_object_are_refused() {
    let mut operations = String::new();
    for at in 0..64 {
        let _ = writeln!(operations, "    - {{op: copy, from: /spec, path: /spec/c{at}}}");
    }
    let file = format!("resources: [a.yaml]\npatches:\n- target: {{kind: Pod}}\n  patch: |-\n{operations}");
    let pod = format!("{POD}spec: {{x: 1}}\n");
    let message = refusal(&[("/app/kustomization.yaml", &file), ("/app/a.yaml", &pod)]);
    assert_names(&message, &["copy operations from '/spec'"]);
}

#[test]
fn copies_that_nest_without_end_are_refused() {
    // Each goes below the last of the one before, so that the depth doubles.
    let mut operations = String::new();
    let mut deepest = "/spec/a".to_owned();
    for _ in 0..16 {
        let _ = writeln!(operations, "    - {{op: copy, from: /spec/a, path: {deepest}/a}}");
        deepest = deepest.clone() + &deepest["/spec".len()..];
    }
    let file = format!("resources: [a.yaml]\npatches:\n- target: {{kind: Pod}}\n  patch: |-\n{operations}");
    let pod = format!("{POD}spec: {{a: {{}}}}\n");
    let message = refusal(&[("/app/kustomization.yaml", &file), ("/app/a.yaml", &pod)]);
    assert_names(&message, &["nested deeper than 500 levels"]);
}

#[test]
fn bases_that_multiply_are_refused() {
    let mut files = Memory::new();
    files.insert("/app/kustomization.yaml", "resources: [../d0/a, ../d0/b]\n");
    for level in 0..40 {
        for side in ["a", "b"] {
            let next = level + 1;
            let list = format!("namePrefix: x-\nresources: [../../d{next}/a, ../../d{next}/b]\n");
            files.insert(&format!("/d{level}/{side}/kustomization.yaml"), list);
        }
    }
    for side in ["a", "b"] {
        files.insert(&format!("/d40/{side}/kustomization.yaml"), "namePrefix: x-\n");
    }
    assert_names(&refusal_of(&files), &["more than 50000 roots"]);
}

#[test]
fn a_chain_without_end_is_refused() {
    let mut files = Memory::new();
    files.insert("/app/kustomization.yaml", "resources: [../d0]\n");
    for level in 0..2_000 {
        files.insert(&format!("/d{level}/kustomization.yaml"), format!("resources: [../d{}]\n", level + 1));
    }
    assert_names(&refusal_of(&files), &["more than 100 roots lie on the way", "/d"]);
}

#[test]
fn a_million_objects_are_refused_with_the_file() {
    let mut many = String::new();
    for at in 0..500_001 {
        let _ = write!(many, "---\nkind: C\nmetadata: {{name: a{at}}}\n");
    }
    let message =
        refusal(&[("/app/kustomization.yaml", "resources: [many.yaml]\n"), ("/app/many.yaml", &many)]);
    assert_names(&message, &["many.yaml", "more than 500000 objects"]);
}

#[test]
fn wrong_types_and_unknown_fields_are_named() {
    let message = refusal(&[("/app/kustomization.yaml", "resource: [a.yaml]\n")]);
    assert_names(&message, &["unknown field \"resource\""]);
    let message = refusal(&[("/app/kustomization.yaml", "resources: a.yaml\n")]);
    assert_names(
        &message,
        &["cannot unmarshal string into Go struct field Kustomization.resources of type []string"],
    );
    let message = refusal(&[
        ("/app/kustomization.yaml", "configurations: [c.yaml]\n"),
        ("/app/c.yaml", "nameRef: []\n"),
    ]);
    assert_names(&message, &["c.yaml", "unknown field \"nameRef\""]);
}

#[test]
fn the_kind_is_looked_at_before_the_content_and_sources_are_named_with_their_field() {
    let chain = |file: &str| {
        let mut files = Memory::new();
        files.insert("/app/kustomization.yaml", file);
        build(&files, "/app", &Options::default())
            .map(|built| built.to_yaml())
            .map_err(|error| crate::words(&error))
    };
    assert!(chain("kind: Foo\nresources: []\n").unwrap_err().contains("kind should be Kustomization"));
    let replacement =
        "replacements: [{source: {kind: Pod, fieldPath: a.b}, targets: [{select: {kind: Pod}}]}]\n";
    assert!(chain(replacement).unwrap_err().ends_with("Pod.[noVer].[noGrp]/[noName].[noNs]:a.b"));
    let list = "replacements: [{sourceValue: x, targets: [{select: {kind: ConfigMap}, fieldPaths: [data], options: {delimiter: /}}]}]\nconfigMapGenerator: [{name: a, literals: [k=v]}]\n";
    assert_eq!(chain(list).unwrap_err(), "delimiter option can only be used with scalar nodes");
    let mut files = Memory::new();
    files.insert("/app/kustomization.yaml", "bases: []\nconfigMapGenerator: [{name: a}]\n");
    assert_eq!(build(&files, "/app", &Options::default()).unwrap().warnings.len(), 1);
}

/// Type definitions that all have a field of every type.
fn entangled_types(count: usize) -> String {
    let mut types = Vec::new();
    for at in 0..count {
        let mut fields: Vec<String> =
            ["kind", "apiVersion", "metadata"].iter().map(|name| format!("\"{name}\": {{}}")).collect();
        fields.extend((0..count).map(|to| format!("\"f{to}\": {{\"$ref\": \"example.T{to}\"}}")));
        fields.push("\"own\": {\"x-kubernetes-annotation\": \"\"}".to_owned());
        let properties = fields.join(", ");
        types.push(format!("\"example.T{at}\": {{\"Schema\": {{\"properties\": {{{properties}}}}}}}"));
    }
    format!("{{{}}}", types.join(", "))
}

#[test]
fn types_that_refer_to_each_other_end() {
    let file = "crds: [types.json]\ncommonAnnotations: {a: b}\nresources: [t.yaml]\n";
    let object = "apiVersion: example/v1\nkind: T0\nmetadata: {name: t}\nown: {x: y}\n";
    let mut files = Memory::new();
    files.insert("/app/kustomization.yaml", file);
    files.insert("/app/t.yaml", object);
    files.insert("/app/types.json", entangled_types(3));
    let built = build(&files, "/app", &Options::default()).unwrap().to_yaml();
    assert!(built.contains("own:\n  a: b\n  x: \"y\"\n"), "{built}");
    files.insert("/app/types.json", entangled_types(20));
    assert_names(&refusal_of(&files), &["loading CRDs [types.json]", "lead to more than 100000 fields"]);
}

#[test]
fn a_kustomization_file_that_cannot_be_read_is_told() {
    let mut files = Memory::new();
    files.insert("/app/kustomization.yaml", "namePrefix: a-\n");
    files.insert_link("/app/Kustomization", "Kustomization");
    assert_names(
        &refusal_of(&files),
        &["unable to find one of", "'/app'", "'/app/Kustomization' : EvalSymlinks: too many links"],
    );
}

#[test]
fn aliases_of_a_large_text_are_refused() {
    let text = "x".repeat(1 << 20);
    let data: Vec<String> = (0..80).map(|at| format!("  k{at}: *a\n")).collect();
    let object = format!("{POD}text: &a {text}\ndata:\n{}", data.concat());
    let message = refusal(&[("/app/kustomization.yaml", "resources: [a.yaml]\n"), ("/app/a.yaml", &object)]);
    assert_names(&message, &["a.yaml", "excessive aliasing"]);
    let keys = format!("{POD}data:\n  {}:\n{}", &text[..1000], "  -\n".repeat(70_000));
    let message = refusal(&[("/app/kustomization.yaml", "resources: [a.yaml]\n"), ("/app/a.yaml", &keys)]);
    assert_names(&message, &["a.yaml", "the places of empty values take more than"]);
}

#[test]
fn warnings_are_there_when_the_build_fails() {
    let mut files = Memory::new();
    files.insert("/app/kustomization.yaml", "bases: [../base]\nresources: [gone.yaml]\n");
    files.insert("/base/kustomization.yaml", "commonLabels: {a: b}\npatchesStrategicMerge: [gone.yaml]\n");
    files.insert("/base/empty/kustomization.yaml", "bases: []\n");
    let failed = attempt(&files, "/app", &Options::default()).unwrap_err();
    assert!(failed.warnings[0].starts_with("# Warning: 'bases' is deprecated"), "{:?}", failed.warnings);
    let failed = attempt(&files, "/base", &Options::default()).unwrap_err();
    assert_eq!(failed.warnings.len(), 2, "{:?}", failed.warnings);
    let failed = attempt(&files, "/base/empty", &Options::default()).unwrap_err();
    assert_names(&crate::words(&failed.error), &["kustomization.yaml is empty"]);
    assert_eq!(failed.warnings.len(), 1, "{:?}", failed.warnings);
}

#[test]
fn one_patch_brings_only_so_much_into_its_targets() {
    let objects: String =
        (0..70).map(|n| format!("{{apiVersion: v1, kind: Foo, metadata: {{name: a{n}}}}}\n---\n")).collect();
    let long = "x".repeat(4 << 20);
    let merge = format!("{{apiVersion: v1, kind: Foo, metadata: {{name: a}}, x: {long}}}");
    let operations = format!("[{{\"op\":\"add\",\"path\":\"/x\",\"value\":\"{long}\"}}]");
    for patch in [merge, operations] {
        let file = "resources: [a.yaml]\npatches: [{path: p.yaml, target: {kind: Foo}}]\n";
        let files =
            [("/app/kustomization.yaml", file), ("/app/a.yaml", objects.as_str()), ("/app/p.yaml", &patch)];
        assert_names(&refusal(&files), &["[path: \"p.yaml\"]: in 70 objects", "more than 268435456 bytes"]);
    }
}
