//! `render`: decrypted where a controller would, masked wherever it lands.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A repository with a key of its own.
pub(crate) struct Desk {
    dir: tempfile::TempDir,
    recipient: String,
}

impl Desk {
    pub(crate) fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("sealfast-it-").tempdir().unwrap();
        let keys = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden/sops/keys");
        fs::copy(keys.join("age1.agekey"), dir.path().join("key.txt")).unwrap();
        let recipient = fs::read_to_string(keys.join("age1.pub")).unwrap().trim().to_owned();
        fs::create_dir_all(dir.path().join("repo/.git")).unwrap();
        Self { dir, recipient }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path("repo").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Writes a file and encrypts it in place.
    pub(crate) fn seal(&self, name: &str, text: &str, more: &[&str]) {
        self.write(name, text);
        let file = self.path("repo").join(name);
        let mut args = vec!["encrypt", "--in-place", "--age", &self.recipient];
        args.extend(more);
        let output = self.call(&[&args[..], &[file.to_str().unwrap()]].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(fs::read_to_string(&file).unwrap().contains("ENC["));
    }

    fn call(&self, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_sealfast"))
            .args(args)
            .current_dir(self.path("repo"))
            .env_clear()
            .env("HOME", self.dir.path())
            .env("PATH", "/usr/bin:/bin")
            .output()
            .unwrap()
    }

    pub(crate) fn render(&self, args: &[&str]) -> (String, String, bool) {
        let key = self.path("key.txt");
        let output = self.call(&[&["render", "--identity", key.to_str().unwrap()], args].concat());
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (text(&output.stdout), text(&output.stderr), output.status.success())
    }

    /// An overlay that uses encrypted files in every way.
    fn overlay() -> Self {
        let desk = Self::new();
        desk.write(
            "app/kustomization.yaml",
            "resources: [secret.yaml, all.yaml]\nsecretGenerator:\n- name: env\n  envs: [app.env]\npatches:\n- path: patch.yaml\nnamespace: shop\n",
        );
        desk.write(
            "app/all.yaml",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\ndata: {a: plain}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: c, envFrom: [{secretRef: {name: env}}]}]}\n",
        );
        desk.seal(
            "app/secret.yaml",
            "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {password: hunter2-open}\n",
            &["--encrypted-regex", "^(data|stringData)$"],
        );
        desk.seal("app/app.env", "TOKEN=token-in-the-open\n", &[]);
        desk.seal(
            "app/patch.yaml",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\ndata: {url: \"https://me:patched-open@db\", b64: bWU6cGF0Y2hlZC1vcGVu}\n",
            &["--encrypted-regex", "^data$"],
        );
        desk
    }
}

const SECRETS: [&str; 4] = ["hunter2-open", "token-in-the-open", "patched-open", "bWU6cGF0Y2hlZC1vcGVu"];

#[test]
fn decrypted_values_are_masked_unless_they_are_asked_for() {
    let desk = Desk::overlay();
    let (masked, talk, success) = desk.render(&["app"]);
    assert!(success, "{talk}");
    for secret in SECRETS {
        assert!(!masked.contains(secret) && !talk.contains(secret), "{secret} in:\n{masked}{talk}");
    }
    assert!(masked.contains("password: '**SOPS**'") && masked.contains("a: plain"), "{masked}");
    let (open, _, _) = desk.render(&["app", "--show-secrets"]);
    assert!(open.contains("hunter2-open") && open.contains("https://me:patched-open@db"), "{open}");
    // The name's hash is that of the real values, so both agree, and so does the reference.
    let hashed = |text: &str| text.lines().find(|line| line.contains("name: env-")).map(str::to_owned);
    assert!(hashed(&open).is_some());
    assert_eq!(hashed(&masked), hashed(&open));
}

#[test]
fn objects_are_printed_in_other_ways() {
    let desk = Desk::overlay();
    let (names, _, _) = desk.render(&["app", "-o", "names"]);
    assert!(names.starts_with("Secret/shop/s\nConfigMap/shop/m\nPod/shop/p\nSecret/shop/env-"), "{names}");
    let (json, _, _) = desk.render(&["app", "-o", "json"]);
    let list: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(list["items"].as_array().unwrap().len(), 4);
    let (table, _, _) = desk.render(&["app", "-o", "table"]);
    assert!(table.contains("KIND") && table.contains("ConfigMap"), "{table}");
}

