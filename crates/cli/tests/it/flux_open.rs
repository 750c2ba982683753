//! `flux diff` of opened files, passwords of files, and `flux install`.

use std::io::Write as _;
use std::process::Stdio;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::{flux_cluster, local};

/// A Secret of the cluster that belongs to `app`.
fn secret(name: &str, data: Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret",
        "type": "Opaque", "metadata": {
            "name": name, "namespace": "web",
            "labels": {
                "kustomize.toolkit.fluxcd.io/name": "app", "kustomize.toolkit.fluxcd.io/namespace": "flux-system",
            },
        },
        "data": data,
    })
}

const ENCRYPTED: &str = "apiVersion: v1\nkind: Secret\ntype: Opaque\nmetadata: {name: s, namespace: web}\ndata:\n  pw: aHVudGVyMg==\n  same: c2FtZQ==\n";
const GENERATED: &str = "resources: [s.yaml]\nnamespace: web\nsecretGenerator:\n- {name: g, envs: [vars.env]}\ngeneratorOptions: {disableNameSuffixHash: true}\n";

/// A directory with a Secret and the variables of another one, both encrypted for `key.txt`.
fn sealed(decryption: &str) -> Result<local::Desk> {
    sealed_beside(decryption, Vec::new())
}

/// The same, beside other objects of the cluster.
fn sealed_beside(decryption: &str, more: Vec<Value>) -> Result<local::Desk> {
    let desk = local::Desk::new(
        &[("app/kustomization.yaml", GENERATED), ("app/s.yaml", ENCRYPTED), ("app/vars.env", "A=hunter3\n")],
        [
            vec![
                local::live("app", decryption),
                secret("s", json!({ "pw": "aHVudGVyLW9sZA==", "same": "c2FtZQ==" })),
                secret("g", json!({ "A": "aHVudGVyMw==" })),
            ],
            more,
        ]
        .concat(),
    )?;
    let script = "sealfast keys generate age --output key.txt && for f in app/s.yaml app/vars.env; do sealfast encrypt \
                  --age $(sed -n 's/^# public key: //p' key.txt) --encrypted-regex '^(data|A)$' -i $f || exit 9; done";
    let (_, talk, code) = desk.sh(script)?;
    anyhow::ensure!(code == 0, "{talk}");
    Ok(desk)
}

#[test]
fn opened_files_are_compared_by_value_and_shown_as_masks() -> Result<()> {
    let desk = sealed("  decryption: {provider: sops}\n")?;
    let closed = desk.sh("flux diff ks app --path app")?;
    assert!(!closed.0.contains("data.pw"), "nothing can be told of a closed file: {}", closed.0);
    for command in ["--identity key.txt", "--decrypt"] {
        let keys = "SOPS_AGE_KEY_FILE=key.txt";
        let (out, talk, code) = desk.sh(&format!("{keys} flux diff ks app --path app {command}"))?;
        assert_eq!(code, 1, "{talk}");
        let wanted = "► Secret/web/s drifted\n\ndata.pw\n± value change\n- *** (before)\n+ *** (after)\n\n";
        assert_eq!(out, wanted, "{talk}");
        assert!(!talk.contains("hunter"), "{talk}");
    }
    Ok(())
}

#[test]
fn what_the_source_leaves_out_is_left_out() -> Result<()> {
    let source = json!({
        "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository",
        "metadata": { "name": "repo", "namespace": "flux-system" },
        "spec": { "interval": "1m", "url": "https://git.example.com/a", "ignore": "vars.env\n" },
    });
    let desk = sealed_beside("  decryption: {provider: sops}\n", vec![source])?;
    let (out, talk, code) = desk.sh("flux diff ks app --path app --identity key.txt")?;
    assert_eq!((out.as_str(), code), ("", 2));
    assert!(talk.contains("vars.env: no such file or directory"), "{talk}");
    Ok(())
}

