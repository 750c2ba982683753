//! Versions of the programs that wrote files.
//!
//! Follows: `AIsNewerThanB` of sops 3.13.2 and its reader of semantic versions.

/// The numbers of a version, or what is wrong with it; versions that start with `1.` are old ones of any shape.
pub(super) fn numbers(version: &str) -> Result<[u64; 3], String> {
    if version.starts_with("1.") {
        return Ok([1, 0, 0]);
    }
    let version = version.strip_prefix('v').unwrap_or(version);
    if version.is_empty() {
        return Err("Version string empty".to_owned());
    }
    let mut parts = version.splitn(3, '.');
    let (Some(major), Some(minor), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
        return Err("No Major.Minor.Patch elements found".to_owned());
    };
    let (rest, build) = split(rest, '+');
    let (patch, pre) = split(rest, '-');
    let numbers = [number("Major", major)?, number("Minor", minor)?, number("Patch", patch)?];
    pre.into_iter().flat_map(|pre| pre.split('.')).try_for_each(check_pre)?;
    build.into_iter().flat_map(|build| build.split('.')).try_for_each(check_build)?;
    Ok(numbers)
}

fn split(text: &str, mark: char) -> (&str, Option<&str>) {
    text.split_once(mark).map_or((text, None), |(before, behind)| (before, Some(behind)))
}

fn number(part: &str, text: &str) -> Result<u64, String> {
    if !is_number(text) {
        return Err(format!("Invalid character(s) found in {} number {text:?}", part.to_lowercase()));
    }
    if has_leading_zeros(text) {
        return Err(format!("{part} number must not contain leading zeroes {text:?}"));
    }
    let reason = if text.is_empty() { "invalid syntax" } else { "value out of range" };
    text.parse().map_err(|_| format!("strconv.ParseUint: parsing {text:?}: {reason}"))
}

fn check_pre(part: &str) -> Result<(), String> {
    if part.is_empty() {
        Err("Prerelease is empty".to_owned())
    } else if is_number(part) && has_leading_zeros(part) {
        Err(format!("Numeric PreRelease version must not contain leading zeroes {part:?}"))
    } else if is_word(part) {
        Ok(())
    } else {
        Err(format!("Invalid character(s) found in prerelease {part:?}"))
    }
}

fn check_build(part: &str) -> Result<(), String> {
    if part.is_empty() {
        Err("Build meta data is empty".to_owned())
    } else if is_word(part) {
        Ok(())
    } else {
        Err(format!("Invalid character(s) found in build meta data {part:?}"))
    }
}

fn is_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

fn has_leading_zeros(text: &str) -> bool {
    text.len() > 1 && text.starts_with('0')
}

fn is_word(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::numbers;

    #[test]
    fn versions_are_told_from_what_is_none() {
        assert_eq!(numbers("v3.13.2-rc.1+build"), Ok([3, 13, 2]));
        assert_eq!(numbers("1.x"), Ok([1, 0, 0]));
        for (version, told) in [
            ("x", "No Major.Minor.Patch elements found"),
            ("3.1", "No Major.Minor.Patch elements found"),
            ("03.1.0", "Major number must not contain leading zeroes \"03\""),
            ("3.a.0", "Invalid character(s) found in minor number \"a\""),
            ("3.7.1.2", "Invalid character(s) found in patch number \"1.2\""),
            ("3..1", "strconv.ParseUint: parsing \"\": invalid syntax"),
            ("3.1.0-", "Prerelease is empty"),
            ("3.1.0-01", "Numeric PreRelease version must not contain leading zeroes \"01\""),
            ("3.1.0+_", "Invalid character(s) found in build meta data \"_\""),
        ] {
            assert_eq!(numbers(version), Err(told.to_owned()), "{version}");
        }
    }
}