#[test]
fn without_the_key_nothing_is_printed() {
    let desk = Desk::overlay();
    let output = desk.call(&["render", "app"]);
    assert!(!output.status.success());
    assert!(output.stdout.is_empty());
    let talk = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(talk.contains("app/") && talk.contains("hint:"), "{talk}");
}

pub(crate) fn kustomization(name: &str, path: &str, more: &str) -> String {
    format!(
        "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {{name: {name}, namespace: flux-system}}\nspec:\n  interval: 5m\n  prune: true\n  path: {path}\n  sourceRef: {{kind: GitRepository, name: flux-system}}\n{more}"
    )
}

#[test]
fn flux_kustomizations_are_followed_in_their_order() {
    let desk = Desk::new();
    let sops = "  decryption: {provider: sops}\n";
    let apps = format!(
        "{sops}  dependsOn: [{{name: config}}]\n  commonMetadata: {{labels: {{team: shop}}}}\n  postBuild:\n    substitute: {{color: blue}}\n    substituteFrom: [{{kind: Secret, name: variables}}]\n"
    );
    desk.write("clusters/production/apps.yaml", &kustomization("apps", "./apps", &apps));
    desk.write("clusters/production/config.yaml", &kustomization("config", "./config", sops));
    desk.write("clusters/production/gone.yaml", &kustomization("gone", "./gone", ""));
    desk.write(
        "clusters/production/loop.yaml",
        &kustomization("loop", "./apps", "  dependsOn: [{name: loop}]\n"),
    );
    desk.write(
        "apps/all.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: shop}\ndata: {color: \"${color}\", url: \"x:${password}@y\"}\n",
    );
    desk.seal(
        "config/variables.yaml",
        "apiVersion: v1\nkind: Secret\nmetadata: {name: variables, namespace: flux-system}\nstringData: {password: from-a-variable}\n",
        &["--encrypted-regex", "^stringData$"],
    );
    let (masked, talk, success) = desk.render(&["clusters/production"]);
    assert!(!success, "a path is missing and a Kustomization waits for itself: {talk}");
    let config = masked.find("# Kustomization flux-system/config, ./config").unwrap();
    let apps = masked.find("# Kustomization flux-system/apps, ./apps").unwrap();
    assert!(config < apps, "dependencies come first");
    assert!(masked.contains("color: blue") && masked.contains("team: shop"), "{masked}");
    assert!(masked.contains("url: x:**SOPS**@y") && !masked.contains("from-a-variable"), "{masked}");
    assert!(talk.contains("not followed: Kustomization flux-system/gone: `gone` is no directory"), "{talk}");
    assert!(
        talk.contains("not followed: Kustomization flux-system/loop: its dependsOn leads in a circle"),
        "{talk}"
    );
    let (open, _, _) = desk.render(&["clusters/production", "--show-secrets"]);
    assert!(open.contains("url: x:from-a-variable@y"));
    let (alone, _, _) = desk.render(&["clusters/production", "--no-follow", "-o", "names"]);
    assert_eq!(alone.lines().count(), 4, "{alone}");
    assert!(alone.contains("Kustomization.kustomize.toolkit.fluxcd.io/flux-system/apps\n"), "{alone}");
}

#[test]
fn what_is_encrypted_for_nobody_is_refused() {
    let desk = Desk::new();
    desk.write("clusters/one/apps.yaml", &kustomization("apps", "./apps", ""));
    desk.seal(
        "apps/secret.yaml",
        "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {a: hunter2-open}\n",
        &["--encrypted-regex", "^stringData$"],
    );
    let (_, talk, success) = desk.render(&["clusters/one"]);
    assert!(!success);
    assert!(talk.contains("failed to render Kustomization flux-system/apps"), "{talk}");
    assert!(talk.contains("configuring decryption is required"), "{talk}");
}

#[test]
fn unset_variables_are_refused_where_the_cluster_refuses_them() {
    let desk = Desk::new();
    let more = "  postBuild: {substitute: {set: here}}\n";
    desk.write("clusters/one/apps.yaml", &kustomization("apps", "./apps", more));
    desk.write(
        "apps/map.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {a: \"x${unset}y\", b: \"${set}\"}\n",
    );
    let (_, talk, success) = desk.render(&["clusters/one"]);
    assert!(!success);
    assert!(talk.contains("variable not set (strict mode): \"unset\""), "{talk}");
    let gate = "StrictPostBuildSubstitutions=false";
    let (built, talk, success) = desk.render(&["clusters/one", "--feature-gates", gate]);
    assert!(success, "{talk}");
    assert!(built.contains("a: xy\n") && built.contains("b: here\n"), "{built}");
    let (_, talk, success) = desk.render(&["clusters/one", "--feature-gates", "Unknown=true"]);
    assert!(!success && talk.contains("Unknown=true"), "{talk}");
}

