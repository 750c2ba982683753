//! What Flux adds: generated kustomizations and the fields of a spec.

use sealfast_kustomize::engine::{Options, Restriction, build};
use sealfast_kustomize::error::Error;
use sealfast_kustomize::files::Memory;
use sealfast_kustomize::flux::{self, LeftOut, Outermost};
use sealfast_kustomize::spec::referenced_inputs;
use serde_json::{Value, json};

const MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";

fn yaml(files: &Memory, dir: &str, spec: Value) -> Result<String, String> {
    let shown = |error: Error| error.chain();
    let outermost = Outermost::lay_out(files, dir, &spec, None).map_err(shown)?;
    let options = Options { load: Restriction::None, outermost: Some(outermost), ..Options::default() };
    build(files, dir, &options)
        .map(|built| built.to_yaml())
        .map_err(|error| format!("build: {}", error.chain()))
}

#[test]
fn a_kustomization_is_generated() {
    let mut files = Memory::new();
    files.insert("/app/z.yaml", MAP);
    files.insert("/app/b/kustomization.yaml", "resources: [m.yml]\n");
    files.insert("/app/b/m.yml", MAP.replace("name: a", "name: b"));
    files.insert("/app/c/d/e.yml", MAP.replace("name: a", "name: c"));
    files.insert("/app/readme.md", "no object");
    let generated = flux::generate(&files, "/app", None).unwrap();
    assert_eq!(generated["resources"], json!(["./b", "./c/d/e.yml", "./z.yaml"]));
    let built = yaml(&files, "/app", json!({})).unwrap();
    let names: Vec<&str> = built.lines().filter_map(|line| line.strip_prefix("  name: ")).collect();
    assert_eq!(names, ["b", "c", "a"]);
}

#[test]
fn nothing_to_build_is_no_error() {
    let mut files = Memory::new();
    files.insert("/app/readme.md", "no object");
    assert_eq!(yaml(&files, "/app", json!({})).unwrap(), "");
    files.insert("/empty/kustomization.yaml", "kind: Kustomization\n");
    assert_eq!(yaml(&files, "/empty", json!({})).unwrap(), "");
}

#[test]
fn a_file_without_objects_is_named() {
    let mut files = Memory::new();
    files.insert("/app/bad.yaml", "a: 1\n");
    let error = yaml(&files, "/app", json!({})).unwrap_err();
    assert!(
        error.starts_with("failed to decode Kubernetes YAML from /app/bad.yaml: missing Resource metadata"),
        "{error}"
    );
}

#[test]
fn the_spec_lies_over_the_file() {
    let mut files = Memory::new();
    files.insert("/app/kustomization.yaml", "namespace: old\nresources: [m.yaml]\nunknown: 1\n");
    files.insert("/app/m.yaml", MAP);
    let spec = json!({
        "targetNamespace": "new",
        "namePrefix": "p-",
        "nameSuffix": "-s",
        "patches": [{ "patch": "- {op: add, path: /data, value: {k: v}}", "target": { "kind": "ConfigMap" } }],
    });
    let built = yaml(&files, "/app", spec).unwrap();
    assert_eq!(
        built,
        "apiVersion: v1\ndata:\n  k: v\nkind: ConfigMap\nmetadata:\n  name: p-a-s\n  namespace: new\n"
    );
}

#[test]
fn images_merge_by_name() {
    let mut files = Memory::new();
    let pod =
        "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{image: a}, {image: c}]}\n";
    files.insert("/app/pod.yaml", pod);
    let file = "resources: [pod.yaml]\nimages: [{name: a, newName: b, digest: 'sha256:1'}]\n";
    files.insert("/app/kustomization.yaml", file);
    let spec = json!({ "images": [{ "name": "a", "newTag": "2" }, { "name": "c", "newTag": "3" }] });
    let built = yaml(&files, "/app", spec).unwrap();
    assert!(built.contains("image: b:2\n") && built.contains("image: c:3\n"), "{built}");
}

