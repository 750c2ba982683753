//! Where the configuration of a file lies.
//!
//! Follows: `sops` searches from the working directory upwards. Differs: our own verbs from the directory of the file,
//! so that it does not matter where they are called.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::sops::call::Call;
use crate::sops::settings::Settings;
use crate::sops::stop::Stop;
use crate::sops::{files, log};

const CONFIG_NAME: &str = ".sops.yaml";
const OTHER_NAME: &str = ".sops.yml";
const MAX_LEVELS: usize = 100;
/// The system follows no more links in a row.
const MAX_LINKS: usize = 40;

/// Is this a configuration, by its name?
pub(in crate::sops) fn is_config(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == CONFIG_NAME)
}

/// The configurations of the files of one call, each read once.
pub(in crate::sops) struct Configurations<'c> {
    call: &'c Call,
    of_directories: HashMap<PathBuf, Arc<Settings>>,
    read: HashMap<Option<PathBuf>, Arc<Settings>>,
}

impl<'c> Configurations<'c> {
    pub(in crate::sops) fn new(call: &'c Call) -> Self {
        Self { call, of_directories: HashMap::new(), read: HashMap::new() }
    }

    /// Fails where the working directory has no configuration; `rules` is what it should hold.
    pub(in crate::sops) fn must_be_there(&self, rules: &str) -> Result<(), Stop> {
        let found = find(self.call, Path::new(""))?;
        if found.path.is_some() {
            return Ok(());
        }
        found.warn(self.call);
        Err(missing(rules))
    }

    /// The configuration that counts for a file.
    pub(in crate::sops) fn of(&mut self, file: &Path) -> Result<Arc<Settings>, Stop> {
        let start = start(self.call, file)?;
        if let Some(settings) = self.of_directories.get(&start) {
            return Ok(settings.clone());
        }
        let found = find(self.call, &start)?;
        let settings = match self.read.get(&found.path) {
            Some(settings) => settings.clone(),
            None => {
                let settings = Arc::new(Settings::read(self.call, &found)?);
                self.read.insert(found.path, settings.clone());
                settings
            }
        };
        self.of_directories.insert(start, settings.clone());
        Ok(settings)
    }
}

/// There is no configuration.
pub(super) fn missing(rules: &str) -> Stop {
    Stop::new("config file not found").hint(format!("write a .sops.yaml with {rules}"))
}

/// What a search came upon.
pub(super) struct Found {
    /// The configuration; none when there is none.
    pub(super) path: Option<PathBuf>,
    /// A file of the name that does not count.
    ignored: Option<PathBuf>,
}

impl Found {
    /// Says that a file was passed over that a person may have meant.
    pub(super) fn warn(&self, call: &Call) {
        let Some(ignored) = &self.ignored else { return };
        let used = self.path.as_ref().map(|used| format!("; using \"{}\" instead", used.display()));
        let message = format!(
            "ignoring \"{}\" when searching for config file; the config file must be called \"{CONFIG_NAME}\"{}",
            ignored.display(),
            used.unwrap_or_default()
        );
        log::warn(call.presentation, &message);
    }
}

/// The directory that the search for a file's configuration begins in; empty for the working directory, which counts
/// for what has no name, too.
pub(super) fn start(call: &Call, file: &Path) -> Result<PathBuf, Stop> {
    if !call.is_native() || file.as_os_str().is_empty() || !call.text("config").is_empty() {
        return Ok(PathBuf::new());
    }
    let whole = files::absolute(&file.to_string_lossy())?;
    Ok(if is_stream(&whole) { PathBuf::new() } else { whole.parent().unwrap_or(Path::new("/")).to_owned() })
}

/// True for what is read through a descriptor or a pipe, and has no place of its own.
fn is_stream(path: &Path) -> bool {
    let is_descriptor = ["/dev", "/proc"].iter().any(|root| path.starts_with(root));
    // That is a disk in memory.
    (is_descriptor && !path.starts_with("/dev/shm"))
        || std::fs::metadata(path).is_ok_and(|found| !found.is_file())
}

