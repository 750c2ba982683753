//! Foreign text and bytes: the corpus of the fuzzer, also changed a little.

use std::fs;

use anyhow::Result;
use sealfast_keys::foreign;
use sealfast_testkit::place::root;

#[test]
fn the_fuzzing_corpus_passes() -> Result<()> {
    let mut count = 0;
    for entry in fs::read_dir(root().join("fuzz/corpus/keys"))? {
        let bytes = fs::read(entry?.path())?;
        foreign::read(&bytes);
        // Cut short and with one bit turned, at a few places of each.
        for part in 1..8 {
            let at = bytes.len() * part / 8;
            foreign::read(&bytes[..at]);
            let mut changed = bytes.clone();
            if let Some(byte) = changed.get_mut(at) {
                *byte ^= 1 << part;
            }
            foreign::read(&changed);
        }
        count += 1;
    }
    assert!(count > 10, "only {count} files");
    Ok(())
}
