//! Instants: which texts are some, and their one canonical form.
//!
//! Follows: `resolve.go` of `go.yaml.in/yaml/v3` 3.0.4.

/// Tells dates and times in the four layouts of the reference, ranges checked.
pub(crate) fn is_timestamp(text: &str) -> bool {
    parse(text).is_some()
}

/// Returns the instant in RFC 3339 form, with as many digits of the second as it needs.
#[must_use]
pub fn time_text(text: &str) -> Option<String> {
    let time = parse(text)?;
    let mut out = format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
        time.year, time.month, time.day, time.hours, time.minutes, time.seconds
    );
    let fraction = time.fraction.trim_end_matches('0');
    if !fraction.is_empty() {
        out.push('.');
        out.push_str(fraction);
    }
    if time.zone == 0 {
        out.push('Z');
    } else {
        let sign = if time.zone < 0 { '-' } else { '+' };
        out.push_str(&format!("{sign}{:02}:{:02}", time.zone.abs() / 60, time.zone.abs() % 60));
    }
    Some(out)
}

#[derive(Default)]
struct Time<'a> {
    year: u32,
    month: u32,
    day: u32,
    hours: u32,
    minutes: u32,
    seconds: u32,
    /// At most nine digits.
    fraction: &'a str,
    /// Minutes east of Greenwich.
    zone: i32,
}

fn parse(text: &str) -> Option<Time<'_>> {
    let bytes = text.as_bytes();
    if bytes.len() < 8 || !bytes[..4].iter().all(u8::is_ascii_digit) || bytes[4] != b'-' {
        return None;
    }
    let mut time = Time { year: text.get(..4)?.parse().ok()?, ..Time::default() };
    let (month, rest) = short_number(text.get(5..)?)?;
    let (day, rest) = short_number(rest.strip_prefix('-')?)?;
    if !(1..=12).contains(&month) || day < 1 || day > days(time.year, month) {
        return None;
    }
    (time.month, time.day) = (month, day);
    if rest.is_empty() {
        return Some(time);
    }
    let zoned = rest.starts_with(['T', 't']);
    if !zoned && !rest.starts_with(' ') {
        return None;
    }
    let rest = clock(rest.get(1..)?, &mut time)?;
    if zoned {
        time.zone = zone(rest)?;
    } else if !rest.is_empty() {
        return None;
    }
    Some(time)
}

/// Hours, minutes, seconds and a fraction; returns what follows.
fn clock<'a>(text: &'a str, time: &mut Time<'a>) -> Option<&'a str> {
    let (hours, rest) = short_number(text)?;
    let (minutes, rest) = short_number(rest.strip_prefix(':')?)?;
    let (seconds, rest) = short_number(rest.strip_prefix(':')?)?;
    if hours > 23 || minutes > 59 || seconds > 59 {
        return None;
    }
    (time.hours, time.minutes, time.seconds) = (hours, minutes, seconds);
    let Some(fraction) = rest.strip_prefix(['.', ',']) else { return Some(rest) };
    let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 {
        return Some(rest);
    }
    time.fraction = fraction.get(..digits.min(9))?;
    fraction.get(digits..)
}

fn zone(text: &str) -> Option<i32> {
    if text == "Z" {
        return Some(0);
    }
    let [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] = text.as_bytes() else { return None };
    if ![h1, h2, m1, m2].iter().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let number = |tens: &u8, ones: &u8| i32::from(tens - b'0') * 10 + i32::from(ones - b'0');
    let (hours, minutes) = (number(h1, h2), number(m1, m2));
    if hours > 24 || minutes > 60 {
        return None;
    }
    let offset = hours * 60 + minutes;
    Some(if *sign == b'-' { -offset } else { offset })
}

/// One or two digits.
fn short_number(text: &str) -> Option<(u32, &str)> {
    let digits = text.bytes().take(2).take_while(u8::is_ascii_digit).count();
    let (number, rest) = text.split_at_checked(digits)?;
    Some((number.parse().ok()?, rest))
}

fn days(year: u32, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        _ => 31,
    }
}
