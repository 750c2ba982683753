//! Instants with an offset, as RFC 3339 text of up to nine fractional digits.
//!
//! The text is part of the format: it is what is encrypted, hashed, and used as additional data of the MAC.
//!
//! Follows: Go's `time.Parse` and `time.Format` for RFC3339, RFC3339Nano and the timestamps of go-yaml v3.

use std::fmt;

use crate::error::Error;

mod parse;

pub use parse::Flaw;

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
    /// [`Error::Time`] with what does not fit.
    pub fn parse(text: &str) -> Result<Self, Error> {
        parse::rfc3339(text).map_err(|flaw| Error::Time { text: text.to_owned(), flaw })
    }

    /// Reads a YAML 1.1 timestamp as go-yaml v3 does; none when it is not one of its four shapes.
    #[must_use]
    pub fn from_yaml(text: &str) -> Option<Self> {
        let (date, rest) = parse_date(text)?;
        if rest.is_empty() {
            return Some(date);
        }
        if let Some(clock) = rest.strip_prefix(['T', 't']) {
            return parse_clock(date, clock, Zone::Needed);
        }
        parse_clock(date, rest.strip_prefix(' ')?, Zone::None)
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

/// Whether a zone must follow.
#[derive(Clone, Copy, PartialEq)]
enum Zone {
    Needed,
    None,
}

fn parse_date(text: &str) -> Option<(Time, &str)> {
    let (year, rest) = text.split_at_checked(4)?;
    let year: u16 = year.bytes().all(|b| b.is_ascii_digit()).then(|| year.parse().ok())??;
    let (month, rest) = number(rest.strip_prefix('-')?)?;
    let (day, rest) = number(rest.strip_prefix('-')?)?;
    let valid = (1..=12).contains(&month) && day >= 1 && day <= days(year, month);
    valid.then_some((Time { year, month, day, hour: 0, minute: 0, second: 0, nanos: 0, offset: 0 }, rest))
}

fn parse_clock(date: Time, text: &str, zone: Zone) -> Option<Time> {
    let (hour, rest) = number(text)?;
    let (minute, rest) = number(rest.strip_prefix(':')?)?;
    let (second, rest) = number(rest.strip_prefix(':')?)?;
    let (nanos, rest) = fraction(rest)?;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let offset = if zone == Zone::None { rest.is_empty().then_some(0)? } else { parse::offset(rest)? };
    Some(Time { hour, minute, second, nanos, offset, ..date })
}

/// Reads one or two digits.
fn number(text: &str) -> Option<(u8, &str)> {
    let found = text.bytes().take(2).take_while(u8::is_ascii_digit).count();
    let (number, rest) = text.split_at(found);
    Some((number.parse().ok()?, rest))
}

fn two_digits(text: &str) -> Option<(u8, &str)> {
    number(text).filter(|(_, rest)| text.len() - rest.len() == 2)
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
    use crate::error::Error;

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
    fn what_does_not_fit_is_told_as_go_tells_it() {
        let flaw = |text: &str| match Time::parse(text) {
            Err(Error::Time { flaw, .. }) => {
                flaw.told_by_go(text).replacen(" as \"2006-01-02T15:04:05Z07:00\"", "", 1)
            }
            other => format!("{other:?}"),
        };
        for (text, told) in [
            ("2020-01-01", r#": cannot parse "" as "T""#),
            ("x", r#": cannot parse "x" as "2006""#),
            ("2020-1-01T00:00:00Z", r#": cannot parse "1-01T00:00:00Z" as "01""#),
            ("2020-01-2]T00:24:55Z", r#": cannot parse "2]T00:24:55Z" as "02""#),
            ("2020-01-01t00:00:00Z", r#": cannot parse "t00:00:00Z" as "T""#),
            ("2020-13-01T00:00:00Z", ": month out of range"),
            ("2020-02-30T00:00:00Z", ": day out of range"),
            ("2020-01-01T24:00:00Z", ": hour out of range"),
            ("2020-01-01T00:00:00Z~", r#": extra text: "~""#),
            ("2020-01-01T00:00:00", r#": cannot parse "" as "Z07:00""#),
            ("2020-01-01T00:00:00+99:00", ": time zone offset hour out of range"),
        ] {
            assert_eq!(flaw(text), format!("parsing time {text:?}{told}"), "{text}");
        }
    }

    #[test]
    fn yaml_has_four_shapes() {
        let read = |text: &str| Time::from_yaml(text).map(|time| time.to_string());
        assert_eq!(read("2001-1-2").as_deref(), Some("2001-01-02T00:00:00Z"));
        assert_eq!(read("2001-12-14t21:59:43.10-05:00").as_deref(), Some("2001-12-14T21:59:43.1-05:00"));
        assert_eq!(read("2001-12-14 21:59:43.10").as_deref(), Some("2001-12-14T21:59:43.1Z"));
        assert_eq!(read("2001-12-14 21:59:43 Z"), None);
        // Offsets have the bounds of every time.
        assert_eq!(read("2001-12-14T21:59:43+05:60").as_deref(), Some("2001-12-14T21:59:43+06:00"));
        for text in ["+05:61", "+25:00", "+05:00x", "x05:00", "+0500", "+5:00"] {
            assert_eq!(read(&format!("2001-12-14T21:59:43{text}")), None, "{text}");
        }
    }
}