/// As `sops`, nothing is there that cannot be looked at. For our own verbs it is, and does not read: another configuration
/// farther up may name other recipients.
fn is_there(call: &Call, path: &Path) -> bool {
    match std::fs::symlink_metadata(path) {
        Err(wrong) if call.is_native() => {
            !matches!(wrong.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
        }
        Ok(_) if call.is_native() => true,
        _ => path.exists(),
    }
}

/// Looks for the configuration from a directory upwards, unless one is given.
pub(super) fn find(call: &Call, start: &Path) -> Result<Found, Stop> {
    let given = call.text("config");
    if !given.is_empty() {
        return Ok(Found { path: Some(PathBuf::from(given)), ignored: None });
    }
    let here = files::absolute(".")?;
    let levels = here.join(start).ancestors().take(MAX_LEVELS).count();
    let mut ignored: Option<PathBuf> = None;
    let mut dir = start.to_owned();
    for _ in 0..levels {
        let path = dir.join(CONFIG_NAME);
        if is_there(call, &path) {
            refuse_foreign(call, &path, start, &here)?;
            return Ok(Found { path: Some(shown(path, &here)), ignored });
        }
        let other = dir.join(OTHER_NAME);
        if ignored.is_none() && other.exists() {
            ignored = Some(shown(other, &here));
        }
        if start.as_os_str().is_empty() {
            dir.push("..");
        } else {
            dir.pop();
        }
    }
    Ok(Found { path: None, ignored })
}

/// Under our own verbs a configuration says for whom secrets are encrypted, so one above a person's own directories counts
/// only when it is that person's, root's, or of whoever owns the directory that the search began in; and so do the links
/// that lead to it, whose owners choose what it is.
fn refuse_foreign(call: &Call, config: &Path, start: &Path, here: &Path) -> Result<(), Stop> {
    if !call.is_native() {
        return Ok(());
    }
    let shown = shown(config.to_owned(), here);
    let shown = shown.display();
    let unknown = |wrong: std::io::Error| Stop::new(format!("{shown}: {}", files::reason(&wrong)));
    // Directories that are still to come are made below one that is there.
    let folder = here.join(start).ancestors().find_map(|folder| std::fs::metadata(folder).ok());
    let (me, folder) = (rustix::process::geteuid().as_raw(), folder.map(|folder| folder.uid()));
    let owners = match owners(config) {
        // Reading it says that it is not there.
        Err(wrong) if wrong.kind() == ErrorKind::NotFound => return Ok(()),
        owners => owners.map_err(unknown)?,
    };
    let Some(foreign) = owners.into_iter().find(|owner| !is_trusted(*owner, me, folder)) else {
        return Ok(());
    };
    Err(Stop::new(format!(
        "{shown} belongs to another user (uid {foreign}), who may not say for whom files are encrypted"
    ))
    .hint(format!("see what it holds; to use it all the same: --config {shown}")))
}

fn is_trusted(owner: u32, me: u32, folder_owner: Option<u32>) -> bool {
    [Some(0), Some(me), folder_owner].contains(&Some(owner))
}

/// The owners of a file and of the links that lead to it.
fn owners(path: &Path) -> std::io::Result<Vec<u32>> {
    let mut owners = vec![std::fs::metadata(path)?.uid()];
    let mut at = path.to_owned();
    for _ in 0..MAX_LINKS {
        let found = std::fs::symlink_metadata(&at)?;
        owners.push(found.uid());
        if !found.is_symlink() {
            break;
        }
        let target = std::fs::read_link(&at)?;
        at.pop();
        at.push(target);
    }
    Ok(owners)
}

/// A path below the working directory without it.
fn shown(path: PathBuf, here: &Path) -> PathBuf {
    path.strip_prefix(here).map(Path::to_owned).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{is_stream, is_trusted, owners};

    #[test]
    fn files_in_memory_have_a_place() {
        assert!(is_stream(Path::new("/dev/stdin")) && is_stream(Path::new("/proc/self/fd/0")));
        assert!(is_stream(Path::new("/dev/null")) && is_stream(Path::new("/")));
        assert!(!is_stream(Path::new("/dev/shm/a/b.yaml")) && !is_stream(Path::new("/a/b.yaml")));
    }

    #[test]
    fn configurations_of_strangers_do_not_count() {
        const ME: u32 = 1000;
        const OTHER: u32 = 1001;
        assert!(is_trusted(ME, ME, Some(ME)) && is_trusted(0, ME, Some(ME)));
        // A checkout that is somebody else's, as in many build machines.
        assert!(is_trusted(OTHER, ME, Some(OTHER)) && is_trusted(OTHER, 0, Some(OTHER)));
        assert!(!is_trusted(OTHER, ME, Some(ME)) && !is_trusted(OTHER, 0, Some(0)));
        assert!(!is_trusted(OTHER, ME, None));
    }

    #[test]
    fn each_link_to_a_file_is_looked_at() -> std::io::Result<()> {
        let dir = tempfile::tempdir()?;
        std::fs::write(dir.path().join("file"), "")?;
        std::os::unix::fs::symlink("file", dir.path().join("near"))?;
        std::os::unix::fs::symlink(dir.path().join("near"), dir.path().join("far"))?;
        for (name, looked_at) in [("file", 2), ("near", 3), ("far", 4)] {
            assert_eq!(owners(&dir.path().join(name))?.len(), looked_at, "{name}");
        }
        Ok(())
    }
}
