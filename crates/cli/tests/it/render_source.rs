//! `render`: what belongs to a source, and in which order its Kustomizations come.

use std::fs::File;

use crate::render::{Desk, kustomization, repository};

fn map(name: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: flux-system}}\ndata: {{color: blue}}\n"
    )
}

#[test]
fn what_the_source_leaves_out_is_not_rendered() {
    let desk = Desk::new();
    desk.write(".sourceignore", "ig/b.yaml\n/out\n");
    ["a", "b", "c"].iter().for_each(|name| desk.write(&format!("ig/{name}.yaml"), &map(name)));
    desk.write("out/d.yaml", &map("d"));
    let (names, talk, success) = desk.render(&["ig", "-o", "names"]);
    assert!(success, "{talk}");
    assert_eq!(names, "ConfigMap/flux-system/a\nConfigMap/flux-system/c\n");
    let (_, talk, success) = desk.render(&["out"]);
    assert!(!success && talk.contains("`out` is left out of the source"), "{talk}");
    let sync = repository("flux-system", "https://git.example.com/fleet")
        .replace("interval", "ignore: ig/c.yaml, interval");
    desk.write(
        "clusters/one/sync.yaml",
        &[kustomization("flux-system", "./clusters/one", ""), sync].concat(),
    );
    desk.write("clusters/one/ig.yaml", &kustomization("ig", "./ig", ""));
    let (names, talk, success) = desk.render(&["clusters/one", "-o", "names"]);
    assert!(success, "{talk}");
    assert!(names.contains("ConfigMap/flux-system/a\n"), "{names}");
    assert!(!names.contains("/b\n") && !names.contains("/c\n"), "{names}");
}

#[test]
fn files_that_no_build_asks_for_are_not_read() {
    let desk = Desk::new();
    desk.write("app/map.yaml", &map("a"));
    desk.write("target/large", "");
    // Without blocks: nothing of it is on the disk.
    File::options().write(true).open(desk.path("repo/target/large")).unwrap().set_len(1 << 33).unwrap();
    let (names, talk, success) = desk.render(&["app", "-o", "names"]);
    assert!(success, "{talk}");
    assert_eq!(names, "ConfigMap/flux-system/a\n");
}

#[test]
fn variables_are_waited_for() {
    let desk = Desk::new();
    let from = |name: &str| format!("  postBuild: {{substituteFrom: [{{kind: ConfigMap, name: {name}}}]}}\n");
    desk.write("clusters/one/a.yaml", &kustomization("apps", "./apps", &from("vars")));
    desk.write("clusters/one/b.yaml", &kustomization("later", "./later", &from("never")));
    desk.write("clusters/one/z.yaml", &kustomization("zcfg", "./cfg", ""));
    desk.write("apps/map.yaml", &map("a").replace("blue", "\"${color}\""));
    desk.write("later/map.yaml", &map("l").replace("blue", "\"${color}\""));
    desk.write("cfg/map.yaml", &map("vars"));
    let (all, talk, success) = desk.render(&["clusters/one"]);
    assert!(!success && talk.contains("failed to render Kustomization flux-system/later"), "{talk}");
    assert!(!talk.contains("Kustomization flux-system/apps"), "{talk}");
    let place = |name: &str| all.find(&format!("# Kustomization flux-system/{name},")).unwrap();
    assert!(place("zcfg") < place("apps"), "{all}");
}

#[test]
fn dependencies_that_never_come_are_named() {
    let desk = Desk::new();
    let on = |name: &str| format!("  dependsOn: [{{name: {name}}}]\n");
    desk.write("clusters/one/a.yaml", &kustomization("a", "./apps", &on("absent")));
    desk.write("clusters/one/b.yaml", &kustomization("b", "./apps", &on("broken")));
    desk.write("clusters/one/c.yaml", &kustomization("c", "./apps", &on("asleep")));
    desk.write("clusters/one/d.yaml", &kustomization("broken", "./broken", ""));
    desk.write("clusters/one/e.yaml", &kustomization("asleep", "./apps", "  suspend: true\n"));
    let far = "  kubeConfig: {secretRef: {name: far}}\n";
    desk.write("clusters/one/f.yaml", &kustomization("far", "./apps", far));
    desk.write("apps/map.yaml", &map("a"));
    desk.write("broken/kustomization.yaml", "resources: [nowhere.yaml]\n");
    let (all, talk, success) = desk.render(&["clusters/one"]);
    assert!(!success && all.contains("# Kustomization flux-system/a, ./apps"), "{all}{talk}");
    for (name, on, why) in [
        ("a", "absent", "which is not among what was rendered"),
        ("b", "broken", "which failed"),
        ("c", "asleep", "which is not followed"),
    ] {
        let note = format!(
            "note: Kustomization flux-system/{name}: it depends on Kustomization flux-system/{on}, {why}: a cluster may never apply it"
        );
        assert!(talk.contains(&note), "{talk}");
    }
    let far =
        "note: Kustomization flux-system/far: its objects go to another cluster, that of spec.kubeConfig";
    assert!(talk.contains(far), "{talk}");
    assert_eq!(talk.matches("note: ").count(), 4, "{talk}");
}

