//! Version ranges over tags, in the syntax of Masterminds/semver.
//!
//! Alternatives are joined by `||`, conditions by commas or blanks: `=`, `!=`, `>`, `<`, `>=`, `<=`, `~`, `^`, wildcards
//! (`1.x`, `*`) and spans (`1.2 - 1.5`). A version before its release fits only when one of the joined conditions names
//! one too.
//!
//! Follows: Masterminds/semver 3.4, its corners included: `^*` and `<=*` read the star as 0.0.0.

use semver::{BuildMetadata, Prerelease, Version};

/// A range of versions.
#[derive(Clone, Debug)]
pub struct Range {
    alternatives: Vec<Vec<Condition>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    /// As given, or within what was left open.
    Equal,
    Not,
    Greater,
    Less,
    AtLeast,
    AtMost,
    Tilde,
    Caret,
}

/// How much of a condition's version was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    /// Nothing is open.
    No,
    Patch,
    Minor,
    /// `*`: nothing was given.
    All,
}

#[derive(Clone, Debug)]
struct Condition {
    operator: Operator,
    version: Version,
    open: Open,
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

/// Reads the version that a tag names: `v` in front is allowed, two dots are wanted; none for another kind of tag.
#[must_use]
pub fn of_tag(tag: &str) -> Option<Version> {
    if tag.splitn(3, '.').count() < 3 {
        return None;
    }
    let parts = Parts::read(tag)?;
    let numbers = parts.numbers.map(|number| number.unwrap_or(Some(0)));
    let [Some(major), Some(minor), Some(patch)] = numbers else { return None };
    parts.version(major, minor, patch)
}

fn conditions(text: &str) -> Option<Vec<Condition>> {
    let mut found = Vec::new();
    let mut rest = text.trim();
    let mut apart = true;
    while !rest.is_empty() {
        // Something must stand between two conditions.
        if !apart {
            return None;
        }
        let (operator, after) = operator(rest);
        let after = after.trim_start();
        let end = after.find(|c: char| c.is_whitespace() || c == ',').unwrap_or(after.len());
        let (word, after) = after.split_at(end);
        let condition = Condition::new(operator, word)?;
        let (separated, next) = separator(after);
        if let Some(high) = span(operator, next) {
            let end = high.find(|c: char| c.is_whitespace() || c == ',').unwrap_or(high.len());
            found.push(Condition { operator: Operator::AtLeast, ..condition });
            found.push(Condition::new(Operator::AtMost, &high[..end])?);
            (apart, rest) = separator(&high[end..]);
        } else {
            found.push(condition);
            (apart, rest) = (separated, next);
        }
    }
    (!found.is_empty()).then_some(found)
}

/// Returns what stands behind the dash of a span; only a version without operator can begin one.
fn span(operator: Operator, next: &str) -> Option<&str> {
    let high = next.strip_prefix('-')?;
    (operator == Operator::Equal && high.starts_with(char::is_whitespace)).then(|| high.trim_start())
}

fn operator(text: &str) -> (Operator, &str) {
    const OPERATORS: [(&str, Operator); 11] = [
        ("!=", Operator::Not),
        (">=", Operator::AtLeast),
        ("=>", Operator::AtLeast),
        ("<=", Operator::AtMost),
        ("=<", Operator::AtMost),
        ("~>", Operator::Tilde),
        ("=", Operator::Equal),
        (">", Operator::Greater),
        ("<", Operator::Less),
        ("~", Operator::Tilde),
        ("^", Operator::Caret),
    ];
    let found = OPERATORS.iter().find_map(|(sign, operator)| Some((*operator, text.strip_prefix(sign)?)));
    found.unwrap_or((Operator::Equal, text))
}

/// Returns whether there is blank space or one comma, and what follows.
fn separator(text: &str) -> (bool, &str) {
    let trimmed = text.trim_start();
    let next = trimmed.strip_prefix(',').unwrap_or(trimmed).trim_start();
    (next.len() < text.len(), next)
}

/// A version as written.
struct Parts {
    /// Outer none: not written. Inner none: a wildcard.
    numbers: [Option<Option<u64>>; 3],
    pre: Prerelease,
    build: BuildMetadata,
}

impl Parts {
    /// Reads `v1`, `1.2`, `1.2.3-rc.1+b`, `1.x`, `*`.
    fn read(text: &str) -> Option<Self> {
        let text = text.strip_prefix('v').unwrap_or(text);
        let (text, build) = tail(text, '+')?;
        let (text, pre) = tail(text, '-')?;
        let mut numbers = [None; 3];
        for (count, part) in text.split('.').enumerate() {
            let number = match part {
                "x" | "X" | "*" => None,
                digits if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                    Some(digits.parse().ok()?)
                }
                _ => return None,
            };
            *numbers.get_mut(count)? = Some(number);
        }
        Some(Self { numbers, pre: Prerelease::new(pre).ok()?, build: BuildMetadata::new(build).ok()? })
    }

