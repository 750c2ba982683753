//! Files that the reference wrote: every one reads, and is written again with its metadata as it was.

use std::path::Path;

use sealfast_sops::document::{Encrypted, is_encrypted};
use sealfast_sops::store::{EmitOptions, Format};

/// Broken on purpose.
const BROKEN: [&str; 6] = [
    "bad-lastmodified",
    "tamper-duplicate-key",
    "tamper-remove-keys",
    "tamper-remove-metadata",
    "two-selectors",
    "old-",
];

#[test]
fn encrypted_files_read_and_are_written_as_they_were() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden/sops");
    let mut seen = 0;
    for case in std::fs::read_dir(root).into_iter().flatten().flatten() {
        let name = case.file_name().to_string_lossy().into_owned();
        for file in std::fs::read_dir(case.path()).into_iter().flatten().flatten() {
            let file_name = file.file_name().to_string_lossy().into_owned();
            let is_file = file_name.starts_with("encrypted.") || file_name.starts_with("enc-");
            if !is_file || BROKEN.iter().any(|broken| name.starts_with(broken)) {
                continue;
            }
            let bytes = std::fs::read(file.path()).unwrap_or_default();
            let format = Format::for_path(&file_name);
            let document =
                Encrypted::load(&bytes, format).unwrap_or_else(|wrong| panic!("{name}/{file_name}: {wrong}"));
            seen += 1;
            let rewritten = document.emit(format, &EmitOptions::default()).unwrap_or_default();
            let again = Encrypted::load(&rewritten, format)
                .unwrap_or_else(|wrong| panic!("{name}/{file_name} written again: {wrong}"));
            assert_eq!(document.metadata(), again.metadata(), "{name}/{file_name}");
            assert!(
                is_encrypted(&rewritten, format) || document.metadata().mac.is_empty(),
                "{name}/{file_name}"
            );
        }
    }
    assert!(seen > 80, "only {seen} files");
}
