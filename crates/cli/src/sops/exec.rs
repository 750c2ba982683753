//! `exec-env` and `exec-file`: a program that gets decrypted values.

use std::fs::{File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Component, Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use rustix::fs::{CWD, FileType, Mode, OFlags};
use sealfast_sops::document::SecretBytes;
use sealfast_sops::store::text_of;
use sealfast_sops::tree::{Branch, Key};

use crate::sops::call::{Call, Done};
use crate::sops::child::{self, Ended, Watch};
use crate::sops::crypt::{self, Noting, Shape};
use crate::sops::settings::Settings;
use crate::sops::stop::{Code, Stop};
use crate::sops::{decrypt, files, log};

const DEFAULT_NAME: &str = "tmp-file";

pub(super) fn run_env(call: &Call) -> Result<Done, Stop> {
    let (file, line) = words(call)?;
    let format = call.format("input-type", file);
    Settings::check(call)?;
    if call.is_set("background") {
        log::warn(
            call.presentation,
            "exec-env's --background option is deprecated and will be removed in a future version of sops",
        );
        if call.is_set("same-process") {
            let message = "The --same-process flag cannot be used with --background";
            return Err(Stop::misuse(message).code(Code::Conflict));
        }
    }
    let encrypted = files::read(Path::new(file))?;
    let opened = crypt::open(call, Path::new(file), &encrypted, format, Noting::Nothing)?;
    let mut command = shell(line);
    if call.is_set("pristine") {
        command.env_clear();
    }
    if let Some(account) = account_of(call)? {
        account.runs(&mut command);
    }
    if let Some(branch) = opened.plain.branches().first() {
        fill(&mut command, branch)?;
    }
    if call.is_set("same-process") {
        return Err(Stop::new(format!("cannot run /bin/sh: {}", command.exec())));
    }
    if call.is_set("background") {
        return command.spawn().map(|_| Done::Quietly).map_err(unstartable);
    }
    finish(call, command.status().map_err(unstartable)?)
}

pub(super) fn run_file(call: &Call) -> Result<Done, Stop> {
    let (file, line) = words(call)?;
    let plain = whole_file(call, file)?;
    let account = account_of(call)?;
    let name = match call.text("filename") {
        "" => None,
        name if is_local(name) => Some(name),
        _ => return Err(Stop::new("The provided filename is not a local path.")),
    };
    let mut watch = Watch::new().map_err(unhandable)?;
    let dir = tempfile::Builder::new()
        .prefix(".sops")
        .permissions(Permissions::from_mode(0o700))
        .tempdir()
        .map_err(unhandable)?;
    let path = place(call, dir.path(), name, &plain)?;
    let line = line.replace("{}", &path.to_string_lossy());
    if let Some(account) = &account {
        account.owns(&path).map_err(unhandable)?;
    }
    if call.is_set("background") {
        if let Some(account) = &account {
            // The shell cleans up as this person, and nobody with more rights opens anything in there any more.
            account.owns(dir.path()).map_err(unhandable)?;
        }
        return in_background(call, dir, &path, &plain, &line, account.as_ref()).map_err(unhandable);
    }
    if account.is_some() {
        // The directory stays ours: whoever the command runs as finds the entry, and cannot put another in its place.
        std::fs::set_permissions(dir.path(), Permissions::from_mode(0o711)).map_err(unhandable)?;
    }
    if !call.is_set("no-fifo") {
        fill_pipe(path, plain);
    }
    let mut command = shell(&line);
    if let Some(account) = &account {
        account.runs(&mut command);
    }
    let ended = watch.run(command).map_err(unstartable)?;
    dir.close().map_err(unhandable)?;
    match ended {
        Ended::With(status) => finish(call, status),
        Ended::Interrupted => Err(Stop::new("interrupted")),
    }
}

/// The decrypted file, the same bytes as `decrypt` prints.
fn whole_file(call: &Call, file: &str) -> Result<SecretBytes, Stop> {
    let shape = Shape::of(call, file, Settings::of_file(call, Path::new(file))?.layout(call));
    let encrypted = files::read(Path::new(file))?;
    let opened = crypt::open(call, Path::new(file), &encrypted, shape.input, Noting::Nothing)?;
    crypt::plain_text(&opened, &shape).map_err(|wrong| decrypt::unwritable(&wrong))
}

/// Makes the file or the pipe that a command gets.
fn place(call: &Call, dir: &Path, name: Option<&str>, plain: &SecretBytes) -> Result<PathBuf, Stop> {
    if call.is_set("no-fifo") {
        return regular(dir, name, plain).map_err(|wrong| {
            let path = dir.join(name.unwrap_or(DEFAULT_NAME));
            Stop::new(format!("open {}: {}", path.display(), files::reason(&wrong)))
        });
    }
    let path = dir.join(name.unwrap_or(DEFAULT_NAME));
    rustix::fs::mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)
        .map_err(|wrong| Stop::new(files::reason(&wrong.into())))?;
    Ok(path)
}

