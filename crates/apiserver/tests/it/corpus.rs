//! The corpus of the fuzzer, also cut and changed a little.

use std::path::Path;

use crate::hostile;

#[test]
fn patches_keep_their_laws() {
    replay("server_patches", hostile::patches);
}

#[test]
fn applies_keep_their_laws() {
    replay("server_applies", hostile::applies);
}

#[test]
fn selectors_keep_their_laws() {
    replay("server_selectors", hostile::selectors);
}

#[test]
fn protobuf_bodies_keep_their_laws() {
    replay("server_protobuf", hostile::protobuf);
}

#[test]
fn schemas_keep_their_laws() {
    replay("server_schemas", hostile::schemas);
}

fn replay(target: &str, law: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut count = 0;
    for file in std::fs::read_dir(&folder).expect("the corpus is there").flatten() {
        let bytes = std::fs::read(file.path()).expect("a file of the corpus is read");
        law(&bytes);
        for at in (0..bytes.len()).step_by(1 + bytes.len() / 64) {
            law(&bytes[..at]);
            let mut changed = bytes.clone();
            changed[at] ^= 0x21;
            law(&changed);
        }
        count += 1;
    }
    assert!(count > 3, "the corpus of {target} has {count} files");
}
