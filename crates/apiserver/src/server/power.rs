//! Power cuts at every step: what was promised is there, whatever else was kept.
//!
//! The steps of a history are written down while they are taken. For each moment the disk is then made up that a
//! power cut may leave: what was handed to it, and of the rest nothing, all, or some parts.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::kept;
use crate::error::Error;
use crate::storage::disk::{Disk, Step};
use crate::storage::{Expect, Key, Store};

/// Names, of files by number and of folders.
type Names = BTreeMap<PathBuf, Option<usize>>;

/// Files and folders with what they hold.
pub(crate) type Image = BTreeMap<PathBuf, Option<Vec<u8>>>;

#[derive(Clone)]
enum Change {
    Write(u64, Vec<u8>),
    Cut(u64),
}

#[derive(Clone)]
enum Event {
    Folder(PathBuf),
    Opened(PathBuf, usize),
    Changed(usize, Change),
    Sync(usize),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
    SyncFolder(PathBuf),
    /// An object of a name is to get a number at a revision, or to go.
    Wrote(String, u64, Option<u64>),
    /// All that was written before is promised to be on the disk.
    Flushed,
    /// A client was told that there is a ConfigMap of this name.
    Acknowledged(String),
}

/// A disk in a machine: what reached it, and what was to.
#[derive(Clone, Default)]
struct Platter {
    files: Vec<Content>,
    names: Names,
    kept: Names,
}

#[derive(Clone, Default)]
struct Content {
    kept: Vec<u8>,
    since: Vec<Change>,
}

/// How much of what was not handed to the disk it has all the same.
#[derive(Debug, Clone, Copy)]
enum Luck {
    Nothing,
    NamesAlone,
    Everything,
    Chance(u64),
}

/// A repeatable sequence of numbers.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        ((mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb) >> 33) % most
    }
}

impl Content {
    fn image(&self, luck: Luck, dice: &mut Dice) -> Vec<u8> {
        let mut bytes = self.kept.clone();
        for change in &self.since {
            let taken = match luck {
                Luck::Nothing | Luck::NamesAlone => 0,
                Luck::Everything => u64::MAX,
                Luck::Chance(_) => match dice.below(3) {
                    0 => 0,
                    1 => u64::MAX,
                    _ => dice.below(100),
                },
            };
            match change {
                _ if taken == 0 => {}
                Change::Cut(length) => bytes.resize(*length as usize, 0),
                Change::Write(at, piece) => {
                    let piece = &piece[..(taken as usize).min(piece.len())];
                    let end = *at as usize + piece.len();
                    bytes.resize(bytes.len().max(end), 0);
                    bytes[*at as usize..end].copy_from_slice(piece);
                }
            }
        }
        bytes
    }
}

impl Platter {
    /// A disk that holds an image and nothing else is on its way to.
    fn holding(image: &Image) -> Self {
        let mut platter = Self::default();
        for (path, bytes) in image {
            let number = bytes.as_ref().map(|bytes| {
                platter.files.push(Content { kept: bytes.clone(), since: Vec::new() });
                platter.files.len() - 1
            });
            platter.names.insert(path.clone(), number);
        }
        platter.kept = platter.names.clone();
        platter
    }

    fn take(&mut self, event: &Event) {
        match event {
            Event::Folder(path) => drop(self.names.insert(path.clone(), None)),
            Event::Opened(path, number) => {
                self.files.resize_with(self.files.len().max(number + 1), Content::default);
                self.names.insert(path.clone(), Some(*number));
            }
            Event::Changed(number, change) => self.files[*number].since.push(change.clone()),
            Event::Sync(number) => {
                let content = &mut self.files[*number];
                content.kept = content.image(Luck::Everything, &mut Dice(0));
                content.since.clear();
            }
            Event::Rename(from, to) => {
                if let Some(number) = self.names.remove(from) {
                    self.names.insert(to.clone(), number);
                }
            }
            Event::Remove(path) => drop(self.names.remove(path)),
            Event::SyncFolder(folder) => {
                let inside = |path: &Path| path.parent() == Some(folder);
                self.kept.retain(|path, _| !inside(path));
                let names = self.names.iter().filter(|(path, _)| inside(path));
                self.kept.extend(names.map(|(path, number)| (path.clone(), *number)));
            }
            Event::Wrote(..) | Event::Flushed | Event::Acknowledged(_) => {}
        }
    }

