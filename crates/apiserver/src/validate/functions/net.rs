//! URLs, addresses and networks.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use cel::Value;
use cel::objects::{Key, Opaque};

use super::{Function, listed, text_of, texted};

#[derive(Debug, Clone, PartialEq, Eq)]
struct Url {
    scheme: String,
    host: String,
    path: String,
    query: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Address(IpAddr);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    bits: u8,
}

impl Opaque for Url {
    fn runtime_type_name(&self) -> &str {
        "kubernetes.URL"
    }
}

impl Opaque for Address {
    fn runtime_type_name(&self) -> &str {
        "net.IP"
    }
}

impl Opaque for Network {
    fn runtime_type_name(&self) -> &str {
        "net.CIDR"
    }
}

pub(super) const FUNCTIONS: &[(&str, Function)] = &[
    ("url", |values| Some(Value::Opaque(Arc::new(url(text_of(values.first()?)?)?)))),
    ("isURL", |values| Some(url(text_of(values.first()?)?).is_some().into())),
    ("getScheme", |values| of_url(values, |url| texted(url.scheme.as_str()))),
    ("getHost", |values| of_url(values, |url| texted(url.host.as_str()))),
    ("getHostname", |values| of_url(values, |url| texted(split_host(&url.host).0))),
    ("getPort", |values| of_url(values, |url| texted(split_host(&url.host).1))),
    ("getEscapedPath", |values| of_url(values, |url| texted(escaped_path(&url.path)))),
    ("getQuery", |values| of_url(values, query)),
    ("ip", |values| match values.first()? {
        Value::String(text) => Some(Value::Opaque(Arc::new(Address(address(text)?)))),
        network => network_of(network).map(|network| Value::Opaque(Arc::new(Address(network.address)))),
    }),
    ("isIP", |values| Some(address(text_of(values.first()?)?).is_some().into())),
    ("ip.isCanonical", |values| {
        let text = text_of(values.first()?)?;
        Some((address(text)?.to_string() == text).into())
    }),
    ("family", |values| Some(Value::Int(if address_of(values.first()?)?.is_ipv4() { 4 } else { 6 }))),
    ("isUnspecified", |values| Some(address_of(values.first()?)?.is_unspecified().into())),
    ("isLoopback", |values| Some(address_of(values.first()?)?.is_loopback().into())),
    ("isLinkLocalMulticast", |values| {
        Some(
            match address_of(values.first()?)? {
                IpAddr::V4(address) => address.octets()[..3] == [224, 0, 0],
                IpAddr::V6(address) => address.segments()[0] & 0xff0f == 0xff02,
            }
            .into(),
        )
    }),
    ("isLinkLocalUnicast", |values| {
        Some(
            match address_of(values.first()?)? {
                IpAddr::V4(address) => address.is_link_local(),
                IpAddr::V6(address) => address.segments()[0] & 0xffc0 == 0xfe80,
            }
            .into(),
        )
    }),
    ("isGlobalUnicast", |values| {
        let address = address_of(values.first()?)?;
        let linked = match address {
            IpAddr::V4(address) => address.is_link_local() || address.is_broadcast(),
            IpAddr::V6(address) => address.segments()[0] & 0xffc0 == 0xfe80,
        };
        let other = address.is_unspecified() || address.is_loopback() || address.is_multicast() || linked;
        Some((!other).into())
    }),
    ("cidr", |values| Some(Value::Opaque(Arc::new(network(text_of(values.first()?)?)?)))),
    ("isCIDR", |values| Some(network(text_of(values.first()?)?).is_some().into())),
    ("prefixLength", |values| Some(Value::Int(i64::from(network_of(values.first()?)?.bits)))),
    ("masked", |values| {
        let network = network_of(values.first()?)?;
        let address = from_bits(masked(network.address, network.bits), network.address);
        Some(Value::Opaque(Arc::new(Network { address, bits: network.bits })))
    }),
    ("containsIP", |values| {
        let network = network_of(values.first()?)?;
        let inner = match values.get(1)? {
            Value::String(text) => address(text)?,
            other => address_of(other)?,
        };
        Some(holds(network, inner).into())
    }),
    ("containsCIDR", |values| {
        let network = network_of(values.first()?)?;
        let inner = match values.get(1)? {
            Value::String(text) => self::network(text)?,
            other => network_of(other)?,
        };
        Some((inner.bits >= network.bits && holds(network, inner.address)).into())
    }),
];

