//! The formats of strings that are checked; others are let through.
//!
//! Follows: the formats that apiextensions of kube-apiserver 1.36 knows. Dashes in their names do not count.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use regex::Regex;

/// Tells whether a format is one that values of a type are checked for.
pub(crate) fn is_known(kind: &str, format: &str) -> bool {
    match kind {
        "" | "string" => KNOWN.contains(&normal(format).as_str()),
        "integer" => matches!(format, "int32" | "int64"),
        "number" => matches!(format, "float" | "double"),
        _ => false,
    }
}

/// Tells whether a text has a format.
pub(super) fn is_valid(format: &str, text: &str) -> bool {
    match normal(format).as_str() {
        "datetime" => is_date_time(text),
        "date" => is_date(text),
        "ipv4" => text.parse::<Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<Ipv6Addr>().is_ok(),
        "cidr" => is_cidr(text),
        "mac" => is_mac(text),
        "uuid" => UUID.is_match(text),
        "uuid3" => UUID.is_match(text) && version_of(text) == '3',
        "uuid4" => UUID.is_match(text) && version_of(text) == '4' && has_variant(text),
        "uuid5" => UUID.is_match(text) && version_of(text) == '5' && has_variant(text),
        "bsonobjectid" => text.len() == 24 && text.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "email" => is_email(text),
        "hostname" => is_hostname(text),
        "uri" => is_uri(text),
        "isbn10" => is_isbn10(text),
        "isbn13" => is_isbn13(text),
        "isbn" => is_isbn10(text) || is_isbn13(text),
        "creditcard" => is_credit_card(text),
        "ssn" => SSN.is_match(text),
        "hexcolor" => HEX_COLOR.is_match(text),
        "rgbcolor" => RGB_COLOR.is_match(text),
        "k8sshortname" => crate::grammar::label(text).is_empty(),
        "k8slongname" => crate::grammar::subdomain(text).is_empty(),
        "byte" => {
            use base64::Engine as _;
            !text.is_empty() && base64::engine::general_purpose::STANDARD.decode(text).is_ok()
        }
        "duration" => is_go_duration(text) || is_told_time(text),
        _ => true,
    }
}

/// A time span as Go writes it, such as `-1h30m`.
pub(super) fn is_go_duration(text: &str) -> bool {
    sealfast_k8s::duration::parse(text.strip_prefix('-').unwrap_or(text)).is_ok()
}

fn normal(format: &str) -> String {
    format.replace('-', "")
}

fn is_date(text: &str) -> bool {
    text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok()
}

/// A date, a `T`, a time of day and an offset.
fn is_date_time(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let Some((date, time)) = lower.split_once('t') else { return false };
    let Some(parts) = TIME.captures(time) else { return false };
    let below = |at: usize, limit: u8| parts[at].parse::<u8>().is_ok_and(|number| number < limit);
    is_date(date) && below(1, 24) && below(2, 60) && below(3, 60)
}

fn is_cidr(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else { return false };
    let Ok(bits) = bits.parse::<u8>() else { return false };
    address.parse::<Ipv4Addr>().is_ok() && bits <= 32 || address.parse::<Ipv6Addr>().is_ok() && bits <= 128
}

/// 6, 8 or 20 bytes in hexadecimal, in pairs by colons or dashes or in fours by points.
fn is_mac(text: &str) -> bool {
    [(':', 2), ('-', 2), ('.', 4)].into_iter().any(|(separator, digits)| {
        let parts: Vec<&str> = text.split(separator).collect();
        [6, 8, 20].contains(&(parts.len() * digits / 2))
            && parts
                .iter()
                .all(|part| part.len() == digits && part.bytes().all(|byte| byte.is_ascii_hexdigit()))
    })
}

fn version_of(uuid: &str) -> char {
    uuid.chars().filter(|letter| *letter != '-').nth(12).unwrap_or_default()
}

fn has_variant(uuid: &str) -> bool {
    let digit = uuid.chars().filter(|letter| *letter != '-').nth(16).unwrap_or_default();
    matches!(digit.to_ascii_lowercase(), '8' | '9' | 'a' | 'b')
}

/// An address, perhaps behind a name and in angle brackets.
fn is_email(text: &str) -> bool {
    let address = match text.rsplit_once('<') {
        Some((_, rest)) => rest.strip_suffix('>').unwrap_or_default(),
        None => text,
    };
    let Some((name, host)) = address.rsplit_once('@') else { return false };
    let quoted = name.len() > 2 && name.starts_with('"') && name.ends_with('"');
    (quoted || is_dotted(name)) && is_dotted(host)
}

