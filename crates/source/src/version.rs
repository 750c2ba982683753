//! Version ranges over tags, in the syntax of Masterminds/semver.
//!
//! Alternatives are joined by `||`, conditions by commas or blanks: `=`, `!=`, `>`, `<`, `>=`, `<=`, `~`, `^`, wildcards
//! (`1.x`, `*`) and spans (`1.2 - 1.5`). A version before its release fits only when one of the joined conditions names
//! one too.
//!
//! Follows: Masterminds/semver 3.5, its corners included: `^*` and `<=*` read the star as 0.0.0, and a span is written as
//! two conditions before anything else is looked at, so that `1||3 - 8` reads as `>= 1` or `3, <= 8`.

use std::sync::LazyLock;

use regex::{Captures, Regex};
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

/// The longest range, in bytes.
const LONGEST_RANGE: usize = 512;
/// The most alternatives of a range.
const MOST_ALTERNATIVES: usize = 32;
/// The longest tag that can name a version, in bytes.
const LONGEST_TAG: usize = 256;

impl Range {
    /// Reads a range.
    ///
    /// # Errors
    /// What is wrong with it, as the reference says it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > LONGEST_RANGE {
            return Err(format!("constraint string is too long (max {LONGEST_RANGE} bytes)"));
        }
        let patterns = PATTERNS.as_ref().map_err(ToString::to_string)?;
        let spelled = patterns.span.replace_all(text, |span: &Captures<'_>| {
            format!(">= {}, <= {} ", part(span, "low"), part(span, "high"))
        });
        let alternatives: Vec<&str> = spelled.split("||").collect();
        if alternatives.len() > MOST_ALTERNATIVES {
            return Err(format!("too many constraint groups (max {MOST_ALTERNATIVES})"));
        }
        let alternatives =
            alternatives.into_iter().map(|text| patterns.read(text)).collect::<Result<_, _>>()?;
        Ok(Self { alternatives })
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
    if tag.len() > LONGEST_TAG || tag.splitn(3, '.').count() < 3 {
        return None;
    }
    let parts = Parts::read(tag)?;
    let numbers = parts.numbers.map(|number| number.unwrap_or(Some(0)));
    let [Some(major), Some(minor), Some(patch)] = numbers else { return None };
    parts.version(major, minor, patch)
}

/// How a version is spelled before anybody reads it; a bar counts as a digit there.
const SPELLED: &str = r"v?[0-9xX*|]+(?:\.[0-9xX*|]+){0,2}(?:-[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?";
const OPERATORS: &str = "!=|>=|=>|<=|=<|~>|=|>|<|~|\\^|";
const BLANKS: &str = r"[\t\n\f\r ]";

static PATTERNS: LazyLock<Result<Patterns, regex::Error>> = LazyLock::new(Patterns::new);

struct Patterns {
    /// Two versions with a dash between them, and the blanks around.
    span: Regex,
    /// A sign and a version.
    condition: Regex,
    /// Conditions with blanks or one comma between two of them, and nothing else.
    conditions: Regex,
}

impl Patterns {
    fn new() -> Result<Self, regex::Error> {
        let one = format!("(?:{OPERATORS}){BLANKS}*{SPELLED}");
        Ok(Self {
            span: Regex::new(&format!(
                "{BLANKS}*(?<low>{SPELLED}){BLANKS}+-{BLANKS}+(?<high>{SPELLED}){BLANKS}*"
            ))?,
            condition: Regex::new(&format!("(?<sign>{OPERATORS}){BLANKS}*(?<version>{SPELLED})"))?,
            conditions: Regex::new(&format!(
                "^{BLANKS}*{one}{BLANKS}*(?:(?:{BLANKS}+|,{BLANKS}*){one}{BLANKS}*)*$"
            ))?,
        })
    }

    fn read(&self, text: &str) -> Result<Vec<Condition>, String> {
        if !self.conditions.is_match(text) {
            return Err(format!("improper constraint: {text:?}"));
        }
        let read =
            |found: Captures<'_>| Condition::new(operator(part(&found, "sign")), part(&found, "version"));
        let found: Option<Vec<Condition>> = self.condition.captures_iter(text).map(read).collect();
        found.ok_or_else(|| "constraint parser error".to_owned())
    }
}

fn part<'a>(found: &Captures<'a>, name: &str) -> &'a str {
    found.name(name).map_or("", |part| part.as_str())
}

fn operator(sign: &str) -> Operator {
    match sign {
        "!=" => Operator::Not,
        ">=" | "=>" => Operator::AtLeast,
        "<=" | "=<" => Operator::AtMost,
        "~>" | "~" => Operator::Tilde,
        ">" => Operator::Greater,
        "<" => Operator::Less,
        "^" => Operator::Caret,
        _ => Operator::Equal,
    }
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

    fn refusal(range: &str) -> String {
        Range::parse(range).err().unwrap_or_default()
    }

    #[test]
    fn what_is_malformed_is_no_range() {
        for text in ["nonsense", "", ">=", "1.0.0,,2.0.0", "1.2.3.4", ">>1", "1.0.0-", "1.0.0 -2"] {
            assert_eq!(refusal(text), format!("improper constraint: {text:?}"));
        }
        assert_eq!(refusal("1.x || !2"), "improper constraint: \" !2\"");
        assert_eq!(refusal("1.0.0 ||"), "improper constraint: \"\"");
        assert_eq!(refusal(">=1 1.2 - 2"), "improper constraint: \">=1>= 1.2, <= 2 \"");
        assert_eq!(refusal(">=1.2.3-01"), "constraint parser error");
        assert_eq!(refusal("1x"), "constraint parser error");
        assert_eq!(refusal(&"1".repeat(513)), "constraint string is too long (max 512 bytes)");
        assert_eq!(refusal(&["1"; 33].join("||")), "too many constraint groups (max 32)");
        for text in [">= 1.0", ">=1.0 , <2", "1.0.0 <2.0.0", " ~1 ", ">=1, 1.2 - 2"] {
            assert_eq!(refusal(text), "", "{text}");
        }
    }

    #[test]
    fn a_span_behind_bars_begins_before_them() {
        check("1||3.0 - 8", &["2.0.0", "3.0.1", "9.0.0"], &["0.9.0"]);
        check("1 || 3.0 - 8", &["1.0.0", "3.0.0", "8.9.9"], &["2.0.0"]);
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
