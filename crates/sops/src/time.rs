//! Instants with an offset, as RFC 3339 text of up to nine fractional digits.
//!
//! The text is part of the format: it is what is encrypted, hashed, and used as additional data of the MAC.
//!
//! Follows: Go's `time.Parse` and `time.Format` for RFC3339, RFC3339Nano and the timestamps of go-yaml v3.

use std::fmt;

use crate::error::Error;

/// A civil date and time with its offset from UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Time {
    year: u16,
    month: u8,
    day: u8,
    hour: u8,
    minute: u8,
    second: u8,
    nanos: u32,
    /// Minutes east of UTC.
    offset: i16,
}

impl Time {
    /// Parses RFC 3339 (`2006-01-02T15:04:05[.fraction](Z|±hh:mm)`).
    ///
    /// # Errors
    /// [`Error::Time`] with the text when it is none.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let wrong = || Error::Time { text: text.to_owned() };
        let date = parse_date(text, Digits::Two).ok_or_else(wrong)?;
        let rest = date.1.strip_prefix(['T', 't']).ok_or_else(wrong)?;
        parse_clock(date.0, rest, Digits::Two, Zone::Needed).ok_or_else(wrong)
    }

    /// Reads a YAML 1.1 timestamp as go-yaml v3 does; none when it is not one of its four shapes.
    #[must_use]
    pub fn from_yaml(text: &str) -> Option<Self> {
        let (date, rest) = parse_date(text, Digits::Any)?;
        if rest.is_empty() {
            return Some(date);
        }
        if let Some(clock) = rest.strip_prefix(['T', 't']) {
            return parse_clock(date, clock, Digits::Any, Zone::Needed);
        }
        parse_clock(date, rest.strip_prefix(' ')?, Digits::Any, Zone::None)
    }

    /// Returns the same second without its fraction.
    #[must_use]
    pub fn without_fraction(self) -> Self {
        Self { nanos: 0, ..self }
    }

    /// Returns the text without fraction, as metadata has it.
    #[must_use]
    pub fn to_seconds(self) -> String {
        self.without_fraction().to_string()
    }
}

impl Time {
    /// Returns the text as Go's `Time.String` has it for an instant that was read from text.
    pub(crate) fn to_go_string(self) -> String {
        let text = Self { offset: 0, ..self }.to_string().replacen('T', " ", 1);
        let text = text.trim_end_matches('Z');
        let minutes = self.offset.unsigned_abs();
        let sign = if self.offset < 0 { '-' } else { '+' };
        let offset = format!("{sign}{:02}{:02}", minutes / 60, minutes % 60);
        let zone = if self.offset == 0 { "UTC" } else { &offset };
        format!("{text} {offset} {zone}")
    }
}

impl From<jiff::Timestamp> for Time {
    /// Takes the instant in UTC, fraction dropped.
    fn from(now: jiff::Timestamp) -> Self {
        let civil = jiff::tz::TimeZone::UTC.to_datetime(now);
        let small = |value: i8| u8::try_from(value).unwrap_or_default();
        Self {
            year: u16::try_from(civil.year()).unwrap_or_default(),
            month: small(civil.month()),
            day: small(civil.day()),
            hour: small(civil.hour()),
            minute: small(civil.minute()),
            second: small(civil.second()),
            nanos: 0,
            offset: 0,
        }
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { year, month, day, hour, minute, second, nanos, offset } = self;
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        if *nanos > 0 {
            write!(f, ".{}", format!("{nanos:09}").trim_end_matches('0'))?;
        }
        match offset {
            0 => f.write_str("Z"),
            east => {
                let (sign, minutes) = if *east < 0 { ('-', -east) } else { ('+', *east) };
                write!(f, "{sign}{:02}:{:02}", minutes / 60, minutes % 60)
            }
        }
    }
}

/// How many digits month, day and clock fields have.
#[derive(Clone, Copy)]
enum Digits {
    Two,
    Any,
}

/// Whether a zone must follow.
#[derive(Clone, Copy, PartialEq)]
enum Zone {
    Needed,
    None,
}

