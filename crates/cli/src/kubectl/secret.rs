//! The Secrets that `create secret` makes of files, literals and flags.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize as _;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::{Failed, Wanted};
use crate::docker_config::{self, Layout, Login};
use crate::key_pair;
use crate::sops::files::reason;

/// Returns the Secret of `generic`.
pub(super) fn generic(name: &str, wanted: &Wanted<'_>) -> Result<Value, Failed> {
    let [literals, files, env_files] =
        ["--from-literal", "--from-file", "--from-env-file"].map(|flag| wanted.all(flag));
    let has_others = !files.is_empty() || !literals.is_empty();
    if has_others && !env_files.is_empty() {
        return Err("from-env-file cannot be combined with from-file or from-literal".into());
    }
    let mut data = Data::default();
    for source in files {
        data.file(source)?;
    }
    for literal in literals {
        let (key, value) = literal
            .split_once('=')
            .filter(|(key, _)| !key.is_empty())
            .ok_or_else(|| format!("invalid literal source {literal}, expected key=value"))?;
        data.add(key, value.as_bytes())?;
    }
    for file in env_files {
        data.env_file(file)?;
    }
    Ok(data.into_secret(name, wanted.last(&["--type"]).unwrap_or_default()))
}

/// Returns the Secret of `tls`; certificate and key must belong together.
pub(super) fn tls(name: &str, wanted: &Wanted<'_>) -> Result<Value, Failed> {
    let given = |flag| wanted.last(&[flag]).filter(|path| !path.is_empty());
    let (Some(certificate), Some(key)) = (given("--cert"), given("--key")) else {
        return Err("key and cert must be specified".into());
    };
    let [certificate, key] = [certificate, key].map(pem);
    let (certificate, key) = (certificate?, key?);
    key_pair::check(&certificate, &key)?;
    let mut data = Data::default();
    data.add("tls.crt", &certificate)?;
    data.add("tls.key", &key)?;
    Ok(data.into_secret(name, "kubernetes.io/tls"))
}

/// Returns the Secret of `docker-registry`.
pub(super) fn docker_registry(name: &str, wanted: &Wanted<'_>) -> Result<Value, Failed> {
    const KEY: &str = ".dockerconfigjson";
    let mut data = Data::default();
    let files = wanted.all("--from-file");
    if let [file] = files.as_slice() {
        let path = file.strip_prefix(".dockerconfigjson=").unwrap_or(file);
        data.add(KEY, &read(path)?)?;
        return Ok(data.into_secret(name, "kubernetes.io/dockerconfigjson"));
    }
    let given = |flag| wanted.last(&[flag]).filter(|text| !text.is_empty());
    let server = wanted.last(&["--docker-server"]).unwrap_or("https://index.docker.io/v1/");
    let login = given("--docker-username").zip(given("--docker-password"));
    let Some((user, password)) = login.filter(|_| !server.is_empty()) else {
        return Err("either --from-file or the combination of --docker-username, --docker-password and --docker-server is required".into());
    };
    let login = Login { server, username: user, password, email: given("--docker-email") };
    data.add(KEY, docker_config::text(&login, Layout::Line).as_bytes())?;
    Ok(data.into_secret(name, "kubernetes.io/dockerconfigjson"))
}

fn read(path: &str) -> Result<Zeroizing<Vec<u8>>, Failed> {
    let read = std::fs::read(path).map(Zeroizing::new);
    read.map_err(|error| format!("error reading {path}: {}", reason(&error)).into())
}

fn pem(path: &str) -> Result<Zeroizing<Vec<u8>>, Failed> {
    let read = std::fs::read(path).map(Zeroizing::new);
    read.map_err(|error| format!("Cannot read file {path}, open {path}: {}", reason(&error)).into())
}

/// Says why a key is refused.
fn refusal(key: &str) -> Option<String> {
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let why = match key {
        "." | ".." => format!("must not be '{key}'"),
        key if key.len() > 253 => "must be no more than 253 characters".to_owned(),
        key if key.is_empty() || !key.bytes().all(valid) => "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')".to_owned(),
        key if key.starts_with("..") => "must not start with '..'".to_owned(),
        _ => return None,
    };
    Some(format!("{key:?} is not valid key name for a Secret {why}"))
}

/// Keys with their values, encoded.
#[derive(Default)]
struct Data(Map<String, Value>);

impl Data {
    fn into_secret(mut self, name: &str, kind: &str) -> Value {
        let mut secret = json!({ "kind": "Secret", "apiVersion": "v1", "metadata": { "name": name } });
        if !self.0.is_empty() {
            self.0.sort_keys();
            secret["data"] = Value::Object(self.0);
        }
        if !kind.is_empty() {
            secret["type"] = kind.into();
        }
        secret
    }

    fn add(&mut self, key: &str, value: &[u8]) -> Result<(), Failed> {
        if let Some(why) = refusal(key) {
            return Err(why.into());
        }
        if self.0.contains_key(key) {
            return Err(format!("cannot add key {key}, another key by that name already exists").into());
        }
        self.0.insert(key.to_owned(), Value::String(STANDARD.encode(value)));
        Ok(())
    }

