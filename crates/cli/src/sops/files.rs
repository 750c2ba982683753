//! Files: read whole, replaced whole, and never larger than a document may be.
//!
//! What is read may be plaintext: it is wiped.

use std::fs::{File, Metadata};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use sealfast_sops::store::MAX_BYTES;
use zeroize::Zeroizing;

use crate::replace;
use crate::sops::stop::{Code, Stop};

/// Makes a path absolute without resolving links; as in `sops`, an empty one is the working directory.
pub(super) fn absolute(path: &str) -> Result<PathBuf, Stop> {
    std::path::absolute(if path.is_empty() { "." } else { path })
        .map(|path| clean(&path))
        .map_err(|wrong| Stop::new(format!("cannot resolve {path}: {wrong}")))
}

/// Resolves `.` and `..` by name alone.
fn clean(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::ParentDir => {
                out.pop();
            }
            std::path::Component::CurDir => {}
            part => out.push(part),
        }
    }
    out
}

/// Is there something under this path?
pub(super) fn exists(path: &Path) -> bool {
    std::fs::exists(path).unwrap_or(true)
}

/// Reads a file.
pub(super) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, Stop> {
    try_read(path).map_err(|wrong| {
        let is_opened = matches!(wrong.kind(), ErrorKind::FileTooLarge | ErrorKind::IsADirectory);
        let verb = if is_opened { "read" } else { "open" };
        let (path, reason) = (path.display(), reason(&wrong));
        Stop::new(format!("Error reading file: {verb} {path}: {reason}"))
            .plainly(format!("{path}: {reason}"))
            .code(Code::CouldNotReadInput)
    })
}

/// What a file is, which has to be there.
pub(super) fn look_at(path: &Path) -> Result<Metadata, Stop> {
    std::fs::metadata(path).map_err(|wrong| {
        let (path, reason) = (path.display(), reason(&wrong));
        Stop::new(format!("stat {path}: {reason}")).plainly(format!("{path}: {reason}"))
    })
}

/// Reads a file, with the system's own error; of one that is too large nothing.
pub(super) fn try_read(path: &Path) -> std::io::Result<Zeroizing<Vec<u8>>> {
    let file = File::open(path)?;
    let size = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
    if size > MAX_BYTES {
        return Err(too_large());
    }
    read_to_end(file, size)
}

fn too_large() -> std::io::Error {
    let mib = MAX_BYTES >> 20;
    std::io::Error::new(ErrorKind::FileTooLarge, format!("it has more than {mib} MiB, the most that is read"))
}

/// Reads standard input to its end.
pub(super) fn read_stdin() -> Result<Zeroizing<Vec<u8>>, Stop> {
    read_to_end(std::io::stdin().lock(), 0).map_err(|wrong| {
        Stop::new(format!("Error reading file: {wrong}"))
            .plainly(format!("standard input: {}", reason(&wrong)))
            .code(Code::CouldNotReadInput)
    })
}

/// Reads to the end, which is expected behind `size` bytes; what a growing buffer leaves behind is wiped.
fn read_to_end(mut from: impl Read, size: usize) -> std::io::Result<Zeroizing<Vec<u8>>> {
    const CHUNK: usize = 64 * 1024;
    let mut chunk = Zeroizing::new(vec![0; CHUNK]);
    let mut bytes = Zeroizing::new(Vec::with_capacity(size.max(CHUNK)));
    loop {
        let count = match from.read(&mut chunk) {
            Err(wrong) if wrong.kind() == ErrorKind::Interrupted => continue,
            read => read?,
        };
        if count == 0 {
            return Ok(bytes);
        }
        if bytes.len() + count > MAX_BYTES {
            return Err(too_large());
        }
        if bytes.capacity() - bytes.len() < count {
            let mut larger = Zeroizing::new(Vec::with_capacity(2 * bytes.capacity()));
            larger.extend_from_slice(&bytes);
            bytes = larger;
        }
        bytes.extend_from_slice(&chunk[..count]);
    }
}

/// Replaces a file that was read and is as it was then, or writes to what is no regular file.
pub(super) fn replace(path: &Path, bytes: &[u8], is_as_it_was: &dyn Fn() -> bool) -> Result<(), Stop> {
    if replace::file_if(path, bytes, is_as_it_was).map_err(|wrong| unwritable(path, &wrong, "in-place"))? {
        return Ok(());
    }
    let message = format!("{} was changed by another program since it was read", path.display());
    Err(Stop::new(message)
        .code(Code::CouldNotWriteOutput)
        .hint("nothing was written: do it again, from what the file holds now"))
}

/// Does the same with the file of `--output`.
pub(super) fn write_output(path: &Path, bytes: &[u8]) -> Result<(), Stop> {
    replace::file(path, bytes).map_err(|wrong| unwritable(path, &wrong, "output"))
}

fn unwritable(path: &Path, wrong: &std::io::Error, which: &str) -> Stop {
    let (path, reason) = (path.display(), reason(wrong));
    Stop::new(format!("Could not open {which} file for writing: open {path}: {reason}"))
        .code(Code::CouldNotWriteOutput)
}

/// The system's words for an error, without the number.
pub(crate) fn reason(wrong: &std::io::Error) -> String {
    match wrong.kind() {
        ErrorKind::NotFound => "no such file or directory".to_owned(),
        ErrorKind::PermissionDenied => "permission denied".to_owned(),
        ErrorKind::IsADirectory => "is a directory".to_owned(),
        ErrorKind::AlreadyExists => "file exists".to_owned(),
        _ => {
            let told = wrong.to_string();
            match told.split_once(" (os error ") {
                Some((words, _)) => words.to_lowercase(),
                None => told,
            }
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn all_of_a_long_input_is_read() {
        let bytes: Vec<u8> = (0..300_001_u32).map(|at| at.to_le_bytes()[0]).collect();
        assert_eq!(*read_to_end(bytes.as_slice(), 0).unwrap(), bytes);
    }

    #[test]
    fn what_never_ends_is_not_read_whole() {
        let wrong = read_to_end(std::io::repeat(b'x'), 0).unwrap_err();
        assert_eq!(wrong.kind(), ErrorKind::FileTooLarge);
        assert_eq!(reason(&wrong), "it has more than 128 MiB, the most that is read");
    }
}