/// Gives the plaintext to the first reader of a pipe; nothing reaches the disk.
fn fill_pipe(path: PathBuf, plain: SecretBytes) {
    std::thread::spawn(move || {
        // Opening waits for the reader. When none comes the thread ends with the process.
        if let Ok(mut pipe) = open_pipe(&path) {
            let _ = pipe.write_all(plain.expose());
        }
    });
}

/// Opens the pipe, and nothing that was put in its place.
fn open_pipe(path: &Path) -> std::io::Result<File> {
    let flags = OFlags::NOFOLLOW.bits().cast_signed();
    let pipe = std::fs::OpenOptions::new().write(true).custom_flags(flags).open(path)?;
    if pipe.metadata()?.file_type().is_fifo() {
        Ok(pipe)
    } else {
        Err(std::io::ErrorKind::InvalidInput.into())
    }
}

fn unhandable(wrong: std::io::Error) -> Stop {
    Stop::new(format!("cannot hand out the decrypted file: {}", files::reason(&wrong)))
}

/// Leaves a shell behind that runs the command and then removes the directory. With a pipe it holds the plaintext in a
/// pipe of its own, so that nothing reaches the disk.
fn in_background(
    call: &Call,
    dir: tempfile::TempDir,
    path: &Path,
    plain: &SecretBytes,
    line: &str,
    account: Option<&Account>,
) -> std::io::Result<Done> {
    log::warn(
        call.presentation,
        "exec-file's --background option is deprecated and will be removed in a future version of sops",
    );
    const WITH_FILE: &str = r#"/bin/sh -c "$2"; rm -rf "$0""#;
    const WITH_PIPE: &str = r#"exec 3<&0; cat <&3 > "$1" 3<&- & exec 3<&-; /bin/sh -c "$2" < /dev/null; kill $! 2> /dev/null; rm -rf "$0""#;
    let has_pipe = !call.is_set("no-fifo");
    let mut command = shell(if has_pipe { WITH_PIPE } else { WITH_FILE });
    command.arg(dir.path()).arg(path).arg(line).process_group(0);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.stdin(if has_pipe { Stdio::piped() } else { Stdio::null() });
    if let Some(account) = account {
        account.runs(&mut command);
    }
    let mut child = command.spawn()?;
    // From here on the shell cleans up.
    let _ = dir.keep();
    if let Some(mut input) = child.stdin.take() {
        // A command that never reads the file closes its end early.
        let _ = input.write_all(plain.expose());
    }
    Ok(Done::Quietly)
}

fn words(call: &Call) -> Result<(&str, &str), Stop> {
    match call.words() {
        [file, line] => Ok((file, line)),
        _ => Err(Stop::new("error: missing file to decrypt")
            .plainly("missing file to decrypt")
            .hint("name the file and the command, the command as one word: exec-env file 'command'")),
    }
}

fn unstartable(wrong: std::io::Error) -> Stop {
    Stop::new(format!("cannot run /bin/sh: {}", files::reason(&wrong)))
}