fn parse_date(text: &str, digits: Digits) -> Option<(Time, &str)> {
    let (year, rest) = text.split_at_checked(4)?;
    let year: u16 = year.bytes().all(|b| b.is_ascii_digit()).then(|| year.parse().ok())??;
    let (month, rest) = number(rest.strip_prefix('-')?, digits)?;
    let (day, rest) = number(rest.strip_prefix('-')?, digits)?;
    let valid = (1..=12).contains(&month) && day >= 1 && day <= days(year, month);
    valid.then_some((Time { year, month, day, hour: 0, minute: 0, second: 0, nanos: 0, offset: 0 }, rest))
}

fn parse_clock(date: Time, text: &str, digits: Digits, zone: Zone) -> Option<Time> {
    let (hour, rest) = number(text, Digits::Any)?;
    let (minute, rest) = number(rest.strip_prefix(':')?, digits)?;
    let (second, rest) = number(rest.strip_prefix(':')?, digits)?;
    let (nanos, rest) = fraction(rest)?;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let offset = if zone == Zone::None { rest.is_empty().then_some(0)? } else { parse_offset(rest)? };
    Some(Time { hour, minute, second, nanos, offset, ..date })
}

/// Reads one or two digits.
fn number(text: &str, digits: Digits) -> Option<(u8, &str)> {
    let found = text.bytes().take(2).take_while(u8::is_ascii_digit).count();
    if found == 0 || (matches!(digits, Digits::Two) && found != 2) {
        return None;
    }
    let (number, rest) = text.split_at(found);
    Some((number.parse().ok()?, rest))
}

fn fraction(text: &str) -> Option<(u32, &str)> {
    let Some(rest) = text.strip_prefix(['.', ',']) else { return Some((0, text)) };
    let found = rest.bytes().take_while(u8::is_ascii_digit).count();
    if found == 0 {
        return None;
    }
    let nanos: u32 = format!("{:0<9}", &rest[..found.min(9)]).parse().ok()?;
    Some((nanos, &rest[found..]))
}

fn parse_offset(text: &str) -> Option<i16> {
    if text == "Z" {
        return Some(0);
    }
    let sign = match text.bytes().next()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, rest) = number(&text[1..], Digits::Two)?;
    let (minutes, rest) = number(rest.strip_prefix(':')?, Digits::Two)?;
    (rest.is_empty() && hours <= 24 && minutes < 60)
        .then(|| sign * (i16::from(hours) * 60 + i16::from(minutes)))
}

fn days(year: u16, month: u8) -> u8 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::Time;

    #[test]
    fn rfc3339_is_rendered_as_read() {
        for text in ["2020-01-02T03:04:05Z", "2020-01-02T03:04:05.5-05:30", "2020-02-29T00:00:00.123456789Z"]
        {
            assert_eq!(Time::parse(text).map(|time| time.to_string()).ok().as_deref(), Some(text));
        }
    }

    #[test]
    fn zero_offset_becomes_utc_and_nonsense_is_refused() {
        assert_eq!(
            Time::parse("2020-01-02T03:04:05+00:00").map(|time| time.to_string()).ok().as_deref(),
            Some("2020-01-02T03:04:05Z")
        );
        for text in ["yesterday", "2021-02-29T00:00:00Z", "2020-01-02 03:04:05", "2020-01-02T03:04:05"] {
            assert!(Time::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn yaml_has_four_shapes() {
        let read = |text| Time::from_yaml(text).map(|time| time.to_string());
        assert_eq!(read("2001-1-2").as_deref(), Some("2001-01-02T00:00:00Z"));
        assert_eq!(read("2001-12-14t21:59:43.10-05:00").as_deref(), Some("2001-12-14T21:59:43.1-05:00"));
        assert_eq!(read("2001-12-14 21:59:43.10").as_deref(), Some("2001-12-14T21:59:43.1Z"));
        assert_eq!(read("2001-12-14 21:59:43 Z"), None);
    }
}