    /// What is on the disk after a power cut.
    fn image(&self, luck: Luck) -> Image {
        let mut dice = Dice(if let Luck::Chance(seed) = luck { seed } else { 0 });
        let mut image = Image::new();
        let paths: std::collections::BTreeSet<&PathBuf> = self.names.keys().chain(self.kept.keys()).collect();
        for path in paths {
            let is_new = match luck {
                Luck::Nothing => false,
                Luck::NamesAlone | Luck::Everything => true,
                Luck::Chance(_) => dice.below(2) == 0,
            };
            let Some(number) = (if is_new { &self.names } else { &self.kept }).get(path) else { continue };
            let above = path.parent().filter(|above| !above.as_os_str().is_empty());
            if above.is_none_or(|above| image.contains_key(above)) {
                let bytes = number.map(|number| self.files[number].image(luck, &mut dice));
                image.insert(path.clone(), bytes);
            }
        }
        image
    }
}

/// Writes down what happens below a folder, and ends a process after some steps.
#[derive(Default)]
struct Log {
    events: Vec<Event>,
    names: Names,
    files: HashMap<u64, usize>,
    count: usize,
    /// Steps until the process is killed.
    left: Option<usize>,
}

impl Log {
    fn hear(&mut self, root: &Path, step: Step<'_>) -> std::io::Result<()> {
        if let Some(left) = &mut self.left {
            *left = left.checked_sub(1).ok_or_else(|| std::io::Error::other("killed"))?;
        }
        let below = |path: &Path| path.strip_prefix(root).expect("it is below the folder").to_owned();
        let number =
            |log: &Self, file: &std::fs::File| log.files[&file.metadata().expect("it is open").ino()];
        let event = match step {
            Step::Folder(path) => Event::Folder(below(path)),
            Step::Opened(path, file) => {
                let path = below(path);
                let known = self.names.get(&path).copied().flatten();
                let number = known.unwrap_or(self.count);
                self.count = self.count.max(number + 1);
                self.files.insert(file.metadata()?.ino(), number);
                self.names.insert(path.clone(), Some(number));
                Event::Opened(path, number)
            }
            Step::Write(file, at, bytes) => {
                Event::Changed(number(self, file), Change::Write(at, bytes.to_vec()))
            }
            Step::Cut(file, length) => Event::Changed(number(self, file), Change::Cut(length)),
            Step::Sync(file) => Event::Sync(number(self, file)),
            Step::Rename(from, to) => {
                let (from, to) = (below(from), below(to));
                if let Some(moved) = self.names.remove(&from) {
                    self.names.insert(to.clone(), moved);
                }
                Event::Rename(from, to)
            }
            Step::Remove(path) => {
                self.names.remove(&below(path));
                Event::Remove(below(path))
            }
            Step::SyncFolder(path) => match path.strip_prefix(root) {
                Ok(path) => Event::SyncFolder(path.to_owned()),
                Err(_) => return Ok(()),
            },
        };
        self.events.push(event);
        Ok(())
    }
}

/// A machine with a folder of its own, whose steps are written down.
pub(crate) struct Machine {
    root: tempfile::TempDir,
    log: Arc<Mutex<Log>>,
    before: Platter,
}

impl Machine {
    pub(crate) fn holding(image: &Image) -> Self {
        let root = tempfile::tempdir().expect("a folder");
        let before = Platter::holding(image);
        let mut log = Log { names: before.names.clone(), count: before.files.len(), ..Log::default() };
        for (path, bytes) in image {
            let place = root.path().join(path);
            match bytes {
                None => std::fs::create_dir(&place).expect("it is made"),
                Some(bytes) => std::fs::write(&place, bytes).expect("it is written"),
            }
            let about = std::fs::metadata(&place).expect("it is there");
            if let Some(number) = before.names[path] {
                log.files.insert(about.ino(), number);
            }
            let mode = if about.is_dir() { 0o700 } else { 0o600 };
            std::fs::set_permissions(&place, std::os::unix::fs::PermissionsExt::from_mode(mode))
                .expect("it is ours");
        }
        Self { root, log: Arc::new(Mutex::new(log)), before }
    }

    /// Its disk.
    pub(crate) fn disk(&self) -> Disk {
        let (log, root) = (Arc::clone(&self.log), self.root.path().to_owned());
        Disk::watched(move |step| log.lock().hear(&root, step))
    }

    /// Its state directory.
    pub(crate) fn state(&self) -> PathBuf {
        self.root.path().join(STATE)
    }

    pub(crate) fn start(&self) -> Result<Store, Error> {
        Ok(kept(&self.disk(), &self.state(), [127, 0, 0, 1].into())?.1)
    }

    /// Notes that a client was told that there is a ConfigMap of this name.
    pub(crate) fn acknowledge(&self, name: &str) {
        self.say(Event::Acknowledged(name.to_owned()));
    }

