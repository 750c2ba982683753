//! What a file is encrypted with: configuration, flags, both together.
//!
//! Keys on the command line replace the rule's as one group; the rule's selector still counts, and a second one is a
//! conflict.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sealfast_re2 as re2;
use sealfast_sops::error::Error;
use sealfast_sops::metadata::{DEFAULT_UNENCRYPTED_SUFFIX, KeyGroup, MasterKey, Metadata};
use sealfast_sops::path::Step;
use sealfast_sops::rules::{Config, CreationRule, DestinationRule};
use sealfast_sops::select::Selector;
use sealfast_sops::store::{EmitOptions, Format};
use sealfast_sops::time::Time;

use crate::output;
use crate::sops::call::Call;
use crate::sops::stop::{Code, Stop};
use crate::sops::{files, keyring, log};

mod find;
mod told;

use find::Found;
pub(super) use find::{Configurations, is_config};
use told::Source;

/// The configuration that counts for a file.
pub(super) struct Settings {
    /// Where it was found; none when there is none.
    pub(super) path: Option<PathBuf>,
    config: Option<Config>,
    text: Vec<u8>,
}

impl Settings {
    /// Finds and reads the configuration of a file.
    pub(super) fn of_file(call: &Call, file: &Path) -> Result<Self, Stop> {
        Self::read(call, &find::find(call, &find::start(call, file)?)?)
    }

    fn read(call: &Call, found: &Found) -> Result<Self, Stop> {
        found.warn(call);
        let Some(path) = &found.path else { return Ok(Self { path: None, config: None, text: Vec::new() }) };
        let bytes = files::try_read(path).map_err(|wrong| {
            let (reason, shown) = (files::reason(&wrong), path.display());
            let what = if wrong.kind() == std::io::ErrorKind::IsADirectory { "read" } else { "open" };
            Stop::new(format!("could not read config file: {what} {shown}: {reason}"))
                .hint("name a file with --config or SOPS_CONFIG, or leave both out to search .sops.yaml")
        })?;
        let whole = files::absolute(&path.to_string_lossy())?;
        let dir = whole.parent().unwrap_or(Path::new("/")).to_string_lossy().into_owned();
        let source = Source { path, text: &bytes };
        let config = Config::parse(&bytes, &dir).map_err(|wrong| source.told(&wrong))?;
        if call.is_native() {
            source.warn_of_unknown(call);
        }
        Ok(Self { path: Some(path.clone()), config: Some(config), text: bytes.to_vec() })
    }

    /// Fails where there is no configuration; `rules` is what it should hold.
    pub(super) fn found(&self, rules: &str) -> Result<(), Stop> {
        if self.path.is_some() { Ok(()) } else { Err(find::missing(rules)) }
    }

    /// Reads the configuration for a command that takes nothing from it: as `sops`, it has to be right all the same.
    pub(super) fn check(call: &Call) -> Result<(), Stop> {
        if call.is_native() { Ok(()) } else { Self::of_file(call, Path::new("")).map(drop) }
    }

    /// The creation rule for an absolute path; none without configuration or rules.
    pub(super) fn rule(&self, path: &Path) -> Result<Option<&CreationRule>, Stop> {
        let Some(config) = &self.config else { return Ok(None) };
        config.rule_for(&path.to_string_lossy()).map_err(|wrong| self.told(&wrong))
    }

    /// Makes sure that the rule for a path, when there are rules, and its keys are right.
    pub(super) fn check_rule(&self, call: &Call, path: &Path) -> Result<(), Stop> {
        let Some(rule) = self.rule(path)? else { return Ok(()) };
        self.groups_of(rule, &context_of(call).unwrap_or_default(), now()).map(drop)
    }