pub(crate) fn repository(name: &str, url: &str) -> String {
    format!(
        "---\napiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\nmetadata: {{name: {name}, namespace: flux-system}}\nspec: {{interval: 1m, url: \"{url}\"}}\n"
    )
}

#[test]
fn every_cluster_is_rendered_for_itself() {
    let desk = Desk::new();
    for (cluster, color) in [("east", "red"), ("west", "blue")] {
        let sync = kustomization("flux-system", &format!("./clusters/{cluster}"), "");
        desk.write(&format!("clusters/{cluster}/flux-system/gotk-sync.yaml"), &sync);
        let variables = format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: cluster, namespace: flux-system}}\ndata: {{color: {color}}}\n"
        );
        desk.write(&format!("clusters/{cluster}/variables.yaml"), &variables);
        let more = "  postBuild: {substituteFrom: [{kind: ConfigMap, name: cluster}]}\n";
        desk.write(&format!("clusters/{cluster}/apps.yaml"), &kustomization("apps", "./apps", more));
    }
    desk.write(
        "apps/all.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: shop}\ndata: {color: \"${color}\"}\n",
    );
    desk.write("apps/more.yaml", &kustomization("more", "./more", ""));
    desk.write("more/pod.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: shop}\n");
    for directory in ["clusters", "."] {
        let (all, talk, success) = desk.render(&[directory]);
        assert!(success, "{talk}");
        let (east, west) = all.split_once("# ./clusters/west").expect("both clusters are there");
        assert!(
            east.contains("# ./clusters/east") && east.contains("  color: red") && !east.contains("blue"),
            "{east}"
        );
        assert!(west.contains("  color: blue") && !west.contains("red"), "{west}");
        assert!(east.contains("kind: Pod") && west.contains("kind: Pod"), "{all}");
        assert!(!talk.contains("not followed"), "{talk}");
    }
    let (one, _, _) = desk.render(&["clusters/west", "-o", "names"]);
    assert_eq!(one.matches("ConfigMap/shop/a").count(), 1, "{one}");
    let mut names: Vec<&str> = one.lines().collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 6, "{one}");
    assert_eq!(one.lines().count(), 6, "the cluster's own Kustomization repeats nothing: {one}");
}

#[test]
fn kustomizations_of_other_sources_are_named_and_not_followed() {
    let desk = Desk::new();
    fs::write(
        desk.path("repo/.git/config"),
        "[remote \"origin\"]\n\turl = git@git.example.com:org/fleet.git\n",
    )
    .unwrap();
    let of = |name: &str, source: &str| {
        kustomization(name, "./apps", "").replace("name: flux-system}\n", &format!("name: {source}}}\n"))
    };
    desk.write(
        "clusters/one/all.yaml",
        &[
            of("mine", "fleet"),
            format!("---\n{}", of("bootstrapped", "flux-system")),
            format!("---\n{}", of("theirs", "other")),
            format!("---\n{}", of("unknown", "nowhere")),
            repository("fleet", "https://git.example.com/org/fleet"),
            repository("other", "https://me:hunter2@git.example.com/org/other.git"),
        ]
        .concat(),
    );
    desk.write("apps/map.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: shop}\n");
    let (all, talk, success) = desk.render(&["clusters/one"]);
    assert!(success, "{talk}");
    assert!(all.contains("# Kustomization flux-system/mine, ./apps"), "{all}");
    assert!(all.contains("# Kustomization flux-system/bootstrapped, ./apps"), "{all}");
    assert!(
        !all.contains("flux-system/theirs, ./apps") && !all.contains("flux-system/unknown, ./apps"),
        "{all}"
    );
    let theirs = "not followed: Kustomization flux-system/theirs: its source is GitRepository flux-system/other, another one than this repository: git.example.com/org/other";
    assert!(talk.contains(theirs) && !talk.contains("hunter2"), "{talk}");
    let unknown = "not followed: Kustomization flux-system/unknown: its source is GitRepository flux-system/nowhere, of which nothing says";
    assert!(talk.contains(unknown), "{talk}");
}