    fn file(&mut self, source: &str) -> Result<(), Failed> {
        let (key, path) = match source.split_once('=') {
            Some((_, path)) if path.contains('=') => {
                return Err("key names or file paths cannot contain '='".into());
            }
            Some(("", path)) => return Err(format!("key name for file path {path} missing").into()),
            Some((key, "")) => return Err(format!("file path for key name {key} missing").into()),
            Some((key, path)) => (Some(key), path),
            None if source.is_empty() => return Ok(()),
            None => (None, source),
        };
        let facts = std::fs::metadata(path);
        let facts = facts.map_err(|error| format!("error reading {path}: {}", reason(&error)))?;
        if facts.is_dir() {
            if key.is_some() {
                return Err("cannot give a key name for a directory path".into());
            }
            return self.folder(Path::new(path));
        }
        let base = Path::new(path).file_name().unwrap_or_default().to_string_lossy().into_owned();
        self.add(key.unwrap_or(&base), &read(path)?)
    }

    /// Takes every regular file directly in a folder; all of them must be named as keys are.
    fn folder(&mut self, folder: &Path) -> Result<(), Failed> {
        let failed = |error: std::io::Error| {
            Failed(format!("error listing files in {}: {}", folder.display(), reason(&error)))
        };
        let mut files = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if entry.file_type().map_err(failed)?.is_file() {
                files.push((entry.file_name().to_string_lossy().into_owned(), entry.path()));
            }
        }
        files.sort();
        for (name, path) in files {
            self.add(&name, &read(&path.to_string_lossy())?)?;
        }
        Ok(())
    }

    fn env_file(&mut self, file: &str) -> Result<(), Failed> {
        if Path::new(file).is_dir() {
            return Err("env secret file cannot be a directory".into());
        }
        let bytes = read(file)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| no_text(file, &bytes))?;
        for line in text.trim_start_matches('\u{feff}').lines() {
            let line = line.trim_start();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (key, value) = match line.split_once('=') {
                Some((key, value)) => (key, value.to_owned()),
                None => (line, crate::env::named(line).unwrap_or_default()),
            };
            let starts =
                key.starts_with(|letter: char| letter.is_ascii_alphabetic() || "-._".contains(letter));
            if !starts || !key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte)) {
                return Err(format!("{key:?} is not a valid key name: a valid environment variable name must consist of alphabetic characters, digits, '_', '-', or '.', and must not start with a digit (e.g. 'my.env-name',  or 'MY_ENV.NAME',  or 'MyEnvName1', regex used for validation is '[-._a-zA-Z][-._a-zA-Z0-9]*')").into());
            }
            self.add(key, value.as_bytes())?;
        }
        Ok(())
    }
}

/// Names the first line of a file that is no text. Its bytes, which kubectl shows, may be secret.
fn no_text(file: &str, bytes: &[u8]) -> String {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let at = lines.position(|line| std::str::from_utf8(line).is_err()).unwrap_or_default();
    format!("env file {file} contains invalid utf8 bytes at line {}", at + 1)
}

/// Adds the hash of name, type and data to the name, as kustomize would.
pub(super) fn append_hash(secret: &mut Value) {
    let name = secret["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let data = secret.get("data").cloned().unwrap_or_else(|| Value::Object(Map::new()));
    let mut content = Map::new();
    content.insert("data".to_owned(), data);
    content.insert("kind".to_owned(), "Secret".into());
    content.insert("name".to_owned(), name.as_str().into());
    content.insert("type".to_owned(), secret.get("type").cloned().unwrap_or_else(|| "".into()));
    let digest = Sha256::digest(Value::Object(content).to_string());
    let hexadecimal: String = digest.iter().take(5).map(|byte| format!("{byte:02x}")).collect();
    // Letters that could spell words are replaced.
    let hash: String = hexadecimal
        .chars()
        .map(|digit| match digit {
            '0' => 'g',
            '1' => 'h',
            '3' => 'k',
            'a' => 'm',
            'e' => 't',
            other => other,
        })
        .collect();
    secret["metadata"]["name"] = format!("{name}-{hash}").into();
}

/// Returns JSON with four blanks a level and a final line break.
pub(super) fn pretty(object: &Value) -> String {
    let mut bytes = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, formatter);
    if object.serialize(&mut serializer).is_err() {
        return String::new();
    }
    bytes.push(b'\n');
    String::from_utf8(bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_files_are_refused_in_the_words_of_kubectl() {
        let refused = |key: &str| refusal(key).unwrap_or_default();
        assert!(refused("a b").ends_with("regex used for validation is '[-._a-zA-Z0-9]+')"));
        assert!(refused("..").ends_with("must not be '..'") && refused("..a").ends_with("start with '..'"));
        assert_eq!(refusal(".a"), None);
        for (source, why) in [
            ("k=f=x", "key names or file paths cannot contain '='"),
            ("=f", "key name for file path f missing"),
            ("k=", "file path for key name k missing"),
            ("/none", "error reading /none: no such file or directory"),
        ] {
            assert_eq!(Data::default().file(source).err().map(|Failed(why)| why).as_deref(), Some(why));
        }
        assert!(Data::default().file("").is_ok());
        assert_eq!(no_text("x", b"a\n\xff"), "env file x contains invalid utf8 bytes at line 2");
    }
}