    /// What a power cut takes away of all that clients were told before it, when it comes as soon as they are.
    pub(crate) fn lost(&self) -> Vec<String> {
        let events = self.log.lock().events.clone();
        let (mut platter, mut told, mut lost) = (self.before.clone(), Vec::new(), Vec::new());
        for (step, event) in events.iter().enumerate() {
            platter.take(event);
            let Event::Acknowledged(name) = event else { continue };
            told.push(name);
            for luck in [Luck::Nothing, Luck::Chance(step as u64)] {
                let machine = Self::holding(&platter.image(luck));
                let store = machine.start().expect("it starts after a power cut");
                let is_lost = |name: &&&String| store.get(&map(name)).is_none();
                lost.extend(told.iter().filter(is_lost).map(ToString::to_string));
            }
        }
        lost
    }

    /// Steps that were taken.
    pub(crate) fn steps(&self) -> usize {
        self.log.lock().events.len()
    }

    /// What kills after so many steps leave, one behind each write.
    pub(crate) fn killed_since(&self, from: usize) -> Vec<Image> {
        let events = self.log.lock().events.clone();
        let mut platter = self.before.clone();
        let mut images = Vec::new();
        for (step, event) in events.iter().enumerate() {
            platter.take(event);
            if step >= from && matches!(event, Event::Changed(_, Change::Write(..))) {
                images.push(platter.image(Luck::Everything));
            }
        }
        images
    }

    /// Whether a power cut now would leave a ConfigMap.
    pub(crate) fn holds(&self, name: &str) -> bool {
        let mut platter = self.before.clone();
        self.log.lock().events.iter().for_each(|event| platter.take(event));
        let machine = Self::holding(&platter.image(Luck::Nothing));
        machine.start().is_ok_and(|store| store.get(&map(name)).is_some())
    }

    fn say(&self, event: Event) {
        self.log.lock().events.push(event);
    }

    fn put(&self, store: &Store, name: &str, number: u64) {
        let at = store.get(&key(name)).map_or(Expect::Absent, |old| Expect::Revision(old.revision));
        let object = serde_json::json!({"metadata": {"name": name}, "number": number});
        let revision = store.revision() + 1;
        self.say(Event::Wrote(name.to_owned(), revision, Some(number)));
        assert_eq!(store.put(&key(name), &object, at).expect("it is written").revision, revision);
    }

    fn delete(&self, store: &Store, name: &str) {
        let stored = store.get(&key(name)).expect("it is there");
        let revision = store.revision() + 1;
        self.say(Event::Wrote(name.to_owned(), revision, None));
        assert_eq!(store.delete(&key(name), stored.revision).expect("it goes"), revision);
    }

    fn flush(&self, store: &Store) {
        assert!(store.sync());
        self.say(Event::Flushed);
    }

    /// Cuts the power at every step, and looks what is there afterwards; returns how many disks were looked at.
    fn cut_everywhere(&self, base: &Objects, chances: u64) -> usize {
        let events = self.log.lock().events.clone();
        let mut platter = self.before.clone();
        let mut told = Told { base: base.clone(), writes: Vec::new(), promised: 0 };
        let mut seen = HashSet::new();
        for (step, event) in events.iter().enumerate() {
            platter.take(event);
            match event {
                Event::Wrote(name, revision, number) => told.writes.push((name.clone(), *revision, *number)),
                Event::Flushed => told.promised = told.writes.len(),
                _ => {}
            }
            let chance = (0..chances).map(|seed| Luck::Chance(seed + 1000 * step as u64));
            for luck in [Luck::Nothing, Luck::NamesAlone, Luck::Everything].into_iter().chain(chance) {
                let image = platter.image(luck);
                if seen.insert((image.clone(), told.promised, told.writes.len())) {
                    told.check(&image, &format!("{luck:?} at step {step} of {}", events.len()));
                }
            }
        }
        seen.len()
    }
}

/// Objects by name, with revision and number.
type Objects = BTreeMap<String, (u64, u64)>;

/// What clients were told.
struct Told {
    base: Objects,
    writes: Vec<(String, u64, Option<u64>)>,
    promised: usize,
}

