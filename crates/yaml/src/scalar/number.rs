//! Numbers in all spellings, and floats as Go prints them.
//!
//! Follows: `resolve.go` and the scalar half of `encode.go` of `go.yaml.in/yaml/v3` 3.0.4.

use super::{Scalar, Words};

/// Reads an integer or a float; underscores count for nothing.
pub(super) fn number(text: &str, words: Words) -> Option<Scalar> {
    let cleaned;
    let plain = if text.contains('_') {
        cleaned = text.replace('_', "");
        cleaned.as_str()
    } else {
        text
    };
    let (negative, digits) = match plain.as_bytes().first() {
        Some(b'-') => (true, &plain[1..]),
        Some(b'+') => (false, &plain[1..]),
        _ => (false, plain),
    };
    if let Some(value) = prefixed(digits).and_then(|value| signed(negative, value)) {
        return Some(value);
    }
    if is_float(plain) {
        return float(plain).map(Scalar::Float);
    }
    odd_prefix(plain, words)
}

/// Digits with the prefix of their base; a leading zero alone means octal.
fn prefixed(digits: &str) -> Option<u64> {
    let (base, rest) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
        [b'0', b'o' | b'O', ..] => (8, &digits[2..]),
        [b'0', b'b' | b'B', ..] => (2, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    unsigned(rest, base)
}

fn unsigned(digits: &str, base: u32) -> Option<u64> {
    // `from_str_radix` takes a sign, which has no place here.
    if !digits.starts_with(|digit: char| digit.is_ascii_alphanumeric()) {
        return None;
    }
    u64::from_str_radix(digits, base).ok()
}

fn signed(negative: bool, value: u64) -> Option<Scalar> {
    if negative {
        return 0i64.checked_sub_unsigned(value).map(Scalar::Int);
    }
    Some(i64::try_from(value).map_or(Scalar::Uint(value), Scalar::Int))
}

/// The reference takes a sign behind `0b` and `0o` too.
fn odd_prefix(plain: &str, words: Words) -> Option<Scalar> {
    let base = match plain.as_bytes() {
        [b'0', b'b', ..] => 2,
        [b'0', b'o', ..] if words == Words::V3 => 8,
        _ => return None,
    };
    i64::from_str_radix(&plain[2..], base).ok().map(Scalar::Int)
}

/// Digits, one dot, an exponent: the shape of a float in YAML.
fn is_float(text: &str) -> bool {
    let text = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let mantissa_fits = match mantissa.split_once('.') {
        Some((whole, fraction)) => {
            all_digits(whole) && all_digits(fraction) && !(whole.is_empty() && fraction.is_empty())
        }
        None => !mantissa.is_empty() && all_digits(mantissa),
    };
    let exponent_fits = exponent.is_none_or(|exponent| {
        let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !digits.is_empty() && all_digits(digits)
    });
    mantissa_fits && exponent_fits
}

/// Reads a decimal float; one out of range is none.
pub(super) fn float(text: &str) -> Option<f64> {
    if !is_float(text) {
        return None;
    }
    text.parse().ok().filter(|value: &f64| value.is_finite())
}

/// Returns the shortest text that reads back as `value`, with an exponent below 1e-4 and from 1e+06 on.
///
/// ```
/// use sealfast_yaml::scalar::float_text;
/// assert_eq!(float_text(123456.75), "123456.75");
/// assert_eq!(float_text(1e6), "1e+06");
/// assert_eq!(float_text(f64::NEG_INFINITY), "-.inf");
/// ```
#[must_use]
pub fn float_text(value: f64) -> String {
    if value.is_nan() {
        return ".nan".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { ".inf".to_owned() } else { "-.inf".to_owned() };
    }
    short_text(format!("{value:e}"), || format!("{value}"))
}

/// Returns the shortest text that reads back as the same 32-bit float, in the form of [`float_text`].
#[must_use]
pub fn float32_text(value: f32) -> String {
    if value.is_finite() {
        return short_text(format!("{value:e}"), || format!("{value}"));
    }
    float_text(f64::from(value))
}

/// Digits alone as long as the exponent is small.
fn short_text(scientific: String, digits: impl FnOnce() -> String) -> String {
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&exponent) {
        return digits();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}
