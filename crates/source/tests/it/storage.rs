//! The storage: keep, find out tampering, collect, stay inside.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use sealfast_source::archive::pack;
use sealfast_source::digest::Algorithm;
use sealfast_source::error::Error;
use sealfast_source::storage::{Retention, Storage};
use sealfast_source::tree::{Entry, Item, Memory, Tree};
use sealfast_testkit::scratch::Scratch;

fn files(content: &str) -> Memory {
    let mut files = Memory::default();
    files.add("a.yaml", Entry::File { bytes: content.as_bytes().to_vec(), executable: false });
    files
}

#[test]
fn a_kept_file_verifies_until_it_is_changed() -> anyhow::Result<()> {
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
fn old_files_go_and_the_current_one_stays() -> anyhow::Result<()> {
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
fn no_path_leads_outside() -> anyhow::Result<()> {
    let folder = Scratch::new()?;
    let storage = Storage::open(folder.join("data"), Retention::default())?;
    assert!(matches!(storage.read("../secret"), Err(Error::UnsafePath { .. })));
    assert!(matches!(storage.keep("/a", &files(""), None), Err(Error::UnsafePath { .. })));
    Ok(())
}

/// A tree whose second file cannot be read, as when a disk is full or broken.
struct Broken(Memory);

impl Tree for Broken {
    fn list(&self) -> Result<Vec<Item>, Error> {
        self.0.list()
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, Error> {
        if path == "b.yaml" {
            let source = std::io::ErrorKind::StorageFull.into();
            return Err(Error::File { action: "read", path: path.into(), source });
        }
        self.0.read(path)
    }
}

#[test]
fn a_failure_half_way_leaves_the_old_file_and_nothing_else() -> anyhow::Result<()> {
    let folder = Scratch::new()?;
    let storage = Storage::open(folder.join("data"), Retention::default())?;
    let path = Storage::path("GitRepository", "apps", "repo", "abc.tar.gz");
    let old = storage.keep(&path, &files("a: 1\n"), None)?;
    let mut more = files("a: 2\n");
    more.add("b.yaml", Entry::File { bytes: Vec::new(), executable: false });
    assert!(storage.keep(&path, &Broken(more), None).is_err());
    storage.verify(&path, &old.digest)?;
    let left = std::fs::read_dir(folder.join("data/gitrepository/apps/repo"))?;
    let names: Vec<_> = left.map(|entry| entry.map(|entry| entry.file_name())).collect::<Result<_, _>>()?;
    assert!(names.iter().all(|name| name == "abc.tar.gz" || name == "abc.tar.gz.lock"), "{names:?}");
    Ok(())
}

/// Takes so many bytes and no more.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let count = bytes.len().min(self.0);
        self.0 -= count;
        if count == 0 { Err(std::io::ErrorKind::StorageFull.into()) } else { Ok(count) }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_is_an_error_at_every_byte() -> anyhow::Result<()> {
    let tree = files("a: 1\n");
    let mut whole = Vec::new();
    let size = pack(&tree, None, &mut whole, Algorithm::Sha256)?.size;
    for room in 0..usize::try_from(size)? {
        let found = pack(&tree, None, Full(room), Algorithm::Sha256).err().map(|error| error.chain());
        assert!(found.is_some_and(|text| text.contains("no storage space")), "room for {room} of {size}");
    }
    Ok(())
}

#[test]
fn what_was_verified_is_verified_again_when_it_looks_otherwise() -> anyhow::Result<()> {
    let folder = Scratch::new()?;
    let storage = Storage::open(folder.join("data"), Retention::default())?;
    let path = Storage::path("GitRepository", "apps", "repo", "abc.tar.gz");
    let stored = storage.keep(&path, &files("a: 1\n"), None)?;
    storage.verify_once(&path, &stored.digest)?;
    storage.verify_once(&path, &stored.digest)?;
    assert!(storage.verify_once(&path, "sha256:00").is_err(), "another digest is another question");
    let absolute = folder.join("data").join(&path);
    let mut bytes = std::fs::read(&absolute)?;
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&absolute, bytes)?;
    assert!(matches!(storage.verify_once(&path, &stored.digest), Err(Error::Digest { .. })));
    Ok(())
}

#[test]
fn every_algorithm_is_kept_and_verified() -> anyhow::Result<()> {
    let folder = Scratch::new()?;
    let tree = files("a: 1\n");
    for algorithm in Algorithm::ALL {
        let root = folder.join(algorithm.name());
        let storage = Storage::open(&root, Retention::default())?.digesting(algorithm);
        let stored = storage.keep("gitrepository/a/b/c.tar.gz", &tree, None)?;
        assert!(stored.digest.starts_with(&format!("{algorithm}:")), "{}", stored.digest);
        // Another algorithm later does not make old files wrong.
        let later = Storage::open(&root, Retention::default())?;
        later.verify(&stored.path, &stored.digest)?;
        std::fs::write(root.join(&stored.path), b"other")?;
        assert!(later.verify(&stored.path, &stored.digest).is_err(), "{algorithm}");
        let named = storage.keep_by_digest("ExternalArtifact", "a", "b", &tree)?;
        assert!(named.path.contains(named.digest.rsplit(':').next().unwrap_or_default()));
    }
    Ok(())
}

fn path(round: usize) -> String {
    Storage::path("GitRepository", "ns", "a", &format!("{round}.tar.gz"))
}

#[test]
fn what_is_read_while_others_write_and_collect_is_whole_or_gone() -> anyhow::Result<()> {
    const ROUNDS: usize = 60;
    let scratch = Scratch::new()?;
    let storage = Storage::open(scratch.join("s"), Retention { age: Duration::ZERO, records: 1 })?;
    let current = Mutex::new(storage.keep(&path(0), &files("0"), None)?);
    let is_over = AtomicBool::new(false);
    let over = || is_over.load(Ordering::Relaxed);
    std::thread::scope(|scope| -> anyhow::Result<()> {
        let collector = scope.spawn(|| -> anyhow::Result<usize> {
            let mut removed = 0;
            while !over() {
                let current = current.lock().unwrap_or_else(PoisonError::into_inner);
                removed += storage.collect(&current.path, SystemTime::now() + Duration::from_secs(5))?;
                drop(current);
                std::thread::yield_now();
            }
            Ok(removed)
        });
        let reader = scope.spawn(|| -> anyhow::Result<usize> {
            let mut read = 0;
            while !over() {
                let stored = current.lock().unwrap_or_else(PoisonError::into_inner).clone();
                // What is no longer current may be gone; what is there is whole.
                match storage.verify(&stored.path, &stored.digest) {
                    Err(Error::File { .. }) => {}
                    verdict => verdict.map(|()| read += 1)?,
                }
            }
            Ok(read)
        });
        let written = (1..=ROUNDS).try_for_each(|round| -> anyhow::Result<()> {
            let mut current = current.lock().unwrap_or_else(PoisonError::into_inner);
            *current = storage.keep(&path(round), &files(&"x".repeat(round)), None)?;
            drop(current);
            std::thread::sleep(Duration::from_millis(2));
            Ok(())
        });
        is_over.store(true, Ordering::Relaxed);
        written?;
        let join = |result: std::thread::Result<anyhow::Result<usize>>| result.expect("does not panic");
        anyhow::ensure!(join(collector.join())? > 0 && join(reader.join())? > 0);
        Ok(())
    })?;
    let last = current.into_inner()?.clone();
    storage.verify(&last.path, &last.digest)?;
    Ok(())
}

#[test]
fn what_somebody_is_writing_is_not_collected() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let storage = Storage::open(scratch.join("s"), Retention { age: Duration::ZERO, records: 1 })?;
    let stored = storage.keep(&path(0), &files("0"), None)?;
    let half = scratch.join("s/gitrepository/ns/a/.new-x");
    std::fs::write(&half, "half")?;
    let collected = |later: Duration| storage.collect(&stored.path, SystemTime::now() + later);
    anyhow::ensure!(collected(Duration::from_secs(600))? == 0 && half.exists());
    anyhow::ensure!(collected(Duration::from_secs(2 * 3600))? == 1 && !half.exists());
    Ok(())
}
