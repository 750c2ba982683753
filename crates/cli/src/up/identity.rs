//! The keys that `up` decrypts with.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::UpArgs;
use super::config::{Defaults, Source};
use crate::diagnostic::Failure;
use crate::{env, output};

/// One file, or text, with a secret key. It is wiped on drop and cannot be printed.
pub(super) struct Identity {
    path: Option<PathBuf>,
    bytes: Zeroizing<Vec<u8>>,
    kind: Kind,
}

/// What kind of key it is.
#[derive(Clone, Copy)]
enum Kind {
    Age,
    OpenPgp,
}

impl Kind {
    fn of(bytes: &[u8]) -> Option<Self> {
        let holds = |mark: &[u8]| bytes.windows(mark.len()).any(|part| part == mark);
        if holds(b"BEGIN PGP PRIVATE KEY BLOCK") {
            return Some(Self::OpenPgp);
        }
        (holds(b"AGE-SECRET-KEY-") || holds(b"AGE-PLUGIN-")).then_some(Self::Age)
    }
}

impl Identity {
    fn read(path: &Path) -> Result<Self, Failure> {
        let bytes = Zeroizing::new(std::fs::read(path).map_err(|error| {
            Failure::because(format!("failed to read the identity `{}`", path.display()), &error)
        })?);
        let Some(kind) = Kind::of(&bytes) else {
            return Err(Failure::new(format!(
                "`{}` holds neither an age identity nor an armored OpenPGP secret key",
                path.display()
            ))
            .hint("make one with `sealfast keys generate age --output cluster.agekey`"));
        };
        Ok(Self { path: Some(path.to_owned()), bytes, kind })
    }

    /// The file that it came from.
    pub(super) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// The end of an entry's name in a key Secret.
    pub(super) fn ending(&self) -> &'static str {
        match self.kind {
            Kind::Age => "agekey",
            Kind::OpenPgp => "asc",
        }
    }

    /// The key itself.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// The identities named by flag, else by the folder, else, for a folder, the person's own age identities. Whoever writes
/// to a repository could have what those open sent elsewhere.
pub(super) fn all(args: &UpArgs, defaults: &Defaults, source: &Source) -> Result<Vec<Identity>, Failure> {
    if !args.identity.is_empty() {
        return args.identity.iter().map(|path| Identity::read(path)).collect();
    }
    if !defaults.identities.is_empty() {
        for file in &defaults.identities {
            output::talk(&format!(
                "using the identity `{}` that the folder brings along: fine for a demo, and for nothing else",
                file.display()
            ));
        }
        return defaults.identities.iter().map(|path| Identity::read(path)).collect();
    }
    Ok(if matches!(source, Source::Folder(_)) { of_person() } else { Vec::new() })
}

/// The age identities that `decrypt` would find, but for those that somebody has to unlock.
fn of_person() -> Vec<Identity> {
    let files = [env::SOPS_AGE_KEY_FILE.path(), crate::sops::keyring::default_age_keys_file()];
    let mut identities: Vec<Identity> =
        files.into_iter().flatten().filter_map(|path| Identity::read(&path).ok()).collect();
    identities.extend(env::SOPS_AGE_KEY.text().and_then(|text| {
        let bytes = Zeroizing::new(text.into_bytes());
        Kind::of(&bytes).map(|kind| Identity { path: None, bytes, kind })
    }));
    identities
}
