//! Decrypting what was encrypted gives the same bytes, for every file there is.

use std::path::{Path, PathBuf};

use rand08::SeedableRng as _;
use rand08::rngs::StdRng;
use sealfast_sops::cipher::DataKey;
use sealfast_sops::document::{Context, Encrypted, MacCheck, Plain};
use sealfast_sops::metadata::{KeyGroup, MasterKey, Metadata};
use sealfast_sops::select::Selector;
use sealfast_sops::store::{EmitOptions, Format};
use sealfast_sops::time::Time;

fn files_below(dir: &Path, found: &mut Vec<(PathBuf, Format)>) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        let format = Format::for_path(&path.to_string_lossy());
        if path.is_dir() {
            files_below(&path, found);
        } else if format != Format::Binary {
            found.push((path, format));
        }
    }
}

/// What became of a text.
#[derive(Debug, PartialEq)]
enum Outcome {
    /// It cannot be encrypted at all.
    Refused,
    /// It came back; with what kind of record.
    Same {
        record: usize,
    },
    Differs(String),
}

fn there_and_back(text: &[u8], format: Format, selector: Option<Selector>) -> Outcome {
    let key = DataKey::generate(&mut StdRng::seed_from_u64(7));
    let now = Time::parse("2026-01-02T03:04:05Z").expect("a valid time");
    let groups = vec![KeyGroup { keys: MasterKey::age_list("age1test") }];
    let metadata = Metadata { selector, ..Metadata::new(groups, now) };
    let options = EmitOptions::default();
    let Ok((plain, original)) = Plain::read(text, format) else { return Outcome::Refused };
    if plain.is_empty() || plain.check_unencrypted(format).is_err() {
        return Outcome::Refused;
    }
    let mut rng = StdRng::seed_from_u64(1);
    let Ok(document) = plain.encrypt(metadata, &key, Context { now, rng: &mut rng, reuse: None }) else {
        return Outcome::Refused;
    };
    let Ok(file) = document.seal(&original, None, &key, &mut rng, &options) else {
        return Outcome::Refused;
    };
    let differs = |what: String| Outcome::Differs(format!("{what}\n{}", String::from_utf8_lossy(&file)));
    let (read, encrypted) = match Encrypted::read(&file, format) {
        Ok(read) => read,
        Err(wrong) => return differs(format!("does not read: {wrong}")),
    };
    let metadata = read.metadata().clone();
    let opened = match read.decrypt(&key, MacCheck::Verify) {
        Ok(opened) => opened.plain,
        Err(wrong) => return differs(format!("does not open: {wrong}")),
    };
    match opened.open(&encrypted, &metadata, &key, &options) {
        Ok(back) if back.expose() == text => Outcome::Same { record: metadata.layout.len() },
        Ok(back) => differs(format!("became:\n{}\nfrom", String::from_utf8_lossy(back.expose()))),
        Err(wrong) => differs(wrong.to_string()),
    }
}

#[test]
fn every_file_of_the_recordings_comes_back() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden");
    let mut files = Vec::new();
    files_below(&root, &mut files);
    assert!(files.len() > 1000, "only {} files in {}: is the folder whole?", files.len(), root.display());
    let selectors = [
        Some(Selector::UnencryptedSuffix("_unencrypted".into())),
        Some(Selector::EncryptedRegex("^(data|stringData|password|a|b)$".into())),
        Some(Selector::UnencryptedRegex("^(apiVersion|kind|metadata)$".into())),
    ];
    let (mut same, mut refused, mut recorded, mut size, mut wrong) = (0, 0, 0, 0, Vec::new());
    for (number, (file, format)) in files.iter().enumerate() {
        // There are many JSON files and they differ little.
        if *format == Format::Json && number % 4 != 0 {
            continue;
        }
        let text = std::fs::read(file).expect("is there");
        // Every file in one way, every sixth in all.
        for selector in &selectors[..if number % 6 == 0 { 3 } else { 1 }] {
            match there_and_back(&text, *format, selector.clone()) {
                Outcome::Refused => refused += 1,
                Outcome::Same { record } => {
                    same += 1;
                    if *format == Format::Yaml {
                        recorded += usize::from(record > 0);
                        size += record;
                    }
                }
                Outcome::Differs(what) => wrong.push(format!("{} {selector:?}: {what}", file.display())),
            }
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong[..wrong.len().min(8)].join("\n----\n"));
    assert!(same > 1000, "only {same} of {} files, {refused} refused", files.len());
    // Most texts need no record, and a record holds little more than the values that need it.
    assert!(
        recorded * 5 < same && size < 700 * recorded.max(1),
        "{recorded} of {same} have records of {size} bytes"
    );
}
