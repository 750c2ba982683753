//! Go durations: `1h30m`, `1.5s`, printed as Go prints them.
//!
//! Follows: `time.ParseDuration` and `Duration.String` of Go 1.26.

use std::time::Duration;

use crate::error::Error;

/// Reads a duration such as `10m`, `1h30m`, `1.5s`, `0`; negative ones are refused.
///
/// # Errors
///
/// [`Error::Duration`] with the text as given.
pub fn parse(text: &str) -> Result<Duration, Error> {
    let refused = || Error::Duration { text: text.to_owned() };
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    let mut total: u128 = 0;
    if rest.is_empty() {
        return Err(refused());
    }
    while !rest.is_empty() {
        let (nanos, behind) = term(rest).ok_or_else(refused)?;
        total = total.checked_add(nanos).ok_or_else(refused)?;
        rest = behind;
    }
    // The reference counts in signed 64 bit nanoseconds.
    let nanos = i64::try_from(total).map_err(|_| refused())?;
    Ok(Duration::from_nanos(nanos.unsigned_abs()))
}

/// One number with its unit, in nanoseconds.
fn term(text: &str) -> Option<(u128, &str)> {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let (whole, rest) = text.split_at(digits(text));
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(rest) => rest.split_at(digits(rest)),
        None => ("", rest),
    };
    if whole.is_empty() && fraction.is_empty() || whole.len() > 19 {
        return None;
    }
    let unit_length =
        rest.find(|letter: char| letter == '.' || letter.is_ascii_digit()).unwrap_or(rest.len());
    let (unit, rest) = rest.split_at(unit_length);
    let unit: u128 = match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    };
    let whole: u128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let kept = &fraction[..fraction.len().min(18)];
    let part: u128 = if kept.is_empty() { 0 } else { kept.parse().ok()? };
    let scale = 10u128.pow(kept.len() as u32);
    Some((whole.checked_mul(unit)? + part * unit / scale, rest))
}

/// Prints a duration: `1h0m0s`, `1.5s`, `20ms`, `0s`.
#[must_use]
pub fn format(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    match nanos {
        0 => "0s".to_owned(),
        1..1_000 => format!("{nanos}ns"),
        1_000..1_000_000 => format!("{}µs", decimal(nanos, 1_000)),
        1_000_000..1_000_000_000 => format!("{}ms", decimal(nanos, 1_000_000)),
        _ => {
            let seconds = nanos / 1_000_000_000;
            let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
            let rest = decimal(nanos % 60_000_000_000, 1_000_000_000);
            match (hours, minutes) {
                (0, 0) => format!("{rest}s"),
                (0, _) => format!("{minutes}m{rest}s"),
                _ => format!("{hours}h{minutes}m{rest}s"),
            }
        }
    }
}

fn decimal(value: u128, unit: u128) -> String {
    let (whole, rest) = (value / unit, value % unit);
    if rest == 0 {
        return whole.to_string();
    }
    let width = unit.ilog10() as usize;
    let fraction = format!("{rest:0width$}");
    format!("{whole}.{}", fraction.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_prints_as_go() {
        for (text, printed) in [
            ("1h", "1h0m0s"),
            ("90s", "1m30s"),
            ("1.5s", "1.5s"),
            ("20ms", "20ms"),
            ("1h30m0.25s", "1h30m0.25s"),
            ("0", "0s"),
            ("1250432us", "1.250432s"),
        ] {
            assert_eq!(parse(text).map(format).as_deref(), Ok(printed), "{text}");
        }
        for text in ["", "1", "-1m", "1d", "1h2", ".s", "9999999h"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
