//! The state file: one sealed record per write, appended.
//!
//! Promise: a write is acknowledged once the operating system has it, so it survives the death of this process
//! at any moment. It is flushed to the disk within a second and at shutdown: a power cut may lose that second. Who
//! is to lose nothing has the server wait for the flush (`server::Sync`), which one flush does for all who wait.
//! When the disk refuses a flush nobody knows what it holds: a new file is written from memory, and until there is one
//! no write is taken.
//! Every record is AES-256-GCM under the key file beside it, names and Secrets included, so the file tells
//! nothing but sizes. After each flush a mark says how far it went. Blocks reach the disk in any order, so that a
//! power cut may leave anything behind the last flush: from the first record there that cannot be read, all is
//! dropped at the next start, with a warning. A record that cannot be read although a mark says that it was
//! flushed is damage, and the server does not start over it; without any mark, so is one that others follow.
//! Where the disk is full a write is refused and nothing of it is kept; reads go on, and so do writes once there is
//! room. The file is written anew, beside the old one and renamed over it, when most of it is history; writes go on
//! meanwhile and are taken along. A kill leaves the old or the new one.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use aes_gcm::Aes256Gcm;
use aes_gcm::aead::KeyInit;

use super::disk::{Disk, Folder, OpenFile, failed};
use super::lock::Lock;
use super::records::{Broken, HEADER, Record, mark, read_all, seal};
use super::rewriting::{Fresh, Place, Rewriting};
use crate::error::Error;

/// The open state file.
pub(crate) struct Journal {
    path: PathBuf,
    disk: Disk,
    file: Arc<OpenFile>,
    folder: Folder,
    cipher: Aes256Gcm,
    length: u64,
    /// Why nothing may be written until there is a new file.
    unusable: Option<&'static str>,
    /// The last write was refused by the disk.
    refuses: bool,
    /// When somebody was last told that the disk refuses writes.
    warned: Option<Instant>,
    /// No other new file is tried before.
    rests_until: Option<Instant>,
    /// Keeps the folder from other servers.
    lock: Option<Arc<Lock>>,
    closed: bool,
}

impl Journal {
    /// Opens or creates the file and reads what it holds.
    ///
    /// # Errors
    /// When it cannot be read, is of another version, or the key does not open it.
    pub(crate) fn open(
        disk: &Disk,
        path: &Path,
        key_path: &Path,
        key: &[u8; 32],
    ) -> Result<(Self, Vec<Record>), Error> {
        Place::beside(disk, path).clear();
        let file = disk.open(path).map_err(|source| failed("open", path, source))?;
        let folder = disk.folder_of(path).map_err(|source| failed("open the folder of", path, source))?;
        let bytes = file.read().map_err(|source| failed("read", path, source))?;
        let cipher = Aes256Gcm::new(key.into());
        let (records, length) = if bytes.is_empty() {
            (Vec::new(), 0)
        } else {
            let (records, good) = read_all(&cipher, &bytes).map_err(|broken| match broken {
                Broken::Header => Error::NotOurs { path: path.to_owned() },
                Broken::First => Error::WrongKey { path: key_path.to_owned() },
                Broken::At(offset) => Error::DamagedRecord { path: path.to_owned(), offset },
            })?;
            if good < bytes.len() {
                let (path, dropped) = (path.display(), bytes.len() - good);
                tracing::warn!(%path, dropped, "the end of the state file was never flushed to the disk, and these bytes of it are dropped");
            }
            (records, good as u64)
        };
        let mut journal = Self {
            path: path.to_owned(),
            disk: disk.clone(),
            file: Arc::new(file),
            folder,
            cipher,
            length,
            unusable: None,
            refuses: false,
            warned: None,
            rests_until: None,
            lock: None,
            closed: false,
        };
        journal.prepare()?;
        Ok((journal, records))
    }

    /// Appends a write (or, without a value, a deletion).
    pub(crate) fn append(
        &mut self,
        revision: u64,
        key: (&str, &str, &str),
        value: Option<&[u8]>,
    ) -> Result<(), Error> {
        self.check_open()?;
        if let Some(why) = self.unusable {
            return Err(self.refused(why));
        }
        let record = seal(&self.cipher, revision, Some(key), value)?;
        self.write(&record)
    }

    /// Writes down, and has on the disk, that later writes have versions above this one. Where that fails the file
    /// takes nothing more: versions would be given twice, or a hole stand before what comes after.
    pub(crate) fn raise(&mut self, revision: u64) -> Result<(), Error> {
        let raised = seal(&self.cipher, revision, None, None).and_then(|record| self.write(&record));
        let raised =
            raised.and_then(|()| self.file.sync().map_err(|source| failed("flush", &self.path, source)));
        raised.inspect_err(|_| self.unusable = Some(NOT_FLUSHED))
    }

