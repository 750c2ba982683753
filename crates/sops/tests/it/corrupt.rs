//! One wrong byte: an encrypted file is refused, or gives the same values.
//!
//! Each byte of a file takes each of its 255 other values. Inside of ciphertext, most of them are one more letter to every
//! reader, so there the cipher alone sees them all, and the readers those that mean something. What a MAC cannot cover, here as with the reference, stands in
//! the lists of the tests: places outside of them are covered, and what stands in them is not. Of a selector only those
//! changes are found that choose other values; which keys the file is encrypted for changes no value.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use rand08::SeedableRng as _;
use rand08::rngs::StdRng;
use sealfast_sops::cipher::DataKey;
use sealfast_sops::document::{Context, Encrypted, MacCheck, Original, Plain};
use sealfast_sops::metadata::{KeyGroup, MasterKey, Metadata};
use sealfast_sops::store::{EmitOptions, Format};
use sealfast_sops::time::Time;

/// How ciphertext begins.
const START: &[u8] = b"ENC[AES256_GCM,data:";

/// Bytes that end or change what they stand in, in one of the formats, and some that do not.
const MEANINGFUL: &[u8] = b"\0\t\n\r \"#',:;=[\\]`{}A\x7f\x80\xc2\xff";

/// The name of a key whose value is in the clear: it is in no additional data.
const CLEAR: &str = "x_unencrypted";
/// The name of a key without a value.
const EMPTY: &str = "none";

#[test]
fn every_byte_of_yaml_counts() {
    // The MAC knows of values and the keys on the way to them, not of the lists they stand in.
    let text = "a: b\nlist:\n  - 1.5\nnone: ''\nx_unencrypted: y\n";
    check(&Sealed::anew(text, Format::Yaml, Format::Yaml), &[CLEAR, "none: \"\"", "\n    - ENC"]);
}

#[test]
fn every_byte_of_yaml_in_its_own_looks_counts() {
    // Comments have no place in the MAC. An encrypted one that does not open is taken for one that was never encrypted, and is told.
    let text = "a:   0x1F # why\n\nb: 'c'\n# end\n";
    check(&Sealed::in_place(text, Format::Yaml), &["#ENC[…", " #ENC", "\n#ENC", "type:comment]\n"]);
}

#[test]
fn every_byte_of_json_counts() {
    let text = r#"{"a": "b", "list": [1.50], "none": "", "x_unencrypted": "y"}"#;
    check(&Sealed::in_place(text, Format::Json), &[CLEAR, EMPTY]);
}

#[test]
fn every_byte_of_dotenv_counts() {
    // An empty value is not encrypted, so that one can be added: a field of the metadata under another name, say. A field
    // that need not be there can become a comment.
    let text = "# why\nA=b\nnone=\nx_unencrypted=y\n";
    let uncovered = [
        "#ENC[…",
        "\nnone=",
        CLEAR,
        "sops_age__list_0__map_enc",
        "sops_age__list_0__map_recipient",
        "sops_unencrypted_suffix",
    ];
    check(&Sealed::in_place(text, Format::Dotenv), &uncovered);
}

#[test]
fn every_byte_of_ini_counts() {
    let text = "[one]\n; why\na = b\n\n[two]\nnone =\nx_unencrypted = y\n";
    check(&Sealed::in_place(text, Format::Ini), &["; ENC[…", "\n\n[two]", "\nnone =", CLEAR, "\n\n[sops]"]);
}

#[test]
fn every_byte_of_binary_counts() {
    check(&Sealed::anew("any bytes\n", Format::Binary, Format::Binary), &[]);
}

/// An encrypted file.
struct Sealed {
    file: Vec<u8>,
    format: Format,
    key: DataKey,
}

impl Sealed {
    /// Laid out anew.
    fn anew(text: &str, from: Format, format: Format) -> Self {
        let plain = Plain::load(text.as_bytes(), from).expect("reads");
        Self::of(plain, format, |document, _, _| {
            document.emit(format, &EmitOptions::default()).expect("writes")
        })
    }