#[test]
fn what_the_outermost_file_lacks_or_breaks_is_told_before_the_build() {
    let said = |file: &str| {
        let mut files = Memory::new();
        files.insert("/app/kustomization.yaml", file);
        files.insert("/app/m.yaml", MAP);
        yaml(&files, "/app", json!({}))
    };
    let yaml = "error converting YAML to JSON: yaml: mapping values are not allowed in this context";
    assert_eq!(said("a: b: c\n").unwrap_err(), yaml);
    let json = "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal ";
    let list = format!("{json}string into Go struct field Kustomization.resources of type []string");
    assert_eq!(said("resources: m.yaml\n").unwrap_err(), list);
    let whole = format!("{json}array into Go value of type types.Kustomization");
    assert_eq!(said("[]\n").unwrap_err(), whole);
    let kind =
        "build: Failed to read kustomization file under /app:\nkind should be Kustomization or Component";
    assert_eq!(said("kind: Foo\nresources: [m.yaml]\n").unwrap_err(), kind);
    assert_eq!(said("").unwrap(), "");
    assert!(said("resources: [m.yaml]\nnamePrefix: 5\n").unwrap().contains("name: 5a\n"));
}

#[test]
fn of_two_files_the_first_is_read_and_the_build_refuses_both() {
    let mut files = Memory::new();
    files.insert("/app/kustomization.yaml", "resources: [m.yaml]\n");
    files.insert("/app/kustomization.yml", "a: b: c\n");
    let error = yaml(&files, "/app", json!({})).unwrap_err();
    assert_eq!(error, "build: Found multiple kustomization files under: /app\n");
    files.insert("/app/kustomization.yaml", "a: b: c\n");
    assert!(yaml(&files, "/app", json!({})).unwrap_err().starts_with("error converting"));
}

#[test]
fn a_file_is_no_place_for_a_kustomization() {
    let mut files = Memory::new();
    files.insert("/app/m.yaml", MAP);
    let place = "/app/m.yaml/kustomization.yaml: not a directory";
    assert_eq!(yaml(&files, "/app/m.yaml", json!({})).unwrap_err(), format!("open {place} remove {place}"));
}

#[test]
fn components_are_local() {
    let mut files = Memory::new();
    files.insert("/app/kustomization.yaml", "resources: [m.yaml]\n");
    files.insert("/app/m.yaml", MAP);
    let error = yaml(&files, "/app", json!({ "components": ["https://example.com/x"] })).unwrap_err();
    assert_eq!(error, "component path 'https://example.com/x' must be local and relative");
    let lenient = json!({ "components": ["gone"], "ignoreMissingComponents": true });
    assert!(yaml(&files, "/app", lenient).is_ok());
}

#[test]
fn inputs_that_may_be_encrypted_are_listed() {
    let file = "\
secretGenerator:
- name: s
  files: [k.yaml=enc/a.yaml, enc/b.json]
  envs: [x.env]
  env: y.env
patches: [{path: p.yaml}, {patch: 'a: b'}]
resources: [base]
components: [../c]
unknown: [of no interest]
";
    let inputs = referenced_inputs(file.as_bytes()).unwrap();
    let pair = |key: &str, path: &str| (key.to_owned(), path.to_owned());
    assert_eq!(inputs.secret_files, [pair("k.yaml", "enc/a.yaml"), pair("b.json", "enc/b.json")]);
    assert_eq!(inputs.secret_envs, ["x.env", "y.env"]);
    assert_eq!(inputs.patches, ["p.yaml"]);
    assert_eq!(inputs.roots, ["base", "../c"]);
}

#[test]
fn linked_directories_are_not_entered() {
    let mut files = Memory::new();
    files.insert("/app/a/map.yaml", MAP);
    files.insert("/other/pod.yaml", MAP.replace("name: a", "name: other"));
    files.insert_link("/app/a/up", "..");
    files.insert_link("/app/elsewhere", "../other");
    files.insert_link("/app/gone", "nowhere");
    files.insert_link("/app/linked.yaml", "../other/pod.yaml");
    let generated = flux::generate(&files, "/app", None).unwrap();
    assert_eq!(generated["resources"], json!(["./a/map.yaml", "./linked.yaml"]));
}