    /// Notes that the file was flushed up to a length, where it is still this file.
    pub(crate) fn note_flushed(
        &mut self,
        file: &Arc<OpenFile>,
        revision: u64,
        length: u64,
    ) -> Result<(), Error> {
        if !Arc::ptr_eq(file, &self.file) || self.unusable.is_some() || self.closed {
            return Ok(());
        }
        let mark = mark(&self.cipher, revision, self.length.saturating_sub(length))?;
        self.write(&mark)
    }

    fn write(&mut self, record: &[u8]) -> Result<(), Error> {
        let done = self.file.write_at(record, self.length);
        self.refuses = done.is_err();
        if let Err(source) = done {
            // What was half written would hide everything after it.
            self.unusable = self.file.cut(self.length).is_err().then_some(CUT_SHORT);
            self.warn(&source);
            return Err(failed("write", &self.path, source));
        }
        self.length += record.len() as u64;
        Ok(())
    }

    /// Tells of a refused write, and not of each.
    fn warn(&mut self, error: &std::io::Error) {
        if self.warned.is_some_and(|last| last.elapsed() < REST) {
            return;
        }
        self.warned = Some(Instant::now());
        let path = self.path.display();
        tracing::warn!(%path, %error, "a write was refused because the state file takes no more; once there is room, writes are taken again");
    }

    /// Whether the last write was kept, and the next one may be.
    pub(crate) fn takes_writes(&self) -> bool {
        !self.refuses && self.unusable.is_none() && !self.closed
    }

    fn check_open(&self) -> Result<(), Error> {
        if self.closed { Err(self.refused(CLOSED)) } else { Ok(()) }
    }

    fn refused(&self, why: &'static str) -> Error {
        failed("write", &self.path, std::io::Error::other(why))
    }

    /// Keeps the folder from other servers as long as this one uses it.
    pub(crate) fn hold(&mut self, lock: Lock) {
        self.lock = Some(Arc::new(lock));
    }

    /// True when a new file should take its place: most of it is history, where so many bytes live, or it takes nothing.
    pub(crate) fn is_wasteful(&self, live: u64) -> bool {
        let rests = self.closed || self.rests_until.is_some_and(|end| Instant::now() < end);
        !rests && (self.unusable.is_some() || (self.length > LEAST_REWRITTEN && self.length > 3 * live))
    }

    /// What is needed to write the file anew outside the lock, from the objects as they are now.
    pub(crate) fn rewriting(&self, revision: u64) -> Rewriting {
        Rewriting {
            place: Place::beside(&self.disk, &self.path),
            cipher: self.cipher.clone(),
            revision,
            from: self.length,
            unusable: self.unusable,
            lock: self.lock.clone(),
        }
    }

    /// Puts a new file in place of the old one, with what was written since it was begun.
    ///
    /// # Errors
    /// When the server has stopped, when a flush failed since it was begun (nobody knows what may be copied), or the
    /// disk says no.
    pub(crate) fn replace(&mut self, mut fresh: Fresh) -> Result<(), Error> {
        self.check_open()?;
        if self.unusable == Some(NOT_FLUSHED) && fresh.unusable != self.unusable {
            return Err(self.refused(NOT_FLUSHED));
        }
        fresh.catch_up(&self.file, self.length)?;
        fresh.place.move_to(&self.path)?;
        // The old file has no name any more: what follows belongs in this one, whatever the disk says next.
        (self.file, self.length) = (Arc::new(fresh.file), fresh.length);
        self.unusable = None;
        self.folder.sync().map_err(|source| {
            self.unusable = Some(NOT_FLUSHED);
            failed("flush the folder of", &self.path, source)
        })
    }

    /// After a new file that could not be made: the next one has time.
    pub(crate) fn rest(&mut self) {
        self.rests_until = Some(Instant::now() + REST);
    }

    /// The file and how much of it is written.
    pub(crate) fn written(&self) -> (Arc<OpenFile>, u64) {
        (self.handle(), self.length)
    }

    /// The file, to flush it outside the lock.
    pub(crate) fn handle(&self) -> Arc<OpenFile> {
        Arc::clone(&self.file)
    }

    /// Takes no more writes when it is still this file that could not be flushed.
    pub(crate) fn refuse_unflushed(&mut self, file: &Arc<OpenFile>) {
        if Arc::ptr_eq(file, &self.file) {
            self.unusable = Some(NOT_FLUSHED);
        }
    }

