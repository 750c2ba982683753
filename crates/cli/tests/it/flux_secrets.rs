//! `flux create secret` and `create tenant`, against a cluster and `sshd`.

use anyhow::Result;
use sealfast_source::git::deploy_key::KeyPair;
use sealfast_testkit::git::Server;
use sealfast_testkit::git::sshd::Sshd;
use sealfast_testkit::gnupg::Home;
use serde_json::{Value, json};

use crate::flux_cluster::Desk;

#[test]
fn a_secret_that_is_there_keeps_what_is_not_named() -> Result<()> {
    let desk = Desk::new(vec![json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque", "data": { "other": "eA==" },
        "metadata": { "name": "px", "namespace": "apps", "labels": { "a": "b" }, "annotations": { "c": "d" } },
    })])?;
    let words = ["create", "secret", "proxy", "px", "-n", "apps", "--address=http://proxy", "--label=e=f"];
    let output = desk.flux(&words)?;
    assert_eq!(String::from_utf8(output.stderr)?, "► proxy secret 'px' created in 'apps' namespace\n");
    let secret = desk.object("", "secrets", "apps", "px");
    assert_eq!(secret["data"], json!({ "other": "eA==", "address": "aHR0cDovL3Byb3h5" }));
    assert_eq!(secret["metadata"]["labels"], json!({ "a": "b", "e": "f" }));
    assert_eq!(secret["metadata"]["annotations"], json!({ "c": "d" }));
    Ok(())
}

#[test]
fn a_deploy_key_is_made_for_the_host_that_was_asked() -> Result<()> {
    let server = Server::start()?;
    let sshd = Sshd::start(&server, &["ed25519"])?;
    let desk = Desk::new(Vec::new())?;
    let url = format!("--url=ssh://git@127.0.0.1:{}/org/app", sshd.port());
    for algorithm in ["rsa", "ecdsa", "ed25519"] {
        let algorithm = format!("--ssh-key-algorithm={algorithm}");
        let yaml =
            desk.told(&["create", "secret", "git", "auth", &url, &algorithm, "-p=word", "--export"])?;
        let secret = sealfast_yaml::json::from_yaml(yaml.as_bytes())?;
        let text = |key: &str| secret["stringData"][key].as_str().unwrap_or_default().to_owned();
        let pair = KeyPair::load(text("identity").into(), None)?;
        assert_eq!(pair.public, text("identity.pub"), "{algorithm}");
        assert_eq!(
            text("known_hosts").split(' ').next(),
            Some(format!("[127.0.0.1]:{}", sshd.port()).as_str())
        );
        assert_eq!(text("password"), "word");
        assert!(secret.get("type").is_none());
    }
    let identity = sshd.identity("ed25519", "", "OPENSSH")?;
    desk.write("id", &identity)?;
    let output = desk.flux(&["create", "secret", "git", "auth", &url, "--private-key-file=id"])?;
    let talk = String::from_utf8(output.stderr)?;
    assert!(talk.starts_with("✚ deploy key: ssh-ed25519 "), "{talk}");
    assert!(talk.ends_with("► git secret 'auth' created in 'flux-system' namespace\n"), "{talk}");
    let secret = desk.object("", "secrets", "flux-system", "auth");
    assert_eq!(secret["data"].as_object().map(|data| data.len()), Some(3));
    let told =
        desk.refusal(&["create", "secret", "git", "auth", &url, "--private-key-file=id", "-p=hidden"])?;
    assert!(told.contains("key is not password protected") && !told.contains("hidden"), "{told}");
    Ok(())
}

#[test]
fn a_source_over_ssh_gets_its_key_and_a_question_is_asked() -> Result<()> {
    let server = Server::start()?;
    let sshd = Sshd::start(&server, &["ed25519"])?;
    let desk = Desk::new(Vec::new())?;
    let url = format!("--url=ssh://git@127.0.0.1:{}/org/app", sshd.port());
    let words = ["create", "source", "git", "app", &url, "--branch=main"];
    assert!(desk.refusal(&words)?.ends_with("✗ aborting\n"));
    assert_eq!(desk.object("", "secrets", "flux-system", "app"), Value::Null);
    desk.told(&[words.as_slice(), &["-s"]].concat())?;
    let source = desk.object("source.toolkit.fluxcd.io", "gitrepositories", "flux-system", "app");
    assert_eq!(source["spec"]["secretRef"]["name"], "app");
    assert!(desk.object("", "secrets", "flux-system", "app")["data"]["identity"].is_string());
    Ok(())
}

