//! The times at which a CronJob runs.
//!
//! Follows: the standard parser of robfig/cron, its words included.

use serde_json::Value;

/// What is wrong with a schedule of five fields, or a word such as `@daily`.
pub(super) fn fault(schedule: &str) -> Option<String> {
    let zoned = schedule.strip_prefix("TZ=").or_else(|| schedule.strip_prefix("CRON_TZ="));
    let rest = match zoned {
        Some(rest) => rest.split_once(' ').map_or("", |(_, rest)| rest.trim()),
        None => schedule,
    };
    if let Some(word) = rest.strip_prefix('@') {
        return word_fault(word);
    }
    let fields: Vec<&str> = rest.split_whitespace().collect();
    if fields.len() != FIELDS.len() {
        return Some(format!("expected exactly 5 fields, found {}: [{}]", fields.len(), fields.join(" ")));
    }
    let one = |(text, field): (&&str, &Field)| {
        text.split(',').filter(|part| !part.is_empty()).find_map(|part| part_fault(part, field).err())
    };
    fields.iter().zip(&FIELDS).find_map(one)
}

fn word_fault(word: &str) -> Option<String> {
    let known = ["yearly", "annually", "monthly", "weekly", "daily", "midnight", "hourly"];
    if let Some(rest) = word.strip_prefix("every ") {
        let bad = sealfast_k8s::duration::parse(rest).is_err();
        return bad.then(|| format!("failed to parse duration @{word}: time: invalid duration \"{rest}\""));
    }
    (!known.contains(&word)).then(|| format!("unrecognized descriptor: @{word}"))
}

/// A field: its least and greatest number, and names of numbers.
struct Field {
    least: u64,
    most: u64,
    names: &'static [&'static str],
}

fn part_fault(part: &str, field: &Field) -> Result<(), String> {
    let steps: Vec<&str> = part.split('/').collect();
    let ends: Vec<&str> = steps[0].split('-').collect();
    let (start, mut end) = match ends.as_slice() {
        ["*" | "?", ..] => (field.least, field.most),
        [only] => (number(only, field)?, number(only, field)?),
        [first, last] => (number(first, field)?, number(last, field)?),
        _ => return Err(format!("too many hyphens: {part}")),
    };
    let step = match steps.as_slice() {
        [_] => 1,
        [_, step] => {
            if ends.len() == 1 {
                end = field.most;
            }
            whole(step)?
        }
        _ => return Err(format!("too many slashes: {part}")),
    };
    if start < field.least {
        return Err(format!("beginning of range ({start}) below minimum ({}): {part}", field.least));
    }
    if end > field.most {
        return Err(format!("end of range ({end}) above maximum ({}): {part}", field.most));
    }
    if start > end {
        return Err(format!("beginning of range ({start}) beyond end of range ({end}): {part}"));
    }
    if step == 0 {
        return Err(format!("step of range should be a positive number: {part}"));
    }
    Ok(())
}

fn number(text: &str, field: &Field) -> Result<u64, String> {
    let named = field.names.iter().position(|name| name.eq_ignore_ascii_case(text));
    named.map_or_else(|| whole(text), |at| Ok(at as u64 + field.least))
}

fn whole(text: &str) -> Result<u64, String> {
    match text.parse::<i64>() {
        Ok(number) => {
            u64::try_from(number).map_err(|_| format!("negative number ({number}) not allowed: {text}"))
        }
        Err(_) => {
            Err(format!("failed to parse int from {text}: strconv.Atoi: parsing \"{text}\": invalid syntax"))
        }
    }
}

/// What is wrong with the name of a time zone.
pub(super) fn zone_fault(zone: &Value) -> Option<String> {
    let name = zone.as_str()?;
    if name.is_empty() {
        return Some("timeZone must be nil or non-empty string".into());
    }
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b".-_+".contains(&byte);
    let part = |part: &str| {
        let dots = part == "." || part == "..";
        !dots && !part.starts_with('-') && (1..=14).contains(&part.len()) && part.bytes().all(letter)
    };
    if !name.split('/').all(part) {
        return Some(format!("unknown time zone {name}"));
    }
    if name.eq_ignore_ascii_case("local") {
        return Some(
            "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones".into(),
        );
    }
    let zones = jiff::tz::db();
    // A machine without a list of zones cannot tell.
    let unknown = !zones.is_definitively_empty() && name != "UTC" && zones.get(name).is_err();
    unknown.then(|| format!("unknown time zone {name}"))
}

const FIELDS: [Field; 5] = [
    Field { least: 0, most: 59, names: &[] },
    Field { least: 0, most: 23, names: &[] },
    Field { least: 1, most: 31, names: &[] },
    Field {
        least: 1,
        most: 12,
        names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
    },
    Field { least: 0, most: 6, names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"] },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_are_read_as_cron_reads_them() {
        for right in ["* * * * *", "*/5 0-6,8 1 jan-MAR mon", "@daily", "@every 1h30m", "0 0 ? * 5/1"] {
            assert_eq!(fault(right), None, "{right}");
        }
        for (wrong, why) in [
            ("61 * * * *", "end of range (61) above maximum (59): 61"),
            ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
            ("5-1 * * * *", "beginning of range (5) beyond end of range (1): 5-1"),
            ("*/0 * * * *", "step of range should be a positive number: */0"),
            ("1-2-3 * * * *", "too many hyphens: 1-2-3"),
            ("@often", "unrecognized descriptor: @often"),
            ("* *", "expected exactly 5 fields, found 2: [* *]"),
        ] {
            assert_eq!(fault(wrong).as_deref(), Some(why), "{wrong}");
        }
    }

    #[test]
    fn zones_have_names() {
        let why = |name: &str| zone_fault(&name.into());
        assert_eq!(why("UTC"), None);
        assert_eq!(why("../etc").as_deref(), Some("unknown time zone ../etc"));
        assert_eq!(why("").as_deref(), Some("timeZone must be nil or non-empty string"));
        assert!(why("Local").is_some_and(|why| why.starts_with("timeZone must be an explicit")));
    }
}
