//! What a file is encrypted with: configuration, flags, both together.
//!
//! Keys on the command line replace the rule's as one group; the rule's selector still counts, and a second one is a
//! conflict.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sealfast_re2 as re2;
use sealfast_sops::error::Error;
use sealfast_sops::metadata::{DEFAULT_UNENCRYPTED_SUFFIX, KeyGroup, MasterKey, Metadata};
use sealfast_sops::rules::{Config, CreationRule, DestinationRule};
use sealfast_sops::select::Selector;
use sealfast_sops::store::{EmitOptions, Format};
use sealfast_sops::time::Time;

use crate::output;
use crate::sops::call::Call;
use crate::sops::stop::{Code, Stop};
use crate::sops::{files, keyring, log};

mod find;

use find::Found;
pub(super) use find::{Configurations, is_config};

/// The configuration that counts for a file.
pub(super) struct Settings {
    /// Where it was found; none when there is none.
    pub(super) path: Option<PathBuf>,
    config: Option<Config>,
}

impl Settings {
    /// Finds and reads the configuration of a file.
    pub(super) fn of_file(call: &Call, file: &Path) -> Result<Self, Stop> {
        Self::read(call, &find::find(call, &find::start(call, file)?)?)
    }

    fn read(call: &Call, found: &Found) -> Result<Self, Stop> {
        found.warn(call);
        let Some(path) = &found.path else { return Ok(Self { path: None, config: None }) };
        let bytes = files::try_read(path).map_err(|wrong| {
            let (reason, shown) = (files::reason(&wrong), path.display());
            let what = if wrong.kind() == std::io::ErrorKind::IsADirectory { "read" } else { "open" };
            Stop::new(format!("could not read config file: {what} {shown}: {reason}"))
        })?;
        let whole = files::absolute(&path.to_string_lossy())?;
        let dir = whole.parent().unwrap_or(Path::new("/")).to_string_lossy().into_owned();
        let config = Config::parse(&bytes, &dir).map_err(|wrong| Stop::of(&wrong, ""))?;
        Ok(Self { path: Some(path.clone()), config: Some(config) })
    }

    /// Fails where there is no configuration; `rules` is what it should hold.
    pub(super) fn found(&self, rules: &str) -> Result<(), Stop> {
        if self.path.is_some() {
            return Ok(());
        }
        Err(Stop::new("config file not found").hint(format!("write a .sops.yaml with {rules}")))
    }

    /// Reads the configuration for a command that takes nothing from it: as `sops`, it has to be right all the same.
    pub(super) fn check(call: &Call) -> Result<(), Stop> {
        if call.is_native() { Ok(()) } else { Self::of_file(call, Path::new("")).map(drop) }
    }

    /// The creation rule for an absolute path; none without configuration or rules.
    pub(super) fn rule(&self, path: &Path) -> Result<Option<&CreationRule>, Stop> {
        let Some(config) = &self.config else { return Ok(None) };
        config.rule_for(&path.to_string_lossy()).map_err(|wrong| {
            let stop = Stop::of(&wrong, "");
            match (&self.path, wrong) {
                (Some(found), Error::NoRule { path }) => {
                    stop.hint(format!("add a rule whose path_regex matches {path} to {}", found.display()))
                }
                _ => stop,
            }
        })
    }

    /// The destination rule for a path as it was given.
    pub(super) fn destination(&self, path: &str) -> Result<&DestinationRule, Stop> {
        let config = self.config.as_ref().ok_or_else(|| Stop::new("config file not found"))?;
        config.destination_for(path).map_err(|wrong| Stop::of(&wrong, ""))
    }

    /// Does a creation rule ask that a file of a directory be encrypted? A rule for every path means only formats that
    /// are known; so do keys on the command line without a configuration.
    pub(super) fn asks_for(&self, call: &Call, path: &Path, format: Format) -> Result<bool, Stop> {
        if is_config(path) {
            return Ok(false);
        }
        let Some(config) = &self.config else { return Ok(names_keys(call) && format != Format::Binary) };
        match config.rule_for(&path.to_string_lossy()) {
            Ok(Some(rule)) => Ok(!rule.path_regex.is_empty() || format != Format::Binary),
            Ok(None) => Ok(names_keys(call) && format != Format::Binary),
            Err(Error::NoRule { .. }) => Ok(false),
            Err(wrong) => Err(Stop::of(&wrong, "")),
        }
    }

