//! Walks folders of recorded cases: one named test a case.
//!
//! A walker is a test target with `harness = false`:
//!
//! ```ignore
//! fn main() -> std::process::ExitCode {
//!     golden::Walk::area("kustomize").not_yet(include_str!("not-yet.txt")).run(|case| check(&case.dir))
//! }
//! ```
//!
//! `not-yet.txt` has a line `case-name: reason` for each case that fails today. Such a case is run all the same, and when
//! it passes, that is a failure: the line has to go. A line that names no case is a failure too.

use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use libtest_mimic::{Arguments, Failed, Trial};

use crate::place;

/// One recorded case.
#[derive(Clone, Debug)]
pub struct Case {
    /// The name of its folder.
    pub name: String,
    /// Its folder.
    pub dir: PathBuf,
}

impl Case {
    /// Reads a file of the case as text.
    ///
    /// # Errors
    /// When it is not there or no UTF-8.
    pub fn read(&self, file: &str) -> Result<String> {
        let path = self.dir.join(file);
        fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))
    }

    /// Reads a file of the case as bytes.
    ///
    /// # Errors
    /// When it is not there.
    pub fn bytes(&self, file: &str) -> Result<Vec<u8>> {
        let path = self.dir.join(file);
        fs::read(&path).with_context(|| format!("reading {}", path.display()))
    }

    /// Reads a JSON file of the case.
    ///
    /// # Errors
    /// When it is not there or no JSON of this shape.
    pub fn json<T: serde::de::DeserializeOwned>(&self, file: &str) -> Result<T> {
        let path = self.dir.join(file);
        serde_json::from_slice(&self.bytes(file)?).with_context(|| format!("reading {}", path.display()))
    }

    /// Tells whether the case has a file or folder of this name.
    #[must_use]
    pub fn has(&self, file: &str) -> bool {
        self.dir.join(file).exists()
    }
}

/// A walk over the cases of one folder.
pub struct Walk {
    folder: PathBuf,
    not_yet: BTreeMap<String, String>,
    chosen: Box<dyn Fn(&Case) -> bool>,
}

impl Walk {
    /// Walks `golden/AREA` of the workspace.
    #[must_use]
    pub fn area(area: &str) -> Self {
        Self::folder(place::golden(area))
    }

    /// Walks the folders directly below a folder.
    #[must_use]
    pub fn folder(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), not_yet: BTreeMap::new(), chosen: Box::new(|_| true) }
    }

    /// Takes only the cases for which `chosen` holds, such as those that have a certain file.
    #[must_use]
    pub fn only(mut self, chosen: impl Fn(&Case) -> bool + 'static) -> Self {
        self.chosen = Box::new(chosen);
        self
    }

    /// Takes the list of cases that fail today: lines `case-name: reason`, `#` begins a comment line.
    #[must_use]
    pub fn not_yet(mut self, list: &str) -> Self {
        let lines = list.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        self.not_yet = lines
            .map(|line| line.split_once(':').unwrap_or((line, "")))
            .map(|(name, reason)| (name.trim().to_owned(), reason.trim().to_owned()))
            .collect();
        self
    }

    /// Runs a check over every case, with the arguments of a test program, and returns its exit code.
    pub fn run(self, check: impl Fn(&Case) -> Result<()> + Send + Sync + 'static) -> ExitCode {
        let arguments = Arguments::from_args();
        libtest_mimic::run(&arguments, self.trials(check)).exit_code()
    }

    /// Makes one trial a case, for walkers that join several areas.
    pub fn trials(self, check: impl Fn(&Case) -> Result<()> + Send + Sync + 'static) -> Vec<Trial> {
        let check = Arc::new(check);
        let area =
            self.folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let cases = match cases(&self.folder) {
            Ok(cases) => cases,
            Err(error) => return vec![failing(&area, format!("{error:#}"))],
        };
        let cases: Vec<Case> = cases.into_iter().filter(|case| (self.chosen)(case)).collect();
        let mut trials = vec![list_is_true(&area, &self.not_yet, &cases)];
        trials.extend(cases.into_iter().map(|case| {
            let (check, name) = (Arc::clone(&check), format!("{area}::{}", case.name));
            match self.not_yet.get(&case.name).cloned() {
                Some(reason) => {
                    Trial::test(name, move || must_fail(&*check, &case, &reason)).with_kind("not yet")
                }
                None => Trial::test(name, move || verdict(check(&case))),
            }
        }));
        trials
    }
}

/// Lists the folders directly below a folder, sorted by name.
///
/// # Errors
/// When the folder cannot be listed.
pub fn cases(folder: &Path) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("listing {}", folder.display()))? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            let name = entry.file_name().to_string_lossy().into_owned();
            cases.push(Case { name, dir: entry.path() });
        }
    }
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(cases)
}

/// Tells that two texts are equal, or shows the first line that differs.
///
/// # Errors
/// When they differ.
pub fn same(what: &str, expected: &str, found: &str) -> Result<()> {
    if expected == found {
        return Ok(());
    }
    let (mut wanted, mut got) = (expected.lines(), found.lines());
    for number in 1.. {
        match (wanted.next(), got.next()) {
            (Some(a), Some(b)) if a == b => {}
            (None, None) => break,
            (a, b) => {
                let line = |line: Option<&str>| line.map_or("(end)".to_owned(), |line| format!("{line:?}"));
                anyhow::bail!(
                    "{what} differs at line {number}:\n  expected {}\n  found    {}",
                    line(a),
                    line(b)
                );
            }
        }
    }
    anyhow::bail!(
        "{what} differs in line breaks only: expected {} bytes, found {}",
        expected.len(),
        found.len()
    )
}

fn must_fail(check: &dyn Fn(&Case) -> Result<()>, case: &Case, reason: &str) -> Result<(), Failed> {
    match catch_unwind(AssertUnwindSafe(|| check(case))) {
        Ok(Ok(())) => {
            Err(format!("passes, but is listed as not yet ({reason}): take its line off the list").into())
        }
        Ok(Err(_)) | Err(_) => Ok(()),
    }
}

fn verdict(result: Result<()>) -> Result<(), Failed> {
    result.map_err(|error| format!("{error:?}").into())
}

fn list_is_true(area: &str, list: &BTreeMap<String, String>, cases: &[Case]) -> Trial {
    let strangers = list.keys().filter(|name| !cases.iter().any(|case| case.name == **name));
    let nameless = list.iter().filter(|(_, reason)| reason.is_empty()).map(|(name, _)| name);
    let mut wrong: Vec<String> = strangers.map(|name| format!("`{name}` is no case")).collect();
    wrong.extend(nameless.map(|name| format!("`{name}` is listed without a reason")));
    if cases.is_empty() {
        wrong.push("there is no case at all".to_owned());
    }
    Trial::test(format!("{area}::list-of-what-does-not-pass-yet"), move || {
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ").into()) }
    })
}

fn failing(area: &str, message: String) -> Trial {
    Trial::test(format!("{area}::cases"), move || Err(message.into()))
}