    /// The configuration to tell mistakes in it.
    fn source(&self) -> Source<'_> {
        Source { path: self.path.as_deref().unwrap_or(Path::new("")), text: &self.text }
    }

    fn told(&self, wrong: &Error) -> Stop {
        self.source().told(wrong)
    }

    /// The groups that a rule asks for, its age recipients checked.
    pub(super) fn groups_of(
        &self,
        rule: &CreationRule,
        context: &BTreeMap<String, String>,
        now: Time,
    ) -> Result<Vec<KeyGroup>, Stop> {
        let groups = rule.key_groups(context, now).map_err(|wrong| self.told(&wrong))?;
        groups.iter().try_for_each(|group| keyring::check(&group.keys)).map_err(|stop| {
            let field = if rule.has_groups() { "key_groups" } else { "age" };
            self.source().at(stop, &[rule.place(), &[Step::Key(field.to_owned())]].concat())
        })?;
        Ok(groups)
    }

    /// The destination rule for a path as it was given.
    pub(super) fn destination(&self, path: &str) -> Result<&DestinationRule, Stop> {
        let config = self.config.as_ref().ok_or_else(|| Stop::new("config file not found"))?;
        config.destination_for(path).map_err(|wrong| self.told(&wrong))
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
            Err(wrong) => Err(self.told(&wrong)),
        }
    }

    /// Do a configuration or flags say which keys a file gets?
    pub(super) fn says_keys(&self, call: &Call) -> bool {
        self.config.is_some() || names_keys(call)
    }

    /// The layout of a command that, as `sops`, does not heed `--indent`.
    pub(super) fn layout_without_flag(&self, call: &Call) -> EmitOptions {
        if call.is_native() { self.layout(call) } else { self.stores() }
    }

    fn stores(&self) -> EmitOptions {
        self.config.as_ref().map(|config| config.stores).unwrap_or_default()
    }

    /// The layout of what is written.
    pub(super) fn layout(&self, call: &Call) -> EmitOptions {
        let layout = self.stores();
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
        let ruled = rule.map(|rule| self.groups_of(rule, &context, now)).transpose()?;
        let selector = self.selector(call, rule, input)?;
        let key_groups = self.key_groups(call, rule, ruled, now)?;
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

    /// A flag counts beside the rule's selector, so that two different ones are seen as a conflict.
    fn selector(
        &self,
        call: &Call,
        rule: Option<&CreationRule>,
        input: Format,
    ) -> Result<Option<Selector>, Stop> {
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
            warn_of_selectors(call, &found);
            return Ok(None);
        }
        if let [_, _, ..] = found.as_slice() {
            return Err(self.conflict(rule, &found));
        }
        if let Some(selector) = found.first() {
            check_expression(call, selector).map_err(|stop| match rule {
                Some(rule) if ruled == Some(selector) => {
                    let place = [rule.place(), &[Step::Key(selector.field().to_owned())]].concat();
                    self.source().at(stop, &place)
                }
                _ => stop,
            })?;
        }
        Ok(found.pop().or_else(|| Some(Selector::UnencryptedSuffix(DEFAULT_UNENCRYPTED_SUFFIX.to_owned()))))
    }

    fn conflict(&self, rule: Option<&CreationRule>, found: &[Selector]) -> Stop {
        let ruled = rule.and_then(|rule| Some((rule, rule.selector()?)));
        let told: Vec<String> = found
            .iter()
            .map(|selector| match ruled {
                Some((rule, ruled)) if ruled == selector => {
                    format!("`{}` of {}", selector.field(), self.source().rule(rule))
                }
                _ => format!("`--{}`", selector.field().replace('_', "-")),
            })
            .collect();
        Stop::misuse(
            "cannot use more than one of encrypted_suffix, unencrypted_suffix, encrypted_regex, \
             unencrypted_regex, encrypted_comment_regex, or unencrypted_comment_regex in the same file",
        )
        .plainly(format!("a file has one selector, but there are {}", told.join(" and ")))
        .code(Code::Conflict)
        .hint(if ruled.is_some() {
            "leave the flag out, or change the rule"
        } else {
            "leave all but one out"
        })
    }

    fn key_groups(
        &self,
        call: &Call,
        rule: Option<&CreationRule>,
        ruled: Option<Vec<KeyGroup>>,
        now: Time,
    ) -> Result<Vec<KeyGroup>, Stop> {
        let context = encryption_context(call)?;
        let keys = keys_of_flags(call, "", &context, now)?;
        if names_keys(call) {
            return Ok(vec![KeyGroup { keys }]);
        }
        let Some((rule, ruled)) = rule.zip(ruled) else { return Err(self.no_keys()) };
        if call.is_native() && ruled.iter().any(|group| group.keys.is_empty()) {
            let what = if rule.has_groups() { "a key group names no key" } else { "it names no key" };
            let stop = Stop::new(what).hint("add `age: RECIPIENT`, or another kind of key, to it");
            return Err(self.source().at(stop, rule.place()));
        }
        Ok(ruled)
    }

    /// Says which rule named the keys that could not be used, unless flags did.
    pub(super) fn name_rule(&self, call: &Call, path: &Path, stop: Stop) -> Stop {
        match self.config.as_ref().and_then(|config| config.rule_for(&path.to_string_lossy()).ok()?) {
            Some(rule) if !names_keys(call) => {
                stop.hint(format!("the keys are those of {}", self.source().rule(rule)))
            }
            _ => stop,
        }
    }

    fn no_keys(&self) -> Stop {
        let stop = Stop::new(
            "config file not found, or has no creation rules, and no keys provided through command line options",
        );
        let flags = "name a recipient, as `--age age1…` or `--pgp FINGERPRINT`";
        match &self.path {
            Some(path) => stop
                .plainly(format!("{} has no creation_rules, and no flag names a key", path.display()))
                .hint(format!("{flags}, or write them: `creation_rules: [{{age: age1…}}]`")),
            None => stop
                .plainly("no .sops.yaml was found above the file, and no flag names a key")
                .hint(format!("{flags}, or write a .sops.yaml: `creation_rules: [{{age: age1…}}]`")),
        }
    }
}

