//! The real `sshd` on a loopback port, for the repositories of a [`super::Server`].

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::PathBuf;
use std::process::{Child, Stdio};

use anyhow::{Context as _, Result, bail};

use super::Server;
use crate::program;
use crate::scratch::{self, Scratch};

/// A running `sshd`; it ends on drop.
#[derive(Debug)]
pub struct Sshd {
    folder: Scratch,
    repositories: PathBuf,
    port: u16,
    user: String,
    child: Child,
}

impl Sshd {
    /// Starts `sshd` with a host key of each kind, as `ssh-keygen -t` names them.
    ///
    /// # Errors
    /// When `sshd` or `ssh-keygen` is missing or it does not start.
    pub fn start(server: &Server, host_keys: &[&str]) -> Result<Self> {
        let folder = Scratch::new()?;
        let mut config = String::new();
        for kind in host_keys {
            let path = folder.join(format!("host-{kind}"));
            keygen(&path, kind, "", "OPENSSH")?;
            config.push_str(&format!("HostKey {}\n", path.display()));
        }
        scratch::write(&folder.join("authorized_keys"), b"")?;
        if is_root()? {
            // It insists on this folder before it gives up its rights.
            std::fs::DirBuilder::new().recursive(true).mode(0o755).create("/run/sshd")?;
        }
        // The port is free now; nothing else here takes ports at random in between.
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        config.push_str(&format!(
            "ListenAddress 127.0.0.1\nPort {port}\nPidFile none\nUsePAM no\nStrictModes no\nPasswordAuthentication no\n\
             KbdInteractiveAuthentication no\nPermitRootLogin yes\nAcceptEnv GIT_PROTOCOL\nLogLevel ERROR\n\
             AuthorizedKeysFile {}\n",
            folder.join("authorized_keys").display()
        ));
        scratch::write(&folder.join("sshd_config"), config.as_bytes())?;
        let mut child = program::clean("sshd")?
            .args(["-D", "-e", "-f"])
            .arg(folder.join("sshd_config"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("starting sshd")?;
        if let Err(error) = wait(port, &mut child) {
            drop(child.kill());
            return Err(error);
        }
        let user = program::text(program::clean("id")?.arg("-un"))?;
        Ok(Self { folder, repositories: server.root(), port, user, child })
    }

    /// Returns the URL of a repository.
    #[must_use]
    pub fn url(&self, name: &str) -> String {
        let path = self.repositories.join(format!("{name}.git"));
        format!("ssh://{}@127.0.0.1:{}{}", self.user, self.port, path.display())
    }

    /// Returns the port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the lines of `known_hosts` for one kind of host key.
    ///
    /// # Errors
    /// When there is no such key.
    pub fn known_hosts(&self, kind: &str) -> Result<String> {
        let public = std::fs::read_to_string(self.folder.join(format!("host-{kind}.pub")))?;
        Ok(format!("[127.0.0.1]:{} {public}", self.port))
    }

    /// Makes a key that may log in; returns its private part. `form` is `OPENSSH`, `PEM` or `PKCS8`.
    ///
    /// # Errors
    /// When `ssh-keygen` fails.
    pub fn identity(&self, kind: &str, passphrase: &str, form: &str) -> Result<String> {
        let path = self.folder.join(format!("user-{kind}-{form}-{}", passphrase.len()));
        keygen(&path, kind, passphrase, form)?;
        self.authorize(&std::fs::read_to_string(path.with_extension("pub"))?)?;
        Ok(std::fs::read_to_string(&path)?)
    }

    /// Lets a public key in, a line with its newline.
    ///
    /// # Errors
    /// When the list of keys cannot be written.
    pub fn authorize(&self, public: &str) -> Result<()> {
        let list = self.folder.join("authorized_keys");
        let mut text = std::fs::read_to_string(&list)?;
        text.push_str(public);
        scratch::write(&list, text.as_bytes())?;
        Ok(())
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Makes a key pair in a file of mode 0600 and one beside it with `.pub`.
fn keygen(path: &std::path::Path, kind: &str, passphrase: &str, form: &str) -> Result<()> {
    let mut command = program::clean("ssh-keygen")?;
    command.args(["-q", "-t", kind.split('-').next().unwrap_or(kind), "-N", passphrase, "-C", "sample"]);
    if let Some((_, bits)) = kind.split_once('-') {
        command.args(["-b", bits]);
    }
    if matches!(form, "PEM" | "PKCS8") {
        command.args(["-m", form]);
    }
    program::output(command.arg("-f").arg(path))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(())
}

fn is_root() -> Result<bool> {
    Ok(program::text(program::clean("id")?.arg("-u"))? == "0")
}

/// Waits until the port answers, or tells what the server says when it ends instead.
fn wait(port: u16, child: &mut Child) -> Result<()> {
    for _ in 0..500 {
        if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return Ok(());
        }
        if let Some(status) = child.try_wait()? {
            let said = child.stderr.take().map(BufReader::new).into_iter().flat_map(|text| text.lines());
            let said: Vec<String> = said.map_while(Result::ok).collect();
            bail!("sshd ended with {status}: {}", said.join("; "));
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    bail!("sshd does not answer")
}