#[test]
fn values_stay_out_of_refusals() -> Result<()> {
    let desk = Desk::new(Vec::new())?;
    desk.write("big", &"x".repeat((1 << 20) + 1))?;
    desk.write("key", "-----BEGIN PRIVATE KEY-----\naGlkZGVu\n-----END PRIVATE KEY-----\n")?;
    desk.write("crt", "hidden")?;
    for (words, why) in [
        (["githubapp", "--app-private-key=big", "--app-id=1"], "no Secret holds more than"),
        (
            ["tls", "--tls-crt-file=crt", "--tls-key-file=key"],
            "failed to find any PEM data in certificate input",
        ),
        (
            ["proxy", "--address=http://bob:hidden@proxy local", "-p=hidden"],
            "parse \"http://***@proxy local\"",
        ),
        (["proxy", "--address=http://bob:hidden/x@proxy", "-p=hidden"], "invalid port \"***\" after host"),
        (["git", "--url=https://bob:hidden@host:22x/r", "-p=hidden"], "parse \"https://***@host:22x/r\""),
        (["helm", "-p=hidden", "--export"], "username is required"),
        (["receiver", "--type=gcr", "--hostname=h"], "--email-claim is required for gcr receiver type"),
        (["oci", "--url=ghcr.io", "-p=hidden"], "--username is required"),
    ] {
        let [kind, rest @ ..] = words;
        let told = desk.refusal(&[&["create", "secret", kind, "name"], rest.as_slice()].concat())?;
        assert!(told.starts_with("✗ ") && told.contains(why), "{kind}: {told}");
        assert!(!told.contains("hidden") && !told.contains("aGlkZGVu"), "{kind}: {told}");
    }
    Ok(())
}

#[test]
fn credentials_of_an_address_stay_out_of_refusals() -> Result<()> {
    let desk = Desk::new(Vec::new())?;
    for (words, why) in [
        (
            ["create", "secret", "oci", "name", "--url=bob:hidden@ghcr.io", "-u=b", "-p=hidden"],
            "could not parse reference: ***@ghcr.io",
        ),
        (
            [
                "create",
                "source",
                "git",
                "name",
                "--url=https://bob:hidden@host:x/r",
                "--branch=b",
                "--export",
            ],
            "parse \"https://***@host:x/r\"",
        ),
    ] {
        let told = desk.refusal(&words)?;
        assert!(told.contains(why) && !told.contains("hidden"), "{told}");
    }
    Ok(())
}

#[test]
fn two_certificates_do_not_share_a_name() -> Result<()> {
    let desk = Desk::new(Vec::new())?;
    let policy = json!({ "version": "1.0", "trustPolicies": [{
        "name": "n", "registryScopes": ["*"], "signatureVerification": { "level": "strict" },
        "trustStores": ["ca:n"], "trustedIdentities": ["*"],
    }] });
    desk.write("policy.json", &policy.to_string())?;
    for (name, text) in [("a", "one"), ("b", "two"), ("c", "one")] {
        desk.folder(name)?;
        desk.write(&format!("{name}/ca.crt"), text)?;
    }
    let words = ["create", "secret", "notation", "n1", "--trust-policy-file=policy.json", "--export"];
    let with = |other: &'static str| [words.as_slice(), &["--ca-cert-file=a/ca.crt", other]].concat();
    let told = desk.refusal(&with("--ca-cert-file=b/ca.crt"))?;
    assert_eq!(told, "✗ b/ca.crt: another file is named ca.crt, too: rename one of them\n");
    assert!(desk.told(&with("--ca-cert-file=c/ca.crt"))?.contains("ca.crt: one"));
    Ok(())
}