    /// Takes nothing more; the folder is free for another server once no rewriting is left.
    pub(crate) fn close(&mut self) {
        self.closed = true;
        self.lock = None;
    }

    fn prepare(&mut self) -> Result<(), Error> {
        let begin = |file: &OpenFile, length: u64| -> std::io::Result<()> {
            file.cut(length)?;
            if length == 0 {
                file.write_at(HEADER, 0)?;
            }
            file.sync()
        };
        begin(&self.file, self.length).map_err(|source| failed("write", &self.path, source))?;
        self.length = self.length.max(HEADER.len() as u64);
        // A file begins with a mark, so that one without any is known to be of an older version.
        self.note_flushed(&self.handle(), 0, self.length)?;
        self.file.sync().map_err(|source| failed("flush", &self.path, source))?;
        self.folder.sync().map_err(|source| failed("flush the folder of", &self.path, source))
    }
}

const CUT_SHORT: &str = "an earlier write was cut short";
const NOT_FLUSHED: &str = "the disk did not take an earlier write";
/// Shorter files are never written anew.
const LEAST_REWRITTEN: u64 = 4 << 20;
const REST: Duration = Duration::from_secs(60);
const CLOSED: &str = "the server has stopped";
#[cfg(test)]
mod tests {
    use std::fs::{File, OpenOptions};
    use std::io::ErrorKind::StorageFull as Full;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::storage::disk::Step;
    use crate::storage::rewriting::Live;
    use crate::storage::{Expect, Key, Refused, Store, UNSEEN};

