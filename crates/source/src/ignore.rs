//! What stays out of an archive: ignore files and default lists.
//!
//! Follows: `fluxcd/pkg/sourceignore` over go-git's gitignore matcher. The last pattern that matches decides, and a later
//! `!` pattern brings files back even below an excluded directory, which Git itself would not do.

use crate::error::Error;
use crate::tree::{Item, Kind, Tree};

/// Files with patterns have this name.
pub const FILE: &str = ".sourceignore";

/// What Git keeps for itself.
pub const VERSION_CONTROL: [&str; 4] = [".git/", ".gitignore", ".gitmodules", ".gitattributes"];

/// Pictures, films and archives.
pub const BINARIES: [&str; 8] = ["*.jpg", "*.jpeg", "*.gif", "*.png", "*.wmv", "*.flv", "*.tar.gz", "*.zip"];

/// Holds with [`BINARIES`], only as long as nobody gives a pattern.
const DEFAULTS: [&str; 12] = [
    ".github/",
    ".circleci/",
    ".travis.yml",
    ".gitlab-ci.yml",
    "appveyor.yml",
    ".drone.yml",
    "cloudbuild.yaml",
    "codeship-services.yml",
    "codeship-steps.yml",
    "**/.goreleaser.yml",
    "**/.sops.yaml",
    "**/.flux.yaml",
];

/// Bytes of all ignore files of a tree together: each pattern is compared with each path.
const MOST_BYTES: usize = 256 << 10;
/// Patterns of all of them.
const MOST_PATTERNS: usize = 4_000;
/// How messages call the patterns that are no file's.
const EXTRA: &str = "spec.ignore";

/// The patterns that hold for one tree.
#[derive(Clone, Debug)]
pub struct Rules {
    patterns: Vec<Pattern>,
}

impl Rules {
    /// Collects the patterns of a tree's `.sourceignore` files and of `spec.ignore`.
    ///
    /// # Errors
    /// When a `.sourceignore` file cannot be read; [`Error::Ignore`] when there is more in them than is looked at.
    pub fn collect(tree: &dyn Tree, items: &[Item], extra: Option<&str>) -> Result<Self, Error> {
        Ok(Self::with(given(tree, items, extra)?))
    }

    /// The patterns that hold when nobody gives one.
    #[must_use]
    pub fn defaults() -> Self {
        Self::with(Vec::new())
    }

    /// Takes the patterns of one folder's `.sourceignore` file, and no others.
    #[must_use]
    pub fn below(folder: &str, patterns: &str) -> Self {
        Self { patterns: lines(patterns, folder).collect() }
    }

    /// Takes these patterns, one a line, and no others.
    #[must_use]
    pub fn only(patterns: &str) -> Self {
        Self::below("", patterns)
    }

    fn with(given: Vec<Pattern>) -> Self {
        let mut patterns: Vec<Pattern> = VERSION_CONTROL.iter().map(|text| Pattern::new(text, "")).collect();
        if given.is_empty() {
            patterns.extend(BINARIES.iter().chain(&DEFAULTS).map(|text| Pattern::new(text, "")));
        }
        patterns.extend(given);
        Self { patterns }
    }

    /// Returns true when the path stays out of the archive.
    #[must_use]
    pub fn excludes(&self, path: &str, is_directory: bool) -> bool {
        self.says(path, is_directory).unwrap_or_default()
    }

    /// Says whether the path stays out of the archive; nothing when no pattern matches it.
    #[must_use]
    pub fn says(&self, path: &str, is_directory: bool) -> Option<bool> {
        let elements: Vec<&str> = path.split('/').collect();
        let last = self.patterns.iter().rev().find(|pattern| pattern.matches(&elements, is_directory));
        last.map(|pattern| !pattern.brings_back)
    }
}

/// The patterns that were written down.
fn given(tree: &dyn Tree, items: &[Item], extra: Option<&str>) -> Result<Vec<Pattern>, Error> {
    // A folder before what it holds, whatever the bytes of the paths say: what comes later counts more.
    let mut files: Vec<(Vec<&str>, &Item)> = items.iter().filter_map(ignore_file).collect();
    files.sort_by(|(left, _), (right, _)| left.cmp(right));
    let mut given = Given::default();
    for (folder, item) in files {
        let text = tree.read(&item.path)?;
        given.take(&text, &folder.join("/"), &item.path)?;
    }
    given.take(extra.unwrap_or_default().as_bytes(), "", EXTRA)?;
    Ok(given.patterns)
}

/// Patterns that were written down, and how many bytes they were.
#[derive(Default)]
struct Given {
    patterns: Vec<Pattern>,
    bytes: usize,
}

impl Given {
    fn take(&mut self, text: &[u8], folder: &str, file: &str) -> Result<(), Error> {
        let more = |limit: usize, what| Error::Ignore { file: file.to_owned(), limit, what };
        self.bytes += text.len();
        if self.bytes > MOST_BYTES {
            return Err(more(MOST_BYTES, "bytes"));
        }
        // One more than may be tells that there are too many.
        let left = MOST_PATTERNS - self.patterns.len();
        self.patterns.extend(lines(&String::from_utf8_lossy(text), folder).take(left + 1));
        if self.patterns.len() > MOST_PATTERNS { Err(more(MOST_PATTERNS, "patterns")) } else { Ok(()) }
    }
}

