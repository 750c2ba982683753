//! The folders in which fetches unpack, and those that killed ones left.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::error::Error;

/// How the name of every such folder begins; the number of the process follows.
const PREFIX: &str = "sealfast-git-";
/// A folder is only left over when nobody changed it for this long: numbers come again in containers, and whoever shares
/// the folder from another container cannot be seen from here.
const LEFT_OVER: Duration = Duration::from_secs(60 * 60);

/// Makes a folder that goes away with what is returned.
pub(super) fn make() -> Result<tempfile::TempDir, Error> {
    let prefix = format!("{PREFIX}{}-", std::process::id());
    let made = tempfile::Builder::new().prefix(&prefix).tempdir();
    made.map_err(|error| Error::file("make a folder in", &std::env::temp_dir())(error))
}

/// Removes the old folders of processes that are no more; returns how many.
pub fn sweep() -> usize {
    sweep_in(&std::env::temp_dir(), SystemTime::now())
}

fn sweep_in(folder: &Path, now: SystemTime) -> usize {
    // Without it nobody can be seen to live.
    if !Path::new("/proc/self").exists() {
        return 0;
    }
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let left_over = entries.filter(|entry| {
        let name = entry.file_name();
        let number =
            name.to_str().and_then(|name| name.strip_prefix(PREFIX)).and_then(|rest| rest.split_once('-'));
        let Some(number) = number.and_then(|(number, _)| number.parse::<u32>().ok()) else { return false };
        if number != std::process::id() && Path::new("/proc").join(number.to_string()).exists() {
            return false;
        }
        let changed = entry.metadata().and_then(|about| about.modified()).ok();
        changed.and_then(|changed| now.duration_since(changed).ok()).is_some_and(|age| age > LEFT_OVER)
    });
    left_over.filter(|entry| fs::remove_dir_all(entry.path()).is_ok()).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_the_dead_go_and_those_of_the_living_stay() -> Result<(), Box<dyn std::error::Error>> {
        let home = tempfile::tempdir()?;
        let own = std::process::id();
        // No process has the largest number.
        let names = [format!("{PREFIX}{own}-a"), format!("{PREFIX}{}-b", u32::MAX), "other".to_owned()];
        for name in &names {
            fs::create_dir_all(home.path().join(name).join("objects"))?;
        }
        let living = std::os::unix::process::parent_id();
        let living = home.path().join(format!("{PREFIX}{living}-c"));
        fs::create_dir_all(&living)?;
        assert_eq!(sweep_in(home.path(), SystemTime::now()), 0);
        assert_eq!(sweep_in(home.path(), SystemTime::now() + 2 * LEFT_OVER), 2);
        assert!(living.exists() && home.path().join("other").exists());
        Ok(())
    }
}
