//! `sealfast keys`: new age identities and OpenPGP keys.
//!
//! With them no other program is needed for a start.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use sealfast_keys::age;
use sealfast_keys::error::Error;
use sealfast_keys::pgp::{self, PgpOptions};
use sealfast_sops::time::Time;
use secrecy::{ExposeSecret as _, SecretString};

use crate::diagnostic::Failure;
use crate::output;

/// Arguments of `sealfast keys`.
#[derive(Args)]
pub(crate) struct KeysArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Make a new key pair for a cluster or a person.
    #[command(subcommand)]
    Generate(Generate),
}

#[derive(Subcommand)]
enum Generate {
    /// Make an age identity, in the file that `age-keygen` writes.
    #[command(after_help = AGE_EXAMPLES)]
    Age(AgeArgs),
    /// Make an OpenPGP key: RSA that signs, with a subkey that encrypts; no passphrase, no end.
    #[command(after_help = PGP_EXAMPLES)]
    Pgp(PgpArgs),
}

#[derive(Args)]
struct AgeArgs {
    /// Make a post-quantum identity (`age1pq1…`), as `age-keygen -pq` does: its recipient is long.
    #[arg(long)]
    post_quantum: bool,
    /// Write the identity to this new file (mode 0600) and print the recipient [default: print the identity].
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Args)]
struct PgpArgs {
    /// Write the secret key to this new file (mode 0600) and print the fingerprint [default: print the secret key].
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write the public key to this new file too, for those who encrypt.
    #[arg(long, value_name = "FILE")]
    public: Option<PathBuf>,
    /// Name of the user id, such as the cluster's.
    #[arg(long, default_value = "sealfast")]
    name: String,
    /// Comment of the user id.
    #[arg(long, default_value = "")]
    comment: String,
    /// Mail address of the user id.
    #[arg(long, default_value = "")]
    email: String,
    /// Bits of the RSA keys.
    #[arg(long, default_value_t = 4096, value_name = "BITS")]
    rsa_bits: u32,
}

const AGE_EXAMPLES: &str = "\
Examples:
  sealfast keys generate age --output cluster.agekey
  sealfast create secret generic sops-age --namespace=flux-system --from-file=age.agekey=cluster.agekey";

const PGP_EXAMPLES: &str = "\
Examples:
  sealfast keys generate pgp --name cluster0.example.com --comment 'flux secrets' --output sops.asc --public .sops.pub.asc
  sealfast create secret generic sops-gpg --namespace=flux-system --from-file=sops.asc";

/// Runs `sealfast keys`.
pub(crate) fn run(args: KeysArgs) -> Result<ExitCode, Failure> {
    match args.action {
        Action::Generate(Generate::Age(args)) => generate_age(&args),
        Action::Generate(Generate::Pgp(args)) => generate_pgp(args),
    }
}

fn generate_age(args: &AgeArgs) -> Result<ExitCode, Failure> {
    let identity = if args.post_quantum { age::generate_post_quantum() } else { age::generate() };
    let text = identity.file_text(now());
    hand_over(args.output.as_deref(), &text, "Public key", identity.recipient())
}

fn generate_pgp(args: PgpArgs) -> Result<ExitCode, Failure> {
    // Before the seconds that a key takes.
    for path in args.output.iter().chain(&args.public) {
        if fs::symlink_metadata(path).is_ok() {
            return Err(exists(path));
        }
    }
    let options =
        PgpOptions { name: args.name, comment: args.comment, email: args.email, bits: args.rsa_bits };
    let key = pgp::generate(&options, now()).map_err(|error| unusable(&error))?;
    if let Some(path) = &args.public {
        write_new(path, key.armored_public.as_bytes(), 0o644)?;
    }
    hand_over(args.output.as_deref(), &key.armored_secret, "Fingerprint", &key.fingerprint)
}

/// The secret goes to the file and the public name to standard output; without a file the secret goes to standard output
/// and the public name to standard error.
fn hand_over(
    path: Option<&Path>,
    secret: &SecretString,
    label: &str,
    name: &str,
) -> Result<ExitCode, Failure> {
    match path {
        Some(path) => {
            write_new(path, secret.expose_secret().as_bytes(), 0o600)?;
            output::talk(&format!("wrote `{}`; {}:", path.display(), label.to_lowercase()));
            Ok(output::data(format!("{name}\n").as_bytes()))
        }
        None => {
            output::talk(&format!("{label}: {name}"));
            Ok(output::data(secret.expose_secret().as_bytes()))
        }
    }
}

fn write_new(path: &Path, content: &[u8], mode: u32) -> Result<(), Failure> {
    let failed = |error: &io::Error| match error.kind() {
        io::ErrorKind::AlreadyExists => exists(path),
        _ => Failure::because(format!("failed to write `{}`", path.display()), error),
    };
    let mut file: File = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .map_err(|error| failed(&error))?;
    let written = file.write_all(content).and_then(|()| file.sync_all());
    written.map_err(|error| {
        drop(fs::remove_file(path));
        failed(&error)
    })
}

fn exists(path: &Path) -> Failure {
    Failure::new(format!("`{}` is there already, and a key is never overwritten", path.display()))
        .hint("choose another file, or move this one away")
}

fn unusable(error: &Error) -> Failure {
    Failure::because("failed to make the key", error)
}

fn now() -> Time {
    Time::from(jiff::Timestamp::now())
}
