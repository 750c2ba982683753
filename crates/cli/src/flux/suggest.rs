//! What somebody may have meant by a verb that there is not.

use super::verbs::VERBS;
use crate::spelling::distance;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearly_right_verbs_are_told() {
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
