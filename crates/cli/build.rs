//! How the program is linked: little to read at each start.

#![expect(clippy::disallowed_methods, reason = "cargo tells a build script what is built in its environment")]

use std::path::PathBuf;
use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if env::var("TARGET").is_ok_and(|target| target.ends_with("linux-gnu")) {
        println!("cargo::rustc-link-arg-bins={}", placement());
        // A profile of its own for a package takes no part in the stripping that the profile around it asks for.
        if env::var("PROFILE").is_ok_and(|profile| profile == "release") {
            println!("cargo::rustc-link-arg-bins=-Wl,--strip-all");
            if reads_scripts() {
                // What one Secret needs lies side by side: each place that is touched maps 64 KiB of the program.
                println!("cargo::rerun-if-changed=first.ld");
                println!("cargo::rustc-link-arg-bins=-T{}", built_script().display());
            }
        }
    }
}

/// At a fixed address, as programs of Go lie: what may lie anywhere writes 2 MiB of pointers at each start. A program without shared
/// libraries is linked otherwise, and only packs what tells it where they are.
fn placement() -> &'static str {
    let features = env::var("CARGO_CFG_TARGET_FEATURE").unwrap_or_default();
    if features.split(',').any(|feature| feature == "crt-static") {
        "-Wl,-z,pack-relative-relocs"
    } else {
        "-no-pie"
    }
}

/// The script beside what is built: a build folder may serve another clone later.
fn built_script() -> PathBuf {
    let built = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR")).join("first.ld");
    fs::copy("first.ld", &built).expect("first.ld can be copied to OUT_DIR");
    built
}

/// Whether the linker takes scripts, as those of GNU and LLVM do.
fn reads_scripts() -> bool {
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    !flags.contains("mold") && !flags.contains("wild")
}