    fn version(self, major: u64, minor: u64, patch: u64) -> Option<Version> {
        Some(Version { major, minor, patch, pre: self.pre, build: self.build })
    }
}

/// Cuts off what follows a sign; none when nothing follows it.
fn tail(text: &str, sign: char) -> Option<(&str, &str)> {
    match text.split_once(sign) {
        Some((_, "")) => None,
        Some(parts) => Some(parts),
        None => Some((text, "")),
    }
}

impl Condition {
    fn new(operator: Operator, text: &str) -> Option<Self> {
        let parts = Parts::read(text)?;
        let [major, minor, patch] = parts.numbers.map(Option::flatten);
        let (open, numbers) = match (major, minor, patch) {
            (None, ..) => (Open::All, [0; 3]),
            (Some(major), None, _) => (Open::Minor, [major, 0, 0]),
            (Some(major), Some(minor), None) => (Open::Patch, [major, minor, 0]),
            (Some(major), Some(minor), Some(patch)) => (Open::No, [major, minor, patch]),
        };
        Some(Self { operator, version: parts.version(numbers[0], numbers[1], numbers[2])?, open })
    }

    fn holds(&self, version: &Version) -> bool {
        let own = &self.version;
        let order = version.cmp_precedence(own);
        match self.operator {
            Operator::Equal if self.open == Open::No => order.is_eq(),
            Operator::Equal | Operator::Tilde => self.tilde(version),
            Operator::Not => self.differs(version),
            // `>1` means above every 1.x, `>1.2` above every 1.2.x.
            Operator::Greater => match self.open {
                Open::Minor => version.major > own.major,
                Open::Patch => (version.major, version.minor) > (own.major, own.minor),
                Open::No | Open::All => order.is_gt(),
            },
            Operator::Less => order.is_lt(),
            Operator::AtLeast => order.is_ge(),
            // `<=1` takes every 1.x.
            Operator::AtMost => match self.open {
                Open::No => order.is_le(),
                Open::Minor => version.major <= own.major,
                Open::Patch | Open::All => (version.major, version.minor) <= (own.major, own.minor),
            },
            Operator::Caret => order.is_ge() && self.caret(version),
        }
    }

    fn tilde(&self, version: &Version) -> bool {
        let own = &self.version;
        let numbers = (own.major, own.minor, own.patch);
        if version.cmp_precedence(own).is_lt() {
            return false;
        }
        if numbers == (0, 0, 0) && matches!(self.open, Open::No | Open::All) {
            return true;
        }
        version.major == own.major && (self.open == Open::Minor || version.minor == own.minor)
    }

    fn differs(&self, version: &Version) -> bool {
        let own = &self.version;
        match self.open {
            Open::Minor => version.major != own.major,
            Open::Patch if (version.major, version.minor) == (own.major, own.minor) => version.pre != own.pre,
            Open::Patch => true,
            Open::No | Open::All => version.cmp_precedence(own).is_ne(),
        }
    }

