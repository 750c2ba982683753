//! Which texts are instants.

/// Tells dates and times in the four layouts of the reference, ranges checked.
pub(crate) fn is_timestamp(text: &str) -> bool {
    let bytes = text.as_bytes();
    if bytes.len() < 8 || !bytes[..4].iter().all(u8::is_ascii_digit) || bytes[4] != b'-' {
        return false;
    }
    parse(text).is_some()
}

fn parse(text: &str) -> Option<()> {
    let year: i64 = text.get(..4)?.parse().ok()?;
    let rest = text.get(5..)?;
    let (month, rest) = short_number(rest)?;
    let rest = rest.strip_prefix('-')?;
    let (day, rest) = short_number(rest)?;
    if !(1..=12).contains(&month) || day < 1 || day > days(year, month) {
        return None;
    }
    if rest.is_empty() {
        return Some(());
    }
    let zoned = rest.starts_with(['T', 't']);
    if !zoned && !rest.starts_with(' ') {
        return None;
    }
    let rest = clock(rest.get(1..)?)?;
    if zoned { zone(rest) } else { rest.is_empty().then_some(()) }
}

/// Hours, minutes, seconds and a fraction; returns what follows.
fn clock(text: &str) -> Option<&str> {
    let (hours, rest) = short_number(text)?;
    let (minutes, rest) = short_number(rest.strip_prefix(':')?)?;
    let (seconds, rest) = short_number(rest.strip_prefix(':')?)?;
    if hours > 23 || minutes > 59 || seconds > 59 {
        return None;
    }
    let Some(fraction) = rest.strip_prefix(['.', ',']) else { return Some(rest) };
    let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 { Some(rest) } else { fraction.get(digits..) }
}

fn zone(text: &str) -> Option<()> {
    if text == "Z" {
        return Some(());
    }
    let [b'+' | b'-', hours @ .., b':', tens, ones] = text.as_bytes() else { return None };
    let digits = |bytes: &[u8]| -> Option<u32> { std::str::from_utf8(bytes).ok()?.parse().ok() };
    let all_digits = hours.iter().chain([tens, ones]).all(u8::is_ascii_digit);
    (all_digits && hours.len() == 2 && digits(hours)? <= 24 && digits(&[*tens, *ones])? <= 60).then_some(())
}

/// One or two digits.
fn short_number(text: &str) -> Option<(i64, &str)> {
    let digits = text.bytes().take(2).take_while(u8::is_ascii_digit).count();
    let (number, rest) = text.split_at_checked(digits)?;
    Some((number.parse().ok()?, rest))
}

fn days(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}