    /// Do a configuration or flags say which keys a file gets?
    pub(super) fn says_keys(&self, call: &Call) -> bool {
        self.config.is_some() || names_keys(call)
    }

    /// The layout of what is written.
    pub(super) fn layout(&self, call: &Call) -> EmitOptions {
        let layout = self.config.as_ref().map(|config| config.stores).unwrap_or_default();
        match call.number("indent") {
            Some(indent) => EmitOptions { yaml_indent: indent, json_indent: indent, binary_indent: indent },
            None => layout,
        }
    }

    /// Metadata for a new file.
    pub(super) fn metadata(&self, call: &Call, path: &Path, input: Format) -> Result<Metadata, Stop> {
        let now = now();
        let rule = self.rule(path)?;
        // Its keys have to be right also where flags name others.
        let context = context_of(call).unwrap_or_default();
        let ruled = rule.map(|rule| groups_of_rule(rule, &context, now)).transpose()?;
        let selector = selector(call, rule, input)?;
        let key_groups = key_groups(call, ruled, now)?;
        let threshold = call.number("shamir-secret-sharing-threshold").filter(|threshold| *threshold != 0);
        Ok(Metadata {
            shamir_threshold: match threshold {
                Some(threshold) => usize::try_from(threshold).unwrap_or(1),
                None => rule.map_or(0, |rule| rule.shamir_threshold),
            },
            mac_only_encrypted: input != Format::Binary
                && (call.is_set("mac-only-encrypted") || rule.is_some_and(|rule| rule.mac_only_encrypted)),
            selector,
            ..Metadata::new(key_groups, now)
        })
    }
}

/// The time of this call.
pub(super) fn now() -> Time {
    Time::from(jiff::Timestamp::now())
}

/// A flag counts beside the rule's selector, so that two different ones are seen as a conflict.
fn selector(call: &Call, rule: Option<&CreationRule>, input: Format) -> Result<Option<Selector>, Stop> {
    let ruled = rule.and_then(CreationRule::selector);
    let mut found: Vec<Selector> = Vec::new();
    for field in Selector::FIELDS {
        let flag = call.text(&field.replace('_', "-")).to_owned();
        let text = match ruled {
            Some(ruled) if flag.is_empty() && ruled.field() == field => ruled.text().to_owned(),
            _ => flag,
        };
        if !text.is_empty() {
            found.extend(Selector::of_field(field, text));
        }
    }
    if input == Format::Binary {
        // What concerns comments alone cannot leave anything in the clear.
        for selector in found.iter().filter(|selector| selector.field() != "unencrypted_comment_regex") {
            log::warn(
                call.presentation,
                &format!(
                    "Using an {} does not make sense with the input store (the binary store {}) and will be ignored.",
                    selector.field().replace('_', " "),
                    if selector.field().contains("comment") {
                        "never produces comments"
                    } else {
                        "produces one key that should always be encrypted"
                    }
                ),
            );
        }
        return Ok(None);
    }
    if found.len() > 1 {
        return Err(Stop::misuse(
            "cannot use more than one of encrypted_suffix, unencrypted_suffix, encrypted_regex, \
             unencrypted_regex, encrypted_comment_regex, or unencrypted_comment_regex in the same file",
        )
        .code(Code::Conflict)
        .hint("the creation rule in .sops.yaml has a selector already; drop the flag, or change the rule"));
    }
    if let Some(selector) = found.first() {
        check_expression(call, selector)?;
    }
    Ok(found.pop().or_else(|| Some(Selector::UnencryptedSuffix(DEFAULT_UNENCRYPTED_SUFFIX.to_owned()))))
}

