//! Where identities are looked for: variables, programs, and the usual files.
//!
//! A source that is wrong is noted and does not stop the others; the report of a failed recovery tells it.
//!
//! Follows: `age/keysource.go` of sops 3.13.2. Differs: SSH keys are read only when a recipient is one; programs are asked
//! only when everything else failed.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, LazyLock};

use sealfast_keys::age;
use sealfast_keys::keyring::Keyring;
use sealfast_keys::pgp::GpgProgram;
use secrecy::SecretString;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::env::{self, Variable};
use crate::sops::files;
use crate::sops::keyring::{agent, cloud, prompt};

/// Whether the person may be asked for a passphrase.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Prompts {
    Terminal,
    Never,
}

/// What is worth looking for.
pub(super) struct Wanted {
    /// SSH keys.
    pub(super) ssh: bool,
    pub(super) prompts: Prompts,
}

/// Looks everywhere.
pub(super) fn keyring(wanted: &Wanted) -> Keyring {
    let mut keyring = for_wrapping();
    ssh_keys(&mut keyring, wanted);
    if let Some(text) = note_unset(&mut keyring, env::SOPS_AGE_KEY) {
        let text = Zeroizing::new(text);
        add(&mut keyring, env::SOPS_AGE_KEY.name(), text.as_bytes(), wanted.prompts);
    }
    if let Some(path) = note_unset(&mut keyring, env::SOPS_AGE_KEY_FILE) {
        match read(Path::new(&path)) {
            Ok(text) => add(&mut keyring, env::SOPS_AGE_KEY_FILE.name(), &text, wanted.prompts),
            Err(reason) => {
                keyring.note_age_problem(format!("failed to open SOPS_AGE_KEY_FILE file: {reason}"))
            }
        }
    }
    note_unset(&mut keyring, env::SOPS_AGE_KEY_CMD);
    usual_file(&mut keyring, wanted.prompts);
    keyring
}

/// What wrapping needs: programs and credentials, no identities. It is made once, so that everything of this run shares
/// clients, tokens and opened data keys.
pub(super) fn for_wrapping() -> Keyring {
    static MADE: LazyLock<Keyring> = LazyLock::new(|| {
        let program = env::SOPS_GPG_EXEC.path().unwrap_or_else(|| PathBuf::from("gpg"));
        let (home, usual_home) = (env::GNUPGHOME.path(), usual_gnupg_home());
        let gpg = GpgProgram { program, home, usual_home, ..GpgProgram::default() };
        cloud::add(Keyring::empty().with_age_plugins(Arc::new(prompt::Terminal)).with_gpg(gpg))
    });
    MADE.clone()
}

fn usual_gnupg_home() -> Option<PathBuf> {
    Some(env::HOME.path()?.join(".gnupg"))
}

/// The public keyring of old GnuPG versions, when neither it nor the secret one is there.
pub(super) fn missing_pgp_ring() -> Option<PathBuf> {
    let home = env::GNUPGHOME.path().or_else(usual_gnupg_home)?;
    let rings = ["secring.gpg", "pubring.gpg"].map(|name| home.join(name));
    if rings.iter().any(|ring| ring.exists()) {
        return None;
    }
    let [_, public] = rings;
    Some(public)
}

/// Runs the programs that print identities for a recipient; true when something new was found.
pub(super) fn ask_programs(keyring: &mut Keyring, recipient: &str) -> bool {
    let mut found = false;
    if let Some(line) = env::SOPS_AGE_SSH_PRIVATE_KEY_CMD.text() {
        let added = output(&line, recipient)
            .and_then(|pem| keyring.add_ssh_identity(&pem, None).map_err(|wrong| wrong.with_causes()));
        found |= note(keyring, env::SOPS_AGE_SSH_PRIVATE_KEY_CMD.name(), added);
    }
    if let Some(line) = env::SOPS_AGE_KEY_CMD.text() {
        let added = output(&line, recipient).and_then(|text| {
            let text = std::str::from_utf8(&text).map_err(|_| "is not UTF-8".to_owned())?;
            keyring.add_age_identities(text).map_err(|wrong| wrong.with_causes())
        });
        found |= note(keyring, env::SOPS_AGE_KEY_CMD.name(), added);
    }
    found
}

fn note(keyring: &mut Keyring, place: &str, added: Result<(), String>) -> bool {
    if let Err(reason) = &added {
        keyring.note_age_problem(format!("{place}: {reason}"));
    }
    added.is_ok()
}

/// Returns a variable's value, or notes that nothing was found there.
fn note_unset(keyring: &mut Keyring, variable: Variable) -> Option<String> {
    let value = variable.text();
    if value.is_none() {
        keyring.note_age_place(variable.name());
    }
    value
}

fn ssh_keys(keyring: &mut Keyring, wanted: &Wanted) {
    if let Some(path) = note_unset(keyring, env::SOPS_AGE_SSH_PRIVATE_KEY_FILE) {
        ssh_key(keyring, Path::new(&path), wanted);
    }
    note_unset(keyring, env::SOPS_AGE_SSH_PRIVATE_KEY_CMD);
    for path in usual_ssh_files() {
        if path.exists() {
            ssh_key(keyring, &path, wanted);
        } else {
            keyring.note_age_place(path.to_string_lossy());
        }
    }
}