#[test]
fn too_many_kustomizations_end_in_a_named_limit() {
    let desk = Desk::new();
    let all: Vec<String> = (0..2_002).map(|at| kustomization(&format!("k{at:04}"), "./gone", "")).collect();
    desk.write("clusters/one/all.yaml", &all.join("---\n"));
    let (_, talk, success) = desk.render(&["clusters/one", "-o", "names"]);
    assert!(!success);
    let limit =
        "more than 2000 Kustomizations lead from one to another: Kustomization flux-system/k2000 and others";
    assert!(talk.contains(limit), "{talk}");
    assert_eq!(talk.matches("not followed: ").count(), 2_000);
}

#[test]
fn links_that_a_cluster_does_not_get_are_named() {
    let desk = Desk::new();
    desk.write("shared/a.yaml", &map("a"));
    desk.write("app/kustomization.yaml", "resources: [a.yaml]\n");
    std::os::unix::fs::symlink("../shared/a.yaml", desk.path("repo/app/a.yaml")).unwrap();
    let (_, errors, succeeded) = desk.render(&["app"]);
    assert!(!succeeded && errors.contains("(resources[0] of '"), "{errors}");
    let hint = "hint: `app/a.yaml` is a link; what a cluster gets of a source has no links in it\n";
    assert!(errors.ends_with(hint), "{errors}");
    desk.write("app/kustomization.yaml", "resources: [none.yaml]\n");
    let (_, errors, succeeded) = desk.render(&["app"]);
    assert!(!succeeded && errors.ends_with("hint: look at `app/kustomization.yaml`\n"), "{errors}");
    // Neither a word of every message nor the end of another path is a link.
    std::os::unix::fs::symlink("shared", desk.path("repo/resources")).unwrap();
    desk.write("x/kustomization.yaml", "resources: [app/a.yaml]\n");
    let (_, errors, succeeded) = desk.render(&["x"]);
    assert!(!succeeded && errors.ends_with("hint: look at `x/kustomization.yaml`\n"), "{errors}");
    desk.write("x/kustomization.yaml", "resources: [../resources/a.yaml]\n");
    let (_, errors, succeeded) = desk.render(&["x"]);
    assert!(!succeeded && errors.contains("hint: `resources` is a link;"), "{errors}");
}

#[test]
fn replacements_that_copy_ciphertext_are_named() {
    let desk = Desk::new();
    desk.seal(
        "app/secret.yaml",
        "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {password: hunter2-open}\n",
        &["--encrypted-regex", "^(data|stringData)$"],
    );
    desk.write("app/map.yaml", &map("m"));
    desk.write(
        "app/kustomization.yaml",
        "resources: [secret.yaml, map.yaml]\nreplacements:\n- source: {kind: Secret, name: s, fieldPath: stringData.password}\n  targets: [{select: {kind: ConfigMap}, fieldPaths: [data.k], options: {create: true}}]\n",
    );
    let (_, notes, succeeded) = desk.render(&["app"]);
    assert!(succeeded, "{notes}");
    assert!(notes.starts_with("note: replacements[0] of '"), "{notes}");
    assert!(
        notes.contains("field `stringData.password` of Secret.v1.[noGrp]/s.[noNs] is encrypted"),
        "{notes}"
    );
}

#[test]
fn charts_are_named() {
    let desk = Desk::new();
    let chart = |name: usize| {
        format!(
            "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {{name: c{name}, namespace: n}}\n---\n"
        )
    };
    desk.write("app/charts.yaml", &(0..7).map(chart).collect::<String>());
    let (names, told, succeeded) = desk.render(&["app", "-o", "names"]);
    assert!(succeeded && names.lines().count() == 7, "{told}");
    let named = "n/c0, n/c1, n/c2, n/c3, n/c4 and 2 others: charts are not rendered here";
    assert_eq!(told, format!("not followed: HelmRelease {named}\n"));
    desk.write("app/charts.yaml", &chart(0));
    let (_, told, _) = desk.render(&["app", "-o", "names"]);
    assert_eq!(told, "not followed: HelmRelease n/c0: charts are not rendered here\n");
}
