//! `.sops.yaml`: which keys and which selector a new file gets.
//!
//! The first rule whose `path_regex` is empty or matches is taken; the path is given absolute and loses the
//! directory of the configuration when it lies below it.
//!
//! Follows: `config/config.go` of sops 3.13.2.

use std::collections::BTreeMap;

use sealfast_re2 as re2;
use sealfast_yaml::decode::{Decoder, Plain};
use sealfast_yaml::error::{Misfit, Mistake};
use sealfast_yaml::parse;

use crate::error::Error;
use crate::metadata::{KeyGroup, MasterKey};
use crate::path::Step;
use crate::select::Selector;
use crate::store::EmitOptions;
use crate::time::Time;

mod fields;
mod places;
mod shape;

use fields::Fields;
pub use places::{Unknown, line_of, place_at, text_of, unknown_fields};

/// A read configuration file.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    dir: String,
    creation_rules: Option<Vec<CreationRule>>,
    destination_rules: Vec<DestinationRule>,
    /// How files are laid out.
    pub stores: EmitOptions,
}

/// One entry of `creation_rules`, or the `recreation_rule` of a destination.
#[derive(Clone, Debug, PartialEq)]
pub struct CreationRule {
    /// Expression the path must match; empty for every path.
    pub path_regex: String,
    /// Groups needed to recover the data key; 0 for all of them.
    pub shamir_threshold: usize,
    /// True when the MAC is to cover encrypted values only.
    pub mac_only_encrypted: bool,
    selectors: Vec<Selector>,
    block: Plain,
    place: Vec<Step>,
}

/// One entry of `destination_rules`.
#[derive(Clone, Debug, PartialEq)]
pub struct DestinationRule {
    /// Expression the path must match; empty for every path.
    pub path_regex: String,
    /// Where files go; none when the rule names no place.
    pub destination: Option<Destination>,
    /// Whether it names several destinations, which is told to those alone who need it.
    is_ambiguous: bool,
    place: Vec<Step>,
    /// Keys and selector for what is published.
    pub recreation_rule: CreationRule,
    /// True when the file extension is left out of the name.
    pub omit_extensions: bool,
}

/// Where files are published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// A bucket of Amazon S3.
    S3 {
        /// Name of the bucket.
        bucket: String,
        /// Put before the file's name.
        prefix: String,
    },
    /// A bucket of Google Cloud Storage.
    Gcs {
        /// Name of the bucket.
        bucket: String,
        /// Put before the file's name.
        prefix: String,
    },
    /// A key-value engine of Vault; what it gets is decrypted.
    Vault {
        /// Address of the server; empty for the usual one.
        address: String,
        /// Path in the engine.
        path: String,
        /// Mount of the engine.
        mount: String,
        /// Version of the engine, 1 or 2.
        version: u8,
    },
}

impl Config {
    /// Reads a configuration; `dir` is the absolute directory it lies in.
    ///
    /// # Errors
    /// [`Error::Configuration`] with the lines of what is wrong.
    pub fn parse(input: &[u8], dir: &str) -> Result<Self, Error> {
        let document = parse::first(input).map_err(|wrong| invalid(&wrong))?;
        let block = match &document {
            Some(document) => Decoder::new(std::slice::from_ref(document)).shaped(document, &shape::FILE),
            None => Ok(Plain::Null),
        };
        let block = block.map_err(|wrong| invalid(&wrong))?;
        let root = Fields(&block);
        Ok(Self {
            dir: dir.trim_end_matches('/').to_owned(),
            creation_rules: root.list("creation_rules").map(|rules| {
                let rules = rules.enumerate();
                rules
                    .map(|(index, rule)| CreationRule::read(rule, place_of("creation_rules", index)))
                    .collect()
            }),
            destination_rules: root
                .each("destination_rules")
                .enumerate()
                .map(|(index, rule)| DestinationRule::read(rule, place_of("destination_rules", index)))
                .collect(),
            stores: read_stores(root.mapping("stores")),
        })
    }

