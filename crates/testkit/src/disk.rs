//! A small disk that fills up: a file system in memory in namespaces of its own.
//!
//! A process holds the namespaces open, so that nobody needs rights and nothing is left behind.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use crate::program;

/// A mounted disk; it ends on drop, for whoever works on it goes on seeing it.
#[derive(Debug)]
pub struct Disk {
    keeper: Child,
    folder: PathBuf,
}

/// What takes the room.
const FILLER: &str = "filler";

impl Disk {
    /// Mounts a disk of so many KiB at a folder that is there. Where people may not have namespaces of their own there is
    /// none, and that is told on standard error.
    ///
    /// # Errors
    /// When `unshare` or `nsenter` are missing, or what they make cannot be used.
    pub fn mount(folder: &Path, kib: u32) -> Result<Option<Self>> {
        program::find("nsenter")?;
        let allowed = Command::new(program::find("unshare")?).args(["-rm", "true"]).output()?;
        if !allowed.status.success() {
            let why = String::from_utf8_lossy(&allowed.stderr);
            left_out(&format!("a disk that fills up: user namespaces are not allowed here ({})", why.trim()));
            return Ok(None);
        }
        let script = format!("mount -t tmpfs -o size={kib}k,mode=700 tmpfs \"$1\" && echo ready && exec cat");
        let mut keeper = Command::new("unshare")
            .args(["-rm", "sh", "-c", &script, "sh"])
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut said = String::new();
        BufReader::new(keeper.stdout.as_mut().context("a pipe")?).read_line(&mut said)?;
        let disk = Self { keeper, folder: folder.to_owned() };
        ensure!(said == "ready\n", "a file system in memory cannot be mounted in namespaces of our own");
        Ok(Some(disk))
    }

    /// Returns a command for a program that sees the disk. Its process is the program's own.
    #[must_use]
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--user", "--mount", "--preserve-credentials", "--target"]);
        command.arg(self.keeper.id().to_string()).arg("--").arg(program);
        command
    }

    /// Returns where this process finds what lies at a path of the disk.
    #[must_use]
    pub fn path(&self, below: &str) -> PathBuf {
        let folder = self.folder.strip_prefix("/").unwrap_or(&self.folder);
        PathBuf::from(format!("/proc/{}/root", self.keeper.id())).join(folder).join(below)
    }

    /// Writes until nothing fits any more.
    ///
    /// # Errors
    /// When something else keeps it from that.
    pub fn fill(&self) -> Result<()> {
        let mut file = std::fs::File::create(self.path(FILLER))?;
        let part = [1; 4096];
        loop {
            match file.write(&part) {
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::StorageFull => return Ok(()),
                Err(error) => return Err(error).context("filling the disk"),
            }
        }
    }

    /// Makes room again.
    ///
    /// # Errors
    /// When it was not filled.
    pub fn make_room(&self) -> Result<()> {
        std::fs::remove_file(self.path(FILLER)).context("the disk was not full")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(self.keeper.kill());
        drop(self.keeper.wait());
    }
}

/// Says what could not be tested. A test that passes shows nothing of what it prints otherwise.
fn left_out(what: &str) {
    drop(writeln!(std::io::stderr(), "left out: {what}"));
}
