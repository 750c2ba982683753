//! `flux build`, `diff` and their neighbours: what recorded cases do not show.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Output;

use anyhow::Result;
use sealfast_testkit::cluster::Cluster;
use serde_json::{Value, json};

use crate::person::Person;

/// A shell in a folder of files, and a cluster when there are objects.
pub(crate) struct Desk {
    pub(crate) person: Person,
    cluster: Option<Cluster>,
}

impl Desk {
    pub(crate) fn new(files: &[(&str, &str)], objects: Vec<Value>) -> Result<Self> {
        let mut person = Person::new()?;
        for (name, text) in files {
            let path = person.path("work").join(name);
            fs::create_dir_all(path.parent().unwrap())?;
            fs::write(path, text)?;
        }
        let cluster = (!objects.is_empty()).then(|| Cluster::start(objects)).transpose()?;
        if let Some(cluster) = &cluster {
            let kubeconfig = person.path("kubeconfig");
            fs::write(&kubeconfig, cluster.kubeconfig().to_string())?;
            person.set("KUBECONFIG", kubeconfig.display().to_string());
        }
        Ok(Self { person, cluster })
    }

    /// Has the cluster refuse requests of a method for a path.
    pub(crate) fn refuse(&self, method: &str, path: &str, code: u16, message: &str) {
        self.cluster.as_ref().unwrap().refuse(method, path, code, message);
    }

    /// Runs a script; returns standard output, standard error and the exit code.
    pub(crate) fn sh(&self, script: &str) -> Result<(String, String, i32)> {
        let Output { status, stdout, stderr } = self.person.try_sh(script)?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok((text(&stdout), text(&stderr), status.code().unwrap_or(-1)))
    }
}

/// A Kustomization as a file.
pub(crate) fn kustomization(name: &str, more: &str) -> String {
    format!(
        "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {{name: {name}, namespace: flux-system}}\nspec:\n  interval: 5m\n  path: ./{name}\n  sourceRef: {{kind: GitRepository, name: repo}}\n{more}"
    )
}

/// The same as an object of the cluster.
pub(crate) fn live(name: &str, more: &str) -> Value {
    sealfast_yaml::json::from_yaml(kustomization(name, more).as_bytes()).unwrap()
}

pub(crate) fn map(name: &str, value: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: web}}\ndata: {{k: {value}}}\n"
    )
}

pub(crate) const DRY: &str = "--kustomization-file ks.yaml --dry-run";

#[test]
fn a_build_in_memory_reads_nothing_outside_the_current_directory() -> Result<()> {
    let desk = Desk::new(
        &[
            ("ks.yaml", &kustomization("app", "")),
            ("app/kustomization.yaml", "resources: [../../outside/map.yaml]\n"),
            ("linked/map.yaml", &map("own", "v")),
        ],
        Vec::new(),
    )?;
    fs::create_dir(desk.person.path("outside"))?;
    fs::write(desk.person.path("outside/map.yaml"), map("outside", "v"))?;
    let open = desk.sh(&format!("flux build ks app --path app {DRY}"))?;
    assert!(open.0.contains("name: outside") && open.2 == 0, "{open:?}");
    let fenced = desk.sh(&format!("flux build ks app --path app --in-memory-build {DRY}"))?;
    assert!(fenced.0.is_empty() && fenced.1.contains("is not in or below") && fenced.2 == 1, "{fenced:?}");
    symlink(desk.person.path("outside/map.yaml"), desk.person.path("work/linked/link.yaml"))?;
    let linked = desk.sh(&format!("flux build ks app --path linked --in-memory-build {DRY}"))?;
    assert!(linked.0.is_empty() && linked.2 == 1, "{linked:?}");
    Ok(())
}