/// The folder of a file with patterns.
fn ignore_file(item: &Item) -> Option<(Vec<&str>, &Item)> {
    let mut elements: Vec<&str> = item.path.split('/').collect();
    let is_one = elements.pop() == Some(FILE) && matches!(item.kind, Kind::File { .. });
    (is_one && !elements.contains(&".git")).then_some((elements, item))
}

fn lines(text: &str, folder: &str) -> impl Iterator<Item = Pattern> {
    text.lines()
        .filter(|line| !line.starts_with('#') && !line.trim().is_empty())
        .map(move |line| Pattern::new(line, folder))
}

#[derive(Clone, Debug)]
struct Pattern {
    /// Elements of the folder whose file holds the pattern.
    folder: Vec<String>,
    elements: Vec<String>,
    /// A pattern with a slash is tied to its folder.
    anchored: bool,
    directories_only: bool,
    brings_back: bool,
}

impl Pattern {
    fn new(line: &str, folder: &str) -> Self {
        let mut text = line.trim_end_matches(['\r', '\n']);
        if !text.ends_with("\\ ") {
            text = text.trim_end_matches(' ');
        }
        let brings_back = text.starts_with('!');
        text = text.strip_prefix('!').unwrap_or(text);
        let directories_only = text.ends_with('/');
        text = text.strip_suffix('/').unwrap_or(text);
        let folder = folder.split('/').filter(|element| !element.is_empty());
        Self {
            folder: folder.map(str::to_owned).collect(),
            elements: text.split('/').map(str::to_owned).collect(),
            anchored: text.contains('/'),
            directories_only,
            brings_back,
        }
    }

    fn matches(&self, path: &[&str], is_directory: bool) -> bool {
        if path.len() <= self.folder.len() || self.folder.iter().zip(path).any(|(own, other)| own != other) {
            return false;
        }
        let path = &path[self.folder.len()..];
        if self.anchored {
            self.matches_from_start(path, is_directory)
        } else {
            self.matches_any(path, is_directory)
        }
    }

    fn matches_any(&self, path: &[&str], is_directory: bool) -> bool {
        let Some(wanted) = self.elements.first() else { return false };
        let hit = path.iter().position(|element| glob(wanted, element) == Some(true));
        hit.is_some_and(|at| !(self.directories_only && !is_directory && at + 1 == path.len()))
    }

    fn matches_from_start(&self, mut path: &[&str], is_directory: bool) -> bool {
        let (mut matched, mut skips) = (false, false);
        for (at, wanted) in self.elements.iter().enumerate() {
            match wanted.as_str() {
                "" => skips = false,
                "**" if at + 1 == self.elements.len() => break,
                "**" => skips = true,
                wanted if wanted.contains("**") => return false,
                wanted => {
                    // The first element that fits is taken; there is no second try further down.
                    let reach = if std::mem::take(&mut skips) { path.len() } else { path.len().min(1) };
                    let hit = path[..reach].iter().position(|element| glob(wanted, element) == Some(true));
                    let Some(hit) = hit else { return false };
                    matched = true;
                    path = &path[hit + 1..];
                }
            }
        }
        matched && !(self.directories_only && !is_directory && path.is_empty())
    }
}

/// Matches one path element against a shell pattern; none when the pattern is malformed.
fn glob(pattern: &str, name: &str) -> Option<bool> {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    loop {
        if p < pattern.len() && pattern[p] == '*' {
            star = Some((p + 1, n));
            p += 1;
            continue;
        }
        if n == name.len() && p == pattern.len() {
            return Some(true);
        }
        let step = if p < pattern.len() { one(&pattern[p..], name.get(n).copied())? } else { None };
        match (step, star) {
            (Some(width), _) => {
                p += width;
                n += 1;
            }
            (None, Some((after, from))) if from < name.len() => {
                star = Some((after, from + 1));
                (p, n) = (after, from + 1);
            }
            (None, _) => return Some(false),
        }
    }
}

/// Matches one character: outer none for a malformed pattern, inner none for no match, else the pattern's width.
fn one(pattern: &[char], found: Option<char>) -> Option<Option<usize>> {
    let (fits, width) = match pattern[0] {
        '?' => (found.is_some(), 1),
        '[' => {
            let (fits, width) = class(pattern, found)?;
            (fits, width)
        }
        '\\' => (found == Some(*pattern.get(1)?), 2),
        plain => (found == Some(plain), 1),
    };
    Some(fits.then_some(width))
}

fn class(pattern: &[char], found: Option<char>) -> Option<(bool, usize)> {
    let negated = pattern.get(1) == Some(&'^');
    let mut at = if negated { 2 } else { 1 };
    let mut hit = false;
    let mut ranges = 0;
    while *pattern.get(at)? != ']' || ranges == 0 {
        let low = member(pattern, &mut at)?;
        let mut high = low;
        if pattern.get(at) == Some(&'-') {
            at += 1;
            high = member(pattern, &mut at)?;
        }
        hit |= found.is_some_and(|found| low <= found && found <= high);
        ranges += 1;
    }
    Some((found.is_some() && hit != negated, at + 1))
}