#[test]
fn what_nothing_opens_is_refused() -> Result<()> {
    let desk = sealed("  decryption: {provider: sops}\n")?;
    let (out, talk, code) = desk.sh(
        "sealfast keys generate age --output other.txt >/dev/null && flux diff ks app --path app --identity other.txt",
    )?;
    assert_eq!((out.as_str(), code), ("", 2));
    assert!(talk.contains("cannot get sops data key"), "{talk}");
    let desk = sealed("")?;
    let (_, talk, code) = desk.sh("flux diff ks app --path app --identity key.txt")?;
    assert_eq!(code, 2);
    assert!(talk.contains("Secret/web/"), "{talk}");
    let refused = desk.sh("flux diff ks app --path app --decrypt --in-memory-build")?;
    assert!(refused.1.starts_with("✗ --in-memory-build does not go with --decrypt"), "{}", refused.1);
    Ok(())
}

#[test]
fn passwords_come_from_a_file_or_from_standard_input() -> Result<()> {
    let desk = flux_cluster::Desk::new(Vec::new())?;
    desk.write("word", "hunter2\n")?;
    let kinds = [
        ["git", "--url=https://git.example.com/a", "password: hunter2"],
        ["helm", "--label=a=b", "password: hunter2"],
        ["proxy", "--address=https://proxy", "password: hunter2"],
        ["oci", "--url=ghcr.io", "\"password\": \"hunter2\""],
    ];
    for [kind, flag, wanted] in kinds {
        let words = ["create", "secret", kind, "auth", flag, "--username=me", "--export"];
        let from_file = desk.told(&[&words[..], &["--password-file=word"]].concat())?;
        assert!(from_file.contains(wanted), "{from_file}");
        let mut command = desk.command(&[&words[..], &["--password-stdin"]].concat());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        child.stdin.take().context("no standard input")?.write_all(b"hunter2\r\n")?;
        assert_eq!(String::from_utf8(child.wait_with_output()?.stdout)?, from_file);
    }
    let both = ["create", "secret", "helm", "auth", "--password=x", "--password-file=word", "--export"];
    assert!(desk.refusal(&both)?.contains("only one of --password, --password-file and --password-stdin"));
    for empty in ["", "\n", "\r\n"] {
        desk.write("none", empty)?;
        let none = ["create", "secret", "helm", "auth", "--username=me", "--password-file=none", "--export"];
        assert!(desk.refusal(&none)?.contains("failed to read the password: there is none"), "{empty:?}");
    }
    let gone = ["create", "secret", "helm", "auth", "--username=me", "--password-file=gone", "--export"];
    assert!(
        desk.refusal(&gone)?.contains("failed to read the password: open gone: no such file or directory")
    );
    Ok(())
}

const IMAGE: &str = "--image=example.com/sealfast:1";

#[test]
fn controllers_are_installed_and_go_again() -> Result<()> {
    let desk = flux_cluster::Desk::new(vec![json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "delivery" },
    })])?;
    let words = ["--namespace=delivery", IMAGE];
    assert!(desk.refusal(&["install", "--export"])?.contains("--image is required: build one with"));
    let exported = desk.told(&[&["install", "--export"], &words[..]].concat())?;
    assert!(
        exported.starts_with("---\n") && exported.contains("image: example.com/sealfast:1"),
        "{exported}"
    );
    assert!(exported.contains("name: kustomizations.kustomize.toolkit.fluxcd.io"));
    let output = desk.flux(&[&["install"], &words[..]].concat())?;
    let talk = String::from_utf8(output.stderr)?;
    assert!(output.status.success() && talk.ends_with("✔ install finished\n"), "{talk}");
    let deployment = || desk.object("apps", "deployments", "delivery", "sealfast");
    let versions = desk.told(&["version", "--namespace=delivery"])?;
    assert_eq!(versions, "flux: v2.9.0\ndistribution: flux-sealfast-0.1.0\nsealfast: 1\n");
    assert_eq!(deployment()["spec"]["template"]["spec"]["containers"][0]["image"], "example.com/sealfast:1");
    assert!(desk.refusal(&["uninstall", "-n", "delivery"])?.contains("aborting"), "nobody agreed");
    desk.told(&["uninstall", "-n", "delivery", "--dry-run"])?;
    assert!(!deployment().is_null());
    desk.told(&["uninstall", "-n", "delivery", "--silent"])?;
    assert!(deployment().is_null());
    let definition = "kustomizations.kustomize.toolkit.fluxcd.io";
    assert!(!desk.object("apiextensions.k8s.io", "customresourcedefinitions", "", definition).is_null());
    desk.told(&["uninstall", "-n", "delivery", "--silent"])?;
    Ok(())
}

