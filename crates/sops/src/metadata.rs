//! The `sops` block: key groups, selector, MAC, and its tree form.
//!
//! Written in alphabetical order at every level; read in any order and tolerantly (numbers and booleans as strings,
//! null or empty lists, unknown fields).
//!
//! Follows: `stores/stores.go` and `stores/metadata.go` of sops 3.13.2.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use crate::error::Error;
use crate::layout;
pub use crate::master_key::MasterKey;
use crate::select::Selector;
use crate::time::Time;
use crate::tree::{Branch, Value};

mod shape;

/// The suffix that leaves values in the clear when nothing else was chosen.
pub const DEFAULT_UNENCRYPTED_SUFFIX: &str = "_unencrypted";

/// The version of the format that is written.
pub const FORMAT_VERSION: &str = "3.13.2";

/// Master keys of which any one opens the group's share.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyGroup {
    /// The keys in order.
    pub keys: Vec<MasterKey>,
}

/// What a document says about its own encryption.
#[derive(Clone, Debug, PartialEq)]
pub struct Metadata {
    /// Groups of master keys; with one group each key wraps the data key itself, with more a share of it.
    pub key_groups: Vec<KeyGroup>,
    /// How many groups must be opened; 0 for all of them.
    pub shamir_threshold: usize,
    /// When the document was last encrypted; part of the MAC's additional data.
    pub last_modified: Time,
    /// The encrypted MAC; empty for none.
    pub mac: String,
    /// Which leaves are encrypted; none means all.
    pub selector: Option<Selector>,
    /// True when the MAC covers encrypted values only.
    pub mac_only_encrypted: bool,
    /// Version of the program that wrote the document.
    pub version: String,
    /// The encrypted record of how values looked, in documents that keep their layout; empty for none.
    pub layout: String,
}

impl Metadata {
    /// Names the data key by how it is wrapped, for who keeps opened ones: SHA-256 over threshold, groups and keys.
    #[must_use]
    pub fn fingerprint(&self) -> [u8; 32] {
        let number = |number: usize| (number as u64).to_le_bytes();
        let mut hash = Sha256::new();
        hash.update(number(self.shamir_threshold));
        for group in &self.key_groups {
            hash.update(number(group.keys.len()));
            group.keys.iter().for_each(|key| hash.update(key.fingerprint()));
        }
        hash.finalize().into()
    }

    /// Returns metadata of a new document for these keys, with the default selector.
    #[must_use]
    pub fn new(key_groups: Vec<KeyGroup>, now: Time) -> Self {
        Self {
            key_groups,
            shamir_threshold: 0,
            last_modified: now,
            mac: String::new(),
            selector: Some(Selector::UnencryptedSuffix(DEFAULT_UNENCRYPTED_SUFFIX.to_owned())),
            mac_only_encrypted: false,
            version: FORMAT_VERSION.to_owned(),
            layout: String::new(),
        }
    }

    /// Iterates over all master keys.
    pub fn master_keys(&self) -> impl Iterator<Item = &MasterKey> {
        self.key_groups.iter().flat_map(|group| &group.keys)
    }

    /// Reads the block.
    ///
    /// # Errors
    /// [`Error::Time`] for bad times, [`Error::NoKeys`], [`Error::Selectors`], [`Error::Metadata`] and
    /// [`Error::MetadataFields`] for wrong shapes.
    pub fn from_branch(branch: &Branch) -> Result<Self, Error> {
        shape::check(branch)?;
        let fields = Fields(branch);
        let last_modified = fields.time("lastmodified")?;
        let mut key_groups = Vec::new();
        let single = group_from(fields)?;
        if !single.keys.is_empty() {
            key_groups.push(single);
        } else {
            for group in fields.list("key_groups") {
                key_groups.push(group_from(group)?);
            }
        }
        if key_groups.is_empty() {
            return Err(Error::NoKeys);
        }
        let default = || Selector::UnencryptedSuffix(DEFAULT_UNENCRYPTED_SUFFIX.to_owned());
        Ok(Self {
            key_groups,
            shamir_threshold: fields.count("shamir_threshold"),
            last_modified,
            mac: fields.text("mac"),
            selector: Some(selector_from(fields)?.unwrap_or_else(default)),
            mac_only_encrypted: fields.flag("mac_only_encrypted"),
            version: fields.text("version"),
            // A field of ours alone, so whatever else stands there is none.
            layout: fields.text(layout::FIELD),
        })
    }

