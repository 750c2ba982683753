//! A fresh GnuPG home for tests with the real `gpg`.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::program;
use crate::scratch::Scratch;

/// An empty keyring of its own; its agent is ended on drop.
#[derive(Debug)]
pub struct Home {
    scratch: Scratch,
}

impl Home {
    /// Makes an empty GnuPG home.
    ///
    /// # Errors
    /// When `gpg` is missing or the folder cannot be made.
    pub fn new() -> Result<Self> {
        program::find("gpg")?;
        Ok(Self { scratch: Scratch::new()? })
    }

    /// Returns the folder, the value of `GNUPGHOME`.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.scratch.path()
    }

    /// Returns `gpg --batch` with this home and a clean environment.
    ///
    /// # Errors
    /// When `gpg` is missing.
    pub fn gpg(&self) -> Result<Command> {
        let mut command = program::clean("gpg")?;
        command.env("GNUPGHOME", self.path()).env("HOME", self.path()).args(["--batch", "--yes"]);
        Ok(command)
    }

    /// Runs `gpg` with arguments and an input; returns standard output.
    ///
    /// # Errors
    /// When it ends with a failure; the message carries its words.
    pub fn run(&self, args: &[&str], input: &[u8]) -> Result<Vec<u8>> {
        let mut child = self
            .gpg()?
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("starting gpg")?;
        let mut stdin = child.stdin.take().context("gpg has no standard input")?;
        let input = input.to_vec();
        let feeder = std::thread::spawn(move || stdin.write_all(&input));
        let output = child.wait_with_output()?;
        // A gpg that stops reading early says why itself.
        drop(feeder.join());
        if !output.status.success() {
            bail!("gpg {args:?} ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr));
        }
        Ok(output.stdout)
    }

    /// Imports armored keys, public or secret.
    ///
    /// # Errors
    /// When gpg refuses them.
    pub fn import(&self, armored: &[u8]) -> Result<()> {
        self.run(&["--import"], armored).map(drop)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let Ok(mut command) = program::clean("gpgconf") else { return };
        command.env("GNUPGHOME", self.path()).args(["--kill", "all"]);
        drop(command.output());
    }
}
