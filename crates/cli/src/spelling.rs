//! Words that a person may have meant by one that is not known.

/// The known word that is spelled nearly so, when there is one.
pub(crate) fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let most = (word.chars().count() / 3).clamp(1, 3);
    let distances = known.into_iter().map(|known| (distance(word, known), known));
    distances
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// How many letters have to be put in, left out or changed to make one text of the other.
pub(crate) fn distance(left: &str, right: &str) -> usize {
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
    fn letters_are_counted() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "get"), 3);
    }

    #[test]
    fn the_nearest_word_is_near() {
        let known = ["path_regex", "encrypted_regex", "unencrypted_regex", "age"];
        assert_eq!(nearest("path_regexp", known), Some("path_regex"));
        assert_eq!(nearest("encryptedregex", known), Some("encrypted_regex"));
        assert_eq!(nearest("ages", known), Some("age"));
        assert_eq!(nearest("recipients", known), None);
        assert_eq!(nearest("k", ["kms", "pgp"]), None);
    }
}