    /// In the looks of its text, with the record of what ciphertext cannot tell.
    fn in_place(text: &str, format: Format) -> Self {
        let (plain, original): (Plain, Original<'_>) = Plain::read(text.as_bytes(), format).expect("reads");
        Self::of(plain, format, |document, key, rng| {
            document.seal(&original, None, key, rng, &EmitOptions::default()).expect("writes")
        })
    }

    fn of(
        plain: Plain,
        format: Format,
        write: impl FnOnce(Encrypted, &DataKey, &mut StdRng) -> Vec<u8>,
    ) -> Self {
        let key = DataKey::generate(&mut StdRng::seed_from_u64(7));
        let now = Time::parse("2026-01-02T03:04:05Z").expect("a valid time");
        let metadata = Metadata::new(vec![KeyGroup { keys: MasterKey::age_list("age1test") }], now);
        let selector = metadata.selector.clone().filter(|_| format != Format::Binary);
        let mut rng = StdRng::seed_from_u64(1);
        let context = Context { now, rng: &mut rng, reuse: None };
        let document = plain.encrypt(Metadata { selector, ..metadata }, &key, context).expect("encrypts");
        let file = write(document, &key, &mut rng);
        Self { file, format, key }
    }

    /// The values and comments of a file; none when it is refused.
    fn opened(&self, file: &[u8]) -> Option<Plain> {
        let document = Encrypted::load(file, self.format).ok()?;
        Some(document.decrypt(&self.key, MacCheck::Verify).ok()?.plain)
    }

    /// Opened in place a file gives the same values, however they look.
    fn check_in_place(&self, file: &[u8], values: &Plain) {
        let options = EmitOptions::default();
        let (document, original) = Encrypted::read(file, self.format).expect("reads as before");
        let text = values.open(&original, document.metadata(), &self.key, &options).expect("is written");
        // Comments may stand in other places; JSON has none.
        let emitted =
            |plain: &Plain| plain.emit(Format::Json, &options).expect("is written").expose().to_vec();
        let again = Plain::load(text.expose(), self.format).expect("what was decrypted reads");
        assert_eq!(emitted(&again), emitted(values), "{}", String::from_utf8_lossy(file));
    }

    /// The bytes of which some change is accepted and gives something else, each with such a change.
    fn uncovered(&self, range: Range<usize>, wanted: &Plain) -> BTreeMap<usize, u8> {
        let mut bad = self.file.clone();
        let mut found = BTreeMap::new();
        for at in range {
            let is_inside = self.ciphertext(at).is_some();
            let others = (0..=255).filter(|other| *other != self.file[at]);
            let mut is_checked = false;
            for other in others.filter(|other| !is_inside || MEANINGFUL.contains(other)) {
                bad[at] = other;
                let Some(values) = self.opened(&bad) else { continue };
                if values != *wanted {
                    found.insert(at, other);
                    break;
                }
                if !is_checked {
                    self.check_in_place(&bad, &values);
                    is_checked = true;
                }
            }
            bad[at] = self.file[at];
        }
        found
    }

    /// The ciphertext around a byte that is no part of its brackets.
    fn ciphertext(&self, at: usize) -> Option<&[u8]> {
        let start = self.file[..at].windows(START.len()).rposition(|text| text == START)?;
        let end = start + self.file[start..].iter().position(|byte| *byte == b']')?;
        (start + START.len()..end).contains(&at).then(|| &self.file[start..=end])
    }

    /// Where a text stands, everywhere; one that ends with `…` reaches to the end of its line.
    fn places(&self, text: &str) -> Vec<Range<usize>> {
        let start = text.trim_end_matches('…').as_bytes();
        let starts = (0..self.file.len()).filter(|at| self.file[*at..].starts_with(start));
        let line_end =
            |from: usize| self.file[from..].iter().position(|byte| *byte == b'\n').unwrap_or_default();
        let length = |from| if text.ends_with('…') { line_end(from) } else { start.len() };
        starts.map(|from| from..from + length(from)).collect()
    }
}

fn check(sealed: &Sealed, uncovered: &[&str]) {
    const PARTS: usize = 4;
    let length = sealed.file.len();
    let wanted = sealed.opened(&sealed.file).expect("opens");
    let part = length.div_ceil(PARTS);
    let ranges = (0..PARTS).map(|number| (number * part).min(length)..((number + 1) * part).min(length));
    let found: BTreeMap<usize, u8> = std::thread::scope(|scope| {
        let threads: Vec<_> = ranges.map(|range| scope.spawn(|| sealed.uncovered(range, &wanted))).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("compares")).collect()
    });
    let shown = String::from_utf8_lossy(&sealed.file);
    let (mut listed, mut stale) = (BTreeSet::new(), Vec::new());
    for text in uncovered {
        let places = sealed.places(text);
        if !places.iter().any(|place| place.clone().any(|at| found.contains_key(&at))) {
            stale.push(text);
        }
        listed.extend(places.into_iter().flatten());
    }
    let others = found.iter().filter(|(at, _)| !listed.contains(at)).map(|(&at, other)| {
        let behind = String::from_utf8_lossy(&sealed.file[at..(at + 20).min(length)]).into_owned();
        format!("{:?} before {behind:?}", char::from(*other))
    });
    let others: Vec<String> = others.collect();
    assert!(
        others.is_empty() && stale.is_empty(),
        "not covered: {others:?}, but listed are {stale:?} in\n{shown}"
    );
}
