//! What somebody may have meant by a verb that there is not.

use super::verbs::VERBS;

/// Says that a verb is not known, and which ones begin with it or are spelled nearly so.
pub(super) fn unknown(verb: &str) -> String {
    let typed = verb.to_lowercase();
    let near = |known: &&str| known.starts_with(&typed) || distance(&typed, known) <= 2;
    let near: Vec<&str> = VERBS.iter().map(|verb| verb.word).filter(near).collect();
    let mut text = format!("unknown command {verb:?} for \"flux\"");
    if !near.is_empty() {
        text.push_str("\n\nDid you mean this?");
        near.iter().for_each(|known| text.push_str(&format!("\n\t{known}")));
        text.push('\n');
    }
    text
}

/// How many letters have to be put in, left out or changed to make one text of the other.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (at, letter) in left.chars().enumerate() {
        let mut corner = std::mem::replace(&mut row[0], at + 1);
        for (column, other) in right.iter().enumerate() {
            let changed = corner + usize::from(letter != *other);
            corner = row[column + 1];
            row[column + 1] = changed.min(corner + 1).min(row[column] + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearly_right_verbs_are_told() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "get"), 3);
        assert_eq!(unknown("unheard"), "unknown command \"unheard\" for \"flux\"");
        assert_eq!(
            unknown("Recon"),
            "unknown command \"Recon\" for \"flux\"\n\nDid you mean this?\n\treconcile\n"
        );
        assert_eq!(
            unknown("trase"),
            "unknown command \"trase\" for \"flux\"\n\nDid you mean this?\n\ttrace\n\ttree\n"
        );
    }
}