/// A URL as it stands in the first line of a request: nothing in it begins a fragment.
fn url(text: &str) -> Option<Url> {
    if text.is_empty() || text.bytes().any(|byte| byte.is_ascii_control()) {
        return None;
    }
    let (before, query) = text.split_once('?').unwrap_or((text, ""));
    let url = |scheme: &str, host: &str, path: &str| Url {
        scheme: scheme.to_lowercase(),
        // The zone of an address is not escaped any more.
        host: crate::escapes::decoded_path(host),
        path: path.to_owned(),
        query: query.to_owned(),
    };
    if text == "*" || before.starts_with('/') {
        return has_whole_escapes(before).then(|| url("", "", before));
    }
    let (scheme, rest) = before.split_once(':')?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    if !scheme.starts_with(|letter: char| letter.is_ascii_alphabetic()) || !scheme.bytes().all(plain) {
        return None;
    }
    if !rest.starts_with('/') {
        return Some(url(scheme, "", ""));
    }
    let Some(rest) = rest.strip_prefix("//") else {
        return has_whole_escapes(rest).then(|| url(scheme, "", rest));
    };
    let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    let told = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(&byte);
    let fits = user.bytes().all(told) && has_whole_escapes(user) && is_host(host) && has_whole_escapes(path);
    fits.then(|| url(scheme, host, path))
}

/// Whether each `%` begins an escaped byte.
fn has_whole_escapes(text: &str) -> bool {
    let is_digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_hexdigit);
    let bytes = text.as_bytes();
    let at = |place: usize| is_digit(bytes.get(place + 1)) && is_digit(bytes.get(place + 2));
    text.match_indices('%').all(|(place, _)| at(place))
}

/// Whether a name or an address, with or without a port, may stand in a URL. ASCII is not escaped in it, but for the
/// `%` before a zone.
fn is_host(text: &str) -> bool {
    let (name, port) = match text.rfind(']') {
        Some(end) if text.starts_with('[') => text.split_at(end + 1),
        _ if text.contains('[') => return false,
        _ => match text.split_once(':') {
            Some((name, _)) => text.split_at(name.len()),
            None => (text, ""),
        },
    };
    let is_port = port.is_empty()
        || port.strip_prefix(':').is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    match name.strip_prefix('[') {
        Some(rest) => is_port && is_bracketed(rest.trim_end_matches(']')),
        None => is_port && is_name(name),
    }
}

/// Whether an address of version 6 stands between brackets, with a zone or without.
fn is_bracketed(text: &str) -> bool {
    let (address, zone) =
        text.split_once("%25").map_or((text, None), |(address, zone)| (address, Some(zone)));
    let is_zone = |zone: &str| !zone.is_empty() && has_whole_escapes(zone);
    address.parse::<Ipv6Addr>().is_ok() && zone.is_none_or(is_zone)
}

fn is_name(name: &str) -> bool {
    let plain = |letter: char| {
        letter.is_ascii_alphanumeric() || !letter.is_ascii() || "-_.~!$&'()*+,;=:]<>\"%".contains(letter)
    };
    let escapes = name.match_indices('%').all(|(place, _)| {
        let digits = name.get(place + 1..place + 3).unwrap_or_default();
        digits == "25" || u8::from_str_radix(digits, 16).is_ok_and(|byte| byte >= 0x80)
    });
    name.chars().all(plain) && escapes
}

/// A path as Go writes it: as it is where it may stand so in a URL, or else with all escaped that need not be.
fn escaped_path(raw: &str) -> String {
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    if raw.bytes().all(|byte| unreserved(byte) || b"/!$&'()*+,;=:@[]%".contains(&byte)) {
        return raw.to_owned();
    }
    let (mut out, mut at) = (String::new(), 0);
    while let Some(&byte) = raw.as_bytes().get(at) {
        let digits = raw.get(at + 1..at + 3).filter(|_| byte == b'%');
        let escaped = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let plain = escaped.unwrap_or(byte);
        match unreserved(plain) || b"/$&+,:;=@".contains(&plain) {
            true => out.push(char::from(plain)),
            false => out.push_str(&format!("%{plain:02X}")),
        }
        at += if escaped.is_some() { 3 } else { 1 };
    }
    out
}

/// Host name without brackets, and port.
fn split_host(host: &str) -> (&str, &str) {
    if let Some((name, rest)) = host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return (name, rest.strip_prefix(':').unwrap_or_default());
    }
    host.rsplit_once(':').unwrap_or((host, ""))
}

