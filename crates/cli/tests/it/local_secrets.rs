//! `flux diff`: what must not be shown, and what must be told all the same.

use anyhow::Result;
use serde_json::{Value, json};

use crate::local::{Desk, live, map};

fn object(kind: &str, name: &str, namespace: &str, data: Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": kind,
        "metadata": { "name": name, "namespace": namespace },
        "data": data,
    })
}

#[test]
fn values_that_variables_brought_in_are_masked() -> Result<()> {
    let texts = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m, namespace: web}\ndata:\n  k: ${pw}\n  url: https://me:${pw}@db\n  new: x${pw}\n  same: ${pw}\n";
    let pods = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d, namespace: web}\nspec: {template: {spec: {containers: [{name: c, args: [-x, '--pw=${pw}']}]}}}\n";
    let old = json!({ "k": "hunter2-old", "url": "https://me:hunter2-old@db", "same": "hunter2-new" });
    let containers = json!([{ "name": "c", "args": ["-x", "--pw=hunter2-old"] }]);
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": { "name": "d", "namespace": "web" },
        "spec": { "template": { "spec": { "containers": containers } } },
    });
    let desk = Desk::new(
        &[("app/m.yaml", texts), ("app/d.yaml", pods), ("app/bad.yaml", &map("bad", "'${pw}'"))],
        vec![
            live("app", "  postBuild: {substituteFrom: [{kind: Secret, name: vars}]}\n"),
            object("Secret", "vars", "flux-system", json!({ "pw": "aHVudGVyMi1uZXc=" })),
            object("ConfigMap", "m", "web", old),
            deployment,
        ],
    )?;
    let refused = "data.k: Invalid value: \"hunter2-new\": no";
    desk.refuse("PATCH", "/api/v1/namespaces/web/configmaps/bad", 422, refused);
    let (out, talk, code) = desk.sh("flux diff ks app --path app")?;
    assert_eq!(code, 2, "{talk}");
    assert!(!out.contains("hunter2") && !talk.contains("hunter2"), "{out}{talk}");
    assert!(out.contains("\ndata.k\n± value change\n- *** (before)\n+ **SOPS**\n"), "{out}");
    assert!(out.contains("\ndata.url\n± value change\n- *** (before)\n+ https://me:**SOPS**@db\n"), "{out}");
    assert!(out.contains("  new: \"x**SOPS**\"\n"), "{out}");
    assert!(out.contains("- \"***\"") && out.contains("- \"--pw=**SOPS**\""), "{out}");
    assert!(!out.contains("same"), "{out}");
    assert!(talk.contains("data.k: Invalid value: \"**SOPS**\": no"), "{talk}");
    Ok(())
}

#[test]
fn of_an_encrypted_secret_all_but_the_data_is_compared() -> Result<()> {
    let sealed = "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: web, labels: {team: b}}\nstringData: {k: 'ENC[x]'}\nsops: {mac: 'ENC[y]'}\n";
    let mut there = object("Secret", "s", "web", json!({ "k": "aHVudGVyMg==" }));
    there["metadata"]["labels"] = json!({
        "team": "a",
        "kustomize.toolkit.fluxcd.io/name": "app",
        "kustomize.toolkit.fluxcd.io/namespace": "flux-system",
    });
    let desk = Desk::new(&[("app/s.yaml", sealed)], vec![live("app", ""), there])?;
    let (out, talk, code) = desk.sh("flux diff ks app --path app")?;
    assert_eq!(code, 1, "{talk}");
    assert_eq!(out, "► Secret/web/s drifted\n\nmetadata.labels.team\n± value change\n- a\n+ b\n\n");
    Ok(())
}

#[test]
fn a_copy_of_ciphertext_is_told_of() -> Result<()> {
    let sealed = "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: web}\nstringData: {k: 'ENC[AES256_GCM,data:YQ==,iv:YQ==,tag:YQ==,type:str]'}\nsops: {mac: 'ENC[y]'}\n";
    let file = "resources: [s.yaml, m.yaml]\nreplacements:\n- source: {kind: Secret, name: s, fieldPath: stringData.k}\n  targets: [{select: {kind: ConfigMap}, fieldPaths: [data.k]}]\n";
    let files = [("app/s.yaml", sealed), ("app/m.yaml", &map("m", "x")), ("app/kustomization.yaml", file)];
    let desk = Desk::new(&files, vec![live("app", "")])?;
    for command in ["build", "diff"] {
        let (out, talk, _) = desk.sh(&format!("flux {command} ks app --path app"))?;
        assert!(talk.contains("# Warning: replacements[0] of '"), "{command}: {out}{talk}");
        assert!(
            talk.contains("field `stringData.k` of Secret.v1.[noGrp]/s.web is encrypted"),
            "{command}: {talk}"
        );
        assert_eq!(talk.matches("# Warning: ").count(), 1, "{command}: {talk}");
    }
    Ok(())
}