#[test]
fn kustomizations_that_lead_in_a_circle_are_built_once() -> Result<()> {
    let desk = Desk::new(
        &[
            ("ks.yaml", &kustomization("a", "")),
            ("a/b.yaml", &kustomization("b", "")),
            ("b/a.yaml", &kustomization("a", "")),
            ("b/map.yaml", &map("m", "v")),
        ],
        Vec::new(),
    )?;
    let sources = "--recursive --local-sources GitRepository/flux-system/repo=.";
    let (out, talk, code) = desk.sh(&format!("flux build ks a --path a {DRY} {sources}"))?;
    assert_eq!((code, talk.as_str()), (0, ""));
    assert_eq!(out.matches("kind: ConfigMap").count(), 1, "{out}");
    let wrong = desk.sh(&format!("flux build ks a --path a {DRY} -r --local-sources here"))?;
    assert_eq!(
        wrong.1,
        "✗ invalid argument \"here\" for \"--local-sources\" flag: here must be formatted as key=value\n"
    );
    Ok(())
}

#[test]
fn what_flux_leaves_out_of_artifacts_is_no_manifest() -> Result<()> {
    let desk = Desk::new(
        &[
            ("ks.yaml", &kustomization("app", "  commonMetadata: {labels: null}\n")),
            ("app/.sops.yaml", "creation_rules: []\n"),
            ("app/map.yaml", &map("m", "v")),
        ],
        Vec::new(),
    )?;
    let (out, talk, code) = desk.sh(&format!("flux build ks app --path app {DRY}"))?;
    assert_eq!((code, talk.as_str()), (0, ""));
    assert_eq!(out.matches("kind:").count(), 1, "{out}");
    Ok(())
}

#[test]
fn a_comparison_follows_kustomizations() -> Result<()> {
    let remote = "  kubeConfig: {secretRef: {name: other}}\n";
    let desk = Desk::new(
        &[
            ("root/child.yaml", &kustomization("child", "")),
            ("root/far.yaml", &kustomization("far", remote)),
            ("root/new.yaml", &kustomization("new", "")),
            ("repo/child/map.yaml", &map("m", "new")),
        ],
        vec![
            live("root", "  prune: true\n"),
            live("child", "  prune: true\n"),
            live("far", remote),
            json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "m", "namespace": "web" }, "data": { "k": "old" } }),
        ],
    )?;
    let command = "flux diff ks root --path root -r --local-sources GitRepository/flux-system/repo=./repo";
    let (out, talk, code) = desk.sh(command)?;
    assert_eq!(code, 1, "{talk}");
    assert!(out.contains("📁 Kustomization/flux-system/child changed\n► ConfigMap/web/m drifted\n"), "{out}");
    assert!(
        out.contains("⚠️ Kustomization/flux-system/far skipped: diff not supported for remote clusters\n")
    );
    assert!(out.contains("► Kustomization/flux-system/new created\n"), "{out}");
    assert!(out.contains("\ndata.k\n± value change\n- old\n+ new\n"), "{out}");
    let lost = desk.sh("flux diff ks root --path root -r")?;
    let why = "cannot get local path for GitRepository/flux-system/repo of kustomization child";
    assert_eq!((lost.1, lost.2), (format!("✗ {why}\n"), 2));
    assert!(lost.0.contains("► Kustomization/flux-system/new created\n"), "{}", lost.0);
    Ok(())
}

#[test]
fn all_is_compared_before_a_failure_is_told() -> Result<()> {
    let odd = "apiVersion: example.com/v1\nkind: Nope\nmetadata: {name: n, namespace: web}\n";
    let gone = "  prune: true\n  ignore: [{paths: [/data/k], target: {kind: ConfigMap, name: kept}}]\n";
    let mut root = live("root", gone);
    root["status"] = json!({ "inventory": { "entries": [{ "id": "web_old__ConfigMap", "v": "v1" }] } });
    let there = |name: &str| json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name, "namespace": "web" }, "data": { "k": "old" } });
    let desk = Desk::new(
        &[
            ("app/a.yaml", odd),
            ("app/b.yaml", &map("fresh", "v")),
            ("app/c.yaml", &map("kept", "other")),
            ("fine/c.yaml", &map("kept", "other")),
        ],
        vec![root, there("kept"), there("old")],
    )?;
    let (out, talk, code) = desk.sh("flux diff ks root --path app")?;
    assert_eq!(code, 2);
    assert!(out.starts_with("► ConfigMap/web/fresh created\n"), "{out}");
    assert!(!out.contains("deleted"), "who failed cannot tell what is gone: {out}");
    assert!(talk.contains("✗ Nope/web/n dry-run failed: no matches for kind \"Nope\""), "{talk}");
    // The labels of the owner are new; the ignored field is not told.
    let (out, _, code) = desk.sh("flux diff ks root --path fine")?;
    assert_eq!(code, 1);
    assert!(out.contains("ConfigMap/web/kept drifted") && !out.contains("data.k"), "{out}");
    assert!(out.ends_with("► ConfigMap/web/old deleted\n"), "{out}");
    Ok(())
}