impl Told {
    fn check(&self, image: &Image, place: &str) {
        let machine = Machine::holding(image);
        let store = machine.start().unwrap_or_else(|error| panic!("{place}: {error:?}"));
        let found = objects(&store);
        let mut state = self.base.clone();
        let states = (0..=self.writes.len()).map(|count| {
            if let Some((name, revision, number)) = count.checked_sub(1).map(|last| &self.writes[last]) {
                match number {
                    Some(number) => state.insert(name.clone(), (*revision, *number)),
                    None => state.remove(name),
                };
            }
            state.clone()
        });
        let there = states.enumerate().filter(|(_, state)| *state == found).map(|(count, _)| count).max();
        assert!(
            there.is_some_and(|there| there >= self.promised),
            "{place}: {} of {} writes were promised, {there:?} are there: {found:?}",
            self.promised,
            self.writes.len()
        );
        let last = self.writes.iter().map(|(_, revision, _)| *revision).max().unwrap_or_default();
        assert!(store.revision() >= last, "{place}: {} after {last} was told", store.revision());
    }
}

fn objects(store: &Store) -> Objects {
    let items = store.list(&RESOURCE.into(), None).items;
    let items = items.iter().map(|stored| (stored.marks().name.clone(), stored.object()["number"].clone()));
    items
        .map(|(name, number)| {
            let revision = store.get(&key(&name)).expect("it is there").revision;
            (name, (revision, number.as_u64().expect("a number")))
        })
        .collect()
}

fn key(name: &str) -> Key {
    Key::new(&RESOURCE.into(), "", name)
}

fn map(name: &str) -> Key {
    Key::new(&"configmaps".into(), "default", name)
}

/// Objects that are in no namespace.
const RESOURCE: &str = "namespaces";
/// A folder in one that is not there either.
const STATE: &str = "above/state";

/// A life with two kills, two rewritings and a stop; what it leaves at the end.
fn live(machine: &Machine) {
    let store = machine.start().expect("it starts");
    machine.put(&store, "a", 1);
    machine.put(&store, "b", 2);
    machine.flush(&store);
    machine.put(&store, "a", 3);
    machine.delete(&store, "b");
    machine.put(&store, "c", 4);
    machine.flush(&store);
    machine.put(&store, "d", 5);
    drop(store);
    let store = machine.start().expect("it starts after a kill");
    machine.put(&store, "a", 6);
    machine.flush(&store);
    store.rewrite_around(|| {}).expect("it is written anew");
    machine.put(&store, "b", 7);
    machine.flush(&store);
    store
        .rewrite_around(|| {
            machine.put(&store, "e", 8);
            machine.flush(&store);
            machine.put(&store, "a", 9);
        })
        .expect("it is written anew");
    machine.put(&store, "c", 10);
    machine.flush(&store);
    machine.delete(&store, "a");
    drop(store);
    let store = machine.start().expect("it starts after a kill");
    machine.put(&store, "a", 11);
    machine.flush(&store);
    store.close();
}

#[test]
fn a_power_cut_at_any_step_costs_nothing_that_was_promised() {
    let machine = Machine::holding(&Image::new());
    live(&machine);
    let looked = machine.cut_everywhere(&Objects::new(), 6);
    assert!(looked > 150, "{looked} disks were looked at");
}

/// What a start drops does not come back at the next one.
#[test]
fn a_power_cut_after_a_power_cut_changes_nothing_more() {
    let machine = Machine::holding(&Image::new());
    live(&machine);
    let events = machine.log.lock().events.clone();
    let mut platter = machine.before.clone();
    for (step, event) in events.iter().enumerate() {
        platter.take(event);
        if !matches!(event, Event::Wrote(..)) {
            continue;
        }
        let again = Machine::holding(&platter.image(Luck::Chance(step as u64)));
        let store = again.start().expect("it starts");
        let base = objects(&store);
        again.put(&store, "z", 12);
        again.flush(&store);
        drop(store);
        again.cut_everywhere(&base, 2);
    }
}

/// Who is killed while he begins leaves nothing that those who come after him count on.
#[test]
fn a_kill_at_any_step_of_the_first_start_spoils_no_later_promise() {
    for steps in 0.. {
        let machine = Machine::holding(&Image::new());
        machine.log.lock().left = Some(steps);
        let started = machine.start();
        let was_killed = started.is_err() || machine.log.lock().left == Some(0);
        drop(started);
        machine.log.lock().left = None;
        let store = machine.start().expect("it starts after a kill");
        machine.put(&store, "a", 1);
        machine.flush(&store);
        let mut platter = Platter::default();
        machine.log.lock().events.iter().for_each(|event| platter.take(event));
        drop(store);
        for luck in [Luck::Nothing, Luck::NamesAlone, Luck::Chance(steps as u64)] {
            let cut = Machine::holding(&platter.image(luck));
            let store = cut.start().expect("it starts after a power cut");
            assert!(objects(&store).contains_key("a"), "{luck:?} after a kill at step {steps}");
        }
        if !was_killed {
            assert!(steps > 20, "a start has more than {steps} steps");
            break;
        }
    }
}
