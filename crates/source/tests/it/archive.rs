//! Archives against the recorded ones, byte for byte, and back into memory.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use sealfast_source::archive::unpack::{Limits, unpack};
use sealfast_source::archive::{hex, pack, write_tar};
use sealfast_source::digest::Algorithm;
use sealfast_source::error::Error;
use sealfast_source::tree::{Directory, Entry, Memory, Until};
use sealfast_testkit::place;
use sealfast_testkit::scratch::{self, Scratch};
use sha2::{Digest as _, Sha256};

#[test]
fn the_tar_is_the_recorded_one() -> Result<()> {
    for name in ["plain", "larger", "defaults-left-out", "long-names"] {
        let folder = place::golden("controllers").join("artifacts").join(name);
        let facts: serde_json::Value = serde_json::from_slice(&std::fs::read(folder.join("facts.json"))?)?;
        let mut tar = Vec::new();
        let input = Scratch::new()?;
        scratch::copy(&folder.join("input"), input.path())?;
        if name == "defaults-left-out" {
            restore_links(input.path())?;
        }
        write_tar(&Directory::new(input.path()), None, &mut tar)?;
        let digest = format!("sha256:{}", hex(&Sha256::digest(&tar)));
        assert_eq!(facts["tarDigest"].as_str(), Some(digest.as_str()), "{name}");
    }
    Ok(())
}

/// The recorded links are kept as files that hold their targets.
fn restore_links(folder: &Path) -> Result<()> {
    for name in ["link.yaml", "linkdir"] {
        let target = std::fs::read_to_string(folder.join(name))?;
        std::fs::remove_file(folder.join(name))?;
        std::os::unix::fs::symlink(target.trim(), folder.join(name))?;
    }
    Ok(())
}

#[test]
fn what_was_packed_comes_back() -> Result<()> {
    let mut files = Memory::default();
    files.add("a/b.yaml", Entry::File { bytes: b"a: 1\n".to_vec(), executable: false });
    files.add("run", Entry::File { bytes: b"#!/bin/sh\n".to_vec(), executable: true });
    files.add("link", Entry::Link { target: "run".to_owned() });
    let mut packed = Vec::new();
    let facts = pack(&files, None, &mut packed, Algorithm::Sha256)?;
    assert_eq!(facts.size, packed.len() as u64);
    assert_eq!(packed[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
    let back = unpack(packed.as_slice(), &Limits::default())?;
    files.entries.remove("link");
    assert_eq!(back, files);
    Ok(())
}

#[test]
fn what_a_tree_in_git_may_hold_can_be_packed_and_unpacked() -> Result<()> {
    let mut files = Memory::default();
    for number in 0..199_999 {
        files.add(&format!("d/{number}"), Entry::File { bytes: Vec::new(), executable: false });
    }
    let mut packed = Vec::new();
    pack(&files, None, &mut packed, Algorithm::Sha256)?;
    assert_eq!(unpack(packed.as_slice(), &Limits::default())?.entries.len(), 200_000);
    Ok(())
}

#[test]
fn limits_and_paths_are_kept() -> Result<()> {
    let mut files = Memory::default();
    files.add("big", Entry::File { bytes: vec![0; 100_000], executable: false });
    let mut packed = Vec::new();
    pack(&files, None, &mut packed, Algorithm::Sha256)?;
    let few = Limits { bytes: 1000, ..Limits::default() };
    assert!(matches!(unpack(packed.as_slice(), &few), Err(Error::TooLarge { .. })));
    let none = Limits { entries: 1, ..Limits::default() };
    assert!(matches!(unpack(packed.as_slice(), &none), Err(Error::TooLarge { .. })));
    for bad in ["../up", "/etc/passwd", "a/../../b"] {
        let archive = with_name(bad).context("an archive")?;
        assert!(
            matches!(unpack(archive.as_slice(), &Limits::default()), Err(Error::UnsafePath { .. })),
            "{bad}"
        );
    }
    assert!(matches!(unpack(&b"no archive"[..], &Limits::default()), Err(Error::Archive(_))));
    Ok(())
}

/// Makes an archive whose only file has this name, which no honest writer would give it.
fn with_name(name: &str) -> Result<Vec<u8>> {
    let mut header = tar::Header::new_ustar();
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_size(1);
    header.set_mode(0o600);
    header.set_entry_type(tar::EntryType::Regular);
    header.set_cksum();
    let mut builder = tar::Builder::new(Vec::new());
    builder.append(&header, &b"x"[..])?;
    let tar = builder.into_inner()?;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut gzip, &tar)?;
    Ok(gzip.finish()?)
}

#[test]
fn packing_ends_with_its_time() -> Result<()> {
    let mut files = Memory::default();
    // Left out, so that nothing of it is read.
    files.add("a.png", Entry::File { bytes: Vec::new(), executable: false });
    let late = Until { tree: &files, deadline: Instant::now() };
    let told = pack(&late, None, Vec::new(), Algorithm::Sha256);
    assert!(matches!(told, Err(Error::Deadline)), "{told:?}");
    let early = Until { tree: &files, deadline: Instant::now() + Duration::from_secs(60) };
    pack(&early, None, Vec::new(), Algorithm::Sha256)?;
    Ok(())
}
