//! Shape of the `sops` block: which field holds what, checked before it is read.
//!
//! Follows: `stores/metadata.go` of sops 3.13.2 and the weak decoding of mapstructure 2.5, whose words the problems have.

use crate::error::Error;
use crate::tree::{Branch, Key, Value};

/// What a field holds. Null fits everywhere.
enum Shape {
    /// A string; numbers and switches are taken for one.
    Text,
    Int,
    Truth,
    /// A mapping of strings.
    Context,
    /// A list of mappings with these fields; one mapping stands for a list of one.
    List(&'static [Field]),
}

type Field = (&'static str, Shape);

use Shape::{Context, Int, List, Text, Truth};

static BLOCK: [Field; 19] = [
    ("shamir_threshold", Int),
    ("key_groups", List(&GROUP)),
    ("kms", List(&KMS)),
    ("gcp_kms", List(&GCP)),
    ("hckms", List(&HUAWEI)),
    ("azure_kv", List(&AZURE)),
    ("hc_vault", List(&VAULT)),
    ("age", List(&AGE)),
    ("lastmodified", Text),
    ("mac", Text),
    ("pgp", List(&PGP)),
    ("unencrypted_suffix", Text),
    ("encrypted_suffix", Text),
    ("unencrypted_regex", Text),
    ("encrypted_regex", Text),
    ("unencrypted_comment_regex", Text),
    ("encrypted_comment_regex", Text),
    ("mac_only_encrypted", Truth),
    ("version", Text),
];

static GROUP: [Field; 7] = [
    ("pgp", List(&PGP)),
    ("kms", List(&KMS)),
    ("gcp_kms", List(&GCP)),
    ("hckms", List(&HUAWEI)),
    ("azure_kv", List(&AZURE)),
    ("hc_vault", List(&VAULT)),
    ("age", List(&AGE)),
];

static PGP: [Field; 3] = [("created_at", Text), ("enc", Text), ("fp", Text)];
static KMS: [Field; 6] = [
    ("arn", Text),
    ("role", Text),
    ("context", Context),
    ("created_at", Text),
    ("enc", Text),
    ("aws_profile", Text),
];
static GCP: [Field; 3] = [("resource_id", Text), ("created_at", Text), ("enc", Text)];
static VAULT: [Field; 5] =
    [("vault_address", Text), ("engine_path", Text), ("key_name", Text), ("created_at", Text), ("enc", Text)];
static AZURE: [Field; 5] =
    [("vault_url", Text), ("name", Text), ("version", Text), ("created_at", Text), ("enc", Text)];
static AGE: [Field; 2] = [("recipient", Text), ("enc", Text)];
static HUAWEI: [Field; 3] = [("key_id", Text), ("created_at", Text), ("enc", Text)];

/// Fails with every field that holds something else than it should.
pub(super) fn check(block: &Branch) -> Result<(), Error> {
    check_keys(block)?;
    let mut problems = Vec::new();
    check_fields("", block, &BLOCK, &mut problems);
    if problems.is_empty() { Ok(()) } else { Err(Error::MetadataFields { problems }) }
}

fn check_keys(branch: &Branch) -> Result<(), Error> {
    branch.entries.iter().try_for_each(|entry| match &entry.key {
        Key::Other { kind, .. } => Err(Error::Metadata { message: format!("Unexpected key type {kind}") }),
        Key::Name(_) | Key::Comment(_) => check_keys_in(&entry.value),
    })
}

fn check_keys_in(value: &Value) -> Result<(), Error> {
    match value {
        Value::Branch(branch) => check_keys(branch),
        Value::List(items) => items.iter().try_for_each(check_keys_in),
        _ => Ok(()),
    }
}

fn check_fields(place: &str, branch: &Branch, fields: &[Field], problems: &mut Vec<String>) {
    for (name, shape) in fields {
        let Some(value) = super::field(branch, name) else { continue };
        let place = if place.is_empty() { (*name).to_owned() } else { format!("{place}.{name}") };
        check_value(&place, value, shape, problems);
    }
}

fn check_value(place: &str, value: &Value, shape: &Shape, problems: &mut Vec<String>) {
    let problem = match shape {
        Text => text_problem(value),
        Int => int_problem(value),
        Truth => truth_problem(value),
        Context => return check_context(place, value, problems),
        List(fields) => return check_list(place, value, fields, problems),
    };
    problems.extend(problem.map(|problem| format!("'{place}' {problem}")));
}

fn check_list(place: &str, value: &Value, fields: &[Field], problems: &mut Vec<String>) {
    for (index, item) in items(value).enumerate() {
        let place = format!("{place}[{index}]");
        match item {
            Value::Null => {}
            Value::Branch(branch) => check_fields(&place, branch, fields, problems),
            other => {
                problems.push(format!("'{place}' expected a map or struct, got \"{}\"", kind_name(other)));
            }
        }
    }
}

/// Items of a list without its comments; a single value stands for a list of one, an empty mapping for an empty one.
pub(super) fn items(value: &Value) -> impl Iterator<Item = &Value> {
    let items = match value {
        Value::Null => &[],
        Value::Branch(branch) if branch.entries.is_empty() => &[],
        Value::List(items) => items.as_slice(),
        single => std::slice::from_ref(single),
    };
    items.iter().filter(|item| !matches!(item, Value::Comment(_)))
}

fn check_context(place: &str, value: &Value, problems: &mut Vec<String>) {
    match value {
        Value::Null => {}
        Value::Branch(pairs) => {
            for (name, text) in pairs.named() {
                check_value(&format!("{place}[{name}]"), text, &Text, problems);
            }
        }
        other => problems.push(format!("'{place}' {}", unconvertible("map[string]*string", other))),
    }
}

fn unconvertible(wanted: &str, value: &Value) -> String {
    format!("expected type '{wanted}', got unconvertible type '{}'", type_name(value))
}

fn text_problem(value: &Value) -> Option<String> {
    let is_strange = matches!(value, Value::Time(_) | Value::List(_) | Value::Branch(_));
    is_strange.then(|| unconvertible("string", value))
}

fn int_problem(value: &Value) -> Option<String> {
    let parsing = |reason| format!("cannot parse value as 'int': strconv.ParseInt: {reason}");
    match value {
        Value::Time(_) | Value::List(_) | Value::Branch(_) => Some(unconvertible("int", value)),
        Value::Str(text) if !text.is_empty() => {
            let text = text.to_string_lossy();
            let digits = text.strip_prefix(['+', '-']).unwrap_or(&text);
            let is_number = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
            let reason = if is_number { "value out of range" } else { "invalid syntax" };
            super::whole(&text).is_none().then(|| parsing(reason))
        }
        _ => None,
    }
}

fn truth_problem(value: &Value) -> Option<String> {
    match value {
        Value::Time(_) | Value::List(_) | Value::Branch(_) => Some(unconvertible("bool", value)),
        Value::Str(text) if super::truth(&text.to_string_lossy()).is_none() => {
            Some("cannot parse value as 'bool': strconv.ParseBool: invalid syntax".to_owned())
        }
        _ => None,
    }
}

fn type_name(value: &Value) -> &'static str {
    if let Value::Branch(_) = value { "map[string]interface {}" } else { value.type_name() }
}

fn kind_name(value: &Value) -> &'static str {
    match value {
        Value::List(_) => "slice",
        Value::Time(_) => "struct",
        other => other.type_name(),
    }
}

/// The lists of keys that are checked: in the block itself, and in a group.
#[cfg(test)]
pub(super) fn lists_of_keys() -> [Vec<&'static str>; 2] {
    let names = |fields: &'static [Field]| {
        let lists = fields.iter().filter(|(name, shape)| matches!(shape, List(_)) && *name != "key_groups");
        lists.map(|(name, _)| *name).collect()
    };
    [names(&BLOCK), names(&GROUP)]
}