fn member(pattern: &[char], at: &mut usize) -> Option<char> {
    let mut found = *pattern.get(*at)?;
    if found == '-' || found == ']' {
        return None;
    }
    if found == '\\' {
        *at += 1;
        found = *pattern.get(*at)?;
    }
    *at += 1;
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(text: &str) -> Rules {
        Rules::with(lines(text, "").collect())
    }

    /// A trailing slash marks a directory; otherwise every parent is tried as well, as a walk would meet it.
    fn check(text: &str, excluded: &[&str], kept: &[&str]) {
        let rules = rules(text);
        let excludes = |path: &str| rules.excludes(path.trim_end_matches('/'), path.ends_with('/'));
        for path in excluded {
            assert!(excludes(path), "{text:?} must exclude {path}");
        }
        for path in kept {
            assert!(!excludes(path), "{text:?} must keep {path}");
        }
    }

    #[test]
    fn vectors_of_the_reference() {
        check(
            "/*\n!/deploy",
            &["src/", "src/deploy/", "README.md", ".git/config"],
            &["deploy/", "deploy/a.yaml", "deploy/x/b.yaml"],
        );
        check(
            "secrets/\n!secrets/ok.yaml",
            &["secrets/", "secrets/no.yaml", "a/secrets/n"],
            &["secrets/ok.yaml"],
        );
        check("*.md", &["README.md", "docs/a.md"], &["docs/md"]);
        check("docs/*.md", &["docs/a.md"], &["docs/x/a.md", "x/docs/a.md"]);
        check("**/foo", &["foo", "a/foo", "a/b/foo/x"], &[]);
        check("a/**/b", &["a/b", "a/x/b", "a/x/y/b/c"], &[]);
        check("abc/**", &["abc/", "abc/x", "abc/x/y"], &[]);
        check("foo/bar", &["foo/bar", "foo/bar/baz"], &["z/foo/bar"]);
        check("a**b", &["axxb"], &[]);
        check("!.git", &[], &[".git/config"]);
        check("foo\\ ", &["foo "], &["foo"]);
    }

    #[test]
    fn defaults_hold_only_alone() {
        check("", &["a/photo.jpg", ".sops.yaml", ".github/x"], &["photo.JPG", "a.yaml"]);
        check("# only a remark\n\n", &["photo.jpg"], &[]);
        check("nothing", &[".gitignore"], &["photo.jpg", ".sops.yaml"]);
    }

    #[test]
    fn a_folder_says_more_than_the_one_that_holds_it() -> Result<(), Error> {
        let mut files = crate::tree::Memory::default();
        let file = |text: &str| crate::tree::Entry::File { bytes: text.into(), executable: false };
        files.add(FILE, file("*.txt"));
        // Its bytes come before those of the file at the root.
        files.add(&format!("-x/{FILE}"), file("!*.txt"));
        let rules = Rules::collect(&files, &files.list()?, None)?;
        assert!(rules.excludes("a.txt", false) && !rules.excludes("-x/a.txt", false));
        Ok(())
    }

    #[test]
    fn more_than_is_looked_at_is_told_with_the_file_and_the_bound() {
        let told = |text: String, extra: String| {
            let mut files = crate::tree::Memory::default();
            let file = |text: String| crate::tree::Entry::File { bytes: text.into(), executable: false };
            files.add(FILE, file("x\n".repeat(MOST_PATTERNS - 1)));
            files.add(&format!("apps/{FILE}"), file(text));
            let items = files.list().unwrap_or_default();
            Rules::collect(&files, &items, Some(&extra)).map(drop).map_err(|error| error.to_string())
        };
        assert_eq!(told("y\n".to_owned(), String::new()), Ok(()));
        assert_eq!(told(format!("y\n{}", "#\n".repeat(1000)), "# none\n".to_owned()), Ok(()));
        let mend = "take out what excludes nothing, or leave out whole folders by one pattern each";
        let many =
            |file: &str| format!("`{file}`: with it the ignore files have more than 4000 patterns; {mend}");
        assert_eq!(told("y\nz\n".to_owned(), String::new()), Err(many("apps/.sourceignore")));
        assert_eq!(told("y\n".to_owned(), "z".to_owned()), Err(many("spec.ignore")));
        let long =
            format!("`apps/.sourceignore`: with it the ignore files have more than 262144 bytes; {mend}");
        assert_eq!(told("y".repeat(MOST_BYTES), String::new()), Err(long));
    }

    #[test]
    fn classes_and_escapes() {
        check("[a-c]x", &["ax", "cx"], &["dx", "x"]);
        check("[^a]x", &["bx"], &["ax"]);
        check("\\!x", &["!x"], &["x"]);
        check("[a", &[], &["a", "[a"]);
    }
}
