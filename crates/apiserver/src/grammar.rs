//! Grammars of names, keys, ports, addresses and paths: what is wrong with a text.

use std::net::{IpAddr, Ipv4Addr};

/// A lower-case label of at most 63 bytes.
pub(crate) fn label(name: &str) -> Vec<String> {
    let mut whys = no_longer_than(name, 63);
    if !is_label(name) {
        whys.push(if is_subdomain(name) { "must not contain dots".into() } else { LABEL.into() });
    }
    whys
}

/// A label of at most 63 bytes that begins with a letter.
pub(crate) fn label_1035(name: &str) -> Vec<String> {
    let mut whys = no_longer_than(name, 63);
    if !begins_as_label(name) {
        whys.push(LABEL_1035.into());
    }
    whys
}

pub(crate) fn is_label_1035(text: &str) -> bool {
    text.len() <= 63 && begins_as_label(text)
}

fn begins_as_label(text: &str) -> bool {
    text.starts_with(|letter: char| letter.is_ascii_lowercase()) && is_label(text)
}

/// Labels joined by dots, at most 253 bytes.
pub(crate) fn subdomain(name: &str) -> Vec<String> {
    let mut whys = no_longer_than(name, 253);
    if !is_subdomain(name) {
        whys.push(SUBDOMAIN.into());
    }
    whys
}

fn is_subdomain(text: &str) -> bool {
    text.split('.').all(is_label)
}

fn no_longer_than(text: &str, most: usize) -> Vec<String> {
    let why = || format!("must be no more than {most} characters");
    (text.len() > most).then(why).into_iter().collect()
}

fn is_label(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    bytes.first().is_some_and(|&byte| inner(byte))
        && bytes.last().is_some_and(|&byte| inner(byte))
        && bytes.iter().all(|&byte| inner(byte) || byte == b'-')
}

fn is_word(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.iter().all(|&byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

/// What is wrong with the key of a label or annotation, or the name of a finalizer.
pub fn qualified(key: &str) -> Vec<String> {
    let mut whys = Vec::new();
    let parts: Vec<&str> = key.split('/').collect();
    let name = match parts.as_slice() {
        [name] => *name,
        [prefix, name] => {
            if prefix.is_empty() {
                whys.push("prefix part must be non-empty".into());
            } else {
                let whys_of = subdomain(prefix).into_iter();
                whys.extend(
                    whys_of.map(|why| format!("prefix part {}", why.replace("253 characters", "253 bytes"))),
                );
            }
            *name
        }
        _ => {
            return vec![format!(
                "a valid label key {WORD} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
            )];
        }
    };
    if name.is_empty() {
        whys.push("name part must be non-empty".into());
    } else if name.len() > 63 {
        whys.push("name part must be no more than 63 bytes".into());
    }
    if !is_word(name) {
        whys.push(format!("name part {WORD}"));
    }
    whys
}

/// What is wrong with the value of a label.
pub fn label_value(value: &str) -> Vec<String> {
    let mut whys = Vec::new();
    if value.len() > 63 {
        whys.push("must be no more than 63 bytes".into());
    }
    if !value.is_empty() && !is_word(value) {
        whys.push(LABEL_VALUE.into());
    }
    whys
}

/// What is wrong with a name that is one part of a path.
pub(crate) fn segment(name: &str) -> Vec<String> {
    if name == "." || name == ".." {
        return vec![format!("may not be '{name}'")];
    }
    ["/", "%"]
        .iter()
        .filter(|part| name.contains(**part))
        .map(|part| format!("may not contain '{part}'"))
        .collect()
}

/// What is wrong with a host such as `*.example.com`.
pub(crate) fn wildcard(name: &str) -> Vec<String> {
    let mut whys = no_longer_than(name, 253);
    if !name.strip_prefix("*.").is_some_and(is_subdomain) {
        whys.push(WILDCARD.into());
    }
    whys
}

/// Labels of which each may begin with one `_` and hold more, as DNS search paths do.
pub(crate) fn search_path(name: &str) -> Vec<String> {
    let part = |part: &str| {
        let rest = part.strip_prefix('_').unwrap_or(part);
        !rest.starts_with('_') && is_label(&rest.replace('_', "a")) && !rest.ends_with('_')
    };
    let mut whys = no_longer_than(name, 253);
    if !name.split('.').all(part) {
        whys.push(SEARCH.into());
    }
    whys
}

/// What is wrong with the name of a port.
pub(crate) fn port_name(name: &str) -> Vec<String> {
    let mut whys = no_longer_than(name, 15);
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if name.is_empty() || !name.bytes().all(letter) {
        whys.push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)".into());
    }
    if !name.bytes().any(|byte| byte.is_ascii_lowercase()) {
        whys.push("must contain at least one letter (a-z)".into());
    }
    if name.contains("--") {
        whys.push("must not contain consecutive hyphens".into());
    }
    if name.starts_with('-') || name.ends_with('-') {
        whys.push("must not begin or end with a hyphen".into());
    }
    whys
}

/// What is wrong with the name of an environment variable.
pub(crate) fn variable(name: &str) -> Vec<String> {
    let printable = |byte: u8| (b' '..=b'~').contains(&byte) && byte != b'=';
    if name.bytes().all(printable) { Vec::new() } else { vec![VARIABLE.into()] }
}

/// What is wrong with a key of a ConfigMap or Secret.
pub(crate) fn config_key(key: &str) -> Vec<String> {
    let mut whys = no_longer_than(key, 253);
    if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte)) {
        whys.push(CONFIG_KEY.into());
    }
    if key == "." || key == ".." {
        whys.push(format!("must not be '{key}'"));
    } else if key.starts_with("..") {
        whys.push("must not start with '..'".into());
    }
    whys
}

