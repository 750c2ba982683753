//! Completion scripts offer what the parsers know, in the shells that there are.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::sops::Desk;

const NAMES: [&str; 4] = ["sealfast", "sops", "flux", "kustomize"];

/// What bash offers for a command line whose last word is being typed.
fn offered(desk: &Desk, line: &[&str]) -> BTreeSet<String> {
    let name = line[0];
    let script = desk.path(&format!("{name}.bash"));
    if !script.exists() {
        fs::write(&script, desk.text(&["completion", "bash", "--for", name])).unwrap();
    }
    let ask = format!(
        "source {}\nCOMP_WORDS=(\"$@\")\nCOMP_CWORD=$(($# - 1))\n_{name} \"$1\" \"${{COMP_WORDS[COMP_CWORD]}}\" \
         \"${{COMP_WORDS[COMP_CWORD-1]}}\"\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"",
        script.display()
    );
    let output = Command::new("bash").args(["--norc", "-c", &ask, "bash"]).args(line).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && told.is_empty(), "{line:?}: {told}");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

fn assert_offers(desk: &Desk, line: &[&str], wanted: &[&str]) {
    let offered = offered(desk, line);
    let missing: Vec<_> = wanted.iter().filter(|word| !offered.contains(**word)).collect();
    assert!(missing.is_empty(), "{line:?}: {missing:?} are missing of {offered:?}");
}

/// The long flags in a help text.
fn flags_of_help(text: &str) -> BTreeSet<String> {
    let words = text.lines().filter_map(|line| line.trim_start().split([' ', ',']).next());
    words.filter(|word| word.starts_with("--")).map(str::to_owned).collect()
}

#[test]
fn there_is_a_script_of_every_name_for_every_shell() {
    let desk = Desk::new();
    for name in NAMES {
        for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
            let script = desk.text(&["completion", shell, "--for", name]);
            assert!(script.contains(name) && script.lines().count() > 20, "{shell} {name}: {script}");
        }
    }
    assert!(desk.text(&["completion", "bash"]).contains("_sealfast()"));
    for name in ["flux", "kustomize"] {
        let output = desk.command_as(name, &["completion", "zsh"]).output().unwrap();
        assert!(String::from_utf8(output.stdout).unwrap().starts_with(&format!("#compdef {name}")));
    }
}

#[test]
fn the_verbs_for_secrets_have_the_flags_of_their_help() {
    let desk = Desk::new();
    for verb in [
        "encrypt",
        "decrypt",
        "edit",
        "set",
        "unset",
        "rotate",
        "updatekeys",
        "groups",
        "exec-env",
        "exec-file",
        "publish",
        "filestatus",
        "keyservice",
    ] {
        let known = flags_of_help(&desk.text(&[verb, "--help"]));
        assert!(known.contains("--help"), "{known:?}");
        let line = ["sealfast", verb, "--"];
        let offered: BTreeSet<String> =
            offered(&desk, &line).into_iter().filter(|word| word.starts_with("--")).collect();
        assert_eq!(offered, known, "{verb}");
    }
}

#[test]
fn flags_of_the_other_verbs_are_those_that_their_parsers_know() {
    let desk = Desk::new();
    for line in [
        &["get", "kustomization"][..],
        &["get", "source", "git"],
        &["create", "secret", "tls"],
        &["create", "kustomization"],
        &["reconcile", "source", "git"],
        &["build", "artifact"],
        &["logs"],
    ] {
        let output = desk.command_as("flux", &[line, &["--generate-flag-list"]].concat()).output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        let known: BTreeSet<String> =
            told.lines().filter_map(|flag| Some(format!("--{}", flag.split_once('\t')?.0))).collect();
        assert!(known.contains("--kubeconfig"), "{told}");
        for name in ["flux", "sealfast"] {
            let typed = [&[name], line, &["--"]].concat();
            let offered: BTreeSet<String> =
                offered(&desk, &typed).into_iter().filter(|word| word.starts_with("--")).collect();
            assert!(offered.is_superset(&known), "{typed:?}: {offered:?}");
        }
    }
}

#[test]
fn verbs_kinds_and_values_are_offered() {
    let desk = Desk::new();
    assert_offers(
        &desk,
        &["sealfast", ""],
        &[
            "encrypt",
            "updatekeys",
            "get",
            "create",
            "up",
            "run",
            "render",
            "keys",
            "sops",
            "flux",
            "kustomize",
        ],
    );
    assert_offers(
        &desk,
        &["sealfast", "encrypt", "--input-type", ""],
        &["yaml", "json", "dotenv", "ini", "binary"],
    );
    assert_offers(&desk, &["sealfast", "filestatus", "--output", ""], &["text", "json"]);
    assert_offers(&desk, &["sealfast", "keyservice", "--network", ""], &["tcp", "unix"]);
    assert_offers(&desk, &["sealfast", "groups", ""], &["add", "delete"]);
    assert_offers(
        &desk,
        &["sealfast", "create", "secret", ""],
        &["git", "sops", "generic", "docker-registry", "tls"],
    );
    assert_offers(
        &desk,
        &["sealfast", "create", "secret", "tls", "--"],
        &["--tls-crt-file", "--cert", "--dry-run"],
    );
    assert_offers(&desk, &["sealfast", "completion", ""], &["bash", "fish", "zsh", "powershell"]);
    assert_offers(&desk, &["sealfast", "completion", "--for", ""], &NAMES);
    assert_offers(&desk, &["sealfast", "kustomize", "edit", "set", ""], &["image", "namespace"]);
    assert_offers(&desk, &["sops", ""], &["encrypt", "completion", "exec-file"]);
    assert_offers(&desk, &["sops", "--"], &["--decrypt", "--in-place", "--config", "--set"]);
    assert_offers(&desk, &["sops", "decrypt", "--output-type", ""], &["yaml", "binary"]);
    assert_offers(&desk, &["flux", ""], &["get", "create", "completion", "reconcile"]);
    assert_offers(&desk, &["flux", "get", ""], &["source", "kustomization", "all"]);
    assert_offers(&desk, &["flux", "get", "source", ""], &["git", "oci", "bucket", "all"]);
    assert_offers(&desk, &["flux", "logs", "--level", ""], &["debug", "info", "error"]);
    assert_offers(
        &desk,
        &["flux", "create", "source", "git", "--provider", ""],
        &["generic", "github", "azure"],
    );
    assert_offers(&desk, &["kustomize", ""], &["build", "edit", "version", "completion"]);
    assert_offers(&desk, &["kustomize", "build", "--load-restrictor", ""], &["LoadRestrictionsNone"]);
}

/// Reads the scripts with shells that are there.
#[test]
fn scripts_are_read_by_their_shells() {
    let desk = Desk::new();
    for (shell, flags) in
        [("bash", &["--norc", "-n"][..]), ("zsh", &["-f", "-n"]), ("fish", &["--no-config", "-n"])]
    {
        if !["/usr/bin", "/bin"].iter().any(|dir| Path::new(dir).join(shell).exists()) {
            continue;
        }
        for name in NAMES {
            let path = desk.path(&format!("{name}.{shell}"));
            fs::write(&path, desk.text(&["completion", shell, "--for", name])).unwrap();
            let output = Command::new(shell).args(flags).arg(&path).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
    }
}
