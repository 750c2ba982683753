//! What `sealfast up` was asked for: flags, then `.sealfast.yaml`.

use std::path::{Path, PathBuf};

use sealfast_kustomize::flux::SETTINGS;
use serde_json::Value;

use crate::diagnostic::Failure;

/// Where the manifests come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// Nowhere: an empty cluster with the controllers in it.
    Nothing,
    /// A folder of this machine, with everything that is saved in it.
    Folder(PathBuf),
    /// A Git repository.
    Git(String),
}

impl Source {
    /// Tells a URL from a folder.
    pub(super) fn parse(word: Option<&str>) -> Result<Self, Failure> {
        let Some(word) = word else { return Ok(Self::Nothing) };
        if let Some(folder) = word.strip_prefix("file://") {
            return Err(Failure::new(format!("`{word}` is not fetched"))
                .hint(format!("what lies on this machine is given as a folder: `sealfast up {folder}`")));
        }
        if word.contains("://") {
            return Ok(Self::Git(word.to_owned()));
        }
        let folder = Path::new(word);
        if let Some((host, path)) = word.split_once(':')
            && host.contains('@')
            && !host.contains('/')
            && !folder.exists()
        {
            return Ok(Self::Git(format!("ssh://{host}/{}", path.trim_start_matches('/'))));
        }
        match folder.canonicalize() {
            Ok(folder) if folder.is_dir() => Ok(Self::Folder(folder)),
            Ok(_) => {
                Err(Failure::new(format!("`{word}` is not a folder"))
                    .hint("name the folder that holds the file"))
            }
            Err(error) => Err(Failure::because(format!("failed to open the folder `{word}`"), &error)
                .hint("a Git repository is given as a URL: `sealfast up https://…`")),
        }
    }

    /// Returns a name for the objects made for this source: the last part of the folder or URL.
    pub(super) fn name(&self) -> String {
        let last = match self {
            Self::Nothing => String::new(),
            Self::Folder(folder) => folder.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            Self::Git(url) => url.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned(),
        };
        let name: String = last
            .trim_end_matches(".git")
            .to_lowercase()
            .chars()
            .map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' })
            .take(40)
            .collect();
        let name = name.trim_matches('-');
        if name.is_empty() { "up".to_owned() } else { name.to_owned() }
    }
}

/// Defaults that a folder brings along.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Defaults {
    /// Path of the kustomization below the folder.
    pub(super) path: Option<String>,
    /// GitRepository that the folder stands in for.
    pub(super) stands_for: Option<String>,
    /// Identity files, each below the folder.
    pub(super) identities: Vec<PathBuf>,
}

impl Defaults {
    /// Reads the folder's `.sealfast.yaml`; a missing file means no defaults.
    pub(super) fn read(folder: &Path) -> Result<Self, Failure> {
        let file = folder.join(SETTINGS);
        match std::fs::read(&file) {
            Ok(bytes) => Self::parse(&bytes, folder),
            Err(missing) if missing.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(Failure::because(format!("failed to read `{}`", file.display()), &error)),
        }
    }

    fn parse(bytes: &[u8], folder: &Path) -> Result<Self, Failure> {
        let file = folder.join(SETTINGS);
        let value = sealfast_yaml::json::from_yaml(bytes)
            .map_err(|error| Failure::because(format!("failed to read `{}`", file.display()), &error))?;
        let wrong = |place: &str, wanted: &str| {
            Failure::new(format!("`{}`: {place} is not {wanted}", file.display())).hint(
                "it holds `up: {path: ./overlays/demo, standsFor: flux-system, identities: [demo.agekey]}`, each of them optional",
            )
        };
        let mut defaults = Self::default();
        for (key, value) in map(&value).ok_or_else(|| wrong("the document", "a mapping"))? {
            let "up" = key.as_str() else { return Err(wrong(&format!("`{key}`"), "a known field")) };
            for (key, value) in map(value).ok_or_else(|| wrong("`up`", "a mapping"))? {
                let text = || {
                    let text = value.as_str().ok_or_else(|| wrong(&format!("`up.{key}`"), "a text"))?;
                    Ok::<_, Failure>(Some(text.to_owned()))
                };
                match key.as_str() {
                    "path" => defaults.path = text()?,
                    "standsFor" => defaults.stands_for = text()?,
                    "identities" => {
                        let names = value.as_array().ok_or_else(|| wrong("`up.identities`", "a list"))?;
                        for name in names {
                            defaults.identities.push(below(folder, name, &file)?);
                        }
                    }
                    other => return Err(wrong(&format!("`up.{other}`"), "a known field")),
                }
            }
        }
        Ok(defaults)
    }
}

/// An empty place is an empty mapping.
fn map(value: &Value) -> Option<impl Iterator<Item = (&String, &Value)>> {
    match value {
        Value::Null => Some(None.into_iter().flatten()),
        Value::Object(map) => Some(Some(map.iter()).into_iter().flatten()),
        _ => None,
    }
}

/// Joins a name from the file to the folder; a repository may not point at files outside itself.
fn below(folder: &Path, name: &Value, file: &Path) -> Result<PathBuf, Failure> {
    let inside = name
        .as_str()
        .and_then(|name| folder.join(name).canonicalize().ok())
        .filter(|path| path.starts_with(folder) && path.is_file());
    inside.ok_or_else(|| {
        Failure::new(format!("`{}`: up.identities: {name} is no file below this folder", file.display()))
            .hint("give a key that lies elsewhere with `--identity FILE`")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_told_apart() {
        let url = Source::parse(Some("https://example.com/team/my-secrets.git"));
        assert!(matches!(&url, Ok(Source::Git(_))));
        assert_eq!(url.map(|source| source.name()).ok().as_deref(), Some("my-secrets"));
        assert_eq!(Source::parse(None).ok(), Some(Source::Nothing));
        let short = Source::parse(Some("git@example.com:team/my-secrets.git"));
        assert_eq!(short.ok(), Some(Source::Git("ssh://git@example.com/team/my-secrets.git".to_owned())));
        assert!(
            Source::parse(Some("no/such/folder")).is_err() && Source::parse(Some("file:///tmp")).is_err()
        );
    }

    #[test]
    fn a_repository_cannot_name_files_outside_itself() {
        let folder = std::env::temp_dir().canonicalize().expect("a temporary folder exists");
        let refused = Defaults::parse(b"up: {identities: [../../etc/hostname]}", &folder);
        assert!(refused.is_err());
    }

    #[test]
    fn slips_of_the_finger_are_named() {
        for (text, place) in [
            ("up: {paht: x}", "`up.paht`"),
            ("up: {identities: demo.agekey}", "`up.identities`"),
            ("down: {}", "`down`"),
            ("[up]", "the document"),
        ] {
            let refused = Defaults::parse(text.as_bytes(), Path::new("."));
            let said =
                refused.map_err(|failure| format!("{failure:?}")).expect_err("it is not as it should be");
            assert!(said.contains(place), "{said}");
        }
        assert_eq!(Defaults::parse(b"", Path::new(".")).ok(), Some(Defaults::default()));
    }
}