#[test]
fn rights_of_an_installation_in_another_namespace_stay() -> Result<()> {
    let desk = flux_cluster::Desk::new(vec![json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "delivery" },
    })])?;
    desk.told(&["install", "-n", "delivery", IMAGE])?;
    let wide = |plural: &str, name: &str| desk.object("rbac.authorization.k8s.io", plural, "", name);
    let all = || {
        let bindings = "clusterrolebindings";
        [wide("clusterroles", "sealfast"), wide(bindings, "sealfast"), wide(bindings, "sealfast-apply")]
    };
    let before = all();
    let gone = desk.flux(&["uninstall", "-n", "typo", "--silent"])?;
    let talk = String::from_utf8(gone.stderr)?;
    let stays = "stays: it is bound to ServiceAccount/delivery/sealfast\n";
    assert!(gone.status.success() && talk.matches(stays).count() == 3, "{talk}");
    let refused = desk.refusal(&["install", "-n", "other", IMAGE])?;
    let why = "✗ ClusterRoleBinding/sealfast is bound to ServiceAccount/delivery/sealfast already; ";
    assert!(refused.starts_with(why), "{refused}");
    assert!(desk.object("", "namespaces", "", "other").is_null(), "nothing was applied");
    assert_eq!(all(), before);
    desk.told(&["install", "-n", "delivery", IMAGE])?;
    desk.told(&["uninstall", "-n", "delivery", "--silent"])?;
    assert!(all().iter().all(Value::is_null), "{:?}", all());
    Ok(())
}

#[test]
fn keys_are_read_once_however_many_kustomizations_need_them() -> Result<()> {
    let decryption = "  decryption: {provider: sops}\n";
    let child = local::kustomization("child", decryption);
    let desk = local::Desk::new(
        &[
            ("repo/root/child.yaml", &child),
            ("repo/root/s.yaml", ENCRYPTED),
            ("repo/child/s.yaml", ENCRYPTED),
        ],
        vec![local::live("root", decryption), local::live("child", decryption)],
    )?;
    let script = "sealfast keys generate age --output key.txt && for f in repo/root/s.yaml repo/child/s.yaml; do \
                  sealfast encrypt --age $(sed -n 's/^# public key: //p' key.txt) --encrypted-regex '^data$' -i $f || exit 9; \
                  done; cat key.txt | flux diff ks root --path repo/root -r --identity /dev/stdin \
                  --local-sources GitRepository/flux-system/repo=./repo";
    let (out, talk, code) = desk.sh(script)?;
    assert_eq!(code, 1, "{talk}");
    assert_eq!(out.matches("► Secret/web/s created\n").count(), 2, "{out}{talk}");
    assert!(out.contains("📁 Kustomization/flux-system/child changed\n"), "{out}{talk}");
    Ok(())
}

#[test]
fn credentials_of_an_address_are_not_shown() -> Result<()> {
    let desk = flux_cluster::Desk::new(Vec::new())?;
    let told = desk.refusal(&["get", "kustomizations", "--server=http://bob:hunter2@127.0.0.1:1"])?;
    assert_eq!(told, "✗ cannot reach the API server at `http://127.0.0.1:1`: Connection refused\n");
    Ok(())
}