#[test]
fn no_value_of_a_secret_is_shown() -> Result<()> {
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: web}\nstringData: {changed: after-hunter2, new: fresh-hunter2}\n";
    let desk = Desk::new(
        &[("app/s.yaml", secret)],
        vec![
            live("app", ""),
            json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "s", "namespace": "web" }, "data": { "changed": "aHVudGVyMg==", "same": "aHVudGVyMw==" } }),
        ],
    )?;
    let (out, talk, code) = desk.sh("flux diff ks app --path app")?;
    assert_eq!(code, 1, "{talk}");
    assert!(out.contains("*** (before)") && out.contains("  new: \"***\"\n"), "{out}");
    for shown in ["hunter2", "aHVudGVyM", "ZnJlc2gtaHVudGVyMg", "YWZ0ZXItaHVudGVyMg"] {
        assert!(!out.contains(shown) && !talk.contains(shown), "{out}{talk}");
    }
    Ok(())
}

#[test]
fn lines_of_any_length_and_ending_are_expanded() -> Result<()> {
    let desk = Desk::new(&[], Vec::new())?;
    let (out, _, code) = desk.sh(r"printf 'a ${A}\r\n\xff\n${B:-b}' | A=1 flux envsubst | od -An -c")?;
    assert_eq!(code, 0);
    assert_eq!(out.split_whitespace().collect::<Vec<_>>().join(" "), r"a 1 \n 377 \n b \n");
    let long = desk.sh("head -c 100000 /dev/zero | tr '\\0' x | flux envsubst | wc -c")?;
    assert_eq!(long.0.trim(), "100001");
    let bad = desk.sh(r"printf 'fine\n\xff${A}\n' | flux envsubst")?;
    assert_eq!((bad.0.as_str(), bad.1.as_str(), bad.2), ("fine\n", "✗ line 2 is not UTF-8\n", 1));
    Ok(())
}

#[test]
fn a_check_tells_what_is_missing() -> Result<()> {
    let desk = Desk::new(&[], vec![live("app", "")])?;
    let pre = desk.sh("flux check --pre")?;
    assert_eq!(
        pre.1,
        "► checking prerequisites\n✔ Kubernetes 1.34.1 >=1.33.0-0\n✔ prerequisites checks passed\n"
    );
    let all = desk.sh("flux check")?;
    assert_eq!(all.2, 1);
    for line in
        ["✗ checking failed: ", "✗ no controllers found in the 'flux-system' namespace", "✗ check failed\n"]
    {
        assert!(all.1.contains(line), "{}", all.1);
    }
    Ok(())
}

#[test]
fn an_artifact_holds_what_is_not_ignored() -> Result<()> {
    let files = [("app/map.yaml", "a: b\n"), ("app/sub/x.png", "p"), ("app/.sourceignore", "map.yaml\n")];
    let desk = Desk::new(&files, Vec::new())?;
    let list = |more: &str| {
        desk.sh(&format!("flux build artifact -p app -o a.tgz {more} && tar -tzf a.tgz | tr '\\n' ' '"))
    };
    let (out, talk, code) = list("")?;
    assert_eq!((out.as_str(), code), (". .sourceignore map.yaml sub ", 0));
    assert_eq!(talk, "► building artifact from app\n✔ artifact created at a.tgz\n");
    assert_eq!(list("--ignore-paths '*.yaml'")?.0, ". .sourceignore sub sub/x.png ");
    assert_eq!(list("--add-ignore-paths '*.yaml'")?.0, ". .sourceignore sub ");
    let one = desk.sh("flux build artifact -p app/map.yaml && tar -xzOf artifact.tgz map.yaml")?;
    assert_eq!((one.0.as_str(), one.2), ("a: b\n", 0));
    Ok(())
}
