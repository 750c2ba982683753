//! The fuzzing corpus of this crate, with the laws of the fuzz targets.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use sealfast_source::archive::pack;
use sealfast_source::archive::unpack::{Limits, unpack};
use sealfast_source::digest::Algorithm;
use sealfast_source::ignore::{FILE, Rules};
use sealfast_source::tree::{Entry, Memory, Tree as _};
use sealfast_source::url::Address;
use sealfast_source::version::{Range, of_tag};
use sealfast_testkit::place;

fn inputs(target: &str) -> Result<Vec<(PathBuf, Vec<u8>)>> {
    let folder = place::root().join("fuzz/corpus").join(target);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(&folder).with_context(|| format!("{}", folder.display()))? {
        let path = entry?.path();
        let bytes = std::fs::read(&path)?;
        found.push((path, bytes));
    }
    assert!(found.len() > 5, "the corpus of {target} is there");
    Ok(found)
}

fn texts(target: &str) -> Result<Vec<String>> {
    Ok(inputs(target)?.into_iter().map(|(_, bytes)| String::from_utf8_lossy(&bytes).into_owned()).collect())
}

#[test]
fn addresses_show_no_password_and_read_as_themselves() -> Result<()> {
    for text in texts("git_address")? {
        let Ok(address) = Address::parse(&text) else { continue };
        assert!(address.bare().password().is_none(), "{address}");
        assert_eq!(Address::parse(address.shown())?.bare(), address.bare());
    }
    Ok(())
}

#[test]
fn archives_are_bounded_safe_and_survive_a_round_trip() -> Result<()> {
    let limits = Limits { entries: 100, bytes: 1 << 20, path: 256 };
    for (path, bytes) in inputs("archive")? {
        let Ok(files) = unpack(bytes.as_slice(), &limits) else { continue };
        let safe = |path: &String| path.split('/').all(|part| !matches!(part, "" | "." | ".."));
        assert!(files.entries.keys().all(safe), "{}", path.display());
        let mut packed = Vec::new();
        pack(&files, Some("!*"), &mut packed, Algorithm::Sha256)?;
        assert_eq!(unpack(packed.as_slice(), &Limits::default())?, files, "{}", path.display());
    }
    Ok(())
}

#[test]
fn a_last_rule_brings_everything_back() -> Result<()> {
    for text in texts("ignore")? {
        let mut files = Memory::default();
        let file = |text: &str| Entry::File { bytes: text.as_bytes().to_vec(), executable: false };
        for path in ["a.yaml", "b/c.yaml", "b/d/e.png", ".git/config", "b/ü x"] {
            files.add(path, file(""));
        }
        files.add(&format!("b/{FILE}"), file(&text));
        let items = files.list()?;
        Rules::collect(&files, &items, Some(&text))?;
        let open = Rules::collect(&files, &items, Some("!*"))?;
        assert!(items.iter().all(|item| !open.excludes(&item.path, false)), "{text:?}");
    }
    Ok(())
}

#[test]
fn a_version_is_in_the_range_of_itself() -> Result<()> {
    for text in texts("version_range")? {
        if let (Ok(range), Some(version)) = (Range::parse(&text), of_tag(&text)) {
            assert!(range.contains(&version), "{text}");
        }
    }
    Ok(())
}
