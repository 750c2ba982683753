//! The fuzzing corpus of small directories, with the law of its fuzz target.

use std::path::Path;

use crate::small_directory::builds_the_same_twice;

#[test]
fn small_directories_build_to_the_same_bytes_or_words_twice() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/kustomize");
    let texts = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| String::from_utf8_lossy(&std::fs::read(entry.unwrap().path()).unwrap()).into_owned());
    let count = texts.filter(|text| builds_the_same_twice(text)).count();
    assert!(count > 50, "the corpus is there");
}