    /// Finds the creation rule for an absolute path; none when the configuration has no rules at all.
    ///
    /// # Errors
    /// [`Error::NoRule`] when no rule matches, [`Error::InRules`] when an expression does not compile or the rule has
    /// several selectors.
    pub fn rule_for(&self, path: &str) -> Result<Option<&CreationRule>, Error> {
        let Some(rules) = &self.creation_rules else { return Ok(None) };
        let relative = path.strip_prefix(&self.dir).and_then(|path| path.strip_prefix('/')).unwrap_or(path);
        for rule in rules {
            if rule.path_regex.is_empty() {
                return rule.checked().map(Some);
            }
            let regex = re2::compile(&rule.path_regex)
                .map_err(|message| within(&rule.place, [key("path_regex")], Error::RulePath { message }))?;
            if regex.is_match(relative) {
                return rule.checked().map(Some);
            }
        }
        Err(Error::NoRule { path: path.to_owned() })
    }

    /// Finds the destination rule for a path as it was given.
    ///
    /// # Errors
    /// [`Error::Rules`] when none matches, [`Error::InRules`] when its recreation rule has several selectors.
    pub fn destination_for(&self, path: &str) -> Result<&DestinationRule, Error> {
        let matches = |rule: &&DestinationRule| {
            rule.path_regex.is_empty()
                || re2::compile(&rule.path_regex).is_ok_and(|regex| regex.is_match(path))
        };
        let rule = self.destination_rules.iter().find(matches).ok_or_else(|| {
            refuse("error loading config: no matching destination found in config".to_owned())
        })?;
        if rule.is_ambiguous {
            let message = "error loading config: more than one destinations were found in a single destination rule, \
                           you can only use one per rule";
            return Err(within(&rule.place, [], refuse(message.to_owned())));
        }
        rule.recreation_rule.checked()?;
        Ok(rule)
    }
}

fn refuse(message: String) -> Error {
    Error::Rules { message }
}

fn place_of(list: &str, index: usize) -> Vec<Step> {
    vec![key(list), Step::Index(index)]
}

fn key(name: &str) -> Step {
    Step::Key(name.to_owned())
}

/// Says where in the configuration something is wrong.
fn within<const N: usize>(outer: &[Step], inner: [Step; N], error: Error) -> Error {
    let (mut place, error) = match error {
        Error::InRules { place, error } => (place, error),
        error => (Vec::new(), Box::new(error)),
    };
    place.splice(0..0, outer.iter().cloned().chain(inner));
    Error::InRules { place, error }
}

/// The file does not read, or a field holds something else than it should.
fn invalid(wrong: &sealfast_yaml::error::Error) -> Error {
    const CONTEXT: &str = "error loading config: Could not unmarshal config file: ";
    let (line, mistake, misfit) = match wrong.mistake.as_deref() {
        Some(Mistake { line, message, misfit }) => (Some(*line), message.clone(), misfit.clone()),
        None => (wrong.line, wrong.message.clone(), None),
    };
    Error::Configuration {
        message: format!("{CONTEXT}{wrong}"),
        full: format!("{CONTEXT}{}", wrong.in_full()).into(),
        line,
        mistake,
        misfit: misfit.map(|Misfit { found, wanted }| (found, wanted)),
    }
}

fn read_stores(stores: Fields<'_>) -> EmitOptions {
    let usual = EmitOptions::default();
    let indent = |store: &str, usual: i32| match stores.mapping(store).int("indent") {
        Some(blanks) => i32::try_from(blanks).unwrap_or(if blanks < 0 { i32::MIN } else { i32::MAX }),
        None => usual,
    };
    EmitOptions {
        yaml_indent: indent("yaml", usual.yaml_indent),
        json_indent: indent("json", usual.json_indent),
        binary_indent: indent("json_binary", usual.binary_indent),
    }
}