    /// Writes the block.
    #[must_use]
    pub fn to_branch(&self) -> Branch {
        let mut fields: BTreeMap<&str, Value> = BTreeMap::new();
        if let [group] = self.key_groups.as_slice() {
            fields
                .extend(group_lists(group).into_iter().filter(|(_, list)| !list.is_empty()).map(list_value));
        } else if !self.key_groups.is_empty() {
            let groups = self.key_groups.iter().map(group_branch).collect();
            fields.insert("key_groups", Value::List(groups));
        }
        if self.shamir_threshold != 0 {
            fields.insert("shamir_threshold", Value::Int(self.shamir_threshold as i64));
        }
        fields.insert("lastmodified", self.last_modified.to_seconds().into());
        fields.insert("mac", self.mac.as_str().into());
        fields.insert("version", self.version.as_str().into());
        if let Some(selector) = &self.selector {
            fields.insert(selector.field(), selector.text().into());
        }
        if !self.layout.is_empty() {
            fields.insert(layout::FIELD, self.layout.as_str().into());
        }
        if self.mac_only_encrypted {
            fields.insert("mac_only_encrypted", true.into());
        }
        sorted(fields)
    }
}

/// The lists of a group in alphabetical order.
const LISTS: [&str; 7] = ["age", "azure_kv", "gcp_kms", "hc_vault", "hckms", "kms", "pgp"];

fn group_lists(group: &KeyGroup) -> Vec<(&'static str, Vec<Value>)> {
    let list = |name: &'static str| {
        let keys = group.keys.iter().filter(|key| key.type_name() == name);
        (name, keys.map(|key| Value::Branch(key_branch(key))).collect())
    };
    LISTS.into_iter().map(list).collect()
}

