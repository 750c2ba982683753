//! The person's own keyring through the `gpg` program.
//!
//! Follows: `pgp/keysource.go` of sops 3.13.2.

use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;
use zeroize::Zeroizing;

use crate::local::aside;
use crate::pgp::turn;

/// The first call in a home is over by then, or has made what others would come upon half made.
const PATIENCE: Duration = Duration::from_secs(30);
/// The last digits of a fingerprint, as `--trusted-key` takes them.
const SHORT: usize = 16;
/// What the program writes about one data key is shorter.
const USUAL_BYTES: usize = 16 << 10;
/// Nothing that it writes about one data key is longer.
const MOST_BYTES: u64 = 1 << 20;

/// How `gpg` is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GpgProgram {
    /// The program: a name on the search path, or a path.
    pub program: PathBuf,
    /// Its home directory; none for its own choice.
    pub home: Option<PathBuf>,
    /// Where its home lies when that is its own choice, as far as it is known.
    pub usual_home: Option<PathBuf>,
    /// How long a call waits for the first one in a new home before it goes on beside it.
    pub patience: Duration,
}

impl Default for GpgProgram {
    fn default() -> Self {
        Self { program: PathBuf::from("gpg"), home: None, usual_home: None, patience: PATIENCE }
    }
}

impl GpgProgram {
    /// Encrypts, or says why `gpg` did not. In a new home the first call goes alone.
    pub(super) async fn encrypt(&self, fingerprint: &str, secret: &[u8]) -> Result<String, String> {
        let failed = |words: String| format!("failed to encrypt sops data key with pgp: {words}");
        let _turn = match self.home.as_ref().or(self.usual_home.as_ref()) {
            Some(home) => {
                let (home, patience) = (home.clone(), self.patience);
                let is_usual = self.home.is_none();
                aside(move || {
                    if is_usual {
                        turn::make(&home);
                    }
                    turn::wait(&home, patience)
                })
                .await
            }
            None => None,
        };
        let trusted = shorten(fingerprint);
        let args = [
            "--no-default-recipient",
            "--yes",
            "--encrypt",
            "-a",
            "-r",
            fingerprint,
            "--trusted-key",
            &trusted,
            "--no-encrypt-to",
        ];
        let output = self.run(&args, secret).await.map_err(failed)?;
        Ok(String::from_utf8_lossy(&output).trim().to_owned())
    }

    /// Decrypts, or says why `gpg` did not.
    pub(super) async fn decrypt(&self, enc: &str) -> Result<Zeroizing<Vec<u8>>, String> {
        let failed = |words: &str| format!("failed to decrypt sops data key with pgp: {words}");
        match self.run(&["-d"], enc.as_bytes()).await {
            Ok(output) if output.is_empty() => Err(failed("zero bytes returned")),
            Ok(output) => Ok(output),
            Err(words) => Err(failed(&words)),
        }
    }

    /// Runs the program over an input; an error is what it said, or why it was not run.
    async fn run(&self, args: &[&str], input: &[u8]) -> Result<Zeroizing<Vec<u8>>, String> {
        let broken =
            |error: io::Error| format!("the program `{}` could not be run: {error}", self.program.display());
        let mut child = self.command().args(args).spawn().map_err(broken)?;
        let stdin = child.stdin.take();
        let feed = async move {
            if let Some(mut stdin) = stdin {
                // A program that refuses its input says why itself.
                drop(stdin.write_all(input).await);
            }
        };
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let ((), stdout, stderr, status) = tokio::join!(feed, all(stdout), all(stderr), child.wait());
        let (stdout, stderr, status) =
            (stdout.map_err(broken)?, stderr.map_err(broken)?, status.map_err(broken)?);
        if status.success() {
            return Ok(stdout);
        }
        let words = String::from_utf8_lossy(&stderr).trim().to_owned();
        Err(if words.is_empty() { status.to_string() } else { words })
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        if let Some(home) = &self.home {
            command.env("GNUPGHOME", home);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }
}

/// Reads to the end, into memory that is wiped and large enough not to move.
async fn all(pipe: Option<impl AsyncRead + Unpin>) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(USUAL_BYTES));
    if let Some(pipe) = pipe {
        pipe.take(MOST_BYTES).read_to_end(&mut bytes).await?;
    }
    Ok(bytes)
}

/// Returns the last 16 digits, and an exclamation mark if there was one.
fn shorten(fingerprint: &str) -> String {
    let (digits, mark) = match fingerprint.strip_suffix('!') {
        Some(digits) => (digits, "!"),
        None => (fingerprint, ""),
    };
    let start = digits.char_indices().rev().nth(SHORT - 1).map_or(0, |(index, _)| index);
    format!("{}{mark}", &digits[start..])
}

#[cfg(test)]
mod tests {
    use super::shorten;

    #[test]
    fn trusted_keys_have_sixteen_digits() {
        assert_eq!(shorten("405ADFC4109F70E146D9FA4B778097FBE71022BF"), "778097FBE71022BF");
        assert_eq!(shorten("405ADFC4109F70E146D9FA4B778097FBE71022BF!"), "778097FBE71022BF!");
        assert_eq!(shorten("E71022BF"), "E71022BF");
    }
}
