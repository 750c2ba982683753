//! Unpacks any bytes: paths are safe, and files survive a round trip.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sealfast_source::archive::pack;
use sealfast_source::digest::Algorithm;
use sealfast_source::archive::unpack::{Limits, unpack};

fuzz_target!(|input: &[u8]| {
    let limits = Limits { entries: 100, bytes: 1 << 20, path: 256 };
    let Ok(files) = unpack(input, &limits) else { return };
    assert!(files.entries.keys().all(|path| path.split('/').all(|part| !matches!(part, "" | "." | ".."))));
    let mut packed = Vec::new();
    pack(&files, Some("!*"), &mut packed, Algorithm::Sha256).expect("files in memory can be packed");
    let again = unpack(packed.as_slice(), &Limits::default()).expect("our own archive can be read");
    assert_eq!(again, files);
});