impl CreationRule {
    fn read(fields: Fields<'_>, place: Vec<Step>) -> Self {
        let given = Selector::FIELDS.into_iter().map(|field| (field, fields.text(field)));
        let given = given.filter(|(_, text)| !text.is_empty());
        Self {
            path_regex: fields.text("path_regex"),
            // Nothing can be split with a threshold below zero, as with 1.
            shamir_threshold: usize::try_from(fields.int("shamir_threshold").unwrap_or_default())
                .unwrap_or(1),
            mac_only_encrypted: fields.flag("mac_only_encrypted"),
            selectors: given.filter_map(|(field, text)| Selector::of_field(field, text)).collect(),
            block: fields.0.clone(),
            place,
        }
    }

    fn checked(&self) -> Result<&Self, Error> {
        if self.selectors.len() > 1 {
            let fields: Vec<_> = self.selectors.iter().map(Selector::field).collect();
            let place = [key(fields[1])];
            return Err(within(&self.place, place, Error::RuleSelectors { fields }));
        }
        Ok(self)
    }

    /// Returns where the rule stands in its configuration: the fields and indexes on the way.
    #[must_use]
    pub fn place(&self) -> &[Step] {
        &self.place
    }

    /// Tells whether the rule names groups of keys, which count in place of its other keys.
    #[must_use]
    pub fn has_groups(&self) -> bool {
        Fields(&self.block).each("key_groups").next().is_some()
    }

    /// Returns the selector, when the rule has one.
    #[must_use]
    pub fn selector(&self) -> Option<&Selector> {
        self.selectors.first()
    }

    /// Returns the groups of master keys the rule asks for. `context` is the encryption context for the AWS keys of
    /// rules without groups, which cannot say it themselves.
    ///
    /// # Errors
    /// [`Error::InRules`] for keys of the wrong shape.
    pub fn key_groups(&self, context: &BTreeMap<String, String>, now: Time) -> Result<Vec<KeyGroup>, Error> {
        let fields = Fields(&self.block);
        let groups: Vec<_> = fields.each("key_groups").collect();
        if groups.is_empty() {
            let group = read_flat(fields, context, now).map_err(|wrong| within(&self.place, [], wrong))?;
            return Ok(vec![group]);
        }
        let group = |(index, group)| {
            read_group(group, now)
                .map_err(|wrong| within(&self.place, [key("key_groups"), Step::Index(index)], wrong))
        };
        groups.into_iter().enumerate().map(group).collect()
    }
}

/// The flat key fields, all of them one group.
fn read_flat(fields: Fields<'_>, context: &BTreeMap<String, String>, now: Time) -> Result<KeyGroup, Error> {
    let keys = |field: &'static str, shown| {
        fields.key_list(field, shown).map_err(|wrong| within(&[], [key(field)], wrong))
    };
    let of = |field, parsed: Result<Vec<MasterKey>, Error>| {
        parsed.map_err(|wrong| within(&[], [key(field)], wrong))
    };
    let mut group = KeyGroup { keys: MasterKey::age_list(&keys("age", "age")?) };
    group.keys.extend(MasterKey::pgp_list(&keys("pgp", "pgp")?, now));
    let profile = fields.text("aws_profile");
    group.keys.extend(MasterKey::kms_list(&keys("kms", "kms")?, context, &profile, now));
    group.keys.extend(MasterKey::gcp_kms_list(&keys("gcp_kms", "gcpkms")?, now));
    let huawei: Vec<_> = fields.texts("hckms").collect();
    group.keys.extend(of("hckms", MasterKey::huawei_list(&huawei.join(","), now))?);
    let azure = keys("azure_keyvault", "azure_keyvault")?;
    group.keys.extend(of("azure_keyvault", MasterKey::azure_list(&azure, now))?);
    let vault = keys("hc_vault_transit_uri", "vault")?;
    group.keys.extend(of("hc_vault_transit_uri", MasterKey::vault_list(&vault, now))?);
    Ok(group)
}