/// An expression that does not compile matches nothing, which `sops` takes as it is and is hardly meant.
fn check_expression(call: &Call, selector: &Selector) -> Result<(), Stop> {
    let wrong = selector.field().ends_with("regex").then(|| re2::compile(selector.text()).err()).flatten();
    match wrong {
        Some(wrong) if call.is_native() => {
            Err(Stop::new(format!("{} does not compile and matches nothing: {wrong}", selector.field())))
        }
        _ => Ok(()),
    }
}

fn names_keys(call: &Call) -> bool {
    ["kms", "pgp", "gcp-kms", "hckms", "azure-kv", "hc-vault-transit", "age"]
        .iter()
        .any(|flag| !call.text(flag).is_empty())
}

fn key_groups(call: &Call, ruled: Option<Vec<KeyGroup>>, now: Time) -> Result<Vec<KeyGroup>, Stop> {
    let context = encryption_context(call)?;
    let keys = keys_of_flags(call, "", &context, now)?;
    if names_keys(call) {
        return Ok(vec![KeyGroup { keys }]);
    }
    ruled.ok_or_else(|| {
        Stop::new(
            "config file not found, or has no creation rules, and no keys provided through command line options",
        )
        .hint("name a recipient, as `--age age1…` or `--pgp FINGERPRINT`, or write a .sops.yaml with creation_rules")
    })
}

/// The groups that a rule asks for, its age recipients checked.
pub(super) fn groups_of_rule(
    rule: &CreationRule,
    context: &BTreeMap<String, String>,
    now: Time,
) -> Result<Vec<KeyGroup>, Stop> {
    let groups = rule.key_groups(context, now).map_err(|wrong| Stop::of(&wrong, ""))?;
    groups.iter().try_for_each(|group| keyring::check(&group.keys))?;
    Ok(groups)
}

/// The keys that the flags name, `prefix` being empty, `add-` or `rm-`.
pub(super) fn keys_of_flags(
    call: &Call,
    prefix: &str,
    context: &BTreeMap<String, String>,
    now: Time,
) -> Result<Vec<MasterKey>, Stop> {
    let text = |flag: &str| call.text(&format!("{prefix}{flag}")).to_owned();
    let refuse = |wrong: Error| Stop::of(&wrong, "");
    let mut keys = MasterKey::kms_list(&text("kms"), context, call.text("aws-profile"), now);
    keys.extend(MasterKey::gcp_kms_list(&text("gcp-kms"), now));
    keys.extend(MasterKey::huawei_list(&text("hckms"), now).map_err(refuse)?);
    keys.extend(MasterKey::azure_list(&text("azure-kv"), now).map_err(refuse)?);
    keys.extend(MasterKey::pgp_list(&text("pgp"), now));
    keys.extend(MasterKey::vault_list(&text("hc-vault-transit"), now).map_err(refuse)?);
    keys.extend(MasterKey::age_list(&text("age")));
    keyring::check(&keys)?;
    Ok(keys)
}

/// As `sops`, a context that is none is only passed over where keys are added or removed.
pub(super) fn lenient_context(call: &Call) -> Result<BTreeMap<String, String>, Stop> {
    match encryption_context(call) {
        Err(_) if !call.is_native() => Ok(BTreeMap::new()),
        context => context,
    }
}

pub(super) fn encryption_context(call: &Call) -> Result<BTreeMap<String, String>, Stop> {
    const UNUSED: &str = "Encryption context contains a non-string value, context will not be used";
    context_of(call).ok_or_else(|| {
        if !call.is_native() {
            output::talk(&log::line("AWSKMS", "warning", UNUSED));
        }
        Stop::new("Invalid KMS encryption context format")
            .code(Code::EncryptionContext)
            .hint("write it as key:value,key2:value2")
    })
}

/// `k:v,k2:v2`.
fn context_of(call: &Call) -> Option<BTreeMap<String, String>> {
    let pair = |pair: &str| {
        let (key, value) = pair.split_once(':')?;
        (!value.contains(':')).then(|| (key.to_owned(), value.to_owned()))
    };
    match call.text("encryption-context") {
        "" => Some(BTreeMap::new()),
        text => text.split(',').map(pair).collect(),
    }
}
