//! The `sealfast` program: its name or first word picks the tool.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

mod answer;
mod completion;
mod diagnostic;
mod docker_config;
mod env;
mod flux;
mod in_process;
mod key_pair;
mod keys;
mod kubeconfig;
mod kubectl;
mod kustomize;
mod log;
mod manifests;
mod native;
mod output;
mod render;
mod replace;
mod run;
mod sops;
mod spelling;
mod up;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // The one TLS provider; a second installation cannot happen here.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut args: Vec<OsString> = std::env::args_os().collect();
    let name = if args.is_empty() { OsString::from("sealfast") } else { args.remove(0) };
    let called = Path::new(&name).file_name().map(|name| name.to_string_lossy().into_owned());
    match called.as_deref() {
        Some("sops") => sops::run(args, sops::Presentation::AsSops),
        Some("flux") => flux::run(args),
        Some("kustomize") => kustomize::run(args),
        _ => native::start(args),
    }
}