#[test]
fn only_open_openpgp_keys_are_taken() -> Result<()> {
    let desk = Desk::new(Vec::new())?;
    let home = Home::new()?;
    let key = |user: &str, passphrase: &str| -> Result<()> {
        let unlock = ["--pinentry-mode", "loopback", "--passphrase", passphrase];
        let make = ["--quick-generate-key", user, "future-default", "default", "never"];
        home.run(&[&unlock[..], &make].concat(), b"")?;
        let secret = home.run(&[&unlock[..], &["--armor", "--export-secret-keys", user]].concat(), b"")?;
        desk.write(&format!("{user}.asc"), &String::from_utf8(secret)?)
    };
    key("open", "")?;
    key("locked", "word")?;
    desk.write("public.asc", &String::from_utf8(home.run(&["--armor", "--export", "open"], b"")?)?)?;
    let words = |file: &str| ["create", "secret", "sops", "keys", "--export", file].map(str::to_owned);
    let run = |file: &str| {
        let words = words(file);
        desk.flux(&words.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let output = run("--gpg-key-file=open.asc")?;
    let secret = sealfast_yaml::json::from_yaml(&output.stdout)?;
    let data = secret["stringData"].as_object().map(|data| data.iter().collect::<Vec<_>>());
    let [(name, value)] = data.as_deref().unwrap_or_default() else { panic!("one key") };
    assert!(name.ends_with(".asc") && value.as_str().is_some_and(|text| text.contains("PRIVATE KEY")));
    for (file, why) in [
        ("--gpg-key-file=public.asc", "✗ public.asc: there are only public keys in it"),
        ("--gpg-key-file=locked.asc", "is locked by a passphrase"),
    ] {
        let output = run(file)?;
        let told = String::from_utf8(output.stderr)?;
        assert!(!output.status.success() && told.contains(why), "{told}");
    }
    Ok(())
}

#[test]
fn a_receiver_gets_a_token_of_its_own() -> Result<()> {
    let desk = Desk::new(Vec::new())?;
    let words = ["create", "secret", "receiver", "rx", "--type=github", "--hostname=h", "--export"];
    let token = |yaml: String| -> Result<String> {
        let secret = sealfast_yaml::json::from_yaml(yaml.as_bytes())?;
        Ok(secret["stringData"]["token"].as_str().unwrap_or_default().to_owned())
    };
    let (one, two) = (token(desk.told(&words)?)?, token(desk.told(&words)?)?);
    assert!(one.len() == 64 && one.bytes().all(|byte| byte.is_ascii_hexdigit()) && one != two, "{one} {two}");
    Ok(())
}

#[test]
fn the_keys_of_a_kustomization_are_checked() -> Result<()> {
    const KEY: &str = "AGE-SECRET-KEY-1QQQSYQCYQ5RQWZQFPG9SCRGWPUGPZYSNZS23V9CCRYDPK8QARC0SVLYRJW";
    let desk = Desk::new(Vec::new())?;
    let identity = desk.keygen()?;
    desk.write("age.agekey", &identity)?;
    desk.write("bad.agekey", KEY)?;
    let words = ["create", "secret", "sops", "sops-age", "--export"];
    let told = |more: &[&str]| desk.told(&[words.as_slice(), more].concat());
    let secret = sealfast_yaml::json::from_yaml(told(&["--age-key-file=age.agekey"])?.as_bytes())?;
    assert_eq!(secret["type"], "Opaque");
    let data = secret["stringData"].as_object().map(|data| data.iter().collect::<Vec<_>>());
    let [(name, value)] = data.as_deref().unwrap_or_default() else { panic!("one key") };
    assert!(name.strip_suffix(".agekey").is_some_and(|sum| sum.parse::<u32>().is_ok()), "{name}");
    assert_eq!(value.as_str(), Some(identity.as_str()));
    for (more, why) in [
        (vec![], "at least one key must be provided"),
        (vec!["--age-key-file=bad.agekey"], "bad.agekey: "),
        (vec!["--gpg-key-file=age.agekey"], "age.agekey: "),
        (vec!["--age-key-file=none"], "unable to read key file: open none: no such file or directory"),
    ] {
        let told = desk.refusal(&[words.as_slice(), &more].concat())?;
        assert!(told.contains(why) && !told.contains("AGE-SECRET"), "{more:?}: {told}");
    }
    Ok(())
}

#[test]
fn rights_that_differ_are_made_anew() -> Result<()> {
    const RBAC: &str = "rbac.authorization.k8s.io";
    let desk = Desk::new(vec![json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "apps", "labels": { "x": "y" } },
    })])?;
    let words = ["create", "tenant", "dev", "--with-namespace=apps,web"];
    let output = desk.flux(&words)?;
    let talk = String::from_utf8(output.stderr)?;
    assert_eq!(talk.lines().count(), 7, "{talk}");
    assert!(talk.ends_with("► applying role binding dev-reconciler\n✔ tenant setup completed\n"), "{talk}");
    assert_eq!(
        desk.object("", "namespaces", "", "apps")["metadata"]["labels"],
        json!({ "toolkit.fluxcd.io/tenant": "dev", "x": "y" })
    );
    let binding = || desk.object(RBAC, "rolebindings", "web", "dev-reconciler");
    let first = binding();
    desk.told(&words)?;
    assert_eq!(binding()["metadata"]["uid"], first["metadata"]["uid"], "nothing was to be done");
    desk.told(&[words.as_slice(), &["--cluster-role=edit"]].concat())?;
    assert_ne!(binding()["metadata"]["uid"], first["metadata"]["uid"]);
    assert_eq!(binding()["roleRef"]["name"], "edit");
    assert!(
        desk.refusal(&["create", "tenant", "dev", "--with-namespace=a b"])?
            .contains("invalid namespace 'a b'")
    );
    assert_eq!(
        desk.refusal(&["create", "tenant", "dev", "--with-namespace=,"])?,
        "✗ with-namespace is required\n"
    );
    Ok(())
}
