//! A person at a shell: a home, links, a keyring, a cluster.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use sealfast_testkit::program::{self, search_path};
use tempfile::TempDir;

/// The program under test.
pub(crate) const SEALFAST: &str = env!("CARGO_BIN_EXE_sealfast");

/// One person's shell: everything they touch lies below one folder.
pub(crate) struct Person {
    root: TempDir,
    variables: Vec<(String, String)>,
}

impl Person {
    /// Returns a person with an empty home, links `sops`, `flux`, `kustomize`, `sealfast`, and a private temporary folder.
    pub(crate) fn new() -> Result<Self> {
        let root = TempDir::with_prefix("sealfast-it-")?;
        for folder in ["home", "gnupg", "bin", "tmp", "work"] {
            std::fs::create_dir(root.path().join(folder))?;
        }
        std::fs::set_permissions(root.path().join("gnupg"), PermissionsExt::from_mode(0o700))?;
        for link in ["sops", "flux", "kustomize", "sealfast"] {
            symlink(SEALFAST, root.path().join("bin").join(link))?;
        }
        let mut person = Self { root, variables: Vec::new() };
        let path = format!("{}:{}", person.path("bin").display(), search_path().display());
        person.set("PATH", path);
        for (name, folder) in [("HOME", "home"), ("GNUPGHOME", "gnupg"), ("TMPDIR", "tmp")] {
            let folder = person.path(folder).display().to_string();
            person.set(name, folder);
        }
        for (name, value) in [
            ("TZ", "UTC"),
            ("LC_ALL", "C.UTF-8"),
            ("NO_COLOR", "1"),
            ("SOPS_DISABLE_VERSION_CHECK", "1"),
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_AUTHOR_NAME", "Ann"),
            ("GIT_AUTHOR_EMAIL", "ann@example.com"),
            ("GIT_COMMITTER_NAME", "Ann"),
            ("GIT_COMMITTER_EMAIL", "ann@example.com"),
        ] {
            person.set(name, value);
        }
        Ok(person)
    }

    /// Returns a path below the person's folder.
    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.root.path().join(below)
    }

    /// Sets a variable of the person's environment.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<String>) {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.to_owned(), value.into()));
    }

    /// Returns a command in the person's environment and working folder.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env_clear().envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.current_dir(self.path("work"));
        command
    }

    /// Runs a script; returns what it printed, or fails with everything that helps to see why.
    pub(crate) fn sh(&self, script: &str) -> Result<String> {
        let output = self.try_sh(script)?;
        if !output.status.success() {
            bail!(
                "script failed ({})\n{script}\n--- stdout\n{}\n--- stderr\n{}",
                output.status,
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Runs a script that may fail.
    pub(crate) fn try_sh(&self, script: &str) -> Result<Output> {
        self.command("bash")
            .args(["-euo", "pipefail", "-c", script])
            .stdin(Stdio::null())
            .output()
            .context("bash is needed to run the guide's commands")
    }

    /// Repeats a script until its output holds `wanted`; fails with the last output after `limit`.
    pub(crate) fn until(&self, limit: Duration, script: &str, wanted: &str) -> Result<String> {
        let start = Instant::now();
        loop {
            let output = self.try_sh(script)?;
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            if output.status.success() && text.contains(wanted) {
                return Ok(text);
            }
            if start.elapsed() > limit {
                let talk = String::from_utf8_lossy(&output.stderr).into_owned();
                bail!(
                    "`{wanted}` did not appear within {limit:?}\n{script}\n--- stdout\n{text}\n--- stderr\n{talk}"
                );
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Starts `sealfast up ARGS` with its kubeconfig at `$KUBECONFIG`, and waits until the server answers.
    pub(crate) fn up(&mut self, args: &[&str]) -> Result<Up> {
        let kubeconfig = self.path("kubeconfig");
        let _ = std::fs::remove_file(&kubeconfig);
        self.set("KUBECONFIG", kubeconfig.display().to_string());
        let log = self.path("up.log");
        let file = std::fs::OpenOptions::new().create(true).append(true).open(&log)?;
        let child = self
            .command(SEALFAST)
            .args(["up", "--log-level", "debug"])
            .args(args)
            .arg("--kubeconfig")
            .arg(&kubeconfig)
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()?;
        let up = Up { child, log };
        self.until(Duration::from_secs(20), "kubectl get --raw /readyz", "ok")
            .with_context(|| format!("up printed:\n{}", up.log()))?;
        Ok(up)
    }
}

/// A running `sealfast up`, ended on drop.
pub(crate) struct Up {
    child: Child,
    log: PathBuf,
}

impl Up {
    /// Returns everything printed so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Ends the process as a power cut would.
    pub(crate) fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Fails with the package to install when a program is missing.
pub(crate) fn need(programs: &[&str]) -> Result<()> {
    programs.iter().try_for_each(|name| program::find(name).map(drop))
}

/// Returns every file below a folder that contains one of the texts, with the text's position in the list.
pub(crate) fn files_with(folder: &Path, texts: &[&str]) -> Result<Vec<(PathBuf, usize)>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                let bytes = content(&entry.path())?;
                for (index, text) in texts.iter().enumerate() {
                    if bytes.windows(text.len()).any(|window| window == text.as_bytes()) {
                        found.push((entry.path(), index));
                    }
                }
            }
        }
    }
    Ok(found)
}

/// The bytes of a file, unpacked when it is an archive.
fn content(path: &Path) -> Result<Vec<u8>> {
    let bytes = std::fs::read(path)?;
    if path.extension().is_none_or(|ending| ending != "gz") {
        return Ok(bytes);
    }
    let mut unpacked = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(bytes.as_slice()), &mut unpacked)?;
    Ok(unpacked)
}