/// Every key of the first document becomes a variable.
fn fill(command: &mut Command, branch: &Branch) -> Result<(), Stop> {
    use std::os::unix::ffi::OsStrExt as _;
    for entry in &branch.entries {
        let name = match &entry.key {
            Key::Comment(_) => continue,
            Key::Name(name) => name,
            Key::Other { kind, .. } => {
                return Err(Stop::new(format!("cannot use non-string keys in environment, got {kind}")));
            }
        };
        let Some(value) = text_of(&entry.value) else {
            return Err(Stop::new(format!("cannot use complex value in environment; offending key {name}"))
                .hint("exec-env needs a flat file; use exec-file for a nested one"));
        };
        if name.contains('=') {
            return Err(Stop::new(format!("cannot use keys with '=' in environment: {name}")));
        }
        if value.contains(&0) || name.contains('\0') {
            return Err(Stop::new("exec: environment variable contains NUL")
                .hint(format!("{name} cannot be a variable; use exec-file")));
        }
        command.env(name, std::ffi::OsStr::from_bytes(&value));
    }
    Ok(())
}

/// `/bin/sh -c LINE`.
fn shell(line: &str) -> Command {
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(line);
    command
}

/// The person whom a command is run as.
struct Account {
    name: String,
    home: String,
    uid: u32,
    gid: u32,
}

impl Account {
    /// Looks a person up.
    fn find(wanted: &str) -> Option<Self> {
        let accounts = std::fs::read_to_string("/etc/passwd").ok()?;
        accounts.lines().find_map(|line| {
            let fields: Vec<_> = line.split(':').collect();
            let [name, _, uid, gid, _, home, ..] = fields[..] else { return None };
            let (name, home) = (name.to_owned(), home.to_owned());
            let account = Self { name, home, uid: uid.parse().ok()?, gid: gid.parse().ok()? };
            (account.name == wanted).then_some(account)
        })
    }

    fn runs(&self, command: &mut Command) {
        command.uid(self.uid).gid(self.gid);
        command.env("HOME", &self.home).env("LOGNAME", &self.name).env("USER", &self.name);
    }

    fn owns(&self, path: &Path) -> std::io::Result<()> {
        std::os::unix::fs::lchown(path, Some(self.uid), Some(self.gid))
    }
}

/// The person that `--user` names.
fn account_of(call: &Call) -> Result<Option<Account>, Stop> {
    match call.text("user") {
        "" => Ok(None),
        name => Account::find(name)
            .map(Some)
            .ok_or_else(|| Stop::new(format!("user: unknown user {name}")).logged_by("EXEC")),
    }
}

/// The program's exit code is ours, as `sops` with a line about it. There every signal is 255; in our own manner it
/// counts as a shell counts it.
fn finish(call: &Call, status: ExitStatus) -> Result<Done, Stop> {
    if status.success() {
        return Ok(Done::Quietly);
    }
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    if call.is_native() {
        let signal = status.signal().and_then(|signal| u8::try_from(128 + signal).ok());
        return Ok(Done::Code(code.or(signal).unwrap_or(1)));
    }
    Err(Stop::new(child::told(status)).exit(code.unwrap_or(255)))
}

/// Neither absolute nor leading out of the directory.
fn is_local(name: &str) -> bool {
    let mut depth = 0_i32;
    Path::new(name).components().all(|part| {
        depth += match part {
            Component::Normal(_) => 1,
            Component::CurDir => 0,
            Component::ParentDir => -1,
            Component::RootDir | Component::Prefix(_) => return false,
        };
        depth >= 0
    })
}

/// A file of mode 0600, its name random unless one is given.
fn regular(dir: &Path, name: Option<&str>, plain: &SecretBytes) -> std::io::Result<PathBuf> {
    let Some(name) = name else {
        let mut file = tempfile::Builder::new().prefix(DEFAULT_NAME).tempfile_in(dir)?;
        file.write_all(plain.expose())?;
        return file.into_temp_path().keep().map_err(|wrong| wrong.error);
    };
    let path = dir.join(name);
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    file.write_all(plain.expose())?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::open_pipe;

    #[test]
    fn only_a_pipe_is_filled() -> std::io::Result<()> {
        let dir = tempfile::tempdir()?;
        let (file, link) = (dir.path().join("file"), dir.path().join("link"));
        std::fs::write(&file, "kept")?;
        std::os::unix::fs::symlink(&file, &link)?;
        assert!(open_pipe(&file).is_err() && open_pipe(&link).is_err());
        assert_eq!(std::fs::read_to_string(&file)?, "kept");
        Ok(())
    }
}