/// A group of `key_groups`: what it merges first, then its own keys, each key once.
fn read_group(fields: Fields<'_>, now: Time) -> Result<KeyGroup, Error> {
    let mut keys = Vec::new();
    let item = |list: &str, index| [key(list), Step::Index(index)];
    for (index, group) in fields.each("merge").enumerate() {
        let group = read_group(group, now).map_err(|wrong| within(&[], item("merge", index), wrong))?;
        keys.extend(group.keys);
    }
    keys.extend(fields.texts("age").flat_map(MasterKey::age_list));
    keys.extend(fields.texts("pgp").map(|fingerprint| pgp_key(fingerprint, now)));
    keys.extend(fields.each("kms").map(|key| kms_key(key, now)));
    keys.extend(fields.each("gcp_kms").map(|key| MasterKey::GcpKms {
        resource_id: key.text("resource_id"),
        created_at: now,
        enc: String::new(),
    }));
    for (index, found) in fields.each("hckms").enumerate() {
        let found = MasterKey::huawei_list(&found.text("key_id"), now);
        keys.extend(found.map_err(|wrong| within(&[], item("hckms", index), wrong))?);
    }
    keys.extend(fields.each("azure_keyvault").map(|key| azure_key(key, now)));
    for (index, url) in fields.texts("hc_vault").enumerate() {
        let found = MasterKey::vault_list(url, now);
        keys.extend(found.map_err(|wrong| within(&[], item("hc_vault", index), wrong))?);
    }
    let mut unique: Vec<MasterKey> = Vec::new();
    for key in keys {
        if !unique.iter().any(|known| known.is_same_key(&key)) {
            unique.push(key);
        }
    }
    Ok(KeyGroup { keys: unique })
}

fn pgp_key(fingerprint: &str, now: Time) -> MasterKey {
    MasterKey::Pgp { fingerprint: fingerprint.replace(' ', ""), created_at: now, enc: String::new() }
}

fn kms_key(key: Fields<'_>, now: Time) -> MasterKey {
    let context = key.mapping("context").pairs();
    MasterKey::Kms {
        arn: key.text("arn"),
        role: key.text("role"),
        context: context.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        aws_profile: key.text("aws_profile"),
        created_at: now,
        enc: String::new(),
    }
}

fn azure_key(key: Fields<'_>, now: Time) -> MasterKey {
    MasterKey::AzureKv {
        vault_url: key.text("vaultUrl"),
        name: key.text("key"),
        version: key.text("version"),
        created_at: now,
        enc: String::new(),
    }
}

impl DestinationRule {
    fn read(fields: Fields<'_>, mut place: Vec<Step>) -> Self {
        let places = ["s3_bucket", "gcs_bucket", "vault_path"].map(|place| fields.text(place));
        let is_ambiguous = places.iter().filter(|place| !place.is_empty()).count() > 1;
        Self {
            path_regex: fields.text("path_regex"),
            destination: Destination::read(fields, places),
            is_ambiguous,
            place: place.clone(),
            recreation_rule: {
                place.push(key("recreation_rule"));
                CreationRule::read(fields.mapping("recreation_rule"), place)
            },
            omit_extensions: fields.flag("omit_extensions"),
        }
    }
}

impl Destination {
    fn read(fields: Fields<'_>, [s3, gcs, vault]: [String; 3]) -> Option<Self> {
        if !s3.is_empty() {
            return Some(Self::S3 { bucket: s3, prefix: fields.text("s3_prefix") });
        }
        if !gcs.is_empty() {
            return Some(Self::Gcs { bucket: gcs, prefix: fields.text("gcs_prefix") });
        }
        let mount = fields.text("vault_kv_mount_name");
        (!vault.is_empty()).then(|| Self::Vault {
            address: fields.text("vault_address"),
            path: vault,
            mount: if mount.is_empty() { "secret/".to_owned() } else { mount },
            version: if fields.int("vault_kv_version") == Some(1) { 1 } else { 2 },
        })
    }
}
