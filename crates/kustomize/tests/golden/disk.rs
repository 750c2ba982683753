//! The real file system as a view, as the tool has it.

use std::path::Path;

use sealfast_kustomize::files::{Entry, FileError, Files, join};

/// All files of the machine.
pub(crate) struct Disk;

/// Files that are meant as symbolic links, which the recorded trees hold as text: path and target.
const LINKS: [(&str, &str); 2] = [
    ("error-symlink-outside-root/input/app/c.yaml", "../shared/c.yaml"),
    ("resources-symlink-inside-root/input/link.yaml", "real/c.yaml"),
];

/// Returns where a path really leads when it is one of the links.
fn followed(path: &str) -> String {
    let link = LINKS.iter().find(|(link, _)| path.ends_with(link));
    link.map_or_else(|| path.to_owned(), |(_, target)| join(&join(path, ".."), target))
}

fn failed(path: &str, error: &std::io::Error) -> FileError {
    match error.kind() {
        std::io::ErrorKind::NotFound => FileError::missing(path, |part| std::path::Path::new(part).exists()),
        _ => FileError::Refused { path: path.to_owned(), reason: error.to_string() },
    }
}

impl Files for Disk {
    fn read(&self, path: &str) -> Result<Vec<u8>, FileError> {
        std::fs::read(followed(path)).map_err(|error| failed(path, &error))
    }

    fn list(&self, path: &str) -> Result<Vec<String>, FileError> {
        let entries = std::fs::read_dir(path).map_err(|error| failed(path, &error))?;
        let mut names: Vec<String> =
            entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        Ok(names)
    }

    fn resolve(&self, path: &str) -> Result<(String, Entry), FileError> {
        let real = Path::new(&followed(path)).canonicalize().map_err(|error| failed(path, &error))?;
        let entry = if real.is_dir() { Entry::Directory } else { Entry::File };
        Ok((real.to_string_lossy().into_owned(), entry))
    }
}