fn list_value((name, list): (&'static str, Vec<Value>)) -> (&'static str, Value) {
    (name, Value::List(list))
}

/// Inside `key_groups` the lists `age` and `hc_vault` are always written.
fn group_branch(group: &KeyGroup) -> Value {
    let keep = |(name, list): &(&str, Vec<Value>)| !list.is_empty() || *name == "age" || *name == "hc_vault";
    sorted(group_lists(group).into_iter().filter(keep).map(list_value).collect()).into()
}

fn sorted(fields: BTreeMap<&str, Value>) -> Branch {
    let mut branch = Branch::new();
    for (name, value) in fields {
        branch.push(name, value);
    }
    branch
}

fn key_branch(key: &MasterKey) -> Branch {
    let mut fields: BTreeMap<&str, Value> = BTreeMap::new();
    let mut put = |name, text: &str| {
        fields.insert(name, text.into());
    };
    put("enc", key.enc());
    match key {
        MasterKey::Age { recipient, .. } => put("recipient", recipient),
        MasterKey::Pgp { fingerprint, .. } => put("fp", fingerprint),
        MasterKey::Kms { arn, role, aws_profile, .. } => {
            put("arn", arn);
            put("aws_profile", aws_profile);
            if !role.is_empty() {
                put("role", role);
            }
        }
        MasterKey::GcpKms { resource_id, .. } => put("resource_id", resource_id),
        MasterKey::HuaweiKms { key_id, .. } => put("key_id", key_id),
        MasterKey::AzureKv { vault_url, name, version, .. } => {
            put("vault_url", vault_url);
            put("name", name);
            put("version", version);
        }
        MasterKey::Vault { vault_address, engine_path, key_name, .. } => {
            put("vault_address", vault_address);
            put("engine_path", engine_path);
            put("key_name", key_name);
        }
    }
    if let Some(created_at) = created_at(key) {
        put("created_at", &created_at.to_seconds());
    }
    if let MasterKey::Kms { context, .. } = key
        && !context.is_empty()
    {
        let pairs = context.iter().map(|(name, value)| (name.as_str(), value.as_str().into())).collect();
        fields.insert("context", sorted(pairs).into());
    }
    sorted(fields)
}

fn created_at(key: &MasterKey) -> Option<Time> {
    match key {
        MasterKey::Age { .. } => None,
        MasterKey::Pgp { created_at, .. }
        | MasterKey::Kms { created_at, .. }
        | MasterKey::GcpKms { created_at, .. }
        | MasterKey::HuaweiKms { created_at, .. }
        | MasterKey::AzureKv { created_at, .. }
        | MasterKey::Vault { created_at, .. } => Some(*created_at),
    }
}

/// The lists in the order in which keys are tried when nothing else is asked for.
const TRIED: [&str; 7] = ["kms", "gcp_kms", "hckms", "azure_kv", "hc_vault", "pgp", "age"];

fn group_from(fields: Fields<'_>) -> Result<KeyGroup, Error> {
    let keys = TRIED.into_iter().flat_map(|list| fields.list(list).map(move |key| key_from(list, key)));
    Ok(KeyGroup { keys: keys.collect::<Result<_, _>>()? })
}

fn key_from(list: &str, key: Fields<'_>) -> Result<MasterKey, Error> {
    let enc = key.text("enc");
    if list == "age" {
        return Ok(MasterKey::Age { recipient: key.text("recipient"), enc });
    }
    let created_at = key.time("created_at")?;
    Ok(match list {
        "kms" => MasterKey::Kms {
            arn: key.text("arn"),
            role: key.text("role"),
            context: key.context(),
            aws_profile: key.text("aws_profile"),
            created_at,
            enc,
        },
        "gcp_kms" => MasterKey::GcpKms { resource_id: key.text("resource_id"), created_at, enc },
        "hckms" => MasterKey::HuaweiKms { key_id: key.text("key_id"), created_at, enc },
        "azure_kv" => MasterKey::AzureKv {
            vault_url: key.text("vault_url"),
            name: key.text("name"),
            version: key.text("version"),
            created_at,
            enc,
        },
        "hc_vault" => MasterKey::Vault {
            vault_address: key.text("vault_address"),
            engine_path: key.text("engine_path"),
            key_name: key.text("key_name"),
            created_at,
            enc,
        },
        _ => MasterKey::Pgp { fingerprint: key.text("fp"), created_at, enc },
    })
}

fn selector_from(fields: Fields<'_>) -> Result<Option<Selector>, Error> {
    let mut found = None;
    for field in Selector::FIELDS {
        let text = fields.text(field);
        if !text.is_empty() && found.replace(Selector::of_field(field, text)).is_some() {
            return Err(Error::Selectors);
        }
    }
    Ok(found.flatten())
}

/// The last of repeated fields wins, as it does in a map; only where there is none, one in other letters counts.
fn field<'b>(branch: &'b Branch, name: &str) -> Option<&'b Value> {
    let last = |fits: &dyn Fn(&str) -> bool| branch.named().filter(|(key, _)| fits(key)).last();
    let found = last(&|key| key == name).or_else(|| last(&|key| key.eq_ignore_ascii_case(name)));
    found.map(|(_, value)| value)
}

