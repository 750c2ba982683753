//! `flux build`: how far it reads, and how long.

use std::ffi::OsStr;
use std::fs;
use std::net::TcpListener;
use std::os::unix::ffi::OsStrExt as _;

use anyhow::Result;

use crate::local::{DRY, Desk, kustomization, map};

#[test]
fn a_file_without_an_end_is_refused() -> Result<()> {
    let desk = Desk::new(&[("app/map.yaml", &map("m", "v"))], Vec::new())?;
    let (out, talk, code) =
        desk.sh("flux build ks app --path app --kustomization-file /dev/zero --dry-run")?;
    assert_eq!((out.as_str(), code), ("", 1));
    assert!(
        talk.contains("failed to read kustomization file /dev/zero: it is larger than 16777216 bytes"),
        "{talk}"
    );
    Ok(())
}

#[test]
fn only_folders_on_the_way_to_a_manifest_are_read_for_patterns() -> Result<()> {
    let desk = Desk::new(
        &[
            ("ks.yaml", &kustomization("app", "")),
            ("app/map.yaml", &map("m", "v")),
            ("app/.sourceignore", "odd.yaml\n"),
            ("app/odd.yaml", "no object\n"),
            ("app/sub/.sourceignore", "!odd.yaml\n/left.yaml\n"),
            ("app/sub/odd.yaml", &map("brought-back", "v")),
            ("app/sub/left.yaml", "no object\n"),
            ("app/sub/deep/left.yaml", &map("kept", "v")),
        ],
        Vec::new(),
    )?;
    fs::create_dir(desk.person.path("work/app/pictures"))?;
    fs::write(desk.person.path("work/app/pictures").join(OsStr::from_bytes(b"\xff.txt")), "x")?;
    for more in ["", "--in-memory-build"] {
        let (out, talk, code) = desk.sh(&format!("flux build ks app --path app {DRY} {more}"))?;
        assert_eq!((code, talk.as_str()), (0, ""));
        for name in ["m", "brought-back", "kept"] {
            assert!(out.contains(&format!("  name: {name}\n")), "{out}");
        }
        assert_eq!(out.matches("kind: ConfigMap").count(), 3, "{out}");
    }
    Ok(())
}

#[test]
fn a_host_that_is_silent_does_not_outlast_the_deadline() -> Result<()> {
    // Connections wait in the queue of the listener; nobody ever answers.
    let silent = TcpListener::bind(("127.0.0.1", 0))?;
    let host = format!("https://{}/", silent.local_addr()?);
    let desk = Desk::new(
        &[
            ("ks.yaml", &kustomization("app", "")),
            ("app/kustomization.yaml", &format!("resources: [\"{host}map.yaml\"]\n")),
        ],
        Vec::new(),
    )?;
    let (out, talk, code) =
        desk.sh(&format!("flux build ks app --path app {DRY} --allow-remote {host} --timeout 1s"))?;
    assert_eq!((out.as_str(), talk.as_str(), code), ("", "✗ context deadline exceeded\n", 1));
    Ok(())
}
