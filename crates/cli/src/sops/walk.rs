//! The files below a directory; what cannot be looked at is told.

use std::path::{Path, PathBuf};

use ignore::WalkBuilder;

use crate::sops::files;
use crate::sops::stop::{Code, Stop};

/// What is left out.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum LeavingOut {
    Nothing,
    /// What Git would ignore, its own directory, and what is no regular file.
    Ignored,
}

/// A directory that could not be looked at.
pub(super) struct Unreadable {
    pub(super) path: PathBuf,
    pub(super) stop: Stop,
}

/// Every file at most `depth` levels below a directory, in order.
pub(super) fn files(
    dir: &Path,
    leaving_out: LeavingOut,
    depth: Option<usize>,
) -> Vec<Result<PathBuf, Unreadable>> {
    let mut builder = WalkBuilder::new(dir);
    builder.max_depth(depth);
    if leaving_out == LeavingOut::Nothing {
        builder.standard_filters(false);
    } else {
        builder.hidden(false).git_global(false).require_git(false);
        builder.filter_entry(|entry| entry.file_name() != ".git");
    }
    let is_meant = |entry: &ignore::DirEntry| match leaving_out {
        LeavingOut::Nothing => entry.file_type().is_some_and(|kind| !kind.is_dir()),
        LeavingOut::Ignored => entry.file_type().is_some_and(|kind| kind.is_file()),
    };
    let mut found: Vec<_> = builder
        .build()
        .filter_map(|entry| match entry {
            Ok(entry) => is_meant(&entry).then(|| Ok(entry.into_path())),
            Err(wrong) => Some(Err(unreadable(dir, &wrong))),
        })
        .collect();
    found.sort_by(|left, right| path(left).cmp(path(right)));
    found
}

fn path(found: &Result<PathBuf, Unreadable>) -> &Path {
    match found {
        Ok(path) => path,
        Err(unreadable) => &unreadable.path,
    }
}

fn unreadable(dir: &Path, wrong: &ignore::Error) -> Unreadable {
    let path = place(wrong).unwrap_or(dir).to_owned();
    let reason = wrong.io_error().map_or_else(|| wrong.to_string(), files::reason);
    let stop =
        Stop::new(format!("cannot go through {}: {reason}", path.display())).code(Code::CouldNotReadInput);
    Unreadable { path, stop }
}

fn place(wrong: &ignore::Error) -> Option<&Path> {
    match wrong {
        ignore::Error::WithPath { path, .. } => Some(path),
        ignore::Error::WithDepth { err, .. } | ignore::Error::WithLineNumber { err, .. } => place(err),
        ignore::Error::Partial(all) => all.iter().find_map(place),
        _ => None,
    }
}