fn query(url: &Url) -> Value {
    let mut all: HashMap<String, Vec<Value>> = HashMap::new();
    for part in url.query.split('&').filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let values = all.entry(crate::escapes::decoded(name)).or_default();
        values.push(texted(crate::escapes::decoded(value)));
    }
    let all: HashMap<Key, Value> =
        all.into_iter().map(|(name, values)| (Key::from(name), listed(values))).collect();
    Value::Map(all.into())
}

fn of_url(values: &[Value], part: impl FnOnce(&Url) -> Value) -> Option<Value> {
    match values.first()? {
        Value::Opaque(opaque) => opaque.downcast_ref::<Url>().map(part),
        _ => None,
    }
}

/// No zone, and no IPv4 address in the clothes of IPv6.
fn address(text: &str) -> Option<IpAddr> {
    let address: IpAddr = text.parse().ok()?;
    match address {
        IpAddr::V6(inner) if inner.to_ipv4_mapped().is_some() => None,
        other => Some(other),
    }
}

fn address_of(value: &Value) -> Option<IpAddr> {
    match value {
        Value::Opaque(opaque) => opaque.downcast_ref::<Address>().map(|address| address.0),
        _ => None,
    }
}

fn network(text: &str) -> Option<Network> {
    let (address, bits) = text.split_once('/')?;
    let address = self::address(address)?;
    let bits: u8 = bits.parse().ok()?;
    (bits <= width(address)).then_some(Network { address, bits })
}

fn network_of(value: &Value) -> Option<Network> {
    match value {
        Value::Opaque(opaque) => opaque.downcast_ref::<Network>().copied(),
        _ => None,
    }
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn holds(network: Network, address: IpAddr) -> bool {
    network.address.is_ipv4() == address.is_ipv4()
        && masked(network.address, network.bits) == masked(address, network.bits)
}

/// The leading bits of an address, the rest zero.
fn masked(address: IpAddr, bits: u8) -> u128 {
    let rest = u32::from(width(address) - bits);
    let number = match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    };
    number.checked_shr(rest).and_then(|number| number.checked_shl(rest)).unwrap_or(0)
}

fn from_bits(bits: u128, like: IpAddr) -> IpAddr {
    match like {
        IpAddr::V4(_) => IpAddr::V4((bits as u32).into()),
        IpAddr::V6(_) => IpAddr::V6(bits.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::{escaped_path, url};

    #[test]
    fn urls_are_those_that_go_reads_in_a_request() {
        for text in [
            "*",
            "/a b",
            "//h/x",
            "///",
            "mailto:x",
            "http:x y",
            "http://",
            "http:/x",
            "http://a?%zz",
            "http://u:p@h:80/x",
            "http://u@v@h/",
            "http://[::1]:80",
            "http://h<x>/",
            "http://é/",
            "http://a_b.c/",
            "http://[fe80::1%25eth0]/",
            "http://a:",
            "http://[::1]:",
            "http://[::ffff:1.2.3.4]/",
            "http://[::1%25a%20b]/",
            "http://a]b/",
        ] {
            assert!(url(text).is_some(), "{text}");
        }
        for text in [
            "",
            "?x",
            "a/b",
            "://x",
            "1http://x",
            "http://#%blah$#@",
            "http://a#b",
            "http://a/b#%zz",
            "http://a/%zz",
            "/x%zz",
            "http://a b",
            "http://a{b",
            "http://u^p@h/",
            "http://[::1",
            "http://[::1]:x",
            "http://h\\x/",
            "http://h%41/",
            "http://h%zz/",
            "http://h|x/",
            "http://h`x/",
            "http://[fe80::1%eth0]/",
            "http://h:80:90/",
            "http://[::1]80",
            "http://[foo]/",
            "http://[]/",
            "http://[1.2.3.4]/",
            "http://[fe80::1%25]/",
            "http://[::1]x",
            "http://a[b]/",
        ] {
            assert!(url(text).is_none(), "{text}");
        }
        assert_eq!(
            url("http://[fe80::1%25eth0]:80/").map(|url| url.host),
            Some("[fe80::1%eth0]:80".to_owned())
        );
    }

    #[test]
    fn paths_are_escaped_as_go_does() {
        for (raw, escaped) in [
            ("/a b", "/a%20b"),
            ("/a%2Fb%41", "/a%2Fb%41"),
            ("/é%e9", "/%C3%A9%E9"),
            ("/a;b,c!(d)*[e]", "/a;b,c!(d)*[e]"),
            ("/a|b!", "/a%7Cb%21"),
            ("/a^%41", "/a%5EA"),
            ("*", "*"),
            ("", ""),
        ] {
            assert_eq!(escaped_path(raw), escaped);
        }
    }
}
