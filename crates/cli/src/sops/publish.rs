//! `publish`: files to a bucket, decrypted values to Vault.
//!
//! Follows: `cmd/sops/subcommand/publish` of sops 3.13.2. Differs: what is encrypted again for a bucket has the selector of
//! its recreation rule, whichever kind it is, and the usual one when there is none.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use sealfast_sops::metadata::Metadata;
use sealfast_sops::rules::{CreationRule, Destination, DestinationRule};
use sealfast_sops::store::Format;

use crate::output;
use crate::sops::call::{Call, Done};
use crate::sops::crypt::{self, Noting, Opened, Shape};
use crate::sops::encrypt::warn_about_words;
use crate::sops::settings::{self, Configurations, Settings};
use crate::sops::stop::Stop;
use crate::sops::walk::{self, LeavingOut};
use crate::sops::{ask, files, log, update_keys};

mod gcs;
mod s3;
mod vault;

pub(super) fn run(call: &Call) -> Result<Done, Stop> {
    let mut configurations = Configurations::new(call);
    if !call.is_native() {
        configurations.must_be_there("destination_rules")?;
    }
    let Some(word) = call.words().first() else { return Err(Stop::no_file()) };
    warn_about_words(call, 1);
    let path = Path::new(word);
    if !files::look_at(path)?.is_dir() {
        let settings = configuration(&mut configurations, path)?;
        publish(call, &settings, path, None)?;
        return Ok(Done::Quietly);
    }
    if !call.is_set("recursive") {
        return Err(Stop::fatal("can't operate on a directory without --recursive flag."));
    }
    for file in walk::files(path, LeavingOut::Nothing, None) {
        let file = file.map_err(|unreadable| unreadable.stop)?;
        let settings = configuration(&mut configurations, &file)?;
        publish(call, &settings, &file, Some(path))?;
    }
    Ok(Done::Quietly)
}

fn configuration(configurations: &mut Configurations<'_>, file: &Path) -> Result<Arc<Settings>, Stop> {
    let settings = configurations.of(file)?;
    settings.found("destination_rules")?;
    Ok(settings)
}

fn publish(call: &Call, settings: &Settings, file: &Path, root: Option<&Path>) -> Result<(), Stop> {
    let rule = settings.destination(&file.to_string_lossy())?;
    let destination =
        rule.destination.as_ref().ok_or_else(|| Stop::new("no destination configured for this file"))?;
    let name = name_there(call, rule, file, root);
    let format = call.format("input-type", &file.to_string_lossy());
    let bytes = files::read(file)?;
    crypt::load(call, &bytes, format).map_err(|stop| stop.in_file(&file.to_string_lossy()))?;
    let shown = files::absolute(&file.to_string_lossy())?;
    let shown = shown.display();
    match destination {
        Destination::S3 { bucket, prefix } => {
            let content = for_bucket(call, settings, rule, file, &bytes, format)?;
            let key = format!("{prefix}{name}");
            if confirmed(call, &shown.to_string(), &format!("s3://{bucket}/{key}"), root)? {
                s3::put(bucket, &key, content)?;
            }
        }
        Destination::Gcs { bucket, prefix } => {
            let content = for_bucket(call, settings, rule, file, &bytes, format)?;
            let key = format!("{prefix}{name}");
            if confirmed(call, &shown.to_string(), &format!("gcs://{bucket}/{key}"), root)? {
                gcs::put(bucket, &key, content)?;
            }
        }
        Destination::Vault { address, path, mount, version } => {
            let opened = crypt::open(call, file, &bytes, format, Noting::Nothing)?;
            let place = vault::Place::new(address, mount, path, &name, *version);
            if confirmed(call, &shown.to_string(), &place.url(), root)? {
                vault::put(call, &place, &opened.plain)?;
            }
        }
    }
    Ok(())
}

/// The name below the destination's prefix.
fn name_there(call: &Call, rule: &DestinationRule, file: &Path, root: Option<&Path>) -> String {
    let base = file.file_name().map(Path::new).unwrap_or(file);
    let mut name = root.and_then(|root| file.strip_prefix(root).ok()).unwrap_or(base).to_path_buf();
    if call.is_set("omit-extensions") || rule.omit_extensions {
        name.set_extension("");
    }
    name.to_string_lossy().into_owned()
}

/// The file as it is, or encrypted again for the keys of the recreation rule.
fn for_bucket(
    call: &Call,
    settings: &Settings,
    rule: &DestinationRule,
    file: &Path,
    bytes: &[u8],
    format: Format,
) -> Result<Vec<u8>, Stop> {
    let CreationRule { shamir_threshold, mac_only_encrypted, .. } = rule.recreation_rule;
    let groups = settings.groups_of(&rule.recreation_rule, &BTreeMap::new(), settings::now())?;
    if groups.iter().all(|group| group.keys.is_empty()) {
        return Ok(bytes.to_vec());
    }
    let Opened { metadata: old, plain, original, .. } =
        crypt::open(call, file, bytes, format, Noting::Nothing)?;
    let changes = update_keys::changes(&old.key_groups, &groups);
    if !changes.is_empty() {
        ask::show(&format!("The following changes will be made to the file's key groups:\n{changes}"))?;
    }
    let new = Metadata::new(groups, settings::now());
    let selector = rule.recreation_rule.selector().cloned().or(new.selector.clone());
    let mut metadata = Metadata { shamir_threshold, mac_only_encrypted, selector, ..new };
    let key = crypt::new_key(call, &mut metadata)?;
    let document = crypt::encrypt(call, plain, metadata, &key, None)?;
    let shape = Shape { input: format, output: format, layout: settings.layout(call) };
    crypt::update(document, original.as_ref(), &key, &shape)
}

/// Asks. In a directory a file that is not wanted is passed over.
fn confirmed(call: &Call, file: &str, there: &str, root: Option<&Path>) -> Result<bool, Stop> {
    if call.is_set("yes") {
        return Ok(true);
    }
    if ask::yes_or_no(&format!("uploading {file} to {there} ? (y/n): "))? {
        return Ok(true);
    }
    let message = format!("Publication of {file} canceled");
    if root.is_none() {
        return Err(Stop::new(message));
    }
    ask::show(&format!("{message}\n"))?;
    Ok(false)
}

/// Sends a request and says what came of it; the body of a refusal is shown in one line.
fn send(request: reqwest::blocking::RequestBuilder, what: &str) -> Result<reqwest::blocking::Response, Stop> {
    let response = request.send().map_err(|wrong| {
        Stop::new(format!("failed to upload to {what}: {}", causes(&wrong.without_url())))
    })?;
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let body: String =
        response.text().unwrap_or_default().chars().filter(|letter| !letter.is_control()).take(300).collect();
    Err(Stop::new(format!("failed to upload to {what}: {status} {body}")))
}

fn causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// Redirects are not followed: they would carry credentials away.
fn client() -> Result<reqwest::blocking::Client, Stop> {
    reqwest::blocking::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|wrong| Stop::new(format!("no HTTP client: {wrong}")))
}

/// Escapes all but unreserved letters and, in paths, the slash.
fn percent(text: &str, keeps_slash: bool) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            b'/' if keeps_slash => out.push('/'),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
        out
    })
}

/// Says something as `sops` says it in its log.
fn say(call: &Call, message: &str) {
    if call.is_native() {
        output::talk(message);
    } else {
        output::talk(&log::line("PUBLISH", "info", message));
    }
}
