//! The programs that tests call, and how a Debian machine gets them.

use std::env;
use std::process::{Command, Stdio};

/// A program, the package it is in, and what it is for.
struct Program {
    name: &'static str,
    package: &'static str,
    purpose: &'static str,
}

const PROGRAMS: [Program; 3] = [
    Program { name: "git", package: "git", purpose: "repositories to fetch from" },
    Program { name: "gpg", package: "gnupg", purpose: "OpenPGP keyrings to agree with" },
    Program {
        name: "kubectl",
        package: "kubernetes-client",
        purpose: "the client that talks to the embedded server",
    },
];

/// Installs what is missing where that is allowed; returns a line for each program that is still missing.
pub(crate) fn provide() -> Vec<String> {
    let missing: Vec<&Program> = PROGRAMS.iter().filter(|program| !is_there(program.name)).collect();
    if missing.is_empty() {
        return Vec::new();
    }
    let packages: Vec<&str> = missing.iter().map(|program| program.package).collect();
    let may_install = is_there("apt-get") && is_root();
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

fn install(packages: &[&str]) {
    // An old package list often still serves, so a failed update is not the end.
    apt_get(&["update", "--quiet"]);
    apt_get(&[&["install", "--yes", "--quiet", "--no-install-recommends"], packages].concat());
}

fn apt_get(args: &[&str]) {
    let status = Command::new("apt-get")
        .args(args)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .status();
    match status {
        Ok(status) if status.success() => {}
        Ok(status) => eprintln!("apt-get {} ended with {status}", args.join(" ")),
        Err(error) => eprintln!("apt-get {} did not start: {error}", args.join(" ")),
    }
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").stderr(Stdio::null()).output();
    id.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

#[expect(clippy::disallowed_methods, reason = "an errand finds programs as a shell does")]
fn is_there(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(program).is_file())
}
