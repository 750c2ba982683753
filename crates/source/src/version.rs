//! Version ranges over tags, in the syntax of Masterminds/semver.
//!
//! Alternatives are joined by `||`, conditions by commas or blanks: `=`, `!=`, `>`, `<`, `>=`, `<=`, `~`, `^`, wildcards
//! (`1.x`, `*`) and spans (`1.2 - 1.5`). A version before its release fits only when one of the joined
//! conditions names one too.

use semver::{BuildMetadata, Prerelease, Version};

/// A range of versions.
#[derive(Clone, Debug)]
pub struct Range {
    alternatives: Vec<Vec<Condition>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equal,
    Not,
    Greater,
    Less,
    AtLeast,
    AtMost,
    Tilde,
    Caret,
}

#[derive(Clone, Debug)]
struct Condition {
    operator: Operator,
    version: Version,
    /// How many of major, minor and patch were given.
    given: usize,
}

impl Range {
    /// Reads a range; none when it is malformed.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let alternatives = text.split("||").map(conditions).collect::<Option<Vec<_>>>()?;
        Some(Self { alternatives })
    }

    /// Returns true when the version is in the range.
    #[must_use]
    pub fn contains(&self, version: &Version) -> bool {
        self.alternatives.iter().any(|all| {
            let early = all.iter().any(|condition| !condition.version.pre.is_empty());
            (early || version.pre.is_empty()) && all.iter().all(|condition| condition.holds(version))
        })
    }
}

/// Reads the version that a tag names: `v` in front and missing numbers are allowed; none for another kind of tag.
#[must_use]
pub fn of_tag(tag: &str) -> Option<Version> {
    loose(tag).and_then(|(version, given)| (given > 0).then_some(version))
}

fn conditions(text: &str) -> Option<Vec<Condition>> {
    let text = text.trim();
    if let Some((low, high)) = text.split_once(" - ") {
        let low = condition(&format!(">={}", low.trim()))?;
        let high = condition(&format!("<={}", high.trim()))?;
        return Some(vec![low, high]);
    }
    // An operator may stand apart from its version.
    let mut joined: Vec<String> = Vec::new();
    for word in text.split([',', ' ']).filter(|word| !word.is_empty()) {
        match joined.last_mut() {
            Some(last) if last.chars().all(|c| "=!<>~^".contains(c)) => last.push_str(word),
            _ => joined.push(word.to_owned()),
        }
    }
    if joined.is_empty() {
        return None;
    }
    joined.iter().map(|word| condition(word)).collect()
}

fn condition(text: &str) -> Option<Condition> {
    let at = text.find(|c: char| !"=!<>~^".contains(c)).unwrap_or(text.len());
    let operator = match &text[..at] {
        "" | "=" => Operator::Equal,
        "!=" => Operator::Not,
        ">" => Operator::Greater,
        "<" => Operator::Less,
        ">=" | "=>" => Operator::AtLeast,
        "<=" | "=<" => Operator::AtMost,
        "~" | "~>" => Operator::Tilde,
        "^" => Operator::Caret,
        _ => return None,
    };
    let (version, given) = loose(&text[at..])?;
    Some(Condition { operator, version, given })
}

/// Reads `v1`, `1.2`, `1.2.3-rc.1+b`, `1.x`, `*`; how many numbers were given tells the rest.
fn loose(text: &str) -> Option<(Version, usize)> {
    let text = text.strip_prefix('v').unwrap_or(text);
    let (text, build) = text.split_once('+').map_or((text, None), |(text, build)| (text, Some(build)));
    let (text, pre) = text.split_once('-').map_or((text, None), |(text, pre)| (text, Some(pre)));
    let (mut numbers, mut given) = ([0_u64; 3], 0);
    let parts: Vec<&str> = text.split('.').collect();
    if parts.len() > 3 {
        return None;
    }
    for (place, part) in parts.iter().enumerate() {
        if matches!(*part, "x" | "X" | "*") {
            break;
        }
        if part.is_empty()
            || !part.bytes().all(|byte| byte.is_ascii_digit())
            || (part.len() > 1 && part.starts_with('0'))
        {
            return None;
        }
        numbers[place] = part.parse().ok()?;
        given += 1;
    }
    let mut version = Version::new(numbers[0], numbers[1], numbers[2]);
    if let Some(pre) = pre {
        version.pre = Prerelease::new(pre).ok()?;
    }
    if let Some(build) = build {
        version.build = BuildMetadata::new(build).ok()?;
    }
    Some((version, given))
}

impl Condition {
    fn holds(&self, version: &Version) -> bool {
        let own = &self.version;
        let order = version.cmp_precedence(own);
        match self.operator {
            Operator::Equal if self.given < 3 => self.shares(version, self.given),
            Operator::Equal => order.is_eq(),
            Operator::Not if self.given < 3 => !self.shares(version, self.given),
            Operator::Not => order.is_ne(),
            // `>1` means above every 1.x.
            Operator::Greater => order.is_gt() && (self.given == 3 || !self.shares(version, self.given)),
            Operator::Less => order.is_lt(),
            Operator::AtLeast => order.is_ge(),
            // `<=1` takes every 1.x.
            Operator::AtMost => order.is_le() || (self.given < 3 && self.shares(version, self.given)),
            Operator::Tilde => order.is_ge() && self.shares(version, self.given.min(2)),
            Operator::Caret => order.is_ge() && self.shares(version, self.caret_reach()),
        }
    }

    /// Returns true when the first numbers are the same.
    fn shares(&self, version: &Version, count: usize) -> bool {
        let numbers = |version: &Version| [version.major, version.minor, version.patch];
        numbers(&self.version)[..count] == numbers(version)[..count]
    }

    /// How many numbers may not change: up to the first that is not zero.
    fn caret_reach(&self) -> usize {
        let numbers = [self.version.major, self.version.minor, self.version.patch];
        let first = numbers.iter().position(|number| *number != 0).unwrap_or(2);
        (first + 1).min(self.given)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(range: &str, inside: &[&str], outside: &[&str]) {
        let range = Range::parse(range).expect("a range");
        for version in inside {
            assert!(range.contains(&of_tag(version).expect("a version")), "{range:?} holds {version}");
        }
        for version in outside {
            assert!(
                !range.contains(&of_tag(version).expect("a version")),
                "{range:?} does not hold {version}"
            );
        }
    }

    #[test]
    fn ranges() {
        check(">=1.0.0, <2.0.0", &["1.0.0", "v1.9.9"], &["0.2.5", "2.0.0", "1.5.0-rc.1"]);
        check(">=1.0.0-0 <2", &["1.5.0-rc.1"], &["2.0.0"]);
        check("^1.2", &["1.2.0", "1.9.0"], &["1.1.9", "2.0.0"]);
        check("^0.2.3", &["0.2.3", "0.2.9"], &["0.3.0", "0.2.2"]);
        check("~1.2.3", &["1.2.9"], &["1.3.0"]);
        check("~1", &["1.9.0"], &["2.0.0"]);
        check("1.2 - 1.4", &["1.2.0", "1.4.9"], &["1.5.0"]);
        check("1.x || >=3", &["1.7.0", "3.0.0"], &["2.0.0"]);
        check("!=1.2.3", &["1.2.4"], &["1.2.3"]);
        check("*", &["0.0.1"], &["1.0.0-rc"]);
        check("> 1.0", &["1.1.0"], &["1.0.5"]);
        assert!(Range::parse("nonsense").is_none());
        assert!(of_tag("release-1").is_none());
    }
}
