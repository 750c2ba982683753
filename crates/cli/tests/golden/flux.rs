//! Walks `golden/flux-cli`: `flux …` and `kubectl create secret …`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use regex::Regex;
use sealfast_testkit::cluster::{Cluster, difference, facts};
use sealfast_testkit::golden::{Case, Walk};
use sealfast_testkit::place;

fn main() -> ExitCode {
    Walk::area("flux-cli")
        .only(|case| case.has("cmd.txt"))
        .not_yet(include_str!("flux-not-yet.txt"))
        .run(check)
}

fn check(case: &Case) -> Result<()> {
    let mut words = shell_words::split(&case.read("cmd.txt")?)?;
    let scratch = tempfile::TempDir::with_prefix("flux-case-")?;
    let work = scratch.path().join("work");
    let home = scratch.path().join("home");
    fs::create_dir_all(&home)?;
    copy(&case.dir.join("files"), &work)?;
    let cluster = cluster(case, &home)?;
    let before = cluster.as_ref().map(|cluster| facts(&cluster.objects()));
    let mut command = Command::new(env!("CARGO_BIN_EXE_sealfast"));
    command.env_clear().current_dir(&work);
    command.env("PATH", "/usr/local/bin:/usr/bin:/bin").env("HOME", &home);
    command.env("LANG", "C.UTF-8").env("TZ", "UTC").env("NO_COLOR", "1");
    while let Some((name, value)) = words.first().and_then(|word| word.split_once('=')) {
        command.env(name, value);
        words.remove(0);
    }
    command.args(&words);
    let stdin = match fs::File::open(case.dir.join("stdin")) {
        Ok(file) => Stdio::from(file),
        Err(_) => Stdio::null(),
    };
    let files = tree(&work)?;
    let output = command.stdin(stdin).output().context("running the program")?;
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let wanted: i32 = case.read("expected.exit").unwrap_or_else(|_| "0".to_owned()).trim().parse()?;
    ensure!(output.status.code() == Some(wanted), "exit {:?}, not {wanted}\n{stderr}", output.status.code());
    stdout_fits(case, &stdout)?;
    if case.has("expected.stderr-pattern") {
        pattern_fits("stderr", &case.read("expected.stderr-pattern")?, &stderr)?;
    }
    if let (Some(cluster), Some(before)) = (cluster, before) {
        let changed = difference(&before, &facts(&cluster.objects()));
        let wanted = case.read("expected.state-diff")?;
        ensure!(changed == wanted, "the cluster changed\n{changed}\nexpected\n{wanted}");
    }
    ensure!(case.has("tree-changes") || files == tree(&work)?, "the working folder was changed");
    Ok(())
}

/// The cluster that the case was recorded against, in the kubeconfig of the home directory.
fn cluster(case: &Case, home: &Path) -> Result<Option<Cluster>> {
    if !case.has("cluster.txt") {
        return Ok(None);
    }
    let name = case.read("cluster.txt")?;
    let recorded = fs::read(place::golden("flux-cli/_clusters").join(format!("{}.yaml", name.trim())))?;
    let cluster = Cluster::start(sealfast_yaml::json::documents(&recorded)?)?;
    fs::create_dir_all(home.join(".kube"))?;
    fs::write(home.join(".kube/config"), cluster.kubeconfig().to_string())?;
    Ok(Some(cluster))
}

/// Every file below a folder with its content.
fn tree(folder: &Path) -> Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else if entry.file_type()?.is_file() {
                files.insert(entry.path(), fs::read(entry.path())?);
            }
        }
    }
    Ok(files)
}

/// One of the recorded texts, or the pattern.
fn stdout_fits(case: &Case, stdout: &str) -> Result<()> {
    if case.has("expected.stdout-pattern") {
        return pattern_fits("stdout", &case.read("expected.stdout-pattern")?, stdout);
    }
    let mut recorded = Vec::new();
    for entry in fs::read_dir(&case.dir)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.starts_with("expected.stdout") {
            recorded.push(case.read(&name)?);
        }
    }
    // A warning that the reference puts among the data belongs to standard error.
    let fits = |text: &String| {
        text == stdout
            || text
                .split_once('\n')
                .is_some_and(|(first, rest)| first.starts_with("Flag --") && rest == stdout)
    };
    if recorded.iter().any(fits) {
        return Ok(());
    }
    bail!("stdout\n{stdout}\nexpected\n{}", recorded.first().map_or("", String::as_str))
}

fn pattern_fits(what: &str, pattern: &str, text: &str) -> Result<()> {
    let text: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with("Flag --") && !line.starts_with("⚠️ --decryption-secret"))
        .collect();
    let text = text.join("\n");
    let regex = Regex::new(&format!("(?s)^(?:{})$", pattern.trim_end_matches('\n')))?;
    ensure!(regex.is_match(text.trim_end_matches('\n')), "{what}\n{text}\ndoes not match\n{pattern}");
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    let Ok(entries) = fs::read_dir(from) else { return Ok(()) };
    for entry in entries {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to)?;
        } else {
            fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}
