//! Git for tests: a smart HTTP server, and commits made cleanly.
//!
//! The server runs on a thread of its own and calls `git http-backend` for each request, so that what a client meets is
//! the real thing: protocol versions 0 to 2, shallow fetches, pushes.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, Result};

use crate::program;
use crate::scratch::{self, Scratch};

mod backend;
mod code_commit;
mod fault;
mod http;
pub mod sshd;
pub mod tls;

pub use fault::Fault;
pub use http::Seen;

/// How a server is set up.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// User and password that every request must bring.
    pub basic_auth: Option<(String, String)>,
    /// Token that every request must bring.
    pub bearer: Option<String>,
    /// Instead every request must bring what AWS CodeCommit takes: a session of [`crate::cloud::aws`] and a fresh signature.
    pub code_commit: bool,
    /// With certificates it speaks HTTPS.
    pub tls: Option<tls::Certificates>,
}

/// A Git server over HTTP on loopback with bare repositories; it ends, and they go, on drop.
#[derive(Debug)]
pub struct Server {
    options: Options,
    folder: Scratch,
    listener: http::Listener,
    commits: AtomicU64,
}

impl Server {
    /// Starts a server without repositories that anybody may read and push to.
    ///
    /// # Errors
    /// When `git` is missing or no port is free.
    pub fn start() -> Result<Self> {
        Self::start_with(Options::default())
    }

    /// Starts a server with options.
    ///
    /// # Errors
    /// When `git` is missing or no port is free.
    pub fn start_with(options: Options) -> Result<Self> {
        let folder = Scratch::new()?;
        std::fs::create_dir_all(folder.join("repos"))?;
        std::fs::create_dir_all(folder.join("work"))?;
        let backend = backend::Backend::new(&folder.join("repos"), folder.path())?;
        let listener = http::Listener::start(backend, &options)?;
        Ok(Self { options, folder, listener, commits: AtomicU64::new(0) })
    }

    /// Returns the URL of a repository, without credentials: `http://127.0.0.1:PORT/NAME.git`.
    #[must_use]
    pub fn url(&self, name: &str) -> String {
        let scheme = if self.options.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://127.0.0.1:{}/{name}.git", self.listener.port())
    }

    /// Returns the URL of a repository with the credentials in it.
    #[must_use]
    pub fn url_with_credentials(&self, name: &str) -> String {
        match &self.options.basic_auth {
            Some((user, password)) => self.url(name).replacen("://", &format!("://{user}:{password}@"), 1),
            None => self.url(name),
        }
    }

    /// Returns the folder of a bare repository.
    #[must_use]
    pub fn folder(&self, name: &str) -> PathBuf {
        self.folder.join("repos").join(format!("{name}.git"))
    }

    /// Makes every answer go wrong in one way, or right again.
    pub fn set_fault(&self, fault: Option<Fault>) {
        self.listener.set_fault(fault);
    }

