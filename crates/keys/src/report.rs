//! The report of a failed recovery, laid out as people know it from sops.
//!
//! Follows: `usererrors.go` of sops 3.13.2, without its colours.

use crate::unlock::{Failure, GroupResult, KeyFailure};

const REASON_COLUMNS: usize = 60;
const CLOSING_COLUMNS: usize = 75;

/// Lays out the report; the last line has no line break.
pub(crate) fn text(failure: &Failure) -> String {
    let groups: Vec<String> =
        failure.groups.iter().enumerate().map(|(index, group)| group_text(index, group)).collect();
    let open = failure.groups.iter().filter(|group| group.is_open).count();
    let closing = match (&failure.combining, failure.required) {
        (Some(error), _) => format!("Recovery failed: {}.", error.with_causes()),
        (None, 0) => "Recovery failed because no master key was able to decrypt the file. In order for SOPS to recover \
                      the file, at least one key has to be successful, but none were."
            .to_owned(),
        (None, required) => format!(
            "Recovery failed because the file was encrypted with a Shamir threshold of {required}, but only {open} \
             part(s) were successfully recovered, one for each successful key group. In order for SOPS to recover the \
             file, at least {required} groups have to be successful. In order for a group to be successful, decryption \
             has to succeed with any of the keys in that key group."
        ),
    };
    format!(
        "Failed to get the data key required to decrypt the SOPS file.\n\n{}\n\n{}",
        groups.join("\n\n"),
        wrap(&closing, CLOSING_COLUMNS)
    )
}

fn group_text(index: usize, group: &GroupResult) -> String {
    if group.is_open {
        return format!("Group {index}: SUCCESS");
    }
    let keys: Vec<String> = group.failed.iter().map(key_text).collect();
    format!("Group {index}: FAILED\n{}", prefix(&keys.join("\n\n"), "  "))
}

fn key_text(failure: &KeyFailure) -> String {
    let reason = |error: &crate::error::Error| {
        let mut lines = prefix(&wrap(&error.with_causes(), REASON_COLUMNS), "  | ");
        if !lines.is_empty() {
            lines.replace_range(..1, "-");
        }
        lines
    };
    let reasons: Vec<String> = failure.reasons.iter().map(reason).collect();
    format!("{}: FAILED\n{}", failure.key, prefix(&reasons.join("\n\n"), "  "))
}

/// Puts a prefix before every line; nothing follows a last line break.
fn prefix(text: &str, prefix: &str) -> String {
    text.split_inclusive('\n').map(|line| format!("{prefix}{line}")).collect()
}

/// Breaks lines at blanks so that they have at most `columns` characters, where words allow it.
fn wrap(text: &str, columns: usize) -> String {
    let lines: Vec<String> = text.split('\n').map(|line| wrap_line(line, columns)).collect();
    lines.join("\n")
}

fn wrap_line(line: &str, columns: usize) -> String {
    let mut out = String::new();
    let mut used = 0;
    let mut gap = String::new();
    let mut words = line.split(' ').peekable();
    while let Some(word) = words.next() {
        if word.is_empty() && words.peek().is_some() {
            gap.push(' ');
            continue;
        }
        let length = word.chars().count();
        // A word that is longer than a line begins one, too.
        if used + gap.len() + length.min(columns - 1) > columns {
            out.push('\n');
            used = 0;
        } else {
            out.push_str(&gap);
            used += gap.len();
        }
        out.push_str(word);
        used += length;
        gap.clear();
        if words.peek().is_some() {
            gap.push(' ');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{prefix, wrap};

    #[test]
    fn long_words_stay_whole_and_blanks_at_breaks_go() {
        assert_eq!(wrap("aa bb cc", 5), "aa bb\ncc");
        assert_eq!(wrap("aa bbbbbbb c", 5), "aa\nbbbbbbb\nc");
        assert_eq!(wrap("bbbbbbb c", 5), "bbbbbbb\nc");
        assert_eq!(wrap("a\n\nb", 5), "a\n\nb");
    }

    #[test]
    fn empty_lines_get_the_prefix_too() {
        assert_eq!(prefix("a\n\nb", "  "), "  a\n  \n  b");
        assert_eq!(prefix("a\n", "  "), "  a\n");
    }
}
