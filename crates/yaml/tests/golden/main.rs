//! Recorded behaviour of the Go YAML libraries, case by case.
//!
//! Reads `golden/yaml` at the root of the repository (its README says what each field means), and the public
//! yaml-test-suite recordings in `../shared/golden/yaml/suite` where that folder exists. A case named in
//! `not-yet.txt` must fail; one that passes has to be taken off the list.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use libtest_mimic::{Arguments, Failed, Trial};

mod case;
mod dump;
mod lines;
mod report;
mod scalars;

fn main() {
    let arguments = Arguments::from_args();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let golden = root.join("golden/yaml");
    let mut trials = Vec::new();
    trials.extend(case::trials("own", &golden.join("own")));
    for shared in ["../shared", "../../shared"] {
        let suite = root.join(shared).join("golden/yaml/suite");
        if suite.is_dir() {
            trials.extend(case::trials("suite", &suite));
        }
    }
    trials.extend(lines::matrix(&golden.join("matrix.jsonl")));
    trials.extend(lines::references(&golden.join("refs.jsonl"), &golden));
    trials.extend(lines::json_to_yaml(&golden.join("json2yaml.jsonl")));
    trials.extend(scalars::trials(&golden.join("scalars.json")));
    let not_yet = not_yet();
    let trials = trials.into_iter().map(|trial| trial.into_trial(&not_yet)).collect();
    libtest_mimic::run(&arguments, trials).exit();
}

/// One named check, before it is known whether it is expected to fail.
pub(crate) struct Check {
    name: String,
    run: Box<dyn FnOnce() -> Result<(), String> + Send>,
}

impl Check {
    pub(crate) fn new(name: String, run: impl FnOnce() -> Result<(), String> + Send + 'static) -> Self {
        Self { name, run: Box::new(run) }
    }

    fn into_trial(self, not_yet: &HashMap<String, String>) -> Trial {
        let listed = not_yet.contains_key(&self.name);
        let run = self.run;
        Trial::test(self.name, move || match (run(), listed) {
            (Ok(()), false) => Ok(()),
            (Ok(()), true) => Err(Failed::from("passes now: take it off tests/golden/not-yet.txt")),
            (Err(_), true) => Ok(()),
            (Err(difference), false) => Err(Failed::from(difference)),
        })
    }
}

/// Reads `name: reason` lines.
fn not_yet() -> HashMap<String, String> {
    include_str!("not-yet.txt")
        .lines()
        .filter(|line| !line.trim().is_empty() && !line.starts_with('#'))
        .filter_map(|line| line.split_once(": "))
        .map(|(name, reason)| (name.to_owned(), reason.to_owned()))
        .collect()
}

/// Returns the files of a folder with the extension, sorted; there must be some.
pub(crate) fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = folder
        .read_dir()
        .unwrap_or_else(|wrong| panic!("{}: {wrong}", folder.display()))
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    assert!(!files.is_empty(), "no `.{extension}` in {}", folder.display());
    files.sort();
    files
}