    /// Returns the folder that holds the repositories.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        self.folder.join("repos")
    }

    /// Returns what was asked so far, oldest first.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.listener.seen()
    }

    /// Makes an empty bare repository with the default branch `main`; its URL is [`Server::url`] of the name.
    ///
    /// # Errors
    /// When git fails.
    pub fn create(&self, name: &str) -> Result<String> {
        let folder = self.folder(name);
        let run = |args: &[&str]| program::output(git(self.folder.path())?.arg("-C").arg(&folder).args(args));
        std::fs::create_dir_all(&folder)?;
        run(&["init", "--quiet", "--bare", "--initial-branch=main", "."])?;
        run(&["config", "http.receivepack", "true"])?;
        run(&["config", "uploadpack.allowAnySHA1InWant", "true"])?;
        run(&["config", "uploadpack.allowFilter", "true"])?;
        Ok(self.url(name))
    }

    /// Writes files over those of a branch, commits and pushes; returns the commit. A branch that is not there is made
    /// without history.
    ///
    /// # Errors
    /// When git fails.
    pub fn commit(&self, name: &str, branch: &str, files: &[(&str, &[u8])], message: &str) -> Result<String> {
        let work = self.work(name, branch)?;
        for (path, content) in files {
            scratch::write(&work.join(path), content)?;
        }
        self.push(&work, branch, message)
    }

    /// Makes a branch hold exactly what a folder holds, commits and pushes; returns the commit.
    ///
    /// # Errors
    /// When git fails.
    pub fn commit_folder(&self, name: &str, branch: &str, folder: &Path, message: &str) -> Result<String> {
        let work = self.work(name, branch)?;
        self.run(&work, &["rm", "-r", "-q", "--ignore-unmatch", "."])?;
        scratch::copy(folder, &work)?;
        self.push(&work, branch, message)
    }

    /// Removes files of a branch, commits and pushes; returns the commit.
    ///
    /// # Errors
    /// When git fails, as when a file is not there.
    pub fn remove(&self, name: &str, branch: &str, files: &[&str], message: &str) -> Result<String> {
        let work = self.work(name, branch)?;
        self.run(&work, &[&["rm", "-r", "-q", "--"], files].concat())?;
        self.push(&work, branch, message)
    }

    /// Tags a commit in the repository; with a message the tag is annotated.
    ///
    /// # Errors
    /// When git fails.
    pub fn tag(&self, name: &str, tag: &str, commit: &str, message: Option<&str>) -> Result<()> {
        let folder = self.folder(name);
        match message {
            Some(message) => self.run(&folder, &["tag", "-f", "-a", "-m", message, tag, commit])?,
            None => self.run(&folder, &["tag", "-f", tag, commit])?,
        };
        Ok(())
    }

    /// Runs git in a folder with a clean environment and a clock that moves a minute a call; returns its output.
    ///
    /// # Errors
    /// When git fails.
    pub fn run(&self, folder: &Path, args: &[&str]) -> Result<String> {
        let minute = self.commits.fetch_add(1, Ordering::Relaxed);
        let date = format!("{} +0000", 1_767_225_600 + minute * 60);
        let mut command = git(self.folder.path())?;
        command.env("GIT_AUTHOR_DATE", &date).env("GIT_COMMITTER_DATE", &date);
        program::text(command.arg("-C").arg(folder).args(args))
    }

    /// Checks a branch out into a fresh folder that pushes to the repository on disk.
    fn work(&self, name: &str, branch: &str) -> Result<PathBuf> {
        let number = self.commits.fetch_add(1, Ordering::Relaxed);
        let work = self.folder.join("work").join(format!("{name}-{number}").replace('/', "-"));
        std::fs::create_dir_all(&work)?;
        let bare = self.folder(name);
        let bare = bare.to_str().context("the scratch folder is no UTF-8")?;
        self.run(&work, &["init", "--quiet", &format!("--initial-branch={branch}")])?;
        self.run(&work, &["remote", "add", "origin", bare])?;
        let heads = self.run(&work, &["ls-remote", "--heads", "origin", &format!("refs/heads/{branch}")])?;
        if !heads.is_empty() {
            self.run(&work, &["fetch", "--quiet", "origin", branch])?;
            self.run(&work, &["reset", "--quiet", "--hard", "FETCH_HEAD"])?;
        }
        Ok(work)
    }

    fn push(&self, work: &Path, branch: &str, message: &str) -> Result<String> {
        self.run(work, &["add", "--all", "--force", "."])?;
        self.run(work, &["commit", "--quiet", "--allow-empty", "-m", message])?;
        self.run(work, &["push", "--quiet", "origin", &format!("HEAD:refs/heads/{branch}")])?;
        let commit = self.run(work, &["rev-parse", "HEAD"])?;
        std::fs::remove_dir_all(work).context("removing the work folder")?;
        Ok(commit)
    }
}

/// Returns git with a clean environment: no configuration but its own, and a fixed author.
///
/// # Errors
/// When `git` is missing.
pub fn git(home: &Path) -> Result<Command> {
    let mut command = program::clean("git")?;
    command
        .env("HOME", home)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_AUTHOR_NAME", "Sample Author")
        .env("GIT_AUTHOR_EMAIL", "author@example.com")
        .env("GIT_COMMITTER_NAME", "Sample Author")
        .env("GIT_COMMITTER_EMAIL", "author@example.com");
    Ok(command)
}
