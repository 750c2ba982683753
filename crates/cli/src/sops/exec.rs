//! `exec-env` and `exec-file`: a program that gets decrypted values.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Component, Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use rustix::fs::{CWD, FileType, Mode};
use sealfast_sops::document::SecretBytes;
use sealfast_sops::store::text_of;
use sealfast_sops::tree::{Branch, Key};

use crate::sops::call::{Call, Done};
use crate::sops::child::{Ended, Watch};
use crate::sops::crypt::{self, Noting};
use crate::sops::settings::Settings;
use crate::sops::stop::{Code, Stop};
use crate::sops::{decrypt, files, log};

const DEFAULT_NAME: &str = "tmp-file";

pub(super) fn run_env(call: &Call) -> Result<Done, Stop> {
    let (file, line) = words(call)?;
    let format = call.format("input-type", file);
    if call.is_set("background") {
        log::warn(
            call.presentation,
            "exec-env's --background option is deprecated and will be removed in a future version of sops",
        );
        if call.is_set("same-process") {
            let message = "Error: The --same-process flag cannot be used with --background";
            return Err(Stop::new(message).code(Code::Conflict));
        }
    }
    let encrypted = files::read(Path::new(file))?;
    let opened = crypt::open(call, Path::new(file), &encrypted, format, Noting::Nothing)?;
    let mut command = shell(call, line)?;
    if call.is_set("pristine") {
        command.env_clear();
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
    finish(command.status().map_err(unstartable)?)
}

pub(super) fn run_file(call: &Call) -> Result<Done, Stop> {
    let (file, line) = words(call)?;
    let layout = Settings::load(call)?.layout(call);
    let (input, output) = (call.format("input-type", file), call.format("output-type", file));
    let encrypted = files::read(Path::new(file))?;
    let opened = crypt::open(call, Path::new(file), &encrypted, input, Noting::Nothing)?;
    let plain = decrypt::render(opened.plain.emit(output, &layout), output)?;
    let name = match call.text("filename") {
        "" => None,
        name if is_local(name) => Some(name),
        _ => return Err(Stop::new("The provided filename is not a local path.")),
    };
    let failed = |wrong: std::io::Error| Stop::new(format!("cannot hand out the decrypted file: {wrong}"));
    let mut watch = Watch::new().map_err(failed)?;
    let dir = tempfile::Builder::new()
        .prefix(".sops")
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700))
        .tempdir()
        .map_err(failed)?;
    if call.is_set("background") {
        return in_background(call, dir, name, &plain, line).map_err(failed);
    }
    let path = if call.is_set("no-fifo") {
        regular(dir.path(), name, &plain).map_err(failed)?
    } else {
        pipe(dir.path(), name.unwrap_or(DEFAULT_NAME), plain).map_err(failed)?
    };
    let command = shell(call, &line.replace("{}", &path.to_string_lossy()))?;
    let ended = watch.run(command).map_err(unstartable)?;
    dir.close().map_err(failed)?;
    match ended {
        Ended::With(status) => finish(status),
        Ended::Interrupted => Err(Stop::new("interrupted")),
    }
}

/// Leaves a shell behind that runs the command and then removes the directory. With a pipe it holds the plaintext in a
/// pipe of its own, so that nothing reaches the disk.
fn in_background(
    call: &Call,
    dir: tempfile::TempDir,
    name: Option<&str>,
    plain: &SecretBytes,
    line: &str,
) -> std::io::Result<Done> {
    log::warn(
        call.presentation,
        "exec-file's --background option is deprecated and will be removed in a future version of sops",
    );
    const WITH_FILE: &str = r#"/bin/sh -c "$2"; rm -rf "$0""#;
    const WITH_PIPE: &str = r#"exec 3<&0; cat <&3 > "$1" 3<&- & exec 3<&-; /bin/sh -c "$2" < /dev/null; kill $! 2> /dev/null; rm -rf "$0""#;
    let has_pipe = !call.is_set("no-fifo");
    let path = if has_pipe {
        let path = dir.path().join(name.unwrap_or(DEFAULT_NAME));
        rustix::fs::mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
        path
    } else {
        regular(dir.path(), name, plain)?
    };
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(if has_pipe { WITH_PIPE } else { WITH_FILE }).arg(dir.path()).arg(&path);
    command.arg(line.replace("{}", &path.to_string_lossy())).process_group(0);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.stdin(if has_pipe { Stdio::piped() } else { Stdio::null() });
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
            .hint("name the file and the command, the command as one word: exec-env file 'command'")),
    }
}

fn unstartable(wrong: std::io::Error) -> Stop {
    Stop::new(format!("cannot run /bin/sh: {wrong}"))
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
        command.env(name, std::ffi::OsStr::from_bytes(&value));
    }
    Ok(())
}

/// `/bin/sh -c LINE`, as another user when that is asked for.
fn shell(call: &Call, line: &str) -> Result<Command, Stop> {
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(line);
    let user = call.text("user");
    if !user.is_empty() {
        let [uid, gid, home] =
            account(user).ok_or_else(|| Stop::new(format!("user: unknown user {user}")))?;
        let number = |text: String| text.parse().map_err(|_| Stop::new(format!("user: unknown user {user}")));
        command.uid(number(uid)?).gid(number(gid)?);
        command.env("HOME", home).env("LOGNAME", user).env("USER", user);
    }
    Ok(command)
}

/// Looks a user up: uid, gid and home.
fn account(user: &str) -> Option<[String; 3]> {
    let accounts = std::fs::read_to_string("/etc/passwd").ok()?;
    accounts.lines().find_map(|line| {
        let fields: Vec<_> = line.split(':').collect();
        let [name, _, uid, gid, _, home, ..] = fields[..] else { return None };
        (name == user).then(|| [uid, gid, home].map(str::to_owned))
    })
}

/// The program's exit code is ours; a signal counts as a shell counts it.
fn finish(status: ExitStatus) -> Result<Done, Stop> {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    Ok(Done::Code(u8::try_from(code).unwrap_or(1)))
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

/// A pipe that gives the plaintext to its first reader; nothing reaches the disk.
fn pipe(dir: &Path, name: &str, plain: SecretBytes) -> std::io::Result<PathBuf> {
    let path = dir.join(name);
    rustix::fs::mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
    let writer = path.clone();
    std::thread::spawn(move || {
        // Opening waits for the reader. When none comes the thread ends with the process.
        if let Ok(mut pipe) = std::fs::OpenOptions::new().write(true).open(writer) {
            let _ = pipe.write_all(plain.expose());
        }
    });
    Ok(path)
}
