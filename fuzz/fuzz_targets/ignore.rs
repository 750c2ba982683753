//! Reads any text as ignore rules; a last rule that brings everything back does so.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sealfast_source::ignore::{FILE, Rules};
use sealfast_source::tree::{Entry, Memory, Tree};

fuzz_target!(|text: &str| {
    let mut files = Memory::default();
    let file = |text: &str| Entry::File { bytes: text.as_bytes().to_vec(), executable: false };
    for path in ["a.yaml", "b/c.yaml", "b/d/e.png", ".git/config", "b/ü x"] {
        files.add(path, file(""));
    }
    files.add(&format!("b/{FILE}"), file(text));
    let items = files.list().expect("files in memory can be listed");
    let rules = Rules::collect(&files, &items, Some(text)).expect("files in memory can be read");
    let open = Rules::collect(&files, &items, Some("!*")).expect("files in memory can be read");
    for item in &items {
        let _ = rules.excludes(&item.path, false);
        let _ = rules.excludes(&item.path, true);
        assert!(!open.excludes(&item.path, false));
    }
});
