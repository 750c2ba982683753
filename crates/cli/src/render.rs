//! `sealfast render`: what a cluster would get from a directory, masked.
//!
//! The directory is built and opened by the controllers' own stages. Flux Kustomizations among the objects are followed
//! with their own path, patches and variables; what was decrypted is masked wherever it lands.

use sealfast_controllers::gates::Gates;
use sealfast_controllers::kustomization::mask::Masks;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use crate::diagnostic::Failure;
use crate::output;

mod clusters;
mod follow;
pub(crate) mod keys;
mod order;
mod origin;
mod print;
pub(crate) mod repository;

/// Flags of `render`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RenderArgs {
    /// Directories to render, each as a cluster would, or one with a directory a cluster [default: the current one]
    #[arg(value_name = "DIR")]
    directories: Vec<PathBuf>,
    /// File with keys that open what is encrypted: age identities or an armored OpenPGP key; may be repeated
    #[arg(long, value_name = "FILE")]
    identity: Vec<PathBuf>,
    /// Show decrypted values instead of masks
    #[arg(long)]
    show_secrets: bool,
    /// How the objects are printed
    #[arg(short, long, value_enum, default_value = "yaml")]
    output: Format,
    /// Root of the source, which nothing may leave [default: the Git repository around DIR, else DIR]
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// Do not follow the Flux Kustomizations among the objects
    #[arg(long)]
    no_follow: bool,
    /// Switches of the controllers as they have them, `Name=false,Other=true`: StrictPostBuildSubstitutions is on
    #[arg(long, value_name = "GATES", default_value = "", hide_default_value = true)]
    feature_gates: Gates,
}

/// How objects are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Documents.
    Yaml,
    /// One list.
    Json,
    /// One line an object: kind with its group, namespace, name.
    Names,
    /// A table.
    Table,
}

/// Runs `render ARGS`.
pub(crate) fn run(args: RenderArgs) -> ExitCode {
    match try_run(&args) {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}

fn try_run(args: &RenderArgs) -> Result<ExitCode, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::because("failed to start", &error))?;
    let here = [PathBuf::from(".")];
    let directories = if args.directories.is_empty() { here.as_slice() } else { &args.directories };
    let mut rendered = follow::Rendered::default();
    for directory in directories {
        let repository = repository::Repository::read(directory, args.root.as_deref())?;
        let follow = if args.no_follow { follow::Follow::No } else { follow::Follow::Yes };
        let starts = match follow {
            follow::Follow::Yes => clusters::below(&*repository.tree, &repository.start),
            follow::Follow::No => vec![repository.start.clone()],
        };
        for start in starts {
            let identities = &args.identity;
            let gates = &args.feature_gates;
            let work = follow::directory(&repository, &start, identities, gates, follow, &mut rendered);
            runtime.block_on(work).map_err(|failure| {
                let masks = Masks::of(&rendered.witness.lock());
                failure.masked(|text| masks.text(text))
            })?;
        }
    }
    let masks = Masks::of(&rendered.witness.lock());
    if !args.show_secrets {
        for part in &mut rendered.parts {
            part.objects.iter_mut().for_each(|object| masks.object(object));
        }
    }
    for line in &rendered.not_followed {
        output::talk(&format!("not followed: {}", masks.text(line)));
    }
    for line in &rendered.notes {
        output::talk(&format!("note: {}", masks.text(line)));
    }
    let printed = print::parts(&rendered.parts, args.output);
    let mut last = if rendered.lacks_something { ExitCode::FAILURE } else { printed };
    for failure in rendered.failures {
        last = failure.masked(|text| masks.text(text)).report();
    }
    Ok(last)
}

/// Returns a path without `.` and links.
fn real(path: &Path) -> Result<PathBuf, Failure> {
    path.canonicalize()
        .map_err(|error| Failure::because(format!("failed to read `{}`", path.display()), &error))
}

const EXAMPLES: &str = "\
Examples:
  sealfast render clusters/production
  sealfast render clusters --output names
  sealfast render clusters/production --identity production.agekey --output table
  sealfast render overlays/production --show-secrets

Exit status:
  0  everything was rendered; what is suspended, or comes from another source, is named and does not count
  1  something failed, or a Kustomization was not followed because its path is missing, its fields have other
     types or its dependsOn leads in a circle; what was rendered is printed all the same";
