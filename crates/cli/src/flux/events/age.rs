//! When an event was seen, in the few letters of kubectl.

use jiff::Timestamp;
use serde_json::Value;

/// The time that events are sorted by; none comes first.
pub(super) fn seen(event: &Value) -> Option<Timestamp> {
    if event["series"].is_object() {
        return time(&event["series"]["lastObservedTime"]);
    }
    time(&event["lastTimestamp"]).or_else(|| time(&event["eventTime"]))
}

/// How long ago it was seen, how often, and over which time.
pub(super) fn last_seen(event: &Value, now: Timestamp) -> String {
    let since = |value: &Value| match time(value) {
        Some(time) => shortly(now.as_second() - time.as_second()),
        None => "<unknown>".to_owned(),
    };
    let first = match time(&event["eventTime"]) {
        Some(_) => since(&event["eventTime"]),
        None => since(&event["firstTimestamp"]),
    };
    let series = &event["series"];
    let count = |value: &Value| value.as_i64().unwrap_or_default();
    if series.is_object() {
        let last = since(&series["lastObservedTime"]);
        return format!("{last} (x{} over {first})", count(&series["count"]));
    }
    match count(&event["count"]) {
        ..=1 => first,
        times => format!("{} (x{times} over {first})", since(&event["lastTimestamp"])),
    }
}

fn time(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

/// Seconds as a person says them: the two largest units while that tells something.
fn shortly(seconds: i64) -> String {
    const DAY: i64 = 24;
    const YEAR: i64 = 365;
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    let two = |large: i64, unit: &str, small: i64, part: &str| match small {
        0 => format!("{large}{unit}"),
        small => format!("{large}{unit}{small}{part}"),
    };
    match () {
        () if seconds < -1 => "<invalid>".to_owned(),
        () if seconds < 0 => "0s".to_owned(),
        () if seconds < 120 => format!("{seconds}s"),
        () if minutes < 10 => two(minutes, "m", seconds % 60, "s"),
        () if minutes < 180 => format!("{minutes}m"),
        () if hours < 8 => two(hours, "h", minutes % 60, "m"),
        () if hours < 48 => format!("{hours}h"),
        () if hours < 192 => two(hours / DAY, "d", hours % DAY, "h"),
        () if hours < DAY * YEAR * 2 => format!("{}d", hours / DAY),
        () if hours < DAY * YEAR * 8 => two(hours / DAY / YEAR, "y", hours / DAY % YEAR, "d"),
        () => format!("{}y", hours / DAY / YEAR),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn spans_are_said_as_kubectl_says_them() {
        const HOUR: i64 = 3600;
        for (seconds, said) in [
            (-2, "<invalid>"),
            (-1, "0s"),
            (119, "119s"),
            (120, "2m"),
            (121, "2m1s"),
            (600, "10m"),
            (3 * HOUR - 1, "179m"),
            (3 * HOUR, "3h"),
            (7 * HOUR + 60, "7h1m"),
            (8 * HOUR + 60, "8h"),
            (49 * HOUR, "2d1h"),
            (192 * HOUR, "8d"),
            (2 * 365 * 24 * HOUR, "2y"),
            (3 * 365 * 24 * HOUR + 24 * HOUR, "3y1d"),
            (9 * 365 * 24 * HOUR, "9y"),
        ] {
            assert_eq!(shortly(seconds), said, "{seconds}");
        }
    }

    #[test]
    fn an_event_that_came_again_tells_how_often() {
        let now: Timestamp = "2026-01-01T00:10:00Z".parse().expect("a time");
        let event = json!({ "count": 3, "firstTimestamp": "2026-01-01T00:00:00Z", "lastTimestamp": "2026-01-01T00:09:30Z" });
        assert_eq!(last_seen(&event, now), "30s (x3 over 10m)");
        assert_eq!(seen(&event), "2026-01-01T00:09:30Z".parse().ok());
        let series = json!({ "eventTime": "2026-01-01T00:00:00.5Z", "series": { "count": 2, "lastObservedTime": "2026-01-01T00:09:00Z" } });
        assert_eq!(last_seen(&series, now), "60s (x2 over 10m)");
        assert_eq!(last_seen(&json!({}), now), "<unknown>");
    }
}
