//! Which files are meant: names, patterns, and directories.
//!
//! Rules and `.gitignore` say which files of a directory count.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use globset::GlobBuilder;
use sealfast_sops::document::{self, State};
use sealfast_sops::store::Format;

use crate::sops::batch::Work;
use crate::sops::call::Call;
use crate::sops::files;
use crate::sops::settings::{self, Configurations, Settings};
use crate::sops::stop::{Code, Stop};
use crate::sops::walk::{self, LeavingOut, Unreadable};

/// Does a word stand for more than one file?
pub(super) fn is_several(word: &str) -> bool {
    let path = Path::new(word);
    path.is_dir() || is_pattern(word) && !path.exists()
}

fn is_pattern(word: &str) -> bool {
    word.contains(['*', '?', '[', '{'])
}

/// Fails for a directory that is not to be gone through.
pub(super) fn refuse_directories(call: &Call, words: &[String]) -> Result<(), Stop> {
    let is_dir = |word: &&String| Path::new(word).is_dir();
    match words.iter().find(is_dir).filter(|_| !call.is_set("recursive")) {
        Some(word) => Err(Stop::new(format!("`{word}` is a directory"))
            .code(Code::Conflict)
            .hint("add --recursive to go through it")),
        None => Ok(()),
    }
}

/// A file that is meant, with the configuration nearest to it.
pub(super) struct Chosen {
    pub(super) path: PathBuf,
    pub(super) settings: Arc<Settings>,
}

/// The files, each once, in the order of the words, and what of the directories could not be looked at.
pub(super) fn files(
    call: &Call,
    words: &[String],
    work: &Work,
) -> Result<Vec<Result<Chosen, Unreadable>>, Stop> {
    let mut configurations = Configurations::new(call);
    let mut found = Vec::new();
    for word in words {
        let path = files::absolute(word)?;
        if path.is_dir() {
            for file in walk::files(&path, LeavingOut::Ignored, None) {
                let belongs = match &file {
                    Ok(file) => belongs(call, &mut configurations, file, work),
                    Err(_) => true,
                };
                if belongs {
                    found.push(file);
                }
            }
        } else if is_several(word) {
            found.extend(matches(word, &path)?);
        } else {
            // One that is missing fails on its own.
            found.push(Ok(path));
        }
    }
    let mut seen = HashSet::new();
    found.retain(|file| file.as_ref().map_or(true, |path| seen.insert(path.clone())));
    if found.is_empty() {
        return Err(Stop::new("no file is meant")
            .hint("directories are gone through by the creation rules of .sops.yaml and by .gitignore"));
    }
    let mut chosen = |path: PathBuf| match configurations.of(&path) {
        Ok(settings) => Ok(Chosen { path, settings }),
        Err(stop) => Err(Unreadable { path, stop }),
    };
    Ok(found.into_iter().map(|file| file.and_then(&mut chosen)).collect())
}

fn matches(word: &str, path: &Path) -> Result<Vec<Result<PathBuf, Unreadable>>, Stop> {
    let (base, pattern) = split(path);
    let glob = GlobBuilder::new(&pattern.to_string_lossy())
        .literal_separator(true)
        .build()
        .map_err(|wrong| Stop::new(format!("`{word}` is no pattern: {wrong}")))?
        .compile_matcher();
    let is_meant = |file: &PathBuf| file.strip_prefix(&base).is_ok_and(|below| glob.is_match(below));
    // Nothing deeper can match.
    let levels = pattern.components().count();
    let depth = (!pattern.to_string_lossy().contains("**")).then_some(levels);
    let mut found = walk::files(&base, LeavingOut::Ignored, depth);
    found.retain(|file| file.as_ref().map_or(true, is_meant));
    if found.is_empty() {
        return Err(Stop::new(format!("no file matches `{word}`")));
    }
    Ok(found)
}

/// Splits a path into a directory and the pattern below it; what is there under its very name is no pattern.
fn split(path: &Path) -> (PathBuf, PathBuf) {
    let mut base = PathBuf::new();
    let mut parts = path.components();
    let mut rest = parts.clone();
    while let Some(part) = parts.next() {
        let below = base.join(part);
        if is_pattern(&part.as_os_str().to_string_lossy()) && !below.is_dir() {
            break;
        }
        base = below;
        rest = parts.clone();
    }
    (base, rest.as_path().to_owned())
}

/// Is a file of a directory meant? To encrypt, when a creation rule asks for it; else when it is encrypted. One that
/// cannot be read, or no longer reads as the encrypted file that it was, is meant and fails on its own.
fn belongs(call: &Call, configurations: &mut Configurations<'_>, path: &Path, work: &Work) -> bool {
    let format = call.format("input-type", &path.to_string_lossy());
    match work {
        // Where that cannot be told the file fails on its own.
        Work::Encrypt => {
            let asked = configurations.of(path).and_then(|settings| settings.asks_for(call, path, format));
            asked.unwrap_or(true)
        }
        _ if format == Format::Binary && matches!(work, Work::Status) => false,
        Work::Status => !settings::is_config(path),
        _ => files::read(path).map_or(true, |bytes| !matches!(document::state(&bytes, format), State::Clear)),
    }
}