#[test]
fn a_file_that_lists_nothing_under_resources_records_origins() {
    let mut files = Memory::new();
    files.insert("/app/kustomization.yaml", "bases: [../base]\n");
    files.insert("/base/kustomization.yaml", "resources: [a.yaml]\n");
    files.insert("/base/a.yaml", MAP);
    let built = yaml(&files, "/app", json!({})).unwrap();
    assert!(built.contains("config.kubernetes.io/origin: |\n      path: ../base/a.yaml"), "{built}");
    files.insert("/app/kustomization.yaml", "namespace: _placeholder\ncomponents: [../part]\n");
    files.insert(
        "/part/kustomization.yaml",
        "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nresources: [../base]\n",
    );
    assert!(yaml(&files, "/app", json!({})).unwrap().contains("config.kubernetes.io/origin"));
}

#[test]
fn only_what_flux_knows_of_a_spec_is_taken() {
    let mut files = Memory::new();
    files.insert("/app/kustomization.yaml", "namePrefix: p-\nnamespace: old\nresources: [a.yaml]\n");
    files.insert(
        "/app/a.yaml",
        "{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: [{image: i}]}}",
    );
    let patch = json!({
        "patch": "[{\"op\":\"add\",\"path\":\"/spec/x\",\"value\":1}]",
        "target": { "kind": "Pod", "unknown": 1 }, "path": "gone.yaml", "options": { "allowNameChange": true },
    });
    let image = json!({ "name": "i", "newTag": "v1", "tagSuffix": "-x" });
    let spec = json!({ "namePrefix": "", "targetNamespace": "new", "patches": [patch], "images": [image] });
    let built = yaml(&files, "/app", spec).unwrap();
    // An empty text says nothing.
    assert!(built.contains("  name: p-a\n  namespace: new\n"), "{built}");
    assert!(built.contains("image: i:v1\n") && built.contains("  x: 1\n"), "{built}");
}

#[test]
fn components_are_local_as_flux_tells_it() {
    let mut files = Memory::new();
    files.insert("/app/kustomization.yaml", "namePrefix: a-\n");
    let told = |component: &str| yaml(&files, "/app", json!({ "components": [component] })).unwrap_err();
    for away in ["git::x", "gh:o/r", "HTTPS://x/y", "git@x:y", "github.com/o/r", "/a", "file:///a"] {
        assert_eq!(told(away), format!("component path '{away}' must be local and relative"));
    }
    for here in ["", "git::", "../gone", "name:x"] {
        assert!(!told(here).contains("must be local"), "{here}: {}", told(here));
    }
}

#[test]
fn a_file_without_content_lists_nothing() {
    let mut files = Memory::new();
    files.insert("/app/kustomization.yaml", "# nothing yet\n");
    assert_eq!(yaml(&files, "/app", json!({})).unwrap(), "");
}

#[test]
fn what_is_left_out_is_neither_read_nor_built() {
    let mut files = Memory::new();
    files.insert("/app/map.yaml", MAP);
    files.insert("/app/skip/broken.yaml", "a: [");
    files.insert("/app/base/kustomization.yaml", "resources: [m.yaml]\n");
    files.insert("/app/base/m.yaml", MAP.replace("name: a", "name: base"));
    files.insert("/listed/kustomization.yaml", "resources: [m.yaml, n.yaml, ../app/map.yaml]\n");
    files.insert("/listed/m.yaml", MAP.replace("name: a", "name: m"));
    files.insert("/listed/n.yaml", "a: [");
    let built = |dir: &str, names: &'static [&'static str]| {
        let left_out = LeftOut::new(|path, _| names.contains(&path));
        let outermost =
            Outermost::lay_out(&files, dir, &json!({}), Some(&left_out)).map_err(|error| error.chain())?;
        let options = Options { load: Restriction::None, outermost: Some(outermost), ..Options::default() };
        build(&files, dir, &options).map(|built| built.objects().len()).map_err(|error| error.chain())
    };
    assert_eq!(built("/app", &["skip/broken.yaml"]), Ok(2));
    assert_eq!(built("/app", &["skip/broken.yaml", "base"]), Ok(1));
    // What lies elsewhere is not what is left out here.
    assert_eq!(built("/listed", &["n.yaml", "map.yaml"]), Ok(2));
    assert!(built("/app", &[]).unwrap_err().contains("/app/skip/broken.yaml"));
    files.insert("/gone/kustomization.yaml", "resources: [gone.yaml]\n");
    let nothing = LeftOut::new(|_, _| false);
    let error = Outermost::lay_out(&files, "/gone", &json!({}), Some(&nothing)).unwrap_err();
    assert!(error.chain().contains("gone.yaml"), "{error}");
}