/// Words of the characters that an address may hold, with single points between them.
fn is_dotted(text: &str) -> bool {
    let fits = |letter: char| {
        letter.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(letter) || !letter.is_ascii()
    };
    text.split('.').all(|word| !word.is_empty() && word.chars().all(fits))
}

fn is_hostname(text: &str) -> bool {
    text.len() <= 255 && HOSTNAME.is_match(text) && text.split('.').all(|part| part.len() <= 63)
}

/// An absolute address or an absolute path.
fn is_uri(text: &str) -> bool {
    if text.is_empty() || text.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
        return false;
    }
    let scheme = text.split_once(':').filter(|(scheme, _)| is_scheme(scheme));
    if text.starts_with(':') {
        return false;
    }
    let rest = scheme.map_or(text, |(_, rest)| rest);
    if !rest.starts_with('/') {
        return text == "*"
            || (scheme.is_some() && has_whole_escapes(rest.split('?').next().unwrap_or_default()));
    }
    let (host, path) = match rest.strip_prefix("//").filter(|_| scheme.is_some()) {
        Some(rest) => rest.split_at(rest.find('/').or(rest.find('?')).unwrap_or(rest.len())),
        None => ("", rest),
    };
    is_authority(host) && has_whole_escapes(path.split('?').next().unwrap_or_default())
}

fn is_authority(text: &str) -> bool {
    let host = text.rsplit_once('@').map_or(text, |(_, host)| host);
    let port = match host.rsplit_once(']') {
        Some((_, port)) => port.strip_prefix(':').unwrap_or(port),
        None => host.split_once(':').map_or("", |(_, port)| port),
    };
    !host.contains([' ', '"', '<', '>', '\\', '^', '`', '{', '|', '}'])
        && port.bytes().all(|byte| byte.is_ascii_digit())
        && has_whole_escapes(host)
}

fn has_whole_escapes(text: &str) -> bool {
    text.split('%')
        .skip(1)
        .all(|rest| rest.as_bytes().get(..2).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)))
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|letter: char| letter.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

fn is_isbn10(text: &str) -> bool {
    let text = plain(text);
    if text.len() != 10 {
        return false;
    }
    let digits = text.strip_suffix('X').map_or(text.as_str(), |digits| digits);
    let digit = |letter: char| if letter == 'X' { Some(10) } else { letter.to_digit(10) };
    let sum = text.chars().zip(1..).try_fold(0, |sum, (letter, place)| Some(sum + place * digit(letter)?));
    digits.bytes().all(|byte| byte.is_ascii_digit()) && sum.is_some_and(|sum| sum % 11 == 0)
}

fn is_isbn13(text: &str) -> bool {
    let digits: Option<Vec<u32>> = plain(text).chars().map(|letter| letter.to_digit(10)).collect();
    let weighed =
        |digits: Vec<u32>| -> u32 { digits.iter().zip([1, 3].iter().cycle()).map(|(a, b)| a * b).sum() };
    digits.filter(|digits| digits.len() == 13).is_some_and(|digits| weighed(digits) % 10 == 0)
}

/// Without blanks and dashes.
fn plain(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_whitespace() && *letter != '-').collect()
}

fn is_credit_card(text: &str) -> bool {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let number = |at: usize, digit: u32| match (at % 2, digit * 2) {
        (0, _) => digit,
        (_, twice) if twice > 9 => twice - 9,
        (_, twice) => twice,
    };
    let sum: u32 = digits
        .chars()
        .rev()
        .filter_map(|letter| letter.to_digit(10))
        .enumerate()
        .map(|(at, digit)| number(at, digit))
        .sum();
    CREDIT_CARD.is_match(&digits) && sum.is_multiple_of(10)
}

fn regex(text: &str) -> Regex {
    Regex::new(text).expect("holds because it is a constant that a test compiles")
}

static TIME: LazyLock<Regex> =
    LazyLock::new(|| regex(r"^(\d{2}):(\d{2}):(\d{2})(?:.\d+)?(?:z|[+-]\d{2}:\d{2})$"));
static UUID: LazyLock<Regex> =
    LazyLock::new(|| regex(r"(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$"));
