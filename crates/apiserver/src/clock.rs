//! The one place that reads the clock and draws random names.

use jiff::fmt::temporal::DateTimePrinter;
use rand08::{Rng, RngCore, rngs::OsRng};

/// Prints times in whole seconds.
const SECONDS: DateTimePrinter = DateTimePrinter::new().precision(Some(0));

/// Now in whole seconds, as `2001-02-03T04:05:06Z`.
pub(crate) fn now() -> String {
    SECONDS.timestamp_to_string(&jiff::Timestamp::now())
}

/// Seconds since 1970.
pub(crate) fn unix() -> i64 {
    jiff::Timestamp::now().as_second()
}

/// The time so long from now, as headers of HTTP state times.
pub(crate) fn http_after(time: std::time::Duration) -> String {
    let now = jiff::Timestamp::now();
    let then = jiff::SignedDuration::try_from(time).ok().and_then(|time| now.checked_add(time).ok());
    then.unwrap_or(now).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// A fresh version 4 uuid.
pub(crate) fn uuid() -> String {
    let mut bytes = [0_u8; 16];
    // No secret: it has to be the only one of its kind, and need not come from the kernel each time.
    rand08::thread_rng().fill_bytes(&mut bytes);
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let hex = hex(&bytes);
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from(b"0123456789abcdef"[usize::from(value & 0xf)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
}

/// 32 random bytes as hexadecimal digits.
pub(crate) fn token() -> String {
    let mut bytes = [0_u8; 32];
    OsRng.fill_bytes(&mut bytes);
    hex(&bytes)
}

/// The five characters that follow a `generateName`.
pub(crate) fn suffix(length: usize) -> String {
    const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    (0..length).map(|_| char::from(LETTERS[OsRng.gen_range(0..LETTERS.len())])).collect()
}

/// A random number below `limit`, which must not be zero.
pub(crate) fn below(limit: u32) -> u32 {
    OsRng.gen_range(0..limit.max(1))
}

/// Time since `then` as `kubectl` shows it: `5m`, `3h12m`, `2d`.
pub(crate) fn age(then: &str) -> String {
    let Ok(then) = then.parse::<jiff::Timestamp>() else { return "<unknown>".into() };
    duration(jiff::Timestamp::now().as_second() - then.as_second())
}

/// A number of seconds in the short form of tables.
pub(crate) fn duration(seconds: i64) -> String {
    if seconds < -1 {
        return "<invalid>".into();
    }
    let seconds = seconds.max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..600 if seconds % 60 == 0 => format!("{minutes}m"),
        120..600 => format!("{minutes}m{}s", seconds % 60),
        600..10800 => format!("{minutes}m"),
        10800..28800 if minutes % 60 == 0 => format!("{hours}h"),
        10800..28800 => format!("{hours}h{}m", minutes % 60),
        28800..172_800 => format!("{hours}h"),
        172_800..691_200 if hours % 24 == 0 => format!("{days}d"),
        172_800..691_200 => format!("{days}d{}h", hours % 24),
        691_200..63_072_000 => format!("{days}d"),
        63_072_000..252_288_000 if days % 365 == 0 => format!("{}y", days / 365),
        63_072_000..252_288_000 => format!("{}y{}d", days / 365, days % 365),
        _ => format!("{}y", days / 365),
    }
}
