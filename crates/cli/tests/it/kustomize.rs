//! `kustomize` as a person calls it: each flag once, and edits.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use sealfast_kustomize::engine::{Options, build};
use sealfast_kustomize::files::Memory;
use sealfast_kustomize::order::Order;

struct Desk(tempfile::TempDir);

impl Desk {
    /// A directory `app` with a Deployment, a ConfigMap in another namespace, and a file outside of it.
    fn new() -> Self {
        let desk = Self(tempfile::tempdir().unwrap());
        fs::create_dir(desk.path("app")).unwrap();
        desk.write("app/kustomization.yaml", FILE);
        desk.write(
            "app/all.yaml",
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: m, namespace: other}\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: other}\n",
        );
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn call(&self, dir: &str, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_sealfast"))
            .arg("kustomize")
            .args(args)
            .current_dir(self.path(dir))
            .env_clear()
            .output()
            .unwrap()
    }

    #[track_caller]
    fn prints(&self, args: &[&str]) -> String {
        let output = self.call("", args);
        assert!(output.status.success(), "{args:?}: {}", talk(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The error of a command that must fail with code 1 and print no data.
    #[track_caller]
    fn refuses(&self, dir: &str, args: &[&str]) -> String {
        let output = self.call(dir, args);
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        assert!(output.stdout.is_empty(), "{args:?}");
        talk(&output)
    }

    #[track_caller]
    fn edits(&self, words: &str) {
        let mut args = vec!["edit"];
        args.extend(words.split(' '));
        let output = self.call("app", &args);
        assert!(output.status.success(), "{words}: {}", talk(&output));
    }
}

fn talk(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

const FILE: &str = "# the shop\nresources:\n  - all.yaml # everything\n\nnamePrefix: a- # why\n";

#[test]
fn build_prints_or_writes() {
    let desk = Desk::new();
    let printed = desk.prints(&["build", "app"]);
    assert!(printed.starts_with("apiVersion: v1\nkind: Namespace\n"), "legacy order: {printed}");
    assert_eq!(desk.prints(&["build", "app", "-o", "out.yaml"]), "");
    assert_eq!(desk.read("out.yaml"), printed);
    fs::create_dir(desk.path("out")).unwrap();
    desk.prints(&["build", "--output=out", "app"]);
    let mut names: Vec<String> = fs::read_dir(desk.path("out"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(
        names,
        ["default_apps_v1_deployment_a-web.yaml", "other_v1_configmap_a-m.yaml", "v1_namespace_other.yaml"]
    );
}

#[test]
fn a_link_named_kustomize_is_the_command() {
    let desk = Desk::new();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_sealfast"), desk.path("kustomize")).unwrap();
    let call = |args: &[&str]| {
        Command::new(desk.path("kustomize")).args(args).current_dir(desk.path("app")).output()
    };
    let built = call(&["build"]).unwrap();
    assert_eq!(String::from_utf8_lossy(&built.stdout), desk.prints(&["build", "app"]));
    assert_eq!(call(&["version"]).unwrap().stdout, b"v5.8.1\n");
    assert!(String::from_utf8_lossy(&call(&[]).unwrap().stdout).contains("Available Commands:"));
}

#[test]
fn order_and_label_follow_their_flags() {
    let desk = Desk::new();
    let output = desk.call("", &["build", "app", "--reorder", "none", "--enable-managedby-label"]);
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(printed.starts_with("apiVersion: apps/v1\n"), "{printed}");
    assert_eq!(printed.matches("app.kubernetes.io/managed-by: kustomize-v5.8.1").count(), 3);
    assert_eq!(talk(&output).matches("has been deprecated").count(), 3);
    let twice = "Warning: Sorting order is set both";
    assert!(!talk(&output).contains(twice));
    desk.write("app/kustomization.yaml", &format!("{FILE}sortOptions: {{order: legacy}}\n"));
    let output = desk.call("", &["build", "app", "--reorder", "none"]);
    assert!(output.stdout.starts_with(b"apiVersion: v1\nkind: Namespace\n") && talk(&output).contains(twice));
    assert!(!talk(&desk.call("", &["build", "app"])).contains(twice));
}

#[test]
fn files_outside_a_root_need_the_flag() {
    let desk = Desk::new();
    desk.write("app/kustomization.yaml", "resources: [../x.yaml]\n");
    desk.write("x.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: x}\n");
    assert!(desk.refuses("", &["build", "app"]).contains("security; file"));
    assert!(
        desk.prints(&["build", "app", "--load-restrictor", "LoadRestrictionsNone"]).contains("kind: Pod")
    );
    assert!(
        desk.prints(&[
            "build",
            "app",
            "--load-restrictor=LoadRestrictionsNone",
            "-e",
            "A=b",
            "--as-current-user"
        ])
        .contains("kind: Pod")
    );
}

#[test]
fn a_path_of_thousands_of_parts_is_looked_up_like_any_other() {
    let desk = Desk::new();
    let path = vec!["a"; 8000].join("/");
    desk.write("app/kustomization.yaml", &format!("resources: [{path}]\n"));
    let told = desk.refuses("app", &["build", "."]);
    assert!(told.contains("no such file or directory"), "{}", &told[told.len().saturating_sub(200)..]);
    std::os::unix::fs::symlink(".", desk.path("app/a")).unwrap();
    let told = desk.refuses("app", &["build", "."]);
    assert!(told.contains("too long"), "{}", &told[told.len().saturating_sub(200)..]);
}

#[test]
fn what_is_not_done_is_said() {
    let desk = Desk::new();
    for (args, expected) in [
        (vec!["build", "app", "--enable-helm"], "--enable-helm is not supported"),
        (vec!["build", "app", "--enable-alpha-plugins"], "--enable-alpha-plugins is not supported"),
        (vec!["build", "app", "--bogus"], "Error: unknown flag: --bogus"),
        (vec!["build", "app", "app"], "specify one path to kustomization.yaml"),
        (vec!["build", "app", "--load-restrictor", "x"], "illegal flag value --load-restrictor x"),
        (vec!["build", "app", "--reorder", "x"], "illegal flag value --reorder x"),
        (vec!["build", "none"], "must build at directory: not a valid directory"),
        (
            vec!["build", "https://example.com/org/app"],
            "remote root 'https://example.com/org/app' is not allowed",
        ),
        (vec!["cfg", "cat"], "`kustomize cfg` is not supported"),
        (vec!["edit", "set", "nameprefix=dev-"], "`kustomize edit set nameprefix 'dev-'`"),
        (vec!["bogus"], "unknown command \"bogus\" for \"kustomize\""),
    ] {
        let message = desk.refuses("", &args);
        assert!(message.contains(expected), "{args:?}: {message}");
    }
    desk.write("app/kustomization.yaml", "resources: [/dev/zero]\n");
    let message = desk.refuses("", &["build", "app", "--load-restrictor", "LoadRestrictionsNone"]);
    assert!(message.contains("/dev/zero: is no regular file"), "{message}");
}

#[test]
fn edits_keep_the_rest_of_the_file() {
    let desk = Desk::new();
    desk.edits("set nameprefix b-");
    assert_eq!(desk.read("app/kustomization.yaml"), FILE.replace("a- #", "b- #"));
    desk.edits("set namesuffix -- -z");
    desk.edits("set namespace shop");
    desk.edits("set label app:shop tier:web");
    desk.edits("set annotation example.com/by:me");
    desk.edits("set replicas web=3");
    desk.edits("set image web=example.com/web:1.2 db:3");
    let expected = "nameSuffix: -z\nnamespace: shop\ncommonLabels:\n  app: shop\n  tier: web\ncommonAnnotations:\n  example.com/by: me\nreplicas:\n- count: 3\n  name: web\nimages:\n- name: web\n  newName: example.com/web\n  newTag: \"1.2\"\n- name: db\n  newTag: \"3\"\n";
    let before = FILE.replace("a- #", "b- #");
    assert_eq!(desk.read("app/kustomization.yaml"), format!("{before}{expected}"));
    desk.edits("set image web=*:2 db@sha256:00");
    let changed = expected
        .replace("newTag: \"1.2\"", "newTag: \"2\"")
        .replace("- name: db\n  newTag: \"3\"\n", "- name: db\n  digest: sha256:00\n");
    assert_eq!(desk.read("app/kustomization.yaml"), format!("{before}{changed}"));
    let built = desk.prints(&["build", "app"]);
    assert!(built.contains("replicas: 3") && built.contains("name: b-web-z"), "{built}");
    desk.edits("set image *=x:*");
    desk.edits("set namespace ");
    let rest = changed.replace("namespace: shop\n", "");
    let added = "- name: '*'\n  newName: x\n";
    assert_eq!(desk.read("app/kustomization.yaml"), format!("{before}{rest}{added}"));
}

#[test]
fn entries_come_and_go() {
    let desk = Desk::new();
    desk.write("app/one.yaml", "");
    desk.write("app/two.yaml", "");
    desk.edits("add resource one.yaml t*.yaml");
    desk.edits("add component ../app");
    desk.edits("add patch --path p.yaml --kind Pod --name x");
    desk.edits("add configmap m --from-literal=a=b,c --from-file=k=one.yaml --disableNameSuffixHash");
    desk.edits("add secret s --from-literal=x=y --namespace other");
    let listed = FILE.replace("everything\n", "everything\n  - one.yaml\n  - two.yaml\n");
    let added = "components:\n- ../app\npatches:\n- path: p.yaml\n  target:\n    kind: Pod\n    name: x\nconfigMapGenerator:\n- files:\n  - k=one.yaml\n  literals:\n  - a=b,c\n  name: m\n  options:\n    disableNameSuffixHash: true\nsecretGenerator:\n- literals:\n  - x=y\n  name: s\n  namespace: other\n  type: Opaque\n";
    assert_eq!(desk.read("app/kustomization.yaml"), format!("{listed}{added}"));
    desk.edits("remove resource one.yaml tw?.yaml");
    desk.edits("remove component ../app");
    desk.edits("remove patch --path p.yaml --kind Pod --name x");
    desk.edits("remove configmap m");
    desk.edits("remove secret s --namespace other");
    assert_eq!(desk.read("app/kustomization.yaml"), FILE);
}

#[test]
fn wrong_edits_leave_the_file_alone() {
    let desk = Desk::new();
    for (words, expected) in [
        ("set image nginx", "invalid format of image"),
        ("set replicas web=many", "invalid format of replica"),
        ("set namespace Shop", "is not a valid namespace name"),
        ("set label :x", "invalid label"),
        ("add resource none.yaml", "none.yaml has no match"),
        ("add configmap m", "at least from-env-file, or from-file or from-literal must be set"),
        ("remove secret s", "no specified secret(s) were found"),
        ("fix", "is not supported"),
    ] {
        let mut args = vec!["edit"];
        args.extend(words.split(' '));
        let message = desk.refuses("app", &args);
        assert!(message.contains(expected), "{words}: {message}");
    }
    assert_eq!(desk.read("app/kustomization.yaml"), FILE);
    assert!(desk.refuses("", &["edit", "set", "namespace", "x"]).contains("Missing kustomization file"));
}

#[test]
fn warnings_are_said_when_the_build_fails() {
    let desk = Desk::new();
    desk.write("app/kustomization.yaml", "bases: [gone]\n");
    let told = desk.refuses("", &["build", "app"]);
    let (warning, error) = told.split_once('\n').unwrap();
    assert!(warning.starts_with("# Warning: 'bases' is deprecated."), "{told}");
    assert!(error.contains("gone"), "{told}");
}

/// Puts all files below a directory at their own paths into a tree in memory.
fn read_into(files: &mut Memory, dir: &Path) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_into(files, &path);
        } else {
            files.insert(path.to_str().unwrap(), fs::read(&path).unwrap());
        }
    }
}

#[test]
fn the_command_and_the_engine_over_a_view_give_the_same_bytes() {
    let desk = Desk::new();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden/kustomize").canonicalize().unwrap();
    let mut compared = 0;
    for entry in fs::read_dir(golden).unwrap() {
        let case = entry.unwrap().path();
        let is_plain = fs::read_to_string(case.join("cmd.txt"))
            .is_ok_and(|command| command.split_whitespace().eq(["kustomize", "build", "."]));
        if !is_plain || !case.join("expected.yaml").exists() {
            continue;
        }
        let input = case.join("input");
        let mut files = Memory::new();
        read_into(&mut files, &input);
        let options = Options { order: Order::Legacy { kinds: None }, ..Options::default() };
        let input = input.to_str().unwrap();
        // Links of the recorded trees are texts here, and fail the same way twice.
        let output = desk.call("", &["build", input]);
        match build(&files, input, &options) {
            Ok(built) => assert_eq!(String::from_utf8_lossy(&output.stdout), built.to_yaml(), "{input}"),
            Err(error) => assert!(talk(&output).contains(&error.chain()), "{input}: {}", talk(&output)),
        }
        compared += 1;
    }
    assert!(compared > 50, "only {compared} recorded trees are built without flags");
}