    #[test]
    fn a_lost_block_costs_what_was_not_flushed() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut journal = journal(dir.path());
        let (file, flushed) = journal.written();
        journal.note_flushed(&file, 1, flushed).expect("it is noted");
        let end = journal.length as usize;
        for number in 2..9 {
            journal.append(number, ("configmaps", "n", "d"), Some(&[b'1'; 4096])).expect("it is written");
        }
        drop((journal, file));
        let path = dir.path().join("state");
        let zero = |from: usize| {
            let mut bytes = std::fs::read(&path).expect("it is there");
            bytes[from..from + 2048].fill(0);
            std::fs::write(&path, bytes).expect("it is written");
        };
        zero(std::fs::metadata(&path).expect("it is there").len() as usize - 3 * 4096);
        assert_eq!(kept(dir.path()), 5, "the first, and those before the hole");
        assert_eq!(kept(dir.path()), 5, "what is cut off is gone");
        // Now that all is flushed and marked, a hole is damage.
        zero(end + 5000);
        let opened = Journal::open(&Disk::default(), &path, &dir.path().join("key"), &[7; 32]);
        assert!(matches!(opened.map(|_| ()), Err(Error::DamagedRecord { .. })));
    }

    /// A journal in a folder of its own, with one object in it.
    fn journal(dir: &Path) -> Journal {
        let path = dir.join("state");
        let (mut journal, records) =
            Journal::open(&Disk::default(), &path, &dir.join("key"), &[7; 32]).expect("it is opened");
        assert!(records.is_empty());
        journal.append(1, ("configmaps", "n", "c"), Some(b"{}")).expect("it is written");
        journal
    }

    fn kept(dir: &Path) -> usize {
        let opened = Journal::open(&Disk::default(), &dir.join("state"), &dir.join("key"), &[7; 32]);
        opened.expect("it is opened").1.len()
    }

    fn rewrite(journal: &mut Journal, revision: u64, live: &[Live<'_>]) -> Result<(), Error> {
        let fresh = journal.rewriting(revision).write(live.iter().copied())?;
        journal.replace(fresh)
    }

    #[test]
    fn a_full_disk_refuses_writes_and_keeps_what_was_acknowledged() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut journal = journal(dir.path());
        let full = OpenOptions::new().write(true).open("/dev/full").expect("it is there");
        let file = std::mem::replace(&mut journal.file, kept_in(full));
        let second = ("configmaps", "n", "d");
        assert!(matches!(journal.append(2, second, Some(b"{}")), Err(Error::File { .. })));
        // Half a record may stand in the file, and nobody can cut it off: nothing may follow it.
        journal.file = file;
        assert!(matches!(journal.append(2, second, Some(b"{}")), Err(Error::File { .. })));
        assert_eq!(kept(dir.path()), 1);
        let live = [(1, ("configmaps", "n", "c"), &b"{}"[..])];
        rewrite(&mut journal, 2, &live).expect("a whole new file is written");
        journal.append(3, second, Some(b"{}")).expect("and goes on");
        assert_eq!(kept(dir.path()), 3, "the head and two objects");
    }

    #[test]
    fn a_rewriting_that_fails_leaves_the_old_file_in_use() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut journal = journal(dir.path());
        let fresh = dir.path().join("state.new");
        std::fs::create_dir(&fresh).expect("something is in its way");
        assert!(rewrite(&mut journal, 2, &[]).is_err());
        journal.append(2, ("configmaps", "n", "d"), Some(b"{}")).expect("the old file is in use");
        assert_eq!(kept(dir.path()), 2);
        std::fs::remove_dir(&fresh).expect("it goes");
        // What a kill left of an earlier rewriting is written over.
        std::fs::write(&fresh, [9; 5000]).expect("it is written");
        assert_eq!(kept(dir.path()), 2);
        rewrite(&mut journal, 2, &[]).expect("it is written over");
        assert_eq!((kept(dir.path()), fresh.exists()), (1, false));
    }

    #[test]
    fn what_is_written_during_a_rewriting_is_taken_along() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut journal = journal(dir.path());
        let rewriting = journal.rewriting(1);
        journal.append(2, ("configmaps", "n", "d"), Some(b"{}")).expect("it is written");
        let live = [(1, ("configmaps", "n", "c"), &b"{}"[..])];
        let fresh = rewriting.write(live.into_iter()).expect("a new file is written");
        journal.append(3, ("configmaps", "n", "c"), None).expect("it is written");
        journal.replace(fresh).expect("it is put in place");
        journal.append(4, ("configmaps", "n", "e"), Some(b"{}")).expect("it goes on");
        drop(journal);
        let opened =
            Journal::open(&Disk::default(), &dir.path().join("state"), &dir.path().join("key"), &[7; 32]);
        let records = opened.expect("it is opened").1;
        let revisions: Vec<_> =
            records.iter().map(|record| (record.revision, record.key.is_some())).collect();
        assert_eq!(revisions, [(1, false), (1, true), (2, true), (3, true), (4, true)]);
    }

    #[test]
    fn a_closed_journal_leaves_the_folder_alone() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut journal = journal(dir.path());
        let fresh = journal.rewriting(1).write(std::iter::empty()).expect("a new file is written");
        journal.close();
        assert!(journal.append(2, ("configmaps", "n", "d"), Some(b"{}")).is_err());
        assert!(journal.replace(fresh).is_err());
        assert_eq!(kept(dir.path()), 1);
        assert!(!dir.path().join("state.new").exists());
        // A flush that fails later does not open it again.
        let file = journal.handle();
        journal.refuse_unflushed(&file);
        assert!(journal.append(2, ("configmaps", "n", "d"), Some(b"{}")).is_err());
        assert!(!journal.is_wasteful(0));
    }

    #[test]
    fn the_folder_is_free_once_no_rewriting_is_left() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut journal = journal(dir.path());
        journal.hold(Lock::take(&Disk::default(), dir.path()).expect("it is free"));
        let rewriting = journal.rewriting(1);
        journal.close();
        assert!(matches!(Lock::take(&Disk::default(), dir.path()), Err(Error::InUse { .. })));
        let fresh = rewriting.write(std::iter::empty()).expect("a new file is written");
        assert!(matches!(Lock::take(&Disk::default(), dir.path()), Err(Error::InUse { .. })));
        assert!(journal.replace(fresh).is_err());
        assert!(Lock::take(&Disk::default(), dir.path()).is_ok());
    }

    #[test]
    fn a_start_that_cannot_say_which_versions_are_left_out_takes_no_write() {
        for refused in ["write", "flush"] {
            let dir = tempfile::tempdir().expect("a folder");
            drop(journal(dir.path()));
            let refuses = Arc::new(AtomicBool::new(false));
            let asked = Arc::clone(&refuses);
            let disk = Disk::watched(move |step| match step {
                Step::Write(..) if refused == "write" && asked.load(Ordering::Relaxed) => Err(Full.into()),
                Step::Sync(_) if refused == "flush" && asked.load(Ordering::Relaxed) => Err(Full.into()),
                _ => Ok(()),
            });
            let open = |disk: &Disk| {
                let (path, key) = (dir.path().join("state"), dir.path().join("key"));
                Journal::open(disk, &path, &key, &[7; 32]).expect("it is opened")
            };
            let opened = open(&disk);
            refuses.store(true, Ordering::Relaxed);
            let store = Store::new(Some(opened));
            refuses.store(false, Ordering::Relaxed);
            let key = Key::new(&"namespaces".into(), "", "a");
            let written = store.put(&key, &serde_json::json!({}), Expect::Absent);
            assert!(matches!(written, Err(Refused::Disk(_))), "{refused}");
            assert!(store.sync() && store.put(&key, &serde_json::json!({}), Expect::Absent).is_err());
            store.rewrite_if_wasteful();
            let stored =
                store.put(&key, &serde_json::json!({}), Expect::Absent).expect("there is a new file");
            store.close();
            let again = Store::new(Some(open(&Disk::default())));
            assert_eq!(again.revision(), stored.revision + UNSEEN, "{refused}");
        }
    }

    #[test]
    fn what_may_not_be_on_the_disk_is_not_copied() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut journal = journal(dir.path());
        let fresh = journal.rewriting(1).write(std::iter::empty()).expect("a new file is written");
        let file = journal.handle();
        journal.refuse_unflushed(&file);
        assert!(journal.replace(fresh).is_err(), "the flush failed since it was begun");
        let live = [(1, ("configmaps", "n", "c"), &b"{}"[..])];
        rewrite(&mut journal, 1, &live).expect("what is written from memory alone is whole");
        journal.append(2, ("configmaps", "n", "d"), Some(b"{}")).expect("it goes on");
        assert_eq!(kept(dir.path()), 3);
    }

    #[test]
    fn writers_go_on_while_the_file_is_written_anew() {
        let dir = tempfile::tempdir().expect("a folder");
        let store = Store::new(Some((journal(dir.path()), Vec::new())));
        let object = |number: usize| serde_json::json!({"n": number, "x": "x".repeat(20_000)});
        let key = |number: usize| Key::new(&"namespaces".into(), "", &format!("c{}", number % 7));
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                for number in 0..700 {
                    let at =
                        store.get(&key(number)).map_or(Expect::Absent, |old| Expect::Revision(old.revision));
                    store.put(&key(number), &object(number), at).expect("it is written");
                }
            });
            while !writer.is_finished() {
                store.rewrite_if_wasteful();
                std::thread::yield_now();
            }
        });
        let revision = store.revision();
        store.close();
        let opened =
            Journal::open(&Disk::default(), &dir.path().join("state"), &dir.path().join("key"), &[7; 32]);
        let again = Store::new(Some(opened.expect("it is opened")));
        assert_eq!(again.revision(), revision + UNSEEN);
        for number in 693..700 {
            assert_eq!(again.get(&key(number)).expect("it is kept").object()["n"], number);
        }
        let length = std::fs::metadata(dir.path().join("state")).expect("it is there").len();
        assert!(length < 14_000_000, "{length} bytes of history");
    }

    fn kept_in(file: File) -> Arc<OpenFile> {
        Arc::new(OpenFile { file, disk: Disk::default() })
    }

    fn that_cannot_be_flushed() -> File {
        OpenOptions::new().write(true).open("/dev/null").expect("it is there")
    }

    #[test]
    fn a_new_file_whose_folder_cannot_be_flushed_is_the_one_in_use() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut journal = journal(dir.path());
        journal.folder.file = that_cannot_be_flushed();
        assert!(rewrite(&mut journal, 2, &[]).is_err());
        assert_eq!(kept(dir.path()), 1, "the head");
        let second = ("configmaps", "n", "d");
        assert!(journal.append(3, second, Some(b"{}")).is_err(), "the new name may not be on the disk");
        journal.folder = journal.disk.folder_of(&journal.path).expect("it is there");
        rewrite(&mut journal, 2, &[]).expect("it is written");
        journal.append(3, second, Some(b"{}")).expect("it goes on");
        assert_eq!(kept(dir.path()), 2, "what is acknowledged stands in the file of that name");
    }

    #[test]
    fn nothing_is_acknowledged_after_a_flush_that_failed() {
        let dir = tempfile::tempdir().expect("a folder");
        let store = Store::new(Some((journal(dir.path()), Vec::new())));
        store.inner.write().journal.as_mut().expect("it is kept").file = kept_in(that_cannot_be_flushed());
        let object = serde_json::json!({"apiVersion": "v1", "kind": "Namespace"});
        let put = |name: &str| store.put(&Key::new(&"namespaces".into(), "", name), &object, Expect::Absent);
        assert!(put("a").is_ok());
        store.sync();
        assert!(matches!(put("b"), Err(Refused::Disk(Error::File { .. }))));
        assert_eq!(store.list(&"namespaces".into(), None).items.len(), 1, "reads go on");
        store.rewrite_if_wasteful();
        assert!(put("b").is_ok(), "a new file was written from memory");
    }
}