/// What is wrong with a share such as `25%`.
pub(crate) fn percent(text: &str) -> Vec<String> {
    let digits = text.strip_suffix('%').unwrap_or_default();
    let right = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if right { Vec::new() } else { vec![PERCENT.into()] }
}

/// What is wrong with the name of an HTTP header.
pub(crate) fn header(name: &str) -> Vec<String> {
    let right = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if right { Vec::new() } else { vec![HEADER.into()] }
}

/// The address that a text stands for; leading zeros are taken as decimal.
pub(crate) fn address(text: &str) -> Option<IpAddr> {
    let part = |part: &str| match part.trim_start_matches('0') {
        "" if !part.is_empty() => "0".to_owned(),
        rest => rest.to_owned(),
    };
    let plain = || text.split('.').map(part).collect::<Vec<_>>().join(".");
    text.parse().ok().or_else(|| plain().parse::<Ipv4Addr>().ok().map(IpAddr::V4))
}

/// What is wrong with an address.
pub(crate) fn ip(text: &str) -> Vec<String> {
    let why = match (address(text), text.parse::<IpAddr>()) {
        (None, _) => "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)",
        (_, Err(_)) => "must not have leading 0s",
        (_, Ok(IpAddr::V6(found))) if found.to_ipv4_mapped().is_some() => {
            "must not be an IPv4-mapped IPv6 address"
        }
        _ => return Vec::new(),
    };
    vec![why.into()]
}

/// What is wrong with a range of addresses.
pub(crate) fn cidr(text: &str) -> Vec<String> {
    let (start, length) = text.split_once('/').unwrap_or((text, ""));
    let digits = !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit());
    let bits = length.parse::<u32>().ok().filter(|_| digits);
    let why = match (address(start), bits) {
        (Some(IpAddr::V4(_)), Some(0..=32)) | (Some(IpAddr::V6(_)), Some(0..=128)) => {
            let odd = length.len() > 1 && length.starts_with('0');
            match (start.parse::<IpAddr>(), bits) {
                (Ok(found), Some(bits)) if !odd => range_fault(found, bits),
                _ => Some("must not have leading 0s in IP or prefix length"),
            }
        }
        _ => Some("must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"),
    };
    why.map(str::to_owned).into_iter().collect()
}

fn range_fault(start: IpAddr, bits: u32) -> Option<&'static str> {
    let beyond = match start {
        IpAddr::V4(start) => u32::from(start).checked_shl(bits).unwrap_or(0) != 0,
        IpAddr::V6(start) if start.to_ipv4_mapped().is_some() => {
            return Some("must not have an IPv4-mapped IPv6 address");
        }
        IpAddr::V6(start) => u128::from(start).checked_shl(bits).unwrap_or(0) != 0,
    };
    beyond.then_some("must not have bits set beyond the prefix length")
}

/// What is wrong with a path inside a volume.
pub(crate) fn inner_path(path: &str) -> Vec<String> {
    let mut whys = Vec::new();
    if path.starts_with('/') {
        whys.push("must be a relative path".into());
    }
    whys.extend(no_steps_back(path));
    whys
}

/// The same for a file that the server does not keep for itself.
pub(crate) fn file_path(path: &str) -> Vec<String> {
    let mut whys = inner_path(path);
    if path.starts_with("..") && !path.starts_with("../") {
        whys.push("must not start with '..'".into());
    }
    whys
}

/// A path does not lead out.
pub(crate) fn no_steps_back(path: &str) -> Vec<String> {
    let back = path.split('/').any(|part| part == "..");
    if back { vec!["must not contain '..'".into()] } else { Vec::new() }
}

pub(crate) const LABEL_1035: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const WORD: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const WILDCARD: &str = "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. '*.example.com', regex used for validation is '\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const SEARCH: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*')";
const VARIABLE: &str =
    "a valid environment variable name must consist only of printable ASCII characters other than '='";
const CONFIG_KEY: &str = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
const PERCENT: &str = "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')";
const HEADER: &str = "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')";