/// One label, or several of which the last has letters alone.
static HOSTNAME: LazyLock<Regex> = LazyLock::new(|| {
    let one = r"[a-zA-Z0-9\p{S}\p{L}]";
    let label = format!(r"{one}([a-zA-Z0-9\-\p{{S}}\p{{L}}]{{0,61}}{one})?");
    regex(&format!(r"^({one}(-?{one}{{0,62}})?|({label}\.)+[a-zA-Z\p{{L}}]{{2,63}})$"))
});
static SSN: LazyLock<Regex> = LazyLock::new(|| regex(r"^\d{3}[- ]?\d{2}[- ]?\d{4}$"));
static HEX_COLOR: LazyLock<Regex> = LazyLock::new(|| regex(r"^#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$"));
static RGB_COLOR: LazyLock<Regex> = LazyLock::new(|| {
    let part = r"(0|[1-9]\d?|1\d\d?|2[0-4]\d|25[0-5])";
    regex(&format!(r"^rgb\(\s*{part}\s*,\s*{part}\s*,\s*{part}\s*\)$"))
});
/// The lengths and beginnings of the card networks' numbers.
static CREDIT_CARD: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"^(4\d{12}(\d{3})?|5[1-5]\d{14}|6(011|5\d\d)\d{12}|3[47]\d{13}|3(0[0-5]|[68]\d)\d{11}|(2131|1800|35\d{3})\d{11})$",
    )
});

/// Known formats of strings, without dashes.
/// Whether a text names a time somewhere, such as `2 days`.
fn is_told_time(text: &str) -> bool {
    const SHORT: [&str; 12] = ["ns", "us", "µs", "ms", "s", "m", "h", "hr", "d", "w", "wk", "sec"];
    const BEGINNINGS: [&str; 8] = ["nano", "micro", "milli", "sec", "min", "hour", "day", "week"];
    let mut rest = text;
    while let Some(at) = rest.find(|letter: char| letter.is_ascii_digit()) {
        let behind = rest[at..].trim_start_matches(|letter: char| letter.is_ascii_digit()).trim_start();
        let end = behind
            .find(|letter: char| !letter.is_ascii_alphabetic() && letter != 'µ')
            .unwrap_or(behind.len());
        let unit = behind[..end].to_lowercase();
        if SHORT.contains(&unit.as_str()) || BEGINNINGS.iter().any(|known| unit.starts_with(known)) {
            return true;
        }
        rest = &behind[end..];
    }
    false
}

const KNOWN: [&str; 26] = [
    "bsonobjectid",
    "uri",
    "email",
    "hostname",
    "ipv4",
    "ipv6",
    "cidr",
    "mac",
    "uuid",
    "uuid3",
    "uuid4",
    "uuid5",
    "isbn",
    "isbn10",
    "isbn13",
    "creditcard",
    "ssn",
    "hexcolor",
    "rgbcolor",
    "byte",
    "password",
    "date",
    "duration",
    "datetime",
    "k8sshortname",
    "k8slongname",
];

#[cfg(test)]
mod tests {
    use super::is_valid;

    #[test]
    fn formats_take_what_they_are_and_nothing_else() {
        for (format, good, bad) in [
            ("date-time", "2024-01-02T03:04:05.5Z", "2024-01-02 03:04:05Z"),
            ("mac", "01:23:45:67:89:ab", "01:23:45:67:89"),
            ("uuid4", "f47ac10b-58cc-4372-a567-0e02b2c3d479", "f47ac10b-58cc-3372-a567-0e02b2c3d479"),
            ("bsonobjectid", "507f1f77bcf86cd799439011", "507f1f77"),
            ("email", "Ann <ann@example.com>", "ann @example.com"),
            ("hostname", "a-b.example.com", "-a.example.com"),
            ("hostname", "abc", "1.2.3.4"),
            ("uri", "/only/a/path", "no scheme"),
            ("uri", "https://example.com:8443/a%20b", "https://exa mple.com"),
            ("isbn10", "0321751043", "0321751044"),
            ("isbn10", "080442957X", "9".repeat(40_000).as_str()),
            ("isbn13", "978-0321751041", "978-0321751042"),
            ("creditcard", "4111 1111 1111 1111", "4111 1111 1111 1112"),
            ("ssn", "111-22-3333", "11-22-3333"),
            ("hexcolor", "#FFFFFF", "#FFFF"),
            ("rgbcolor", "rgb(255, 0, 1)", "rgb(256, 0, 1)"),
            ("k8s-short-name", "a-b", "A-b"),
            ("k8s-long-name", "a.b", "a_b"),
        ] {
            assert!(is_valid(format, good), "{format}: {good}");
            assert!(!is_valid(format, bad), "{format}: {bad}");
        }
    }
}