/// Where SSH keys lie, those that are named first.
pub(super) fn ssh_files() -> Vec<PathBuf> {
    env::SOPS_AGE_SSH_PRIVATE_KEY_FILE.path().into_iter().chain(usual_ssh_files()).collect()
}

fn usual_ssh_files() -> Vec<PathBuf> {
    let home = env::HOME.path();
    let path = |name| home.as_ref().map(|home| home.join(".ssh").join(name));
    ["id_ed25519", "id_rsa"].into_iter().filter_map(path).collect()
}

fn ssh_key(keyring: &mut Keyring, path: &Path, wanted: &Wanted) {
    if !wanted.ssh {
        return;
    }
    let added = read(path).and_then(|pem| {
        let open = keyring.add_ssh_identity(&pem, None);
        let Err(sealfast_keys::error::Error::Passphrase { .. }) = open else {
            return open.map_err(|wrong| wrong.with_causes());
        };
        let passphrase = ask(wanted.prompts, path)?;
        keyring.add_ssh_identity(&pem, Some(passphrase)).map_err(|wrong| wrong.with_causes())
    });
    note(keyring, &path.to_string_lossy(), added);
}

/// `sops/age/keys.txt` in the configuration directory; missing it matters only when there is nothing else.
fn usual_file(keyring: &mut Keyring, prompts: Prompts) {
    let Some(path) = keys_file() else { return };
    match files::try_read(&path) {
        Ok(text) => add(keyring, &path.to_string_lossy(), &text, prompts),
        Err(wrong) if wrong.kind() == std::io::ErrorKind::NotFound => {
            if !keyring.has_age_identities() {
                keyring.note_age_place(path.to_string_lossy());
            }
        }
        Err(wrong) => keyring.note_age_problem(format!("failed to open file: {}", files::reason(&wrong))),
    }
}

/// The file of age identities that everybody has.
pub(super) fn keys_file() -> Option<PathBuf> {
    let xdg = env::XDG_CONFIG_HOME.path();
    let home = env::HOME.path();
    let mac =
        cfg!(target_os = "macos").then(|| home.as_ref().map(|home| home.join("Library/Application Support")));
    let dir = xdg.or_else(|| mac.flatten()).or_else(|| home.map(|home| home.join(".config")))?;
    Some(dir.join("sops/age/keys.txt"))
}

/// Adds an identity file, which may itself be encrypted under a passphrase.
fn add(keyring: &mut Keyring, place: &str, bytes: &[u8], prompts: Prompts) {
    let added = if age::is_encrypted(bytes) {
        let kept_as = kept_as(bytes);
        ask_agent(prompts, &kept_as, Path::new(place)).and_then(|passphrase| {
            let opened = keyring.add_encrypted_age_identities(bytes, passphrase);
            opened.map_err(|wrong| {
                agent::forget(&kept_as);
                wrong.with_causes()
            })
        })
    } else {
        std::str::from_utf8(bytes)
            .map_err(|_| "is not UTF-8".to_owned())
            .and_then(|text| keyring.add_age_identities(text).map_err(|wrong| wrong.with_causes()))
    };
    if let Err(reason) = added {
        keyring.note_age_problem(format!("failed to parse '{place}' age identities: {reason}"));
    }
}

/// Asks gpg-agent, or at the terminal when there is none.
fn ask_agent(prompts: Prompts, kept_as: &str, path: &Path) -> Result<SecretString, String> {
    let question = format!("Enter passphrase for identity '{}':", path.display());
    let asked = (prompts == Prompts::Terminal).then(|| agent::passphrase(kept_as, &question)).flatten();
    asked.unwrap_or_else(|| ask(prompts, path))
}

/// What gpg-agent keeps the passphrase of an identity file under: the first 25 bytes of a digest of its content in base 32.
fn kept_as(content: &[u8]) -> String {
    const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    format!("SopsAge{}", agent::in_letters(&Sha256::digest(content)[..25], LETTERS))
}

fn ask(prompts: Prompts, path: &Path) -> Result<SecretString, String> {
    if prompts == Prompts::Never {
        return Err("it is protected by a passphrase".to_owned());
    }
    prompt::passphrase(&format!("Enter passphrase for identity {}: ", path.display()))
        .map_err(|wrong| format!("it is protected by a passphrase, and none can be asked: {wrong}"))
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    files::try_read(path).map_err(|wrong| format!("open {}: {}", path.display(), files::reason(&wrong)))
}

/// Runs a program without a shell.
fn output(line: &str, recipient: &str) -> Result<Zeroizing<Vec<u8>>, String> {
    let words = shell_words::split(line).map_err(|wrong| wrong.to_string())?;
    let (program, args) = words.split_first().ok_or("the command is empty")?;
    let output = Command::new(program)
        .args(args)
        .env(env::SOPS_AGE_RECIPIENT.name(), recipient)
        .stdin(Stdio::inherit())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|wrong| format!("failed to execute command {program}: {}", files::reason(&wrong)))?;
    let text = Zeroizing::new(output.stdout);
    if output.status.success() {
        Ok(text)
    } else {
        Err(format!("failed to execute command {program}: {}", output.status))
    }
}
