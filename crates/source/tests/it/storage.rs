//! The storage: keep, find out tampering, collect, stay inside.

use std::time::{Duration, SystemTime};

use anyhow::Result;
use sealfast_source::error::Error;
use sealfast_source::storage::{Retention, Storage};
use sealfast_source::tree::{Entry, Memory};
use sealfast_testkit::scratch::Scratch;

fn files(content: &str) -> Memory {
    let mut files = Memory::default();
    files.add("a.yaml", Entry::File { bytes: content.as_bytes().to_vec(), executable: false });
    files
}

#[test]
fn a_kept_file_verifies_until_it_is_changed() -> Result<()> {
    let folder = Scratch::new()?;
    let storage = Storage::open(folder.join("data"), Retention::default())?;
    let path = Storage::path("GitRepository", "apps", "repo", "abc.tar.gz");
    let stored = storage.keep(&path, &files("a: 1\n"), None)?;
    assert_eq!(path, "gitrepository/apps/repo/abc.tar.gz");
    storage.verify(&path, &stored.digest)?;
    // A second process, or this one after a restart, finds it again.
    let again = Storage::open(folder.join("data"), Retention::default())?;
    assert!(again.holds(&path));
    assert_eq!(again.keep(&path, &files("a: 1\n"), None)?.digest, stored.digest);
    std::fs::write(folder.join("data").join(&path), b"tampered")?;
    assert!(matches!(storage.verify(&path, &stored.digest), Err(Error::Digest { .. })));
    Ok(())
}

#[test]
fn old_files_go_and_the_current_one_stays() -> Result<()> {
    let folder = Scratch::new()?;
    let storage = Storage::open(folder.join("data"), Retention { age: Duration::from_secs(60), records: 2 })?;
    let path = |file: &str| Storage::path("GitRepository", "apps", "repo", file);
    for file in ["1.tar.gz", "2.tar.gz", "3.tar.gz"] {
        storage.keep(&path(file), &files(file), None)?;
        std::thread::sleep(Duration::from_millis(15));
    }
    assert_eq!(storage.collect(&path("3.tar.gz"), SystemTime::now())?, 1);
    assert!(!storage.holds(&path("1.tar.gz")) && storage.holds(&path("2.tar.gz")));
    let later = SystemTime::now() + Duration::from_secs(120);
    assert_eq!(storage.collect(&path("3.tar.gz"), later)?, 1);
    assert!(storage.holds(&path("3.tar.gz")));
    storage.remove_all("GitRepository", "apps", "repo")?;
    assert!(!storage.holds(&path("3.tar.gz")));
    Ok(())
}

#[test]
fn no_path_leads_outside() -> Result<()> {
    let folder = Scratch::new()?;
    let storage = Storage::open(folder.join("data"), Retention::default())?;
    assert!(matches!(storage.read("../secret"), Err(Error::UnsafePath { .. })));
    assert!(matches!(storage.keep("/a", &files(""), None), Err(Error::UnsafePath { .. })));
    Ok(())
}