/// A number as Go's `ParseInt` reads it in base 0, underscores aside.
fn whole(text: &str) -> Option<i64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = digits.to_ascii_lowercase();
    let (digits, base) = match lower.as_bytes() {
        [b'0', b'x', ..] => (&lower[2..], 16),
        [b'0', b'o', ..] => (&lower[2..], 8),
        [b'0', b'b', ..] => (&lower[2..], 2),
        [b'0', _, ..] => (&lower[1..], 8),
        _ => (lower.as_str(), 10),
    };
    // A second sign is none.
    digits.bytes().next()?.is_ascii_alphanumeric().then_some(())?;
    i64::from_str_radix(&format!("{sign}{digits}"), base).ok()
}

/// A switch as Go's `ParseBool` reads it; the empty text is false.
fn truth(text: &str) -> Option<bool> {
    match text {
        "" | "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        _ => None,
    }
}

/// Tolerant access to the fields of a mapping, whose shape was checked.
#[derive(Clone, Copy)]
struct Fields<'b>(&'b Branch);

impl<'b> Fields<'b> {
    fn get(self, name: &str) -> Option<&'b Value> {
        field(self.0, name)
    }

    fn text(self, name: &str) -> String {
        self.get(name).map(text).unwrap_or_default()
    }

    fn time(self, name: &str) -> Result<Time, Error> {
        Ok(Time::parse(&self.text(name))?.without_fraction())
    }

    /// A number; nothing can be split by one below zero, as by 1.
    fn count(self, name: &str) -> usize {
        let number = match self.get(name) {
            Some(Value::Int(number)) => *number,
            #[expect(clippy::cast_possible_truncation, reason = "the reference drops the fraction, too")]
            Some(Value::Float(float)) => *float as i64,
            Some(Value::Bool(flag)) => i64::from(*flag),
            Some(Value::Str(text)) => whole(&text.to_string_lossy()).unwrap_or_default(),
            _ => 0,
        };
        usize::try_from(number).unwrap_or(1)
    }

    fn flag(self, name: &str) -> bool {
        match self.get(name) {
            Some(Value::Bool(flag)) => *flag,
            Some(Value::Int(number)) => *number != 0,
            Some(Value::Uint(number)) => *number != 0,
            Some(Value::Float(number)) => *number != 0.0,
            Some(Value::Str(text)) => truth(&text.to_string_lossy()).unwrap_or_default(),
            _ => false,
        }
    }

    /// The encryption context of a key.
    fn context(self) -> BTreeMap<String, String> {
        match self.get("context") {
            Some(Value::Branch(pairs)) => {
                pairs.named().map(|(name, value)| (name.to_owned(), text(value))).collect()
            }
            _ => BTreeMap::new(),
        }
    }

    /// Items that are null are empty mappings.
    fn list(self, name: &str) -> impl Iterator<Item = Fields<'b>> {
        const EMPTY: &Branch = &Branch { entries: Vec::new() };
        let items = self.get(name).into_iter().flat_map(shape::items);
        items.map(|item| Fields(item.as_branch().unwrap_or(EMPTY)))
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Str(text) => text.to_string_lossy().into_owned(),
        Value::Int(int) => int.to_string(),
        Value::Uint(int) => int.to_string(),
        Value::Float(float) => crate::number::positional(*float),
        Value::Bool(flag) => if *flag { "1" } else { "0" }.to_owned(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Branch, Fields, LISTS, TRIED, key_from, shape};

    /// Who adds a key service and forgets one of the lists is told here.
    #[test]
    fn every_list_of_keys_is_checked_read_and_written() {
        let sorted = |mut names: Vec<&'static str>| {
            names.sort_unstable();
            names
        };
        assert_eq!(sorted(TRIED.to_vec()), LISTS);
        for checked in shape::lists_of_keys() {
            assert_eq!(sorted(checked), LISTS);
        }
        let mut empty = Branch::new();
        empty.push("created_at", "2020-01-02T03:04:05Z");
        for list in LISTS {
            assert_eq!(key_from(list, Fields(&empty)).map(|key| key.type_name()).ok(), Some(list));
        }
    }
}