/// The time of this call.
pub(super) fn now() -> Time {
    Time::from(jiff::Timestamp::now())
}

/// What concerns comments alone cannot leave anything of a binary file in the clear.
fn warn_of_selectors(call: &Call, found: &[Selector]) {
    const ORDER: [&str; 5] = [
        "unencrypted_suffix",
        "encrypted_suffix",
        "encrypted_regex",
        "unencrypted_regex",
        "encrypted_comment_regex",
    ];
    let told = ORDER.into_iter().filter_map(|field| found.iter().find(|selector| selector.field() == field));
    for selector in told {
        let message = format!(
            "Using an {} does not make sense with the input store (the binary store {}) and will be ignored.",
            selector.field().replace('_', " "),
            if selector.field().contains("comment") {
                "never produces comments"
            } else {
                "produces one key that should always be encrypted"
            }
        );
        log::warn(call.presentation, &message);
    }
}

/// An expression that does not compile matches nothing, which `sops` takes as it is and is hardly meant.
fn check_expression(call: &Call, selector: &Selector) -> Result<(), Stop> {
    let wrong = selector.field().ends_with("regex").then(|| re2::compile(selector.text()).err()).flatten();
    match wrong {
        Some(wrong) if call.is_native() => {
            let message = format!("{} does not compile and matches nothing: {wrong}", selector.field());
            Err(Stop::new(message).hint("write it in single quotes, as '^(data|stringData)$'"))
        }
        _ => Ok(()),
    }
}

fn names_keys(call: &Call) -> bool {
    ["kms", "pgp", "gcp-kms", "hckms", "azure-kv", "hc-vault-transit", "age"]
        .iter()
        .any(|flag| !call.text(flag).is_empty())
}

/// The keys that the flags name, `prefix` being empty, `add-` or `rm-`.
pub(super) fn keys_of_flags(
    call: &Call,
    prefix: &str,
    context: &BTreeMap<String, String>,
    now: Time,
) -> Result<Vec<MasterKey>, Stop> {
    let text = |flag: &str| call.text(&format!("{prefix}{flag}")).to_owned();
    let refuse = |shape: &'static str| move |wrong: Error| Stop::of(&wrong, "").hint(shape);
    let mut keys = MasterKey::kms_list(&text("kms"), context, call.text("aws-profile"), now);
    keys.extend(MasterKey::gcp_kms_list(&text("gcp-kms"), now));
    keys.extend(MasterKey::huawei_list(&text("hckms"), now).map_err(refuse(told::HUAWEI_SHAPE))?);
    keys.extend(MasterKey::azure_list(&text("azure-kv"), now).map_err(refuse(told::AZURE_SHAPE))?);
    keys.extend(MasterKey::pgp_list(&text("pgp"), now));
    keys.extend(MasterKey::vault_list(&text("hc-vault-transit"), now).map_err(refuse(told::VAULT_SHAPE))?);
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
