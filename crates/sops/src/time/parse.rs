//! RFC 3339 text -> instant, or which part does not fit.
//!
//! Follows: Go's `time.Parse` for the layout of RFC 3339.

use std::fmt;

use super::{Time, days, fraction};

const LAYOUT: &str = "2006-01-02T15:04:05Z07:00";

/// Why a text is no time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// What stands from there on does not look as it should.
    Shape {
        /// The rest of the text.
        rest: String,
        /// What it should look like, as an example.
        wanted: &'static str,
    },
    /// A number is too small or too large.
    Range(&'static str),
    /// Something follows the time.
    Extra(String),
}

impl Flaw {
    /// Returns the message of the reference about a text.
    #[must_use]
    pub fn told_by_go(&self, text: &str) -> String {
        let time = quoted(text);
        match self {
            Self::Shape { rest, wanted } => {
                format!("parsing time {time} as \"{LAYOUT}\": cannot parse {} as \"{wanted}\"", quoted(rest))
            }
            Self::Range(part) => format!("parsing time {time}: {part} out of range"),
            Self::Extra(text) => format!("parsing time {time}: extra text: {}", quoted(text)),
        }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shape { rest, wanted } => write!(f, "`{rest}` does not look like `{wanted}`"),
            Self::Range(part) => write!(f, "{part} out of range"),
            Self::Extra(text) => write!(f, "`{text}` follows"),
        }
    }
}

/// A text in quotes, with escapes for all but plain ASCII.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => out.extend(['\\', char::from(byte)]),
            b' '..=b'~' | b'\x7f' => out.push(char::from(byte)),
            _ => out.push_str(&format!("\\x{byte:02x}")),
        }
    }
    out + "\""
}

pub(super) fn rfc3339(text: &str) -> Result<Time, Flaw> {
    let mut reader = Reader { rest: text };
    let year = reader.year()?;
    let month = reader.number("-", "01", Width::Two)?;
    in_range((1..=12).contains(&month), "month")?;
    let day = reader.number("-", "02", Width::Two)?;
    let hour = reader.number("T", "15", Width::Any)?;
    in_range(hour < 24, "hour")?;
    let minute = reader.number(":", "04", Width::Two)?;
    in_range(minute < 60, "minute")?;
    let second = reader.number(":", "05", Width::Two)?;
    in_range(second < 60, "second")?;
    let nanos = reader.nanos();
    let offset = reader.offset()?;
    if !reader.rest.is_empty() {
        return Err(Flaw::Extra(reader.rest.to_owned()));
    }
    in_range(day >= 1 && day <= days(year, month), "day")?;
    Ok(Time { year, month, day, hour, minute, second, nanos, offset })
}

/// Reads what ends with an offset from UTC.
pub(super) fn offset(text: &str) -> Option<i16> {
    let mut reader = Reader { rest: text };
    reader.offset().ok().filter(|_| reader.rest.is_empty())
}

fn in_range(holds: bool, part: &'static str) -> Result<(), Flaw> {
    if holds { Ok(()) } else { Err(Flaw::Range(part)) }
}

#[derive(Clone, Copy, PartialEq)]
enum Width {
    Two,
    Any,
}

struct Reader<'t> {
    rest: &'t str,
}

impl Reader<'_> {
    fn wrong(&self, wanted: &'static str) -> Flaw {
        Flaw::Shape { rest: self.rest.to_owned(), wanted }
    }

    fn year(&mut self) -> Result<u16, Flaw> {
        let year = self.rest.get(..4).filter(|year| year.bytes().all(|byte| byte.is_ascii_digit()));
        let year = year.and_then(|year| year.parse().ok()).ok_or_else(|| self.wrong("2006"))?;
        self.rest = &self.rest[4..];
        Ok(year)
    }

    /// Reads what must stand before a number, and the number.
    fn number(&mut self, before: &'static str, wanted: &'static str, width: Width) -> Result<u8, Flaw> {
        self.rest = self.rest.strip_prefix(before).ok_or_else(|| self.wrong(before))?;
        let (number, rest) = super::number(self.rest)
            .filter(|(_, rest)| width == Width::Any || self.rest.len() - rest.len() == 2)
            .ok_or_else(|| self.wrong(wanted))?;
        self.rest = rest;
        Ok(number)
    }

    /// A point that no digit follows is left.
    fn nanos(&mut self) -> u32 {
        let Some((nanos, rest)) = fraction(self.rest) else { return 0 };
        self.rest = rest;
        nanos
    }

    /// `Z` or `±hh:mm`; some people write 24 hours and 60 minutes, and Go takes both.
    fn offset(&mut self) -> Result<i16, Flaw> {
        if let Some(rest) = self.rest.strip_prefix('Z') {
            self.rest = rest;
            return Ok(0);
        }
        let wrong = || self.wrong("Z07:00");
        let (zone, rest) = self.rest.split_at_checked(6).ok_or_else(wrong)?;
        let digits = |range| zone.get(range).and_then(super::two_digits).map(|(number, _)| i16::from(number));
        let (hours, minutes) = (digits(1..3).ok_or_else(wrong)?, digits(4..6).ok_or_else(wrong)?);
        if zone.as_bytes()[3] != b':' {
            return Err(wrong());
        }
        in_range(hours <= 24, "time zone offset hour")?;
        in_range(minutes <= 60, "time zone offset minute")?;
        let sign = match zone.as_bytes()[0] {
            b'+' => 1,
            b'-' => -1,
            _ => return Err(wrong()),
        };
        self.rest = rest;
        Ok(sign * (hours * 60 + minutes))
    }
}