    /// The first number that is not zero may not change.
    fn caret(&self, version: &Version) -> bool {
        let own = &self.version;
        if own.major > 0 || self.open == Open::Minor {
            return version.major == own.major;
        }
        if version.major > 0 {
            return false;
        }
        if own.minor > 0 || self.open == Open::Patch {
            return version.minor == own.minor;
        }
        version.minor == 0 && version.patch == own.patch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(range: &str, inside: &[&str], outside: &[&str]) {
        let parsed = Range::parse(range).expect(range);
        for version in inside {
            assert!(parsed.contains(&of_tag(version).expect(version)), "{range} holds {version}");
        }
        for version in outside {
            assert!(!parsed.contains(&of_tag(version).expect(version)), "{range} does not hold {version}");
        }
    }

    #[test]
    fn operators() {
        check(">=1.0.0, <2.0.0", &["1.0.0", "v1.9.9"], &["0.2.5", "2.0.0", "1.5.0-rc.1"]);
        check(">=1.0.0-0 <2", &["1.5.0-rc.1", "2.0.0-rc.1"], &["2.0.0"]);
        check("^1.2", &["1.2.0", "1.9.0"], &["1.1.9", "2.0.0"]);
        check("^0.2.3", &["0.2.3", "0.2.9"], &["0.3.0", "0.2.2"]);
        check("^0.0.3", &["0.0.3"], &["0.0.4", "0.1.0"]);
        check("^0.0", &["0.0.0", "0.0.9"], &["0.1.0"]);
        check("^0", &["0.0.0", "0.9.9"], &["1.0.0"]);
        check("~1.2.3", &["1.2.3", "1.2.9"], &["1.2.2", "1.3.0"]);
        check("~1", &["1.9.0"], &["2.0.0"]);
        check("~> 1.2", &["1.2.9"], &["1.3.0"]);
        check("~0.0.0", &["7.0.0"], &[]);
        check("=1.2", &["1.2.7"], &["1.3.0"]);
        check("1.2.3", &["1.2.3", "1.2.3+build"], &["1.2.4"]);
        check("!=1.2.3", &["1.2.4"], &["1.2.3"]);
        check("!=1.x", &["2.0.0"], &["1.2.3"]);
        check("!=1.2.x", &["1.3.0"], &["1.2.3"]);
        check("> 1.0", &["1.1.0"], &["1.0.5"]);
        check(">11", &["12.0.0"], &["11.1.0"]);
        check("<=1", &["1.9.9"], &["2.0.0"]);
        check("=<1.2", &["1.2.9"], &["1.3.0"]);
        check("<1.2", &["1.1.9"], &["1.2.0"]);
    }

    #[test]
    fn spans_alternatives_and_wildcards() {
        check("1.2 - 1.4", &["1.2.0", "1.4.9"], &["1.5.0", "1.1.0"]);
        check("1.2.0 - 1.4.5, !=1.3.0", &["1.4.5"], &["1.4.6", "1.3.0"]);
        check("1.x || >=3", &["1.7.0", "3.0.0"], &["2.0.0"]);
        check("*", &["0.0.1", "9.0.0"], &["1.0.0-rc"]);
        check("x", &["4.0.0"], &[]);
        check(">=1.0.0-0 || <0.5", &["2.0.0-rc.1", "0.4.0"], &["0.4.0-rc.1"]);
        check("^*", &["0.0.0"], &["0.0.1", "1.0.0"]);
        check("<=*", &["0.0.9"], &["0.1.0"]);
    }

    #[test]
    fn what_is_malformed_is_no_range() {
        for text in ["nonsense", "", ">=", "1.0.0 ||", "1.0.0,,2.0.0", "1.2.3.4", ">>1", "1.0.0-", "1.0.0 -2"]
        {
            assert!(Range::parse(text).is_none(), "{text}");
        }
        for text in [">= 1.0", ">=1.0 , <2", "1.0.0 <2.0.0", " ~1 "] {
            assert!(Range::parse(text).is_some(), "{text}");
        }
    }

    #[test]
    fn tags_name_versions_with_two_dots() {
        for tag in ["release-1", "v1", "1.2", "1.2.3.4", "V1.2.3", "1.x.3", "1.2.3-01", ""] {
            assert!(of_tag(tag).is_none(), "{tag}");
        }
        assert_eq!(of_tag("v01.2.3").map(|version| version.to_string()).as_deref(), Some("1.2.3"));
        assert_eq!(of_tag("1.2-rc.1").map(|version| version.to_string()).as_deref(), Some("1.2.0-rc.1"));
    }
}
